"""The three doors of the product, for tests that try them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.db import Pool
from shared.security.passwords import PasswordHasher
from tests.security.doors import Street, open_street
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World


@pytest.fixture
async def street(
    world: World,
    database: Database,
    admin_pool: Pool,
    hasher: PasswordHasher,
    clock: FakeClock,
    redis_url: str,
    broker_url: str,
) -> AsyncIterator[Street]:
    """Admin, portal and audit, reached directly."""
    async with open_street(world, database, admin_pool, hasher, clock, redis_url, broker_url) as found:
        yield found


@pytest.fixture
async def proxied(
    world: World,
    database: Database,
    admin_pool: Pool,
    hasher: PasswordHasher,
    clock: FakeClock,
    redis_url: str,
    broker_url: str,
) -> AsyncIterator[Street]:
    """The same behind a proxy that says who calls."""
    async with open_street(
        *(world, database, admin_pool, hasher, clock, redis_url, broker_url), behind_a_proxy=True
    ) as found:
        yield found
