"""Two agencies with staff, clients and portal logins, and the audit service's API in front of a store to fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.audit import store
from shared.accounts import portal_logins
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.accounts.portal_logins import PortalLogin
from shared.db import Pool
from shared.events import Actor, Envelope, Payload
from shared.events.catalogue import PortalLoginUpdated, PortalSessionStarted
from tests.audit.events import an_event
from tests.support.clock import FakeClock
from tests.support.people import Person, World
from tests.support.pipeline import AuditApi

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class House:
    """What a test of the logs starts with. ``staff_token`` and the others are made once."""

    world: World
    admin_pool: Pool
    store_pool: Pool
    clock: FakeClock
    api: AuditApi
    agency: Agency
    staff: Person
    supervisor: Person
    client: Client
    login: PortalLogin
    tokens: dict[str, str] = field(default_factory=dict)

    async def staff_token(self) -> str:
        """Of a staff user without a special role."""
        return await self._token("staff", self.staff)

    async def supervisor_token(self) -> str:
        """Of a supervisor."""
        return await self._token("supervisor", self.supervisor)

    async def client_token(self) -> str:
        """Of the portal login."""
        if "client" not in self.tokens:
            self.tokens["client"] = await self.api.client_token(self.staff.actor, self.login.id)
        return self.tokens["client"]

    async def _token(self, name: str, person: Person) -> str:
        if name not in self.tokens:
            self.tokens[name] = await self.api.staff_token(person.actor)
        return self.tokens[name]

    async def a_login(self, agency: Agency, client: Client, username: str) -> PortalLogin:
        """Another portal login."""
        return await a_login(self.admin_pool, agency, client, username)

    async def keep(self, *found: Envelope) -> None:
        """Put events into the store."""
        async with self.store_pool.transaction(None) as conn:
            await store.append(conn, [store.entry_of(e.to_json()) for e in found])

    def event(self, payload: Payload, **fields: Any) -> Envelope:
        """An event about the client and their login, by the staff user, now."""
        about = {"client_id": self.client.id, "portal_login_id": self.login.id, "agency_id": self.agency.id}
        return an_event(payload, **{"at": self.clock(), "actor": self.staff.actor.as_event_actor(), **about, **fields})

    async def sign_ins(self, count: int, **fields: Any) -> list[UUID]:
        """As many rows of the Client Action Log, a minute apart; answers their ids, newest first."""
        found = []
        for _ in range(count):
            self.clock.advance(seconds=1)
            found.append(self.event(PortalSessionStarted(username="cmalek"), **fields))
        await self.keep(*found)
        return [e.id for e in reversed(found)]

    async def changes(self, count: int, **fields: Any) -> list[UUID]:
        """As many entries of the Face Sheet Change Log; answers their ids, newest first."""
        found = []
        for _ in range(count):
            self.clock.advance(seconds=1)
            found.append(self.event(PortalLoginUpdated(username="cmalek", password_updated=True), **fields))
        await self.keep(*found)
        return [e.id for e in reversed(found)]


async def a_login(pool: Pool, agency: Agency, client: Client, username: str) -> PortalLogin:
    """An active portal login without a password."""
    login = PortalLogin(
        uuid4(), client.id, username, "a@example.com", False, True, None, None, None, False, 1, LONG_AGO, LONG_AGO
    )
    async with pool.transaction(agency.id) as conn:
        await portal_logins.insert(conn, agency.id, login)
    return login


def an_actor(name: str) -> Actor:
    """A staff user who is only known from events."""
    return Actor(kind="staff", id=uuid4(), username=name.lower(), name=name)


def ids(page: dict[str, Any]) -> list[UUID]:
    """Of the items of a page."""
    return [UUID(item["id"]) for item in page["items"]]


def fields_at_fault(problem: dict[str, Any]) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in problem["errors"]]
