"""The portal as it is deployed, with people who have a password, for the parts that sign in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import uuid4

from ops.bench.events import agency_ids
from ops.bench.people import add_agencies
from ops.bench.stage import Database, Stage
from ops.stack.environment import Backends, StackEnvironment
from ops.stack.ports import Ports, free_port
from ops.stack.service import ServiceProcess
from shared.accounts import access, clients, portal_logins
from shared.accounts.access import Origin
from shared.accounts.clients import Client
from shared.accounts.portal_logins import PortalLogin
from shared.actors import Actor
from shared.clock import system_clock
from shared.db import Pool
from shared.outbox import Work
from shared.security.passwords import PasswordHasher

AGENCY: Final = "bench1"
PASSWORD: Final = "a password for the bench"  # noqa: S105 - of nobody


@dataclass(frozen=True, slots=True)
class Portal:
    """Where it listens, its process, and the cookie of somebody who is signed in."""

    port: int
    pid: int
    cookie: str


@asynccontextmanager
async def portal(stage: Stage, database: Database, logins: int) -> AsyncIterator[Portal]:
    """With logins ``bench0``, ``bench1`` and so on. Whoever calls is believed whom they forward for."""
    cookie = await _people(database, logins)
    ports = Ports(free_port() - Ports(0).portal)
    backends = Backends(
        owner_url=database.url,
        audit_owner_url=database.url,
        redis_url=stage.valkey.url,
        broker_url=stage.valkey.url_of(1),
        smtp_url="",
        smtp_security=None,
    )
    environment = StackEnvironment(
        backends,
        stage.secrets,
        ports,
        log_level="error",
        trusted_proxies="127.0.0.0/8",
        mail_from="bench@portico.example",
    )
    service = ServiceProcess(
        service="portal",
        number=1,
        module="services.portal",
        # Not from one network where many people are: each address counts for itself.
        settings=lambda probe: environment.of_service("portal", probe) | {"SHARED_NETWORKS": ""},
        logs=stage.folder,
        watchdog=stage.watchdog,
    )
    await service.start()
    try:
        yield Portal(ports.portal, service.pid or 0, cookie)
    finally:
        await service.stop()


async def _people(database: Database, logins: int) -> str:
    """Put them in, by way of the product's own stores; answers the cookie of the first one's session."""
    [agency_id], now = agency_ids(1), system_clock()
    await add_agencies(database, [agency_id])
    client = Client(uuid4(), "100007", "Catherine", "Malek", date(1966, 3, 7), False, {}, 1, now)
    hasher = PasswordHasher(threads=1)
    stored = await hasher.hash(PASSWORD)
    hasher.close()
    found = [_login(client, number) for number in range(logins)]
    admin, own = [await Pool.open(database.url_of(role), size=1) for role in ("admin", "portal")]
    try:
        async with admin.transaction(agency_id) as conn:
            await clients.insert(conn, agency_id, client)
            for login in found:
                await portal_logins.insert(conn, agency_id, login)
                await portal_logins.set_own_password(conn, login.id, stored, now)
        owner = found[0]
        actor = Actor(agency_id, "portal_login", owner.username, owner.username, id=owner.id)
        async with Work(own, system_clock, table="accounts.outbox").transaction(actor) as tx:
            _, cookie = await access.open_session(
                tx, kind="portal", person_id=owner.id, origin=Origin(), with_cookie=True
            )
    finally:
        await admin.close()
        await own.close()
    return cookie.text if cookie else ""


def _login(client: Client, number: int) -> PortalLogin:
    username, now = f"bench{number}", system_clock()
    return PortalLogin(
        uuid4(),
        client.id,
        username,
        f"{username}@mail.example.org",
        representative=False,
        active=True,
        password_hash=None,
        temporary_password_hash=None,
        temporary_password_expires_at=None,
        credential_due=False,
        version=1,
        created_at=now,
        updated_at=now,
    )
