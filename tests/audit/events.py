"""Events made by hand, and what the store holds of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from redis.asyncio import Redis

from services.audit.consumer import Consumer
from shared.events import Actor, Envelope, EventIds, Payload, Subject
from shared.events.catalogue import PortalSessionStarted
from shared.streams import FIELD, GROUP, ID_FIELD, STREAM
from tests.support.databases import Database

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_ids = EventIds()


def an_event(
    payload: Payload | None = None,
    *,
    agency_id: UUID | None = None,
    at: datetime = NOON,
    actor: Actor | None = None,
    client_id: UUID | None = None,
    portal_login_id: UUID | None = None,
) -> Envelope:
    """An event of an agency, with a payload that is valid unless the test wants another one."""
    payload = payload or PortalSessionStarted(username="cmalek")
    return Envelope(
        id=_ids(at),
        type=payload.type,
        version=payload.version,
        agency_id=agency_id or uuid4(),
        occurred_at=at,
        actor=actor or Actor(kind="portal_login", id=uuid4(), username="cmalek", name="cmalek"),
        subject=Subject(client_id=client_id, portal_login_id=portal_login_id),
        payload=payload.model_dump(mode="json"),
    )


def events(count: int, **fields: Any) -> list[Envelope]:
    """Several."""
    return [an_event(**fields) for _ in range(count)]


async def put(redis: Redis, *bodies: Envelope | tuple[UUID, str | bytes]) -> list[bytes]:
    """Put events, or bodies under an event's id, on the stream as a relay does; answers their stream ids."""
    async with redis.pipeline(transaction=False) as pipe:
        for body in bodies:
            event_id, text = (body.id, body.to_json()) if isinstance(body, Envelope) else body
            pipe.xadd(STREAM, {FIELD: text, ID_FIELD: str(event_id)})
        found: list[bytes] = await pipe.execute()
    return found


async def stored(database: Database) -> list[UUID]:
    """The ids of all stored events, whatever their agency, in their order."""
    return [r["id"] for r in await owner_fetch(database, "select id from audit.events order by id")]


async def owner_fetch(database: Database, query: str, *values: Any) -> list[Any]:
    """What the owner of the database sees."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        rows: list[Any] = await conn.fetch(query, *values)
    finally:
        await conn.close()
    return rows


async def consume_all(consumer: Consumer) -> None:
    """Everything that is on the stream."""
    while await consumer.consume_once(wait_milliseconds=1):
        pass


async def pending(redis: Redis) -> int:
    """Entries of the audit's group that were read and not acknowledged."""
    return int((await redis.xpending(STREAM, GROUP))["pending"])


def figure(consumer: Consumer, name: str) -> float:
    """One of the consumer's counters or gauges."""
    [metric] = getattr(consumer.figures, name).collect()
    return float(metric.samples[0].value)
