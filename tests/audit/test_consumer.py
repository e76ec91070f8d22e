"""The pipeline into the store: nothing is lost or doubled, whatever dies, and nothing stands in the way of the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from services.audit import store
from services.audit.consumer import ensure_group
from shared.accounts.agencies import Agency
from shared.actors import system
from shared.db import Pool
from shared.events import Subject, from_json
from shared.events.catalogue import FaceSheetViewed, PortalSessionStarted
from shared.outbox import Work
from shared.streams import FIELD, GROUP, STREAM
from tests.audit.conftest import envelope
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import a_consumer, a_relay, run_through


async def stored_ids(database: Database) -> list[str]:
    conn = await asyncpg.connect(database.owner_url)
    try:
        return [str(r["id"]) for r in await conn.fetch("select id from audit.events order by id")]
    finally:
        await conn.close()


async def letters(pool: Pool) -> list[store.DeadLetter]:
    async with pool.transaction(None) as conn:
        return await store.dead_letters(conn, also_done=True, after=0, limit=100)


async def appended(work: Work, agency: Agency, count: int) -> list[str]:
    async with work.transaction(system(agency.id, "test")) as tx:
        return [str(i) for i in await tx.append_all([(FaceSheetViewed(), Subject(client_id=uuid4()))] * count)]


async def test_what_is_committed_is_stored_once(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    ids = await appended(admin_work, agency, 1203)
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    assert await stored_ids(database) == sorted(ids)
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0


async def test_a_rolled_back_change_leaves_no_event(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    with pytest.raises(RuntimeError):
        async with admin_work.transaction(system(agency.id, "test")) as tx:
            await tx.append(FaceSheetViewed(), Subject())
            raise RuntimeError
    assert await a_relay(relay_pool, redis, clock).drain() == 0


async def test_events_published_twice_are_stored_once(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    ids = await appended(admin_work, agency, 5)
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    await run_through(relay, consumer, redis)
    async with relay_pool.transaction(None) as conn:
        await conn.execute("update accounts.outbox set published_at = null")
    await run_through(relay, consumer, redis)
    assert await redis.xlen(STREAM) == 10
    assert await stored_ids(database) == sorted(ids)


async def test_what_a_dead_consumer_left_is_claimed(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    ids = await appended(admin_work, agency, 7)
    await ensure_group(redis)
    await a_relay(relay_pool, redis, clock).drain()
    # Read and never acknowledged: this consumer is dead.
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=100)
    heir = a_consumer(store_pool, redis, clock, "heir", claim_idle=0)
    assert await heir.consume_once(wait_milliseconds=1) == 0
    assert await heir.claim() == 7
    assert await stored_ids(database) == sorted(ids)
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0


async def test_entries_still_in_work_are_left_alone(
    admin_work: Work, relay_pool: Pool, store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 1)
    await ensure_group(redis)
    await a_relay(relay_pool, redis, clock).drain()
    await redis.xreadgroup(GROUP, "busy", {STREAM: ">"})
    assert await a_consumer(store_pool, redis, clock, "other").claim() == 0


async def test_the_group_is_made_again_and_reads_from_the_beginning(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    await appended(admin_work, agency, 3)
    await a_relay(relay_pool, redis, clock).drain()
    # The entries were there before the group was.
    await ensure_group(redis)
    await ensure_group(redis)
    await a_consumer(store_pool, redis, clock).consume_once(wait_milliseconds=1)
    assert len(await stored_ids(database)) == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "no event"),
        (b"{}", "no event"),
        (b'{"id": 7}', "no event: id"),
        (b"\xff\xfe", "no event"),
    ],
)
async def test_what_is_no_event_becomes_a_dead_letter_and_holds_nothing_up(
    store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency, database: Database, body: bytes, reason: str
) -> None:
    good = envelope(FaceSheetViewed(), agency_id=agency.id, at=clock())
    await ensure_group(redis)
    for entry in (good.to_json().encode(), body, good.to_json().encode()):
        await redis.xadd(STREAM, {FIELD: entry})
    await redis.xadd(STREAM, {"something": "else"})
    await a_consumer(store_pool, redis, clock).consume_once(wait_milliseconds=1)
    assert await stored_ids(database) == [str(good.id)]
    found = await letters(store_pool)
    assert len(found) == 2
    assert reason in found[0].reason
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0


async def test_an_event_that_postgresql_refuses_is_found_among_the_good_ones(
    store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency, database: Database
) -> None:
    good = [envelope(FaceSheetViewed(), agency_id=agency.id, at=clock()) for _ in range(20)]
    # jsonb takes no NUL, which JSON may hold.
    poison = envelope(PortalSessionStarted(username="a\x00b"), agency_id=agency.id, at=clock())
    await ensure_group(redis)
    for event in [*good[:11], poison, *good[11:]]:
        await redis.xadd(STREAM, {FIELD: event.to_json()})
    await a_consumer(store_pool, redis, clock).consume_once(wait_milliseconds=1)
    assert len(await stored_ids(database)) == 20
    [letter] = await letters(store_pool)
    assert letter.event_id == poison.id
    async with store_pool.transaction(None) as conn:
        assert set(await store.held(conn, [poison.id, good[0].id, uuid4()])) == {poison.id, good[0].id}


async def test_a_dead_letter_is_replayed_or_discarded_once(
    store_pool: Pool, clock: FakeClock, agency: Agency, database: Database
) -> None:
    event = envelope(FaceSheetViewed(), agency_id=agency.id, at=clock())
    async with store_pool.transaction(None) as conn:
        for stream_id in ("1-0", "2-0"):
            await store.insert_dead_letter(
                conn, stream_id=stream_id, event_id=event.id, body=event.to_json(), reason="test", now=clock()
            )
    first, second = await letters(store_pool)
    assert await store.replay(store_pool, first.id, clock())
    assert not await store.replay(store_pool, first.id, clock())
    assert await store.discard(store_pool, second.id, clock())
    assert not await store.discard(store_pool, second.id, clock())
    assert await stored_ids(database) == [str(event.id)]


async def test_trimming_never_reaches_what_a_group_has_not_acknowledged(
    store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await ensure_group(redis)
    await redis.xgroup_create(STREAM, "slow", id="0")
    body = envelope(FaceSheetViewed(), agency_id=agency.id, at=clock()).to_json()
    async with redis.pipeline(transaction=False) as pipe:
        for _ in range(2000):
            pipe.xadd(STREAM, {FIELD: body})
        ids = await pipe.execute()
    consumer = a_consumer(store_pool, redis, clock)
    while await consumer.consume_once(wait_milliseconds=1):
        pass
    await consumer.trim()
    assert await redis.xlen(STREAM) == 2000
    await redis.xreadgroup("slow", "one", {STREAM: ">"}, count=1500)
    await redis.xack(STREAM, "slow", *ids[:1400])
    await consumer.trim()
    left = await redis.xrange(STREAM, count=1)
    assert left[0][0] <= ids[1400]
    assert await redis.xlen(STREAM) < 2000
    pending = await redis.xpending_range(STREAM, "slow", min="-", max="+", count=200)
    assert len(pending) == 100


async def test_an_unknown_type_is_stored(
    store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency, database: Database
) -> None:
    login, client = uuid4(), uuid4()
    known = envelope(
        FaceSheetViewed(), agency_id=agency.id, at=clock(), subject=Subject(client_id=client, portal_login_id=login)
    )
    body = json.loads(known.to_json()) | {"type": "portal_login.merged", "version": 3}
    await ensure_group(redis)
    await redis.xadd(STREAM, {FIELD: json.dumps(body)})
    await a_consumer(store_pool, redis, clock).consume_once(wait_milliseconds=1)
    conn = await asyncpg.connect(database.owner_url)
    try:
        row = await conn.fetchrow("select type, in_activity, change_type, body from audit.events")
    finally:
        await conn.close()
    assert (row["type"], row["in_activity"], row["change_type"]) == ("portal_login.merged", True, "portal_login.merged")
    assert from_json(row["body"]).version == 3


async def test_events_of_any_year_are_accepted_and_move_to_their_partition(
    store_pool: Pool, agency: Agency, database: Database
) -> None:
    old = envelope(FaceSheetViewed(), agency_id=agency.id, at=datetime(2022, 6, 14, 10, 0, tzinfo=UTC))
    async with store_pool.transaction(None) as conn:
        assert await store.insert_events(conn, [old]) == 1
        await conn.execute("select audit.ensure_partition(2022)")
        await conn.execute("select audit.ensure_partition(2022)")
        assert await store.insert_events(conn, [old]) == 0
    owner = await asyncpg.connect(database.owner_url)
    try:
        assert await owner.fetchval("select tableoid::regclass::text from audit.events") == "audit.events_2022"
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "query",
    [
        "update audit.events set type = 'x'",
        "delete from audit.events",
        "truncate audit.events",
        "delete from audit.dead_letters",
        "drop table audit.events",
        "create table audit.x (id int)",
    ],
)
async def test_the_audit_role_can_neither_change_nor_delete(store_pool: Pool, query: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with store_pool.transaction(uuid4()) as conn:
            await conn.execute(query)


async def test_a_query_without_where_sees_one_agency(
    store_pool: Pool, agency: Agency, world: object, clock: FakeClock
) -> None:
    mine = envelope(FaceSheetViewed(), agency_id=agency.id, at=clock())
    foreign = envelope(FaceSheetViewed(), agency_id=uuid4(), at=clock())
    async with store_pool.transaction(None) as conn:
        await store.insert_events(conn, [mine, foreign])
    async with store_pool.transaction(agency.id) as conn:
        assert [r["id"] for r in await conn.fetch("select id from audit.events")] == [mine.id]
    async with store_pool.transaction(None) as conn:
        assert await conn.fetch("select id from audit.events") == []
