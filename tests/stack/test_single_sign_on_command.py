"""`portico single-sign-on`, as an operator runs it."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from shared.accounts import identity_providers
from shared.accounts.agencies import Agency
from shared.accounts.identity_providers import IdentityProvider
from shared.db import Pool
from shared.events.envelope import from_json
from tests.support.databases import Database
from tests.support.people import World

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PROVIDER = IdentityProvider(
    "https://login.example.org", "portico", b"sealed", "Riverside Login", "preferred_username", False, NOW, 1
)


@pytest.fixture
async def agency(world: World, admin_pool: Pool) -> Agency:
    found = await world.agency()
    async with admin_pool.transaction(found.id) as conn:
        await identity_providers.put(conn, found.id, PROVIDER)
    return found


async def portico(database: Database, *arguments: str) -> tuple[int, str]:
    """Status and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "single-sign-on", *arguments),
        env={**os.environ, "DATABASE_URL": database.url("portico_admin")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


async def events(database: Database) -> list[tuple[str, str, object]]:
    """Type, kind of actor and payload."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        rows = await conn.fetch("select body from accounts.outbox order by id")
    finally:
        await conn.close()
    found = [from_json(row["body"]) for row in rows]
    return [(e.type, e.actor.kind, e.payload) for e in found]


async def test_it_shows_the_settings_and_no_secret(database: Database, agency: Agency) -> None:
    status, told = await portico(database, "riverside")
    assert status == 0
    assert "issuer         https://login.example.org" in told
    assert "local sign-in  off" in told
    assert "sealed" not in told
    assert await events(database) == []


async def test_passwords_come_back(database: Database, agency: Agency, admin_pool: Pool) -> None:
    for _ in range(2):
        status, told = await portico(database, "riverside", "--local-sign-in", "on")
        assert status == 0, told
        assert "local sign-in  on" in told
    [(type_, kind, payload)] = await events(database)
    assert (type_, kind) == ("agency.single_sign_on_changed", "operator")
    assert payload == {
        "changes": [{"field": "Sign-in with a Password", "old": "Off", "new": "On"}],
        "secret_changed": False,
        "removed": False,
    }
    async with admin_pool.transaction(agency.id) as conn:
        provider = await identity_providers.of_agency(conn)
    assert provider is not None
    assert (provider.local_sign_in, provider.version) == (True, 2)


async def test_a_staff_user_gets_another_login_at_the_provider(
    database: Database, agency: Agency, admin_pool: Pool, world: World
) -> None:
    person = await world.staff(agency)
    async with admin_pool.transaction(agency.id) as conn:
        assert await identity_providers.link(conn, agency.id, PROVIDER.issuer, "old", person.user.id, NOW)
        assert not await identity_providers.link(conn, agency.id, PROVIDER.issuer, "new", person.user.id, NOW)
    assert (await portico(database, "riverside", "--unlink", "NextStep"))[0] == 0
    async with admin_pool.transaction(agency.id) as conn:
        assert await identity_providers.link(conn, agency.id, PROVIDER.issuer, "new", person.user.id, NOW)
    assert await events(database) == [("staff.identity_unlinked", "operator", {"username": "nextstep"})]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere",), "There is no agency 'nowhere'."),
        (("lakeside", "--local-sign-in", "on"), "lakeside does not use single sign-on"),
        (("riverside", "--unlink", "nobody"), "riverside has no staff user 'nobody'."),
        (("riverside", "--unlink", "fresh"), "fresh has not signed in with single sign-on yet."),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    database: Database, agency: Agency, world: World, arguments: tuple[str, ...], sentence: str
) -> None:
    await world.agency("lakeside")
    await world.staff(agency, "fresh")
    status, told = await portico(database, *arguments)
    assert (status, sentence in told) == (2, True), told


async def test_one_sign_in_at_the_provider_is_one_staff_user(agency: Agency, admin_pool: Pool, world: World) -> None:
    one, other = await world.staff(agency), await world.staff(agency, "other")
    async with admin_pool.transaction(agency.id) as conn:
        assert await identity_providers.link(conn, agency.id, PROVIDER.issuer, "s", one.user.id, NOW)
        assert not await identity_providers.link(conn, agency.id, PROVIDER.issuer, "s", other.user.id, NOW)
        assert await identity_providers.linked(conn, PROVIDER.issuer, "s") == one.user.id
        assert await identity_providers.linked(conn, "https://other.example.org", "s") is None
    there = await world.agency("lakeside")
    async with admin_pool.transaction(there.id) as conn:
        assert await identity_providers.linked(conn, PROVIDER.issuer, "s") is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with admin_pool.transaction(there.id) as conn:
            await identity_providers.link(conn, agency.id, PROVIDER.issuer, str(uuid4()), one.user.id, NOW)
