"""Agencies, clients and logins that the accounts database has to know before anything is published about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from ops.bench.stage import Database
from shared.accounts import access, agencies, clients, portal_logins
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.accounts.portal_logins import PortalLogin
from shared.actors import Actor
from shared.clock import system_clock
from shared.db import Pool
from shared.outbox import Work
from shared.security.tokens import CLIENT, KeyRing, Signer, new_signing_key

_TOKEN_LIFE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A portal login with a session, and the token of it."""

    agency_id: UUID
    client_id: UUID
    login_id: UUID
    token: str


async def add_agencies(database: Database, ids: Sequence[UUID]) -> None:
    """Agencies with these ids."""
    async with database.owner() as conn:
        for number, agency_id in enumerate(ids, start=1):
            agency = Agency(
                agency_id, f"bench{number}", f"Bench {number}", True, None, "UTC", "en-US", None, 72, version=1
            )
            await agencies.insert(conn, agency, system_clock())


async def sign_in(database: Database, agency_id: UUID) -> SignedIn:
    """A client of the agency with a portal login that has a session, by way of the product's own stores."""
    now = system_clock()
    client = Client(uuid4(), "100007", "Catherine", "Malek", date(1966, 3, 7), False, {}, 1, now)
    login = PortalLogin(
        uuid4(), client.id, "cmalek", "cmalek@mail.example.org", False, True, None, None, None, False, 1, now, now
    )
    admin, portal = [await Pool.open(database.url_of(role), size=1) for role in ("admin", "portal")]
    try:
        async with admin.transaction(agency_id) as conn:
            await clients.insert(conn, agency_id, client)
            await portal_logins.insert(conn, agency_id, login)
        actor = Actor(agency_id, "portal_login", "cmalek", "cmalek", id=login.id)
        async with Work(portal, system_clock, table="accounts.outbox").transaction(actor) as tx:
            session_id, _ = await access.open_session(
                tx, kind="portal", person_id=login.id, origin=Origin(), with_cookie=False
            )
        signer = Signer(new_signing_key(), "portico_portal", system_clock)
        await KeyRing().publish(portal, signer, now)
        token = signer.mint(CLIENT, lifetime=_TOKEN_LIFE, subject=login.id, session_id=session_id, agency_id=agency_id)
    finally:
        await admin.close()
        await portal.close()
    return SignedIn(agency_id, client.id, login.id, token)
