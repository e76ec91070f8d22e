"""The personal details of a client's events go; the events, both logs and the chain stay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from ops.audit.cli import app
from ops.problems import Problem
from services.audit import deadletters, erasure, store
from services.audit.deadletters import Decision
from services.audit.erasure import Whose
from shared.actors import operator
from shared.events import Actor, from_json
from shared.events.catalogue import (
    ClientCreated,
    ClientUpdated,
    FaceSheetViewed,
    PortalLoginCreated,
    PortalLoginUpdated,
    PortalSessionStarted,
)
from shared.events.registry import Change
from tests.audit.chains import follow, reports, seal
from tests.audit.events import NOON, owner_fetch
from tests.audit.house import House
from tests.support.databases import Database

ERASED = "The personal details of this entry were erased."
NAMES = ("Zdenka", "Vondráčková", "zdenka.v", "z@example.org", "Ondřej Dvořák")
WRITER = Actor(kind="staff", id=uuid4(), username="ondrej", name="Ondřej Dvořák")


@pytest.fixture
def at_hand(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line of an operator of this database."""
    monkeypatch.setenv("OWNER_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("DATABASE_URL", database.url("portico_admin"))
    return CliRunner()


async def run(at_hand: CliRunner, *arguments: str, answer: str = "") -> Any:
    """In a thread, since a command has an event loop of its own."""
    wanted = ["erase", "--agency", "riverside", "--client-number", "100007", "--reason", "Order 17/2026", *arguments]
    return await asyncio.to_thread(at_hand.invoke, app, wanted, input=answer)


async def make_inactive(house: House) -> None:
    async with house.admin_pool.transaction(house.agency.id) as conn:
        await conn.execute("update accounts.portal_logins set active = false where id = $1", house.login.id)


def in_all_shapes(house: House, **fields: Any) -> list[Any]:
    """Events of every kind that a client has: in both logs, in one, in neither, by login alone."""
    fields = {"actor": WRITER, **fields}
    return [
        house.event(ClientCreated(client_number="100007"), portal_login_id=None, **fields),
        house.event(
            ClientUpdated(changes=(Change(field="Last Name", old="Zdenka", new="Vondráčková"),)),
            portal_login_id=None,
            **fields,
        ),
        house.event(
            PortalLoginCreated(
                username="zdenka.v", email="z@example.org", representative=False, active=True, reset_password=False
            ),
            **fields,
        ),
        house.event(PortalLoginUpdated(username="zdenka.v", password_updated=True), **fields),
        house.event(FaceSheetViewed(), portal_login_id=None, **fields),
        house.event(PortalSessionStarted(username="zdenka.v"), client_id=None, **fields),
    ]


async def texts_of_the_store(database: Database) -> str:
    """Every value of every table of the store, and what the planner's statistics remember of them."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        tables = await conn.fetch(
            "select oid::regclass::text as name from pg_class where relnamespace = 'audit'::regnamespace and relkind = 'r'"
        )
        found = [
            await conn.fetchval(f"select coalesce(string_agg(t::text, ' '), '') from {t['name']} t") for t in tables
        ]
        found.append(
            await conn.fetchval(
                "select coalesce(string_agg(s::text, ' '), '') from pg_stats s where schemaname = 'audit'"
            )
        )
        found += [r["page"] for r in await _pages(conn)]
    finally:
        await conn.close()
    return "\n".join(found)


async def _pages(conn: Any) -> list[Any]:
    """What lies in the tables' pages as old versions of rows."""
    await conn.execute("create extension if not exists pageinspect")
    return list(
        await conn.fetch(
            """select coalesce(convert_from(string_agg(replace(encode(i.t_data, 'escape'), '\\', '/')::bytea, ''), 'UTF8'), '') as page
            from pg_class c, generate_series(0, pg_relation_size(c.oid) / 8192 - 1) as p (number),
                heap_page_items(get_raw_page(c.oid::regclass::text, p.number::integer)) i
            where c.relnamespace = 'audit'::regnamespace and c.relkind = 'r' group by c.oid"""
        )
    )


async def chains_hold(database: Database, house: House) -> int:
    """Follow all chains of the agency; answers how many events that were."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        years = await conn.fetch("select year from audit.chains where agency_id = $1", house.agency.id)
        return sum([await follow(conn, house.agency.id, r["year"]) for r in years])
    finally:
        await conn.close()


async def test_nothing_personal_is_left_in_the_store(at_hand: CliRunner, house: House, database: Database) -> None:
    await house.keep(*in_all_shapes(house))
    conn = await asyncpg.connect(database.owner_url)
    await conn.execute("analyze audit.events")
    await conn.close()
    before = await texts_of_the_store(database)
    assert all(name in before for name in NAMES)
    await make_inactive(house)
    told = await run(at_hand, "--early", "--yes")
    assert "Erased the personal details of 6 events" in told.stdout
    after = await texts_of_the_store(database)
    assert [name for name in NAMES if name in after] == []
    assert await chains_hold(database, house) == 7


async def test_a_verification_counts_what_was_erased_and_finds_nothing_wrong(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    await house.keep(*in_all_shapes(house))
    await seal(house.store_pool, NOON)
    await make_inactive(house)
    await run(at_hand, "--early", "--yes")
    found = await reports(database, NOON)
    assert sum(r.erased for r in found) == 6
    assert sum(r.events for r in found) == 7
    assert [r.findings for r in found if r.findings] == []


async def test_both_logs_keep_the_rows_without_their_details(at_hand: CliRunner, house: House) -> None:
    events = in_all_shapes(house)
    await house.keep(*events)
    staff, supervisor = await house.staff_token(), await house.supervisor_token()
    await make_inactive(house)
    await run(at_hand, "--early", "--yes")
    _, activity = await house.api.get("/api/v1/activity", staff, client_id=house.client.id)
    assert [(i["action"], i["description"]) for i in activity["items"]] == [
        ("Profile Updated", ERASED),
        ("Profile Created", ERASED),
    ]
    _, changes = await house.api.get("/api/v1/changes", staff, client_id=house.client.id)
    assert [i["change_type"] for i in changes["items"]] == ["Portal Login", "Portal Login", "Client", "Client"]
    assert {i["description"] for i in changes["items"]} == {ERASED}
    assert all(i["changes"] == i["lines"] == [] for i in changes["items"])
    for query in (
        {"client_id": house.client.id, "change_type": "Client"},
        {"client_id": house.client.id, "changed_by": f"staff:{WRITER.id}", "change_type": "Portal Login"},
        {"client_id": house.client.id, "start_date": "2026-03-02", "end_date": "2026-03-02", "change_type": "Client"},
    ):
        _, filtered = await house.api.get("/api/v1/changes", staff, **query)
        assert len(filtered["items"]) == 2
    status, filters = await house.api.get("/api/v1/changes/filters", staff, client_id=house.client.id)
    assert status == 200
    assert [t["value"] for t in filters["change_types"]] == ["Client", "Portal Login"]
    _, across = await house.api.get("/api/v1/changes", supervisor)
    assert len(across["items"]) == 4


async def test_the_events_of_others_stay_as_they_are(at_hand: CliRunner, house: House, database: Database) -> None:
    other = await house.world.client(house.agency, client_number="100008", case_number=None)
    others = [house.event(PortalSessionStarted(username="other"), client_id=other.id, portal_login_id=uuid4())]
    others.append(
        house.event(ClientUpdated(changes=()), client_id=house.client.id, portal_login_id=None, agency_id=uuid4())
    )
    await house.keep(*in_all_shapes(house), *others)
    await make_inactive(house)
    await run(at_hand, "--early", "--yes")
    rows = await owner_fetch(
        database,
        "select id, event, salt, actor_name, erased_digest from audit.events where event is not null and type <> 'audit_log.erased'",
    )
    assert {r["id"]: r["event"] for r in rows} == {e.id: e.to_json() for e in others}
    assert all(r["salt"] and r["actor_name"] and r["erased_digest"] is None for r in rows)


async def test_an_erasure_is_recorded_and_stays_on_record(at_hand: CliRunner, house: House, database: Database) -> None:
    await house.keep(*in_all_shapes(house))
    await make_inactive(house)
    await run(at_hand, "--early", "--yes")
    assert "There is nothing to erase." in (await run(at_hand, "--early", "--yes")).stdout
    [row] = await owner_fetch(
        database, "select agency_id, client_id, event from audit.events where type = 'audit_log.erased'"
    )
    event = from_json(row["event"])
    assert (row["agency_id"], row["client_id"]) == (house.agency.id, house.client.id)
    assert event.payload == {"reason": "Order 17/2026", "events": 6, "early": True}
    assert event.actor.kind == "operator"


async def test_an_interrupted_erasure_is_finished_by_a_second_run(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    await house.keep(*in_all_shapes(house))
    whose = Whose(house.agency.id, house.client.id, (house.login.id,))
    actor = operator(house.agency.id, "olga", "desk")
    conn = await asyncpg.connect(database.owner_url)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    try:
        found = await erasure.find(conn, whose)
        with pytest.raises(KeyboardInterrupt):
            await erasure.erase(conn, whose, found, actor=actor, reason="x", now=NOON, advance=interrupt)
        rest = await erasure.find(conn, whose)
        assert (len(found.ids), len(rest.ids), rest.events) == (6, 4, 6)
        batches: list[int] = []
        await erasure.erase(conn, whose, rest, actor=actor, reason="x", now=NOON, advance=batches.append)
        assert batches == [2, 2]
        assert (await erasure.find(conn, whose)).ids == []
    finally:
        await conn.close()
    rows = await owner_fetch(database, "select event from audit.events where type = 'audit_log.erased' order by id")
    assert [from_json(r["event"]).payload["events"] for r in rows] == [6, 4]
    assert await chains_hold(database, house) == 8


async def test_an_erased_event_that_comes_again_is_not_stored_again(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    events = in_all_shapes(house)
    await house.keep(*events)
    await make_inactive(house)
    await run(at_hand, "--early", "--yes")
    await house.keep(*events)
    assert (
        await owner_fetch(
            database, "select id from audit.events where event is not null and type <> 'audit_log.erased'"
        )
        == []
    )


async def test_events_of_the_time_before_chains_lose_their_text(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    [event] = in_all_shapes(house)[2:3]
    await owner_fetch(
        database,
        """insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, in_activity, body)
        values ($1, $2, $3, 1, $4, 'staff:x', 'Ondřej Dvořák', $5, true, $6::text::jsonb)""",
        event.id,
        event.agency_id,
        event.type,
        event.occurred_at,
        event.subject.client_id,
        event.to_json(),
    )
    await make_inactive(house)
    assert "1 event, 1 of them with personal details" in (await run(at_hand, "--early", "--yes")).stdout
    [row] = await owner_fetch(database, "select event, body, actor_name from audit.events where id = $1", event.id)
    assert tuple(row) == (None, None, None)


async def test_dead_letters_that_are_done_lose_their_text_and_others_are_told(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    done, waiting = (house.event(PortalSessionStarted(username="zdenka.v")).to_json() for _ in range(2))
    async with house.store_pool.transaction(None) as conn:
        for number, body in enumerate((done, waiting, "other, zdenka.v")):
            await store.insert_dead_letter(
                conn, stream_id=f"1-{number}", event_id=uuid4(), body=body, reason="x", now=NOON
            )
    for letter_id in (1, 3):
        await deadletters.discard(
            house.store_pool, letter_id=letter_id, decision=Decision("olga", "desk", "x"), now=NOON
        )
    await make_inactive(house)
    told = await run(at_hand, "--early", "--yes")
    assert "Besides, 1 dead letter of this client with no decision yet" in told.stdout
    assert "Erased the personal details of 0 events and 1 dead letter." in told.stdout
    rows = await owner_fetch(database, "select body, event_id from audit.dead_letters order by id")
    assert [r["body"] for r in rows] == ["", waiting, "other, zdenka.v"]
    # Whoever asks whether the event is held still hears that it is.
    assert rows[0]["event_id"] is not None


async def test_a_client_with_an_active_login_is_not_erased(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    await house.keep(*in_all_shapes(house))
    refused = (await run(at_hand, "--early", "--yes")).exception
    assert isinstance(refused, Problem)
    assert "active portal login" in str(refused)
    assert len(await owner_fetch(database, "select id from audit.events where event is not null")) == 6


async def test_events_that_the_agency_has_to_keep_are_not_erased_by_themselves(
    at_hand: CliRunner, house: House, database: Database
) -> None:
    await house.keep(*in_all_shapes(house))
    await make_inactive(house)
    refused = (await run(at_hand, "--yes")).exception
    assert isinstance(refused, Problem)
    assert "until 2033-01-01" in str(refused)
    assert len(await owner_fetch(database, "select id from audit.events where event is not null")) == 6


async def test_old_events_need_no_special_word(at_hand: CliRunner, house: House, database: Database) -> None:
    await house.keep(*in_all_shapes(house, at=datetime(2017, 5, 6, tzinfo=UTC)))
    await make_inactive(house)
    assert (await run(at_hand, answer="n\n")).exit_code == 1
    assert "Erased the personal details of 6 events" in (await run(at_hand, answer="y\n")).stdout
    [row] = await owner_fetch(database, "select event from audit.events where type = 'audit_log.erased'")
    assert from_json(row["event"]).payload["early"] is False


async def test_who_is_unknown_and_why_nobody_knows_is_refused(at_hand: CliRunner, house: House) -> None:
    for arguments, told in (
        (("--client-number", "999"), "no client '999'"),
        (("--agency", "nowhere"), "no agency 'nowhere'"),
        (("--reason", " "), "--reason"),
        (("--reason", "a\nb"), "--reason"),
    ):
        problem = (await run(at_hand, *arguments)).exception
        assert isinstance(problem, Problem)
        assert told in str(problem)
