"""Putting rows into the outbox, and looking at what became of them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from redis.asyncio import Redis

from shared.accounts.agencies import Agency
from shared.actors import system
from shared.db import Pool
from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from shared.outbox import Work
from shared.streams import FIELD, STREAM
from tests.support.databases import Database


async def appended(work: Work, agency: Agency, count: int = 1) -> list[UUID]:
    """Commit as many events; answers their ids."""
    async with work.transaction(system(agency.id, "test")) as tx:
        return await tx.append_all([(FaceSheetViewed(), Subject(client_id=uuid4()))] * count)


async def enqueued(work: Work, agency: Agency) -> str:
    """Commit a delivery; answers its id."""
    delivery_id = uuid4()
    async with work.transaction(system(agency.id, "test")) as tx:
        await tx.enqueue_delivery(delivery_id)
    return str(delivery_id)


async def on_stream(redis: Redis) -> list[UUID]:
    """The ids of the events on the stream, in its order."""
    return [UUID(json.loads(fields[FIELD.encode()])["id"]) for _, fields in await redis.xrange(STREAM)]


async def states(pool: Pool) -> dict[str, int]:
    """How many rows wait, are published, are confirmed."""
    query = (
        "select count(*) filter (where published_at is null) as waiting,"
        " count(*) filter (where published_at is not null and confirmed_at is null) as published,"
        " count(*) filter (where confirmed_at is not null) as confirmed from accounts.outbox"
    )
    async with pool.transaction(None) as conn:
        return dict(await conn.fetchrow(query) or {})


async def as_owner(database: Database, query: str, *values: Any) -> Any:
    """One value, as the owner of the database sees it."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        return await conn.fetchval(query, *values)
    finally:
        await conn.close()
