"""What operators do with dead letters."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.audit import deadletters, store
from services.audit.deadletters import DeadLetter, Decision, StillRefused
from shared.db import Pool
from tests.audit.events import NOON, an_event, owner_fetch, stored
from tests.support.databases import Database

DECISION = Decision(account="ada", host="console", reason="the version was wrong")


async def a_letter(pool: Pool, body: str, *, stream_id: str = "1-1", event_id: UUID | None = None) -> int:
    async with pool.transaction(None) as conn:
        await store.insert_dead_letter(
            conn, stream_id=stream_id, event_id=event_id, body=body, reason="a test", now=NOON
        )
        found = await deadletters.listed(conn, also_done=False, after=0, limit=10)
    return found[-1].id


async def waiting(pool: Pool, *, also_done: bool = False) -> list[int]:
    async with pool.transaction(None) as conn:
        return [d.id for d in await deadletters.listed(conn, also_done=also_done, after=0, limit=10)]


async def shown(pool: Pool, letter_id: int) -> DeadLetter:
    async with pool.transaction(None) as conn:
        found = await deadletters.show(conn, letter_id)
    assert found is not None
    return found


async def replay(pool: Pool, letter_id: int) -> str | None:
    return await deadletters.replay(pool, letter_id=letter_id, decision=DECISION, now=NOON)


async def discard(pool: Pool, letter_id: int) -> bool:
    return await deadletters.discard(pool, letter_id=letter_id, decision=DECISION, now=NOON)


async def notes(database: Database) -> list[dict[str, Any]]:
    rows = await owner_fetch(database, "select event from audit.events where type like 'dead_letter.%' order by id")
    return [json.loads(r["event"]) for r in rows]


async def events_stored(database: Database) -> list[UUID]:
    noted = {UUID(n["id"]) for n in await notes(database)}
    return [i for i in await stored(database) if i not in noted]


async def test_a_replayed_letter_is_stored_and_done(store_pool: Pool, database: Database) -> None:
    event = an_event()
    letter = await a_letter(store_pool, event.to_json(), event_id=event.id)
    assert (await shown(store_pool, letter)).state == "waiting"
    assert await replay(store_pool, letter) == "stored"
    assert await events_stored(database) == [event.id]
    assert await waiting(store_pool) == []
    assert await waiting(store_pool, also_done=True) == [letter]
    assert await replay(store_pool, letter) is None
    assert not await discard(store_pool, letter)


async def test_who_decided_and_why_is_kept_with_the_letter_and_in_the_agencys_log(
    store_pool: Pool, database: Database
) -> None:
    first, second = an_event(), an_event()
    replayed = await a_letter(store_pool, first.to_json(), event_id=first.id)
    discarded = await a_letter(store_pool, second.to_json(), stream_id="1-2", event_id=second.id)
    await replay(store_pool, replayed)
    await discard(store_pool, discarded)
    for letter_id, moment, state in ((replayed, "replayed_at", "replayed"), (discarded, "discarded_at", "discarded")):
        letter = await shown(store_pool, letter_id)
        assert (letter.decided_by, letter.decision_reason) == ("ada@console", "the version was wrong")
        assert (getattr(letter, moment), letter.state) == (NOON, state)
    log = await notes(database)
    assert [(n["type"], n["agency_id"], n["payload"]) for n in log] == [
        (
            f"dead_letter.{what}",
            str(event.agency_id),
            {"letter_id": letter_id, "reason": "the version was wrong", "event_id": str(event.id)},
        )
        for what, event, letter_id in (("replayed", first, replayed), ("discarded", second, discarded))
    ]
    assert {(n["actor"]["kind"], n["actor"]["username"]) for n in log} == {("operator", "ada@console")}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("still no event", "this version cannot read it"),
        (an_event().to_json().replace('"cmalek"', '"c\\u0000k"'), "PostgreSQL still refuses it"),
    ],
)
async def test_a_letter_that_still_does_not_fit_goes_on_waiting(
    store_pool: Pool, database: Database, body: str, why: str
) -> None:
    letter = await a_letter(store_pool, body)
    with pytest.raises(StillRefused, match=why):
        await replay(store_pool, letter)
    assert await stored(database) == []
    assert await waiting(store_pool) == [letter]
    assert (await shown(store_pool, letter)).decided_by is None


async def test_a_discarded_letter_stays_readable_and_is_never_replayed(store_pool: Pool, database: Database) -> None:
    event = an_event()
    letter = await a_letter(store_pool, event.to_json(), event_id=event.id)
    assert await discard(store_pool, letter)
    assert not await discard(store_pool, letter)
    assert await replay(store_pool, letter) is None
    assert await events_stored(database) == []
    assert (await shown(store_pool, letter)).body == event.to_json()
    async with store_pool.transaction(None) as conn:
        assert await deadletters.show(conn, letter + 1) is None


async def test_what_names_no_agency_is_decided_about_as_well(store_pool: Pool, database: Database) -> None:
    for number, body in enumerate(["no JSON", "[]", '{"agency_id": 7}', '{"agency_id": "x"}', "[" * 9000]):
        letter = await a_letter(store_pool, body, stream_id=f"1-{number}")
        assert (await shown(store_pool, letter)).agency_id is None
        assert await discard(store_pool, letter)
        assert (await shown(store_pool, letter)).decided_by == "ada@console"
    assert await stored(database) == []


@pytest.mark.parametrize("readable", [True, False])
async def test_an_event_that_came_in_by_another_way_needs_no_decision(
    store_pool: Pool, database: Database, readable: bool
) -> None:
    event = an_event()
    body = event.to_json() if readable else event.to_json().replace('"version":1', '"version":70000')
    letter = await a_letter(store_pool, body, event_id=event.id)
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(event.to_json())])
    assert (await shown(store_pool, letter)).state == "stored"
    assert await replay(store_pool, letter) == "stored already"
    assert await events_stored(database) == [event.id]
    assert await waiting(store_pool) == []
    assert [n["agency_id"] for n in await notes(database)] == [str(event.agency_id)]


async def test_a_letter_without_the_events_id_is_stored_once_too(store_pool: Pool, database: Database) -> None:
    event = an_event()
    letter = await a_letter(store_pool, event.to_json())
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(event.to_json())])
    assert await replay(store_pool, letter) == "stored already"
    assert await events_stored(database) == [event.id]


async def test_there_is_one_letter_for_an_event_whatever_became_of_it(store_pool: Pool) -> None:
    waits, discarded, replayed = uuid4(), uuid4(), an_event()
    letters = [
        await a_letter(store_pool, "x", stream_id="1-1", event_id=waits),
        await a_letter(store_pool, "x", stream_id="1-2", event_id=discarded),
        await a_letter(store_pool, replayed.to_json(), stream_id="1-3", event_id=replayed.id),
    ]
    await discard(store_pool, letters[1])
    await replay(store_pool, letters[2])
    async with store_pool.transaction(None) as conn:
        for number, event_id in enumerate((waits, discarded, replayed.id)):
            await store.insert_dead_letter(
                conn, stream_id=f"2-{number}", event_id=event_id, body="x", reason="again", now=NOON
            )
    assert await waiting(store_pool, also_done=True) == letters


async def test_two_consumers_with_the_same_event_keep_one_letter(store_pool: Pool) -> None:
    event_id, both_wrote = uuid4(), asyncio.Barrier(2)

    async def bury(stream_id: str) -> None:
        async with store_pool.transaction(None) as conn:
            # Both have begun, and see nothing of each other.
            await conn.fetchval("select count(*) from audit.dead_letters")
            await both_wrote.wait()
            await store.insert_dead_letter(
                conn, stream_id=stream_id, event_id=event_id, body="x", reason="a test", now=NOON
            )

    await asyncio.gather(bury("1-1"), bury("1-2"))
    assert len(await waiting(store_pool)) == 1


async def test_letters_are_listed_page_by_page(store_pool: Pool) -> None:
    ids = [await a_letter(store_pool, "x", stream_id=f"1-{n}") for n in range(5)]
    async with store_pool.transaction(None) as conn:
        first = await deadletters.listed(conn, also_done=False, after=0, limit=3)
        rest = await deadletters.listed(conn, also_done=False, after=first[-1].id, limit=3)
        assert await deadletters.open_ids(conn) == ids
    assert [d.id for d in [*first, *rest]] == ids


@pytest.mark.parametrize(
    ("body", "type_"),
    [('{"type": "face_sheet.viewed"}', "face_sheet.viewed"), ('{"type": "Catherine Malek"}', None), ("[1]", None)],
)
async def test_what_has_not_the_form_of_a_type_is_not_taken_for_one(
    store_pool: Pool, body: str, type_: str | None
) -> None:
    assert (await shown(store_pool, await a_letter(store_pool, body))).type == type_
