"""What the tests of the audit service share: the store through its own role, Redis, and a house full of people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.audit import store
from shared.db import Pool
from shared.outbox import Work
from tests.audit.house import House, a_login
from tests.audit.ledger import Ledger
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World
from tests.support.pipeline import audit_api


@pytest.fixture
async def store_pool(database: Database) -> AsyncIterator[Pool]:
    """As the audit service opens it."""
    pool = await store.open_pool(database.url("portico_audit"), 4)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


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
    login = await a_login(admin_pool, agency, client, "cmalek")
    async with audit_api(database, redis_url, admin_work, clock) as api:
        yield House(world, admin_pool, store_pool, clock, api, agency, staff, supervisor, client, login)


@pytest.fixture
async def ledger(database: Database, store_pool: Pool, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Ledger]:
    owner = await store.open_pool(database.owner_url, 3)
    yield Ledger(database, store_pool, owner, clock, tmp_path)
    await owner.close()
