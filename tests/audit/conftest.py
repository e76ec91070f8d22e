"""The audit store with its role, a stream, and events to put through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from shared.accounts.agencies import Agency
from shared.clock import Clock
from shared.db import Pool
from shared.events import Actor, Envelope, EventIds, Payload, Subject
from shared.outbox import Work
from tests.support.databases import Database
from tests.support.people import World
from tests.support.pipeline import AuditApi, audit_api


@pytest.fixture
async def store_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_audit"), size=4)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as found:
        yield found


@pytest.fixture
async def agency(world: World) -> Agency:
    return await world.agency()


@pytest.fixture
async def api(database: Database, redis_url: str, admin_work: Work, clock: Clock) -> AsyncIterator[AuditApi]:
    async with audit_api(database, redis_url, admin_work, clock) as found:
        yield found


_IDS = EventIds()


def envelope(
    payload: Payload,
    *,
    agency_id: UUID,
    at: datetime,
    subject: Subject | None = None,
    actor: Actor | None = None,
) -> Envelope:
    """An event as a publisher makes it."""
    return Envelope(
        id=_IDS(at),
        type=payload.type,
        version=payload.version,
        agency_id=agency_id,
        occurred_at=at,
        actor=actor or Actor(kind="staff", id=uuid4(), username="nextstep", name="NextStep Solutions"),
        subject=subject or Subject(),
        payload=payload.model_dump(mode="json"),
    )


@pytest.fixture
async def house(
    world: World,
    database: Database,
    redis_url: str,
    admin_pool: Pool,
    admin_work: Work,
    store_pool: Pool,
    clock: FakeClock,
) -> AsyncIterator[House]:
    agency = await world.agency()
    staff = await world.staff(agency)
    supervisor = await world.staff(agency, "supervisor", display_name="Sue Pervisor", role="supervisor")
    client = await world.client(agency)
    async with audit_api(database, redis_url, admin_work, clock) as api:
        found = House(
            world, admin_pool, store_pool, clock, api, agency, staff, supervisor, client, login=None  # type: ignore[arg-type]
        )
        found.login = await found.a_login(agency, client, "cmalek")
        yield found
