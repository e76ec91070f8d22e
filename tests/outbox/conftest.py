"""What the tests of the outbox share: an agency at work, Redis, and the audit service to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.accounts.agencies import Agency
from shared.db import Pool
from shared.outbox import Work
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World
from tests.support.pipeline import AuditApi, audit_api


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
