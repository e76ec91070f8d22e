"""What every publisher runs beside its own work: the relay and the reconciler of its outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import ClientSession
from redis.asyncio import Redis

from shared.clock import Clock
from shared.db import Pool
from shared.deliveries.queue import CeleryDeliveryQueue, celery_app
from shared.http.background import background
from shared.outbox.reconcile import ASK_AFTER, Reconciler
from shared.outbox.relay import Relay
from shared.outbox.work import OutboxTable, Work
from shared.security.tokens import Signer

_REDIS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Publisher:
    """The running parts, for the metrics and for those who need the same connections."""

    relay: Relay
    reconciler: Reconciler
    deliveries: CeleryDeliveryQueue
    redis: Redis


@asynccontextmanager
async def publishing(
    work: Work,
    relay_pool: Pool,
    http: ClientSession,
    *,
    table: OutboxTable,
    redis_url: str,
    broker_url: str,
    audit_url: str,
    signer: Signer,
    clock: Clock,
    ask_after: timedelta = ASK_AFTER,
) -> AsyncIterator[Publisher]:
    """Publish what ``work`` commits, while the context is open. Redis may be away: rows wait in the outbox."""
    redis = Redis.from_url(
        redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS, socket_keepalive=True
    )
    deliveries = CeleryDeliveryQueue(celery_app(broker_url))
    relay = Relay(relay_pool, redis, deliveries, table=table, wake=work.wake, clock=clock)
    reconciler = Reconciler(
        relay_pool,
        http,
        audit_url,
        signer,
        table=table,
        wake=work.wake,
        clock=clock,
        ask_after=ask_after,
        every=ask_after.total_seconds() / 2,
    )
    try:
        async with background(relay.run, "relay"), background(reconciler.run, "reconciler"):
            yield Publisher(relay, reconciler, deliveries, redis)
    finally:
        deliveries.close()
        await redis.aclose()
