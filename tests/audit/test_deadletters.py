"""What operators do with dead letters."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.audit import deadletters, store
from services.audit.deadletters import StillRefused
from shared.db import Pool
from tests.audit.events import NOON, an_event, stored
from tests.support.databases import Database


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


async def test_a_replayed_letter_is_stored_and_done(store_pool: Pool, database: Database) -> None:
    event = an_event()
    letter = await a_letter(store_pool, event.to_json(), event_id=event.id)
    assert await deadletters.replay(store_pool, letter, NOON)
    assert await stored(database) == [event.id]
    assert await waiting(store_pool) == []
    assert await waiting(store_pool, also_done=True) == [letter]
    assert not await deadletters.replay(store_pool, letter, NOON)


@pytest.mark.parametrize("body", ["still no event", an_event().to_json().replace('"cmalek"', '"c\\u0000k"')])
async def test_a_letter_that_still_does_not_fit_goes_on_waiting(
    store_pool: Pool, database: Database, body: str
) -> None:
    letter = await a_letter(store_pool, body)
    with pytest.raises(StillRefused):
        await deadletters.replay(store_pool, letter, NOON)
    assert await stored(database) == []
    assert await waiting(store_pool) == [letter]


async def test_a_discarded_letter_stays_readable_and_is_never_replayed(store_pool: Pool, database: Database) -> None:
    event = an_event()
    letter = await a_letter(store_pool, event.to_json(), event_id=event.id)
    assert await deadletters.discard(store_pool, letter, NOON)
    assert not await deadletters.discard(store_pool, letter, NOON)
    assert not await deadletters.replay(store_pool, letter, NOON)
    assert await stored(database) == []
    async with store_pool.transaction(None) as conn:
        shown = await deadletters.show(conn, letter)
        assert shown is not None
        assert (shown.body, shown.discarded_at, shown.waits) == (event.to_json(), NOON, False)
        assert await deadletters.show(conn, letter + 1) is None


async def test_letters_are_listed_page_by_page(store_pool: Pool) -> None:
    ids = [await a_letter(store_pool, "x", stream_id=f"1-{n}") for n in range(5)]
    async with store_pool.transaction(None) as conn:
        first = await deadletters.listed(conn, also_done=False, after=0, limit=3)
        rest = await deadletters.listed(conn, also_done=False, after=first[-1].id, limit=3)
    assert [d.id for d in [*first, *rest]] == ids
