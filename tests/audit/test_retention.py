"""Whole years go when nobody keeps them any longer, and what is left of their chains stays good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from ops.audit.cli import app
from ops.problems import Problem
from services.audit import retention, store
from services.audit.retention import Busy, Differs, StillKept
from shared.actors import Actor, operator
from shared.db import Connection, Pool
from shared.events import Envelope, from_json
from tests.audit.chains import follow, reports, seal
from tests.audit.events import an_event, stored
from tests.support.databases import Database
from tests.support.people import World
from tests.support.waiting import soon

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def at(year: int) -> datetime:
    return datetime(year, 6, 7, 8, 9, tzinfo=UTC)


def by(agency_id: UUID) -> Actor:
    return operator(agency_id, "olga", "desk")


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    conn = await asyncpg.connect(database.owner_url)
    yield conn
    await conn.close()


async def keep(pool: Pool, *found: Envelope) -> None:
    async with pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(e.to_json()) for e in found])


async def a_year(pool: Pool, year: int, *agencies: UUID, count: int = 3) -> list[Envelope]:
    """A partition with as many events of each agency."""
    async with pool.transaction(None) as conn:
        await conn.execute("select audit.ensure_partition($1)", year)
    found = [an_event(agency_id=a, at=at(year)) for a in agencies for _ in range(count)]
    await keep(pool, *found)
    return found


async def retire(owner: Connection, year: int, *, now: datetime = NOW, tries: int = 5) -> list[tuple[UUID, int]]:
    found = await retention.shares(owner, year)
    gone = await retention.retire(owner, year=year, found=found, by=by, now=now, tries=tries)
    return [(share.agency_id, share.rows) for share in gone]


async def partitions(owner: Connection) -> set[int]:
    return {p.year for p in await retention.partitions(owner)}


async def notes(owner: Connection, type_: str) -> list[Envelope]:
    rows = await owner.fetch("select event from audit.events where type = $1 order by agency_id, id", type_)
    return [from_json(r["event"]) for r in rows]


async def test_a_year_goes_as_a_whole_and_every_log_says_so(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    here, there = sorted((uuid4(), uuid4()))
    await a_year(store_pool, 2018, here, there)
    [later] = await a_year(store_pool, 2020, here, count=1)
    assert await retire(owner, 2018) == [(here, 3), (there, 3)]
    assert await partitions(owner) & {2018, 2020} == {2020}
    told = await notes(owner, "audit_log.retired")
    assert [(e.agency_id, e.payload, e.actor.username) for e in told] == [
        (a, {"year": 2018, "events": 3}, "olga@desk") for a in (here, there)
    ]
    assert set(await stored(database)) == {later.id, *(e.id for e in told)}
    rows = await owner.fetch("select agency_id, year, events, retired_by from audit.retired order by 1")
    assert [tuple(r) for r in rows] == [(a, 2018, 3, "olga@desk") for a in (here, there)]


async def test_what_is_left_of_the_chains_still_holds(store_pool: Pool, owner: Connection) -> None:
    agency = uuid4()
    await a_year(store_pool, 2018, agency)
    await a_year(store_pool, 2020, agency)
    await retire(owner, 2018)
    assert [await follow(owner, agency, year) for year in (2018, 2020, NOW.year)] == [0, 3, 1]


async def test_a_verification_knows_what_went_and_finds_nothing_wrong(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agency = uuid4()
    for year in (2018, 2020):
        await a_year(store_pool, year, agency)
    await seal(store_pool, NOW)
    await retire(owner, 2018)
    await keep(store_pool, an_event(agency_id=agency, at=at(2018)))
    for _ in range(2):
        found = await reports(database, NOW)
        assert [(r.chain.year, r.retired, r.events, r.findings) for r in found] == [
            (2018, 3, 1, ()),
            (2020, 0, 3, ()),
            (NOW.year, 0, 1, ()),
        ]
        await seal(store_pool, NOW)


async def test_a_year_of_the_time_before_chains_goes_too(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agency = uuid4()
    [old, *_] = await a_year(store_pool, 2018, agency)
    # As the migration to chains leaves them: in `body`, without a number, counted by the chain.
    await owner.execute(
        """with old as (update audit.events set body = event::jsonb, event = null, salt = null, seq = null, link = null
            where agency_id = $1 returning agency_id)
        update audit.chains c set seq = 0, link = audit.chain_start(agency_id, year, null), unchained = (select count(*) from old)
        where agency_id = $1""",
        agency,
    )
    assert [(r.unchained, r.findings) for r in await reports(database, NOW)] == [(3, ())]
    assert await retire(owner, 2018) == [(agency, 3)]
    assert old.id not in await stored(database)
    assert [(r.unchained, r.findings) for r in await reports(database, NOW)] == [(0, ()), (0, ())]


async def test_a_late_event_of_a_year_that_went_continues_its_chain(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agency = uuid4()
    await a_year(store_pool, 2018, agency)
    await retire(owner, 2018)
    late, later = an_event(agency_id=agency, at=at(2018)), an_event(agency_id=agency, at=at(2018))
    await keep(store_pool, late)
    await keep(store_pool, late)
    assert await retention.without_partition(owner) == {2018: 1}
    assert await follow(owner, agency, 2018) == 1
    # Its partition is made anew, takes it over, and goes again.
    await retention.make_partition(owner, 2018)
    await keep(store_pool, later, late)
    assert await retention.without_partition(owner) == {}
    assert await follow(owner, agency, 2018) == 2
    assert await retire(owner, 2018) == [(agency, 2)]
    assert await follow(owner, agency, 2018) == 0
    assert [r["events"] for r in await owner.fetch("select events from audit.retired order by events")] == [2, 3]
    assert not {late.id, later.id} & set(await stored(database))


@pytest.mark.parametrize(("years", "over"), [(None, True), (7, True), (8, False)])
async def test_a_year_stays_while_anybody_in_it_keeps_it(
    store_pool: Pool, owner: Connection, years: int | None, over: bool
) -> None:
    short, long = uuid4(), uuid4()
    await a_year(store_pool, 2018, short, long)
    if years is not None:
        await retention.set_years(owner, actor=by(long), years=years, now=NOW)
    [found] = [p for p in await retention.partitions(owner) if p.year == 2018]
    assert found.is_over(NOW) is over
    if over:
        assert len(await retire(owner, 2018)) == 2
    else:
        with pytest.raises(StillKept):
            await retire(owner, 2018)
        assert await follow(owner, short, 2018) == 3


async def test_a_choice_that_came_after_the_look_counts(store_pool: Pool, owner: Connection) -> None:
    agency = uuid4()
    await a_year(store_pool, 2018, agency)
    found = await retention.shares(owner, 2018)
    await retention.set_years(owner, actor=by(agency), years=50, now=NOW)
    with pytest.raises(StillKept):
        await retention.retire(owner, year=2018, found=found, by=by, now=NOW)
    assert 2018 in await partitions(owner)


async def test_six_full_years_follow_the_year_itself(store_pool: Pool, owner: Connection) -> None:
    agency = uuid4()
    await a_year(store_pool, 2019, agency)
    [found] = [p for p in await retention.partitions(owner) if p.year == 2019]
    assert not found.is_over(datetime(2025, 12, 31, 23, 59, tzinfo=UTC))
    assert found.is_over(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(StillKept):
        await retire(owner, 2019, now=datetime(2025, 12, 31, 23, 59, tzinfo=UTC))
    assert await retire(owner, 2019, now=datetime(2026, 1, 1, tzinfo=UTC)) == [(agency, 3)]


async def test_a_clock_that_runs_ahead_takes_nothing(store_pool: Pool, owner: Connection) -> None:
    this_year = datetime.now(UTC).year
    await a_year(store_pool, this_year, uuid4())
    with pytest.raises(StillKept):
        await retire(owner, this_year, now=datetime(2999, 1, 1, tzinfo=UTC))
    assert this_year in await partitions(owner)


async def test_events_that_come_in_after_the_count_go_counted(store_pool: Pool, owner: Connection) -> None:
    agency, other = sorted((uuid4(), uuid4()))
    await a_year(store_pool, 2018, agency)
    found = await retention.shares(owner, 2018)
    await keep(store_pool, *(an_event(agency_id=a, at=at(2018)) for a in (agency, other)))
    gone = await retention.retire(owner, year=2018, found=found, by=by, now=NOW)
    assert [(share.agency_id, share.rows) for share in gone] == [(agency, 4), (other, 1)]
    assert [e.payload["events"] for e in await notes(owner, "audit_log.retired")] == [4, 1]


async def test_events_that_disappear_after_the_count_hold_the_year_up(store_pool: Pool, owner: Connection) -> None:
    agency = uuid4()
    events = await a_year(store_pool, 2018, agency)
    found = await retention.shares(owner, 2018)
    await owner.execute("delete from audit.events where id = $1", events[1].id)
    await keep(store_pool, an_event(agency_id=agency, at=at(2018)))
    with pytest.raises(Differs):
        await retention.retire(owner, year=2018, found=found, by=by, now=NOW)
    assert 2018 in await partitions(owner)


async def test_an_interruption_between_detach_and_drop_is_finished_by_a_second_run(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agency = uuid4()
    events = await a_year(store_pool, 2018, agency)
    found = await retention.shares(owner, 2018)
    doomed = await asyncpg.connect(database.owner_url)
    # Whoever reads the partition's long values holds up its drop, not its detachment.
    toast = await owner.fetchval(
        "select reltoastrelid::regclass::text from pg_class where oid = 'audit.events_2018'::regclass"
    )
    async with owner.transaction():
        await owner.fetch(f"select chunk_id from {toast}")
        work = asyncio.create_task(retention.retire(doomed, year=2018, found=found, by=by, now=NOW))

        async def dropping() -> bool:
            return await owner.fetchval(
                """select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_locks l using (pid)
                where a.datname = current_database() and not l.granted and l.relation = $1::text::regclass""",
                toast,
            )

        await soon(dropping)
        with pytest.raises((asyncpg.AdminShutdownError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await work
    assert sorted(await stored(database)) == sorted(e.id for e in events)
    assert await follow(owner, agency, 2018) == 3
    assert await retire(owner, 2018) == [(agency, 3)]
    assert [e.payload for e in await notes(owner, "audit_log.retired")] == [{"year": 2018, "events": 3}]


async def test_a_long_query_is_not_cut_off_and_nothing_is_half_done(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agency = uuid4()
    events = await a_year(store_pool, 2018, agency)
    reader = await asyncpg.connect(database.owner_url)
    try:
        async with reader.transaction():
            assert len(await reader.fetch("select id from audit.events")) == 3
            with pytest.raises(Busy):
                await retire(owner, 2018, tries=1)
            assert len(await reader.fetch("select id from audit.events")) == 3
    finally:
        await reader.close()
    assert sorted(await stored(database)) == sorted(e.id for e in events)
    assert await owner.fetch("select year from audit.retired") == []
    assert await retire(owner, 2018) == [(agency, 3)]


async def test_a_year_goes_while_events_are_stored_and_read(
    database: Database, store_pool: Pool, owner: Connection
) -> None:
    agencies = [uuid4() for _ in range(3)]
    await a_year(store_pool, 2018, *agencies)
    kept: list[UUID] = []
    done = asyncio.Event()

    async def consume() -> None:
        while not done.is_set():
            batch = [an_event(agency_id=a, at=NOW) for a in agencies for _ in range(5)]
            await keep(store_pool, *batch)
            kept.extend(e.id for e in batch)

    async def read(agency: UUID) -> None:
        # As the logs do: read, then note that it was read, in one transaction.
        while not done.is_set():
            async with store_pool.transaction(agency) as conn:
                await conn.fetch("select id from audit.events order by id desc limit 5")
                note = an_event(agency_id=agency, at=NOW)
                await store.append(conn, [store.entry_of(note.to_json())])
            kept.append(note.id)

    others = [asyncio.create_task(work) for work in (consume(), consume(), read(agencies[0]))]
    await soon(lambda: asyncio.sleep(0, len(kept) > 100))
    try:
        assert len(await retire(owner, 2018, tries=60)) == 3
    finally:
        done.set()
        await asyncio.gather(*others)
    told = await notes(owner, "audit_log.retired")
    assert set(await stored(database)) == {*kept, *(e.id for e in told)}
    for agency in agencies:
        assert await follow(owner, agency, NOW.year) > 0


async def test_only_the_owner_lets_years_go(database: Database, store_pool: Pool, owner: Connection) -> None:
    await a_year(store_pool, 2018, uuid4())
    for name in (
        "retire(integer, timestamptz, uuid[], text[], bigint[], bigint[])",
        "erase(uuid, uuid, uuid[], uuid[])",
        "erase_dead_letters(uuid, uuid[])",
    ):
        for role in database.passwords:
            assert not await owner.fetchval("select has_function_privilege($1, 'audit.' || $2, 'execute')", role, name)


# The command line


@pytest.fixture
def at_hand(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line of an operator of this database."""
    monkeypatch.setenv("OWNER_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("DATABASE_URL", database.url("portico_admin"))
    return CliRunner()


async def run(at_hand: CliRunner, *arguments: str, answer: str = "") -> Any:
    """In a thread, since a command has an event loop of its own."""
    return await asyncio.to_thread(at_hand.invoke, app, ["retention", *arguments], input=answer)


async def test_the_list_tells_what_is_kept_and_what_would_go(
    at_hand: CliRunner, world: World, store_pool: Pool
) -> None:
    riverside, lakeside = await world.agency(), await world.agency("lakeside")
    await a_year(store_pool, 2015, riverside.id, lakeside.id)
    await a_year(store_pool, 2014, riverside.id)
    await keep(store_pool, an_event(agency_id=riverside.id, at=at(2009)))
    await run(at_hand, "set", "--agency", "lakeside", "--years", "30")
    told = (await run(at_hand, "list")).stdout
    assert "riverside keeps 6 years.\n" in told
    assert "lakeside keeps 30 years, set on " in told
    assert "2014: not counted yet" in told
    assert "nobody keeps it since 2021-01-01" in told
    assert "may go on 2046-01-01, kept longest by lakeside" in told
    assert "2009: 1 event in no partition of the year's own" in told


async def test_setting_the_years_is_recorded_up_and_down(at_hand: CliRunner, world: World, owner: Connection) -> None:
    agency = await world.agency()
    for years, told in (
        ("10", "riverside keeps 10 years; it was 6."),
        ("7", "it was 10."),
        ("7", "Nothing was changed."),
    ):
        assert told in (await run(at_hand, "set", "--agency", "riverside", "--years", years)).stdout
    found = await notes(owner, "audit_log.retention_changed")
    assert [(e.agency_id, e.payload) for e in found] == [
        (agency.id, {"old": 6, "new": 10}),
        (agency.id, {"old": 10, "new": 7}),
    ]
    assert {e.actor.kind for e in found} == {"operator"}


async def test_fewer_than_six_years_and_unknown_agencies_are_refused(
    at_hand: CliRunner, world: World, owner: Connection
) -> None:
    await world.agency()
    for agency, years, told in (("riverside", "5", "6 years at least"), ("nowhere", "7", "no agency 'nowhere'")):
        problem = (await run(at_hand, "set", "--agency", agency, "--years", years)).exception
        assert isinstance(problem, Problem)
        assert told in str(problem)
    assert await retention.policies(owner) == []


async def test_apply_asks_shows_and_takes_what_is_over(
    at_hand: CliRunner, world: World, store_pool: Pool, owner: Connection
) -> None:
    riverside, lakeside = await world.agency(), await world.agency("lakeside")
    await a_year(store_pool, 2014, riverside.id)
    await a_year(store_pool, 2015, riverside.id, lakeside.id)
    await run(at_hand, "set", "--agency", "lakeside", "--years", "30")
    told = await run(at_hand, "apply", "--dry-run")
    assert "2014: 3 events" in told.stdout
    assert "  riverside: 3 events\n" in told.stdout
    assert "Nothing was changed." in told.stdout
    assert (await run(at_hand, "apply", answer="n\n")).exit_code == 1
    assert {2014, 2015} <= await partitions(owner)
    assert "2014 is gone: 3 events." in (await run(at_hand, "apply", answer="y\n")).stdout
    assert await partitions(owner) & {2014, 2015} == {2015}
    assert "No year is over" in (await run(at_hand, "apply", "--yes")).stdout


async def test_old_years_without_a_partition_are_told_then_given_one(
    at_hand: CliRunner, world: World, store_pool: Pool, owner: Connection, database: Database
) -> None:
    agency = await world.agency()
    await keep(store_pool, *(an_event(agency_id=agency.id, at=at(year)) for year in (1970, 2009)))
    told = await run(at_hand, "apply", "--yes")
    assert "2009: 1 event in no partition of the year's own" in told.stdout
    assert await retention.without_partition(owner) == {1970: 1, 2009: 1}
    assert "2009 is gone" in (await run(at_hand, "apply", "--yes", "--make-partitions")).stdout
    assert [e.payload["year"] for e in await notes(owner, "audit_log.retired")] == [2009]
    assert await retention.without_partition(owner) == {1970: 1}


async def test_a_year_with_missing_events_does_not_cover_it_up(
    at_hand: CliRunner, world: World, store_pool: Pool, owner: Connection
) -> None:
    agency = await world.agency()
    events = await a_year(store_pool, 2014, agency.id)
    await owner.execute("delete from audit.events where id = $1", events[1].id)
    refused = await run(at_hand, "apply", "--yes")
    assert isinstance(refused.exception, Problem)
    assert "  riverside: 2 events; its chain says 3" in refused.stdout
    assert 2014 in await partitions(owner)
    assert "2014 is gone: 2 events" in (await run(at_hand, "apply", "--yes", "--despite-differences")).stdout
