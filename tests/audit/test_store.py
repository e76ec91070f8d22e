"""What the database itself holds the audit service to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.audit import store
from shared.db import Pool, migrations
from shared.events import EventIds, lowest_id_at
from tests.audit.events import NOON, an_event, owner_fetch, stored
from tests.support.databases import AUDIT_PACKAGES, ROLES, Database


async def keep(pool: Pool, *found: object) -> None:
    async with pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(e.to_json()) for e in found])  # type: ignore[arg-type]


async def refused(conn: asyncpg.Connection[asyncpg.Record], statement: str) -> bool:
    try:
        async with conn.transaction():
            await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def test_the_audit_role_cannot_change_what_happened(database: Database, store_pool: Pool) -> None:
    event = an_event()
    await keep(store_pool, event)
    conn = await asyncpg.connect(database.url("portico_audit"))
    try:
        await conn.execute("select set_config('app.agency_id', $1, false)", str(event.agency_id))
        for statement in (
            "update audit.events set event = '{}'",
            "insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, in_activity)  values (gen_random_uuid(), gen_random_uuid(), 'x', 1, now(), 'x', false)",
            "update audit.chains set link = ''",
            "delete from audit.chains",
            "delete from audit.seals",
            "update audit.seals set link = ''",
            "delete from audit.events",
            "truncate audit.events",
            "drop table audit.events",
            "alter table audit.events disable row level security",
            "alter table audit.events detach partition audit.events_other",
            "select id from audit.events_other",
            "delete from audit.events_2026",
            "delete from audit.dead_letters",
            "create table audit.mine (id int)",
        ):
            assert await refused(conn, statement), statement
        assert not await refused(conn, "select id from audit.events")
    finally:
        await conn.close()
    assert await stored(database) == [event.id]


async def test_no_other_service_reads_the_store(database: Database) -> None:
    for role in ROLES:
        conn = await asyncpg.connect(database.url(role))
        try:
            for statement in (
                "select id from audit.events",
                "select id from audit.dead_letters",
                "select audit.held('{}')",
                "select audit.ensure_partition(2030)",
            ):
                assert await refused(conn, statement) is (role != "portico_audit"), (role, statement)
        finally:
            await conn.close()


async def test_reads_without_a_where_see_one_agency(store_pool: Pool) -> None:
    here, there = an_event(), an_event()
    await keep(store_pool, here, there)
    async with store_pool.transaction(here.agency_id) as conn:
        assert [r["id"] for r in await conn.fetch("select id from audit.events")] == [here.id]
    async with store_pool.transaction(None) as conn:
        assert await conn.fetch("select id from audit.events") == []


async def test_row_level_security_is_forced_on_the_whole_store(database: Database) -> None:
    # Partitions are reached through their parent only: nobody but their owner has a right on them.
    rows = await owner_fetch(
        database,
        "select relname from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and not (relrowsecurity and relforcerowsecurity)",
    )
    assert rows == []


async def test_what_is_held_is_told_across_agencies(store_pool: Pool) -> None:
    here, there, dead, missing = an_event(), an_event(), uuid4(), uuid4()
    await keep(store_pool, here, there)
    async with store_pool.transaction(None) as conn:
        await store.insert_dead_letter(conn, stream_id="1-1", event_id=dead, body="", reason="a test", now=NOON)
        found = await store.held(conn, [here.id, there.id, dead, missing])
    assert set(found) == {here.id, there.id, dead}


async def partition_of(database: Database, event_id: UUID) -> str:
    rows = await owner_fetch(
        database, "select tableoid::regclass::text as name from audit.events where id = $1", event_id
    )
    return str(rows[0]["name"])


async def test_an_event_lies_in_the_partition_of_its_year(database: Database, store_pool: Pool) -> None:
    async with store_pool.transaction(None) as conn:
        for year in (2031, 2032):
            assert await conn.fetchval("select audit.ensure_partition($1)", year)
    last = an_event(at=datetime(2031, 12, 31, 23, 59, 59, 999999, UTC))
    first = an_event(at=datetime(2032, 1, 1, tzinfo=UTC))
    other = an_event(at=datetime(2019, 5, 5, tzinfo=UTC))
    await keep(store_pool, last, first, other)
    assert await partition_of(database, last.id) == "audit.events_2031"
    assert await partition_of(database, first.id) == "audit.events_2032"
    assert await partition_of(database, other.id) == "audit.events_other"


async def test_a_late_partition_takes_over_what_was_stored_without_it(database: Database, store_pool: Pool) -> None:
    early, late = an_event(at=datetime(2033, 2, 3, tzinfo=UTC)), an_event(at=datetime(2034, 2, 3, tzinfo=UTC))
    await keep(store_pool, early, late)
    async with store_pool.transaction(None) as conn:
        assert await conn.fetchval("select audit.ensure_partition(2033)") is True
        assert await conn.fetchval("select audit.ensure_partition(2033)") is False
    assert await partition_of(database, early.id) == "audit.events_2033"
    assert await partition_of(database, late.id) == "audit.events_other"
    # Its agency still reads it, and it still comes once.
    async with store_pool.transaction(early.agency_id) as conn:
        assert await conn.fetchval("select count(*) from audit.events") == 1
        assert await store.append(conn, [store.entry_of(early.to_json())]) == 0


async def test_replicas_make_partitions_together(database: Database, store_pool: Pool) -> None:
    at = datetime(2041, 7, 1, tzinfo=UTC)
    await asyncio.gather(*(store.ensure_partitions(store_pool, at) for _ in range(4)))
    rows = await owner_fetch(
        database, "select relname from pg_class where relispartition and relkind = 'r' and relname ~ '_20(41|42)$'"
    )
    assert {r["relname"] for r in rows} == {"events_2041", "events_2042"}


async def test_silly_years_get_no_partition(store_pool: Pool) -> None:
    with pytest.raises(asyncpg.RaiseError):
        async with store_pool.transaction(None) as conn:
            await conn.execute("select audit.ensure_partition(99999)")


async def test_the_database_and_the_ids_agree_on_moments(database: Database) -> None:
    for moment in (NOON, datetime(2027, 1, 1, tzinfo=UTC), datetime(1971, 6, 1, tzinfo=UTC)):
        rows = await owner_fetch(database, "select audit.lowest_id($1) as id", moment)
        assert rows[0]["id"] == lowest_id_at(moment)
        assert lowest_id_at(moment) <= EventIds()(moment)


async def test_a_batch_tells_new_ones_and_refused_ones(store_pool: Pool, database: Database) -> None:
    good = [an_event() for _ in range(9)]
    bad = an_event().model_copy(update={"type": "a\x00b"})
    batch = [store.entry_of(e.to_json()) for e in [*good[:4], bad, *good[4:], good[0]]]
    done = await store.store_batch(store_pool, batch)
    assert done.new == 9
    assert [(entry.event.id, bool(reason)) for entry, reason in done.refused] == [(bad.id, True)]
    assert await stored(database) == sorted(e.id for e in good)


async def test_several_consumers_at_the_same_chains_store_everything_once(store_pool: Pool, database: Database) -> None:
    agencies = [UUID(int=number) for number in (4, 5, 6)]
    found = [an_event(agency_id=agencies[n % 3]) for n in range(1200)]
    entries = [store.entry_of(e.to_json()) for e in found]
    # Each one overlaps with its neighbours, as when a batch is claimed from somebody who is only slow.
    shares = [entries[start : start + 450] for start in (0, 250, 500, 750)]
    done = await asyncio.gather(*(store.store_batch(store_pool, share) for share in shares))
    assert sum(d.new for d in done) == 1200
    assert await stored(database) == sorted(e.id for e in found)
    rows = await owner_fetch(database, "select agency_id, seq from audit.events order by agency_id, seq")
    for agency in agencies:
        assert [r["seq"] for r in rows if r["agency_id"] == agency] == list(range(1, 401))


async def test_the_store_stands_alone_on_another_server(database: Database) -> None:
    """The store's own database needs no schema of the others."""
    owner = await asyncpg.connect(database.owner_url)
    name = f"store_{uuid4().hex}"
    url = urlsplit(database.owner_url)
    try:
        await owner.execute(f"create database {name}")
        alone = Database(url._replace(path=f"/{name}").geturl(), database.passwords)
        await migrations.apply(alone.owner_url, AUDIT_PACKAGES, {"portico_audit": database.passwords["portico_audit"]})
        pool = await Pool.open(alone.url("portico_audit"), size=1)
        try:
            event = an_event()
            await keep(pool, event)
            async with pool.transaction(event.agency_id) as conn:
                assert await conn.fetchval("select count(*) from audit.events") == 1
        finally:
            await pool.close()
    finally:
        await owner.execute(f"drop database if exists {name} with (force)")
        await owner.close()
