"""Fixtures on real servers: one PostgreSQL and one Valkey a test process, a database a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from ops.stack.postgres import EmbeddedPostgres
from ops.stack.valkey import EmbeddedValkey
from shared.db import Pool
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.passwords import PasswordHasher
from shared.security.throttle import Throttle
from tests.support.clock import FakeClock
from tests.support.databases import Database, Databases
from tests.support.loop import LoopThread
from tests.support.people import World


@pytest.fixture(scope="session")
def servers_loop() -> Iterator[LoopThread]:
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def databases(servers_loop: LoopThread) -> Iterator[Databases]:
    server = EmbeddedPostgres(durable=False)
    servers_loop.run(server.__aenter__())
    try:
        found = Databases(server)
        servers_loop.run(found.prepare())
        yield found
    finally:
        servers_loop.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def valkey_server(servers_loop: LoopThread) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(durable=False)
    servers_loop.run(server.__aenter__())
    yield server
    servers_loop.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def hasher() -> Iterator[PasswordHasher]:
    found = PasswordHasher(threads=1)
    yield found
    found.close()


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """An empty, migrated database that no other test uses meanwhile."""
    found = await databases.create()
    yield found
    await databases.give_back(found)


@pytest.fixture
async def redis_url(valkey_server: EmbeddedValkey) -> str:
    """Database 0 of an empty Valkey; the queue's database 1 is empty as well."""
    async with Redis.from_url(valkey_server.url) as redis:
        await redis.flushall()
    return valkey_server.url


@pytest.fixture
async def gate(hasher: PasswordHasher, redis_url: str) -> AsyncIterator[Gate]:
    """The gate as both services have it."""
    async with Redis.from_url(redis_url) as redis:
        yield Gate(hasher, Throttle(redis))


@pytest.fixture
def broker_url(valkey_server: EmbeddedValkey, redis_url: str) -> str:
    """Database 1 of the same server."""
    return valkey_server.url_of(1)


@pytest.fixture
async def admin_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_admin"), size=5)
    yield pool
    await pool.close()


@pytest.fixture
async def portal_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_portal"), size=5)
    yield pool
    await pool.close()


@pytest.fixture
async def relay_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_relay"), size=3)
    yield pool
    await pool.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def admin_work(admin_pool: Pool, clock: FakeClock) -> Work:
    return Work(admin_pool, clock, table="accounts.outbox")


@pytest.fixture
def portal_work(portal_pool: Pool, clock: FakeClock) -> Work:
    return Work(portal_pool, clock, table="accounts.outbox")


@pytest.fixture
def world(database: Database, admin_pool: Pool, hasher: PasswordHasher) -> World:
    return World(database, admin_pool, hasher)
