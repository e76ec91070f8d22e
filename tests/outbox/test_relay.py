"""What was committed is published, all of it and soon, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway

from shared.accounts.agencies import Agency
from shared.actors import system
from shared.db import Pool
from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from shared.outbox import Work
from shared.outbox import relay as relaying
from shared.outbox.relay import Relay
from shared.streams import STREAM
from tests.outbox.rows import appended, enqueued, on_stream, states
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.forwarding import Forwarding
from tests.support.pipeline import NotedDeliveries, a_consumer, a_relay, run_through
from tests.support.waiting import soon


@pytest.fixture
async def nowhere() -> AsyncIterator[Redis]:
    """A Redis that nobody answers for."""
    async with Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0)) as found:
        yield found


class BrokenQueue:
    """A broker that is away."""

    async def put_all(self, delivery_ids: Sequence[str]) -> None:
        """Fail, as kombu does."""
        raise ConnectionRefusedError


def with_queue(pool: Pool, redis: Redis, queue: relaying.DeliveryQueue, clock: FakeClock) -> Relay:
    return Relay(pool, redis, queue, table="accounts.outbox", wake=asyncio.Event(), clock=clock)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_that_was_committed_is_published_in_its_order(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    ids = await appended(admin_work, agency, 1203)
    assert await a_relay(relay_pool, redis, clock).drain() == 1203
    assert await on_stream(redis) == ids
    assert await states(relay_pool) == {"waiting": 0, "published": 1203, "confirmed": 0}
    assert await a_relay(relay_pool, redis, clock).drain() == 0


async def test_a_rolled_back_change_leaves_no_event(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    with suppress(RuntimeError):
        async with admin_work.transaction(system(agency.id, "test")) as tx:
            await tx.append(FaceSheetViewed(), Subject())
            raise RuntimeError
    assert await a_relay(relay_pool, redis, clock).drain() == 0
    assert not admin_work.wake.is_set()


async def test_a_transaction_that_commits_late_is_not_passed_over(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    relay = a_relay(relay_pool, redis, clock)
    async with admin_work.transaction(system(agency.id, "slow")) as tx:
        early = await tx.append(FaceSheetViewed(), Subject())
        [later] = await appended(admin_work, agency)
        await relay.drain()
        assert await on_stream(redis) == [later]
    await relay.drain()
    assert early < later
    assert await on_stream(redis) == [later, early]


async def test_relays_side_by_side_send_no_row_twice(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    ids = await appended(admin_work, agency, 1500)
    counts = await asyncio.gather(*(a_relay(relay_pool, redis, clock).drain() for _ in range(3)))
    assert sum(counts) == 1500
    assert sorted(await on_stream(redis)) == sorted(ids)


async def test_the_notifiers_outbox_is_published_too(
    database: Database, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    pool = await Pool.open(database.url("portico_notifier"), size=1)
    work = Work(pool, clock, table="mail.outbox")
    ids = await appended(work, agency, 2)
    await pool.close()
    assert await a_relay(relay_pool, redis, clock, table="mail.outbox").drain() == 2
    assert await on_stream(redis) == ids


async def test_a_delivery_is_put_on_the_queue_and_needs_no_confirmation(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    queue = NotedDeliveries()
    delivery_id = await enqueued(admin_work, agency)
    await with_queue(relay_pool, redis, queue, clock).drain()
    assert queue.ids == [delivery_id]
    assert await states(relay_pool) == {"waiting": 0, "published": 0, "confirmed": 1}
    assert await redis.exists(STREAM) == 0


async def test_without_redis_the_rows_stay_and_their_age_shows(
    admin_work: Work, relay_pool: Pool, redis: Redis, nowhere: Redis, clock: FakeClock, agency: Agency
) -> None:
    ids = await appended(admin_work, agency, 2)
    delivery_id = await enqueued(admin_work, agency)
    queue = NotedDeliveries()
    relay = with_queue(relay_pool, nowhere, queue, clock)
    with pytest.raises(RedisAway):
        await relay.drain()
    # The broker may be on another server: what goes there has gone.
    assert queue.ids == [delivery_id]
    assert await states(relay_pool) == {"waiting": 2, "published": 0, "confirmed": 1}
    assert relay.figures.oldest_unpublished is not None
    assert await a_relay(relay_pool, redis, clock).drain() == 2
    assert await on_stream(redis) == ids


async def test_without_a_broker_events_go_on(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    for _ in range(3):
        await enqueued(admin_work, agency)
    ids = await appended(admin_work, agency, 3)
    relay = with_queue(relay_pool, redis, BrokenQueue(), clock)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await relay.drain()
    # Once each, however often the deliveries are tried.
    assert await on_stream(redis) == ids
    assert await states(relay_pool) == {"waiting": 3, "published": 3, "confirmed": 0}


async def test_a_crash_after_sending_only_repeats(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    ids = await appended(admin_work, agency, 5)

    def crash() -> datetime:
        raise SystemError

    relay = Relay(relay_pool, redis, NotedDeliveries(), table="accounts.outbox", wake=asyncio.Event(), clock=crash)
    with pytest.raises(SystemError):
        await relay.drain()
    assert await redis.xlen(STREAM) == 5
    assert (await states(relay_pool))["waiting"] == 5
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    assert await redis.xlen(STREAM) == 10
    conn = await asyncpg.connect(database.owner_url)
    try:
        assert [r["id"] for r in await conn.fetch("select id from audit.events order by id")] == ids
    finally:
        await conn.close()


async def test_a_commit_wakes_the_relay(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "POLL_SECONDS", 60)
    relay = Relay(relay_pool, redis, NotedDeliveries(), table="accounts.outbox", wake=admin_work.wake, clock=clock)
    async with running(relay):
        # The first look is over: from here on only a commit brings the relay to look again.
        await soon(lambda: _is_waiting(admin_work.wake))
        for number in range(1, 4):
            await appended(admin_work, agency)
            await soon(lambda expected=number: _length_is(redis, expected), 5)


async def test_rows_of_a_process_that_died_are_found_without_a_wake_up(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    async with running(a_relay(relay_pool, redis, clock)):
        await asyncio.sleep(0.1)
        await appended(admin_work, agency)
        await soon(lambda: _length_is(redis, 1), 5)


async def test_the_relay_runs_on_when_redis_is_back(
    admin_work: Work,
    relay_pool: Pool,
    redis: Redis,
    redis_url: str,
    clock: FakeClock,
    agency: Agency,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relaying, "_LONGEST_PAUSE", 0.1)
    ids = await appended(admin_work, agency, 2)
    async with (
        Forwarding(redis_url) as server,
        Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as through,
        running(relay := with_queue(relay_pool, through, NotedDeliveries(), clock)),
    ):
        await soon(lambda: _failed(relay, 2))
        await server.open()
        await soon(lambda: _length_is(redis, 2))
        await server.close()
        ids += await appended(admin_work, agency, 1)
        await soon(lambda: _failed(relay, 3))
        await server.open()
        await soon(lambda: _length_is(redis, 3))
    assert await on_stream(redis) == ids


async def _is_waiting(wake: asyncio.Event) -> bool:
    return bool(wake._waiters)  # type: ignore[attr-defined]


async def _length_is(redis: Redis, expected: int) -> bool:
    return int(await redis.xlen(STREAM)) == expected


async def _failed(relay: Relay, failures: int) -> bool:
    return relay.figures.failures >= failures
