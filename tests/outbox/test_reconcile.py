"""The loss of Redis, with everything in it, loses no event; nor does an audit store that comes back from a backup."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.audit.consumer import ensure_group
from shared.accounts.agencies import Agency
from shared.db import Pool
from shared.outbox import Work
from shared.outbox import reconcile as reconciling
from shared.outbox.reconcile import Reconciler
from shared.security.tokens import Signer, new_signing_key
from shared.streams import STREAM
from tests.outbox.rows import appended, as_owner, enqueued, on_stream, states
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import PEMS, AuditApi, a_consumer, a_relay, run_through
from tests.support.waiting import soon


def a_reconciler(
    pool: Pool, http: ClientSession, url: str, clock: Callable[[], datetime], *, pem: str = PEMS["portico_admin"]
) -> Reconciler:
    signer = Signer(pem, "portico_admin", clock)
    wake = asyncio.Event()
    return Reconciler(pool, http, url, signer, table="accounts.outbox", wake=wake, clock=clock, every=0.05)


@pytest.fixture
def reconciler(relay_pool: Pool, api: AuditApi, clock: FakeClock) -> Reconciler:
    return a_reconciler(relay_pool, api.http.session, str(api.http.make_url("/")), clock)


async def test_what_redis_lost_is_sent_again_and_nothing_else(
    reconciler: Reconciler,
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    stored = await appended(admin_work, agency, 3)
    await run_through(relay, consumer, redis)
    lost = await appended(admin_work, agency, 4)
    await relay.drain()
    await redis.flushall()
    clock.advance(seconds=59)
    young = await appended(admin_work, agency, 2)
    await relay.drain()
    await redis.flushall()
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 9, "confirmed": 0}

    clock.advance(seconds=1)
    assert await reconciler.reconcile() == 4
    assert await states(relay_pool) == {"waiting": 4, "published": 2, "confirmed": 3}
    await run_through(relay, consumer, redis)
    assert await on_stream(redis) == lost
    clock.advance(seconds=60)
    assert await reconciler.reconcile() == 2
    await run_through(relay, consumer, redis)
    clock.advance(seconds=60)
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 0, "confirmed": 9}
    found = await as_owner(database, "select array_agg(id order by id) from audit.events")
    assert found == sorted(stored + lost + young)
    assert reconciler.figures.sent_again == 6


async def test_it_goes_on_batch_by_batch(
    reconciler: Reconciler,
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 10)
    await appended(admin_work, agency, 24)
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    await appended(admin_work, agency, 11)
    await a_relay(relay_pool, redis, clock).drain()
    await redis.flushall()
    clock.advance(seconds=61)
    assert await reconciler.reconcile() == 11
    assert await states(relay_pool) == {"waiting": 11, "published": 0, "confirmed": 24}


async def test_what_consumers_have_not_come_to_yet_is_late_and_not_lost(
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    api: AuditApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    # Redis has the machine's clock, so the publishers need it here as well.
    clock.set(datetime.now(UTC))
    reconciler = a_reconciler(relay_pool, api.http.session, str(api.http.make_url("/")), clock)
    reconciler._ask_after = timedelta(0)
    consumer, relay = a_consumer(store_pool, redis, clock), a_relay(relay_pool, redis, clock)
    await ensure_group(redis)
    await appended(admin_work, agency, 5)
    await relay.drain()
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 5, "confirmed": 0}
    while await consumer.consume_once(wait_milliseconds=1):
        pass
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 0, "confirmed": 5}
    # What was on the stream before the last entry that was read, and is not stored, is lost indeed.
    await appended(admin_work, agency, 1)
    await relay.drain()
    await redis.delete(STREAM)
    await ensure_group(redis)
    assert await reconciler.reconcile() == 1


async def test_a_dead_letter_counts_as_held(
    reconciler: Reconciler,
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
) -> None:
    [event_id] = await appended(admin_work, agency)
    await as_owner(database, "update accounts.outbox set body = replace(body, 'face_sheet.viewed', 'a\\u0000b')")
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    assert await as_owner(database, "select event_id from audit.dead_letters") == event_id
    clock.advance(seconds=61)
    assert await reconciler.reconcile() == 0
    assert await states(relay_pool) == {"waiting": 0, "published": 0, "confirmed": 1}


async def test_an_audit_store_from_a_backup_is_filled_up(
    reconciler: Reconciler,
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 3)
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    ids = await appended(admin_work, agency, 10)
    await enqueued(admin_work, agency)
    await run_through(relay, consumer, redis)
    clock.advance(seconds=61)
    await reconciler.reconcile()
    await as_owner(database, "delete from audit.events where id = any($1::uuid[])", ids[2:7])
    assert await reconciler.recheck(clock() + timedelta(seconds=1)) == 0
    assert await reconciler.recheck(clock() - timedelta(days=1)) == 5
    await run_through(relay, consumer, redis)
    assert await as_owner(database, "select array_agg(id order by id) from audit.events") == ids


async def test_confirmed_rows_are_kept_for_seven_days(
    reconciler: Reconciler,
    admin_work: Work,
    relay_pool: Pool,
    store_pool: Pool,
    redis: Redis,
    clock: FakeClock,
    agency: Agency,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    await appended(admin_work, agency, 5)
    await enqueued(admin_work, agency)
    await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
    clock.advance(seconds=61)
    await reconciler.reconcile()
    unconfirmed = await appended(admin_work, agency, 1)
    clock.advance(days=6, hours=23)
    assert await reconciler.forget() == 0
    clock.advance(hours=2)
    assert await reconciler.forget() == 6
    await a_relay(relay_pool, redis, clock).drain()
    assert (await on_stream(redis))[-1:] == unconfirmed


async def test_one_reconciler_at_a_time_for_each_outbox(
    reconciler: Reconciler, admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 1)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    async with relay_pool.transaction(None) as conn:
        await conn.execute("select pg_advisory_xact_lock(hashtext('portico reconcile mail.outbox'))")
        await redis.flushall()
        assert await reconciler.reconcile() == 1
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    async with relay_pool.transaction(None) as conn:
        await conn.execute("select pg_advisory_xact_lock(hashtext('portico reconcile accounts.outbox'))")
        await redis.flushall()
        assert await reconciler.reconcile() == 0
    assert await reconciler.reconcile() == 1


ODD_ANSWERS: list[tuple[str, Callable[[], web.Response]]] = [
    ("an error", lambda: web.Response(status=500)),
    ("busy", lambda: web.json_response({"title": "busy"}, status=503)),
    ("no JSON", lambda: web.Response(text="<html>")),
    ("another shape", lambda: web.json_response({"items": []})),
    ("no ids", lambda: web.json_response({"held": ["x"], "unread_since": None})),
]


async def test_an_answer_that_is_none_changes_nothing(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 2)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    answers = iter(ODD_ANSWERS)

    async def handle(_: web.Request) -> web.Response:
        return next(answers)[1]()

    app = web.Application()
    app.router.add_post("/internal/v1/events/held", handle)
    async with TestServer(app) as server, ClientSession() as http:
        reconciler = a_reconciler(relay_pool, http, str(server.make_url("")), clock)
        for what, _ in ODD_ANSWERS:
            with pytest.raises((ClientError, ValueError)):
                await reconciler.reconcile()
            assert await states(relay_pool) == {"waiting": 0, "published": 2, "confirmed": 0}, what
        with pytest.raises(OSError, match="Connect"):
            await a_reconciler(relay_pool, http, "http://127.0.0.1:1", clock).reconcile()


async def test_ids_that_nobody_asked_for_confirm_nothing(
    admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    asked = await appended(admin_work, agency, 1)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    not_asked = await appended(admin_work, agency, 1)
    await a_relay(relay_pool, redis, clock).drain()
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.json_response({"held": [str(i) for i in [*asked, *not_asked, uuid4()]], "unread_since": None})

    app = web.Application()
    app.router.add_post("/internal/v1/events/held", handle)
    async with TestServer(app) as server, ClientSession() as http:
        await a_reconciler(relay_pool, http, str(server.make_url("")), clock).reconcile()
    assert seen == [{"ids": [str(asked[0])]}]
    assert await states(relay_pool) == {"waiting": 0, "published": 1, "confirmed": 1}


async def test_a_stranger_gets_no_answer(
    api: AuditApi, admin_work: Work, relay_pool: Pool, redis: Redis, clock: FakeClock, agency: Agency
) -> None:
    await appended(admin_work, agency, 1)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    url = str(api.http.make_url("/"))
    stranger = a_reconciler(relay_pool, api.http.session, url, clock, pem=new_signing_key())
    with pytest.raises(ClientError, match="401"):
        await stranger.reconcile()


async def test_that_the_audit_service_is_away_is_logged_once(
    relay_pool: Pool, admin_work: Work, clock: FakeClock, redis: Redis, agency: Agency
) -> None:
    await appended(admin_work, agency, 1)
    await a_relay(relay_pool, redis, clock).drain()
    clock.advance(seconds=61)
    async with ClientSession() as http:
        reconciler = a_reconciler(relay_pool, http, "http://127.0.0.1:1", clock)
        with capture_logs() as logs:
            task = asyncio.create_task(reconciler.run())
            await soon(lambda: _failed(reconciler, 3))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    assert [entry["event"] for entry in logs] == ["reconciler waits"]
    assert (await states(relay_pool))["published"] == 1


async def _failed(reconciler: Reconciler, times: int) -> bool:
    return reconciler.figures.failures >= times
