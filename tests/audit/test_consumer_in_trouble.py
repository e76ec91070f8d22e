"""A running consumer while its process, Redis or PostgreSQL goes away under it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from services.audit import consumer as consuming
from services.audit.consumer import Consumer, ensure_group
from shared.db import Pool
from tests.audit.events import an_event, events, figure, owner_fetch, pending, put, stored
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import a_consumer
from tests.support.waiting import soon


@asynccontextmanager
async def running(pool: Pool, redis: Redis, clock: FakeClock) -> AsyncIterator[Consumer]:
    consumer = a_consumer(pool, redis, clock)
    task = asyncio.create_task(consumer.run())
    try:
        await soon(lambda: _at_work(consumer))
        yield consumer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "_LONGEST_PAUSE", 0.1)


@pytest.mark.parametrize(("point", "stored_before"), [("before-storing", 0), ("before-acknowledging", 40)])
async def test_killed_in_the_middle_of_a_batch_nothing_is_lost_and_nothing_is_there_twice(
    point: str, stored_before: int, store_pool: Pool, redis: Redis, redis_url: str, clock: FakeClock, database: Database
) -> None:
    sent = events(40)
    await ensure_group(redis)
    await put(redis, *sent)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.audit.dying_consumer", point),
        env={**os.environ, "DATABASE_URL": database.url("portico_audit"), "REDIS_URL": redis_url},
    )
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    assert len(await stored(database)) == stored_before
    assert await pending(redis) == 40

    heir = a_consumer(store_pool, redis, clock, "heir", claim_idle=0)
    assert await heir.claim() == 40
    assert await stored(database) == [e.id for e in sent]
    assert await pending(redis) == 0


async def test_it_goes_on_after_redis_lost_its_memory(
    store_pool: Pool, redis: Redis, clock: FakeClock, database: Database
) -> None:
    first, second = an_event(), an_event()
    async with running(store_pool, redis, clock):
        await put(redis, first)
        await soon(lambda: _holds(database, first.id))
        await redis.flushall()
        await put(redis, second)
        await soon(lambda: _holds(database, second.id))


async def test_it_goes_on_after_its_connections_were_cut(
    store_pool: Pool, redis: Redis, clock: FakeClock, database: Database
) -> None:
    first, second = an_event(), an_event()
    async with running(store_pool, redis, clock):
        await put(redis, first)
        await soon(lambda: _holds(database, first.id))
        await redis.client_kill_filter(_type="normal", skipme=True)
        await put(redis, second)
        await soon(lambda: _holds(database, second.id))


async def test_a_cancellation_that_got_lost_in_a_lane_holds_nobody_up(
    store_pool: Pool, redis: Redis, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = a_consumer(store_pool, redis, clock)
    consume_once, tended = consumer.consume_once, 0

    async def deaf() -> int:
        try:
            return await consume_once()
        except asyncio.CancelledError:
            return 0

    async def in_trouble_at_first() -> None:
        nonlocal tended
        tended += 1
        if tended == 1:
            # The lanes have begun to wait for entries.
            await soon(lambda: _asks(redis))
            raise ConnectionError

    async def again() -> bool:
        return tended > 1

    monkeypatch.setattr(consumer, "consume_once", deaf)
    monkeypatch.setattr(consumer, "tend", in_trouble_at_first)
    task = asyncio.create_task(consumer.run())
    try:
        await soon(again)
    finally:
        task.cancel()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 5)


async def _asks(redis: Redis) -> bool:
    return any(c["cmd"] == "xreadgroup" and "b" in c["flags"] for c in await redis.client_list())


async def test_while_the_store_is_away_everything_stays_pending(
    store_pool: Pool, redis: Redis, clock: FakeClock, database: Database
) -> None:
    sent = events(10)
    async with running(store_pool, redis, clock) as consumer:
        async with closed(database):
            await put(redis, *sent)
            await soon(lambda: _failed(consumer))
            assert await pending(redis) > 0
        await soon(lambda: _holds(database, sent[-1].id))
        await soon(lambda: _settled(redis))
    assert await stored(database) == [e.id for e in sent]


@asynccontextmanager
async def closed(database: Database) -> AsyncIterator[None]:
    """Nobody gets into the database, and nobody is in it, while the context is open."""
    server, _, name = database.owner_url.rpartition("/")
    conn = await asyncpg.connect(f"{server}/postgres")
    try:
        await conn.execute(f"alter database {name} allow_connections false")
        await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        yield
        await conn.execute(f"alter database {name} allow_connections true")
    finally:
        await conn.close()


async def _at_work(consumer: Consumer) -> bool:
    return consumer.running


async def _failed(consumer: Consumer) -> bool:
    return figure(consumer, "failures") > 0


async def _settled(redis: Redis) -> bool:
    return await pending(redis) == 0


async def _holds(database: Database, event_id: UUID) -> bool:
    return bool(await owner_fetch(database, "select 1 from audit.events where id = $1", event_id))
