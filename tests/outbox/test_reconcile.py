"""Relay and reconciler: the loss of Redis, with everything in it, loses no event and no delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from shared.accounts.agencies import Agency
from shared.actors import system
from shared.db import Pool
from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from shared.outbox import Work
from shared.outbox.reconcile import Reconciler
from shared.outbox.relay import Relay
from shared.security.tokens import Signer
from shared.streams import STREAM
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World
from tests.support.pipeline import PEMS, AuditApi, NotedDeliveries, a_consumer, a_relay, audit_api, run_through


@pytest.fixture
async def agency(world: World) -> Agency:
    return await world.agency()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as found:
        yield found


@pytest.fixture
async def store_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_audit"), size=4)
    yield pool
    await pool.close()


@pytest.fixture
async def api(database: Database, redis_url: str, admin_work: Work, clock: FakeClock) -> AsyncIterator[AuditApi]:
    async with audit_api(database, redis_url, admin_work, clock) as found:
        yield found


def a_reconciler(pool: Pool, http: ClientSession, url: str, clock: FakeClock) -> Reconciler:
    signer = Signer(PEMS["portico_admin"], "portico_admin", clock)
    return Reconciler(pool, http, url, signer, table="accounts.outbox", wake=asyncio.Event(), clock=clock)


async def appended(work: Work, agency: Agency, count: int) -> None:
    async with work.transaction(system(agency.id, "test")) as tx:
        await tx.append_all([(FaceSheetViewed(), Subject(client_id=uuid4()))] * count)


async def states(pool: Pool) -> dict[str, int]:
    query = (
        "select count(*) filter (where published_at is null) as waiting,"
        " count(*) filter (where published_at is not null and confirmed_at is null) as published,"
        " count(*) filter (where confirmed_at is not null) as confirmed from accounts.outbox"
    )
    async with pool.transaction(None) as conn:
        return dict(await conn.fetchrow(query) or {})


async def test_what_redis_lost_is_sent_again(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    api: AuditApi,
    database: Database,
) -> None:
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    await appended(admin_work, agency, 3)
    await run_through(relay, consumer, redis)
    await appended(admin_work, agency, 4)
    await relay.drain()
    await redis.flushall()
    reconciler = a_reconciler(relay_pool, api.http.session, str(api.http.make_url("/")), clock)
    assert await reconciler.reconcile() == 0
    clock.advance(seconds=61)
    assert await reconciler.reconcile() == 4
    assert await states(relay_pool) == {"waiting": 4, "published": 0, "confirmed": 3}
    await run_through(relay, consumer, redis)
    clock.advance(seconds=61)
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 0, "confirmed": 7}
    conn = await asyncpg.connect(database.owner_url)
    try:
        assert await conn.fetchval("select count(*) from audit.events") == 7
    finally:
        await conn.close()


async def test_an_audit_store_from_a_backup_is_filled_up(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    api: AuditApi,
    database: Database,
) -> None:
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    await appended(admin_work, agency, 5)
    await run_through(relay, consumer, redis)
    clock.advance(seconds=61)
    reconciler = a_reconciler(relay_pool, api.http.session, str(api.http.make_url("/")), clock)
    await reconciler.reconcile()
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute("delete from audit.events where id in (select id from audit.events order by id limit 2)")
        assert await reconciler.recheck(clock() - timedelta(days=1)) == 2
        await run_through(relay, consumer, redis)
        assert await owner.fetchval("select count(*) from audit.events") == 5
    finally:
        await owner.close()


async def test_confirmed_rows_are_kept_for_seven_days(
    admin_work: Work, relay_pool: Pool, store_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency, api: AuditApi
) -> None:
    await appended(admin_work, agency, 2)
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    clock.advance(seconds=61)
    reconciler = a_reconciler(relay_pool, api.http.session, str(api.http.make_url("/")), clock)
    await reconciler.reconcile()
    clock.advance(days=6, hours=23)
    assert await reconciler.forget() == 0
    clock.advance(hours=2)
    assert await reconciler.forget() == 2


async def test_while_the_audit_service_is_away_nothing_changes(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 2)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    async with ClientSession() as http:
        with pytest.raises(OSError, match="127.0.0.1"):
            await a_reconciler(relay_pool, http, "http://127.0.0.1:1", clock).reconcile()
    assert await states(relay_pool) == {"waiting": 0, "published": 2, "confirmed": 0}


async def test_two_relays_never_send_a_row_twice(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 1500)
    relays = [a_relay(relay_pool, redis, clock) for _ in range(3)]
    counts = await asyncio.gather(*(relay.drain() for relay in relays))
    assert sum(counts) == 1500
    assert await redis.xlen(STREAM) == 1500


async def test_a_relay_without_redis_keeps_the_rows_and_goes_on_later(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 2)
    async with Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1) as nowhere:
        relay = Relay(
            relay_pool, nowhere, NotedDeliveries(), table="accounts.outbox", wake=asyncio.Event(), clock=clock
        )
        with pytest.raises(Exception, match="127.0.0.1"):
            await relay.publish_batch()
    assert (await states(relay_pool))["waiting"] == 2
    assert await a_relay(relay_pool, redis, clock).drain() == 2


async def test_the_running_relay_is_woken_by_a_commit(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    noted = NotedDeliveries()
    relay = Relay(relay_pool, redis, noted, table="accounts.outbox", wake=admin_work.wake, clock=clock)
    running = asyncio.create_task(relay.run())
    try:
        delivery_id = uuid4()
        async with admin_work.transaction(system(agency.id, "test")) as tx:
            await tx.enqueue_delivery(delivery_id)
            await tx.append(FaceSheetViewed(), Subject())
        answer: Any = await redis.xread({STREAM: "0"}, block=5000)
        assert len(answer) == 1
        async with asyncio.timeout(5):
            while (await states(relay_pool))["waiting"]:
                await asyncio.sleep(0.01)
        assert noted.ids == [str(delivery_id)]
        # A delivery's row is its own record: nobody has to be asked about it.
        assert await states(relay_pool) == {"waiting": 0, "published": 1, "confirmed": 1}
    finally:
        running.cancel()
