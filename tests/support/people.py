"""Agencies, staff and clients for tests, put in through the same stores that the product uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import asyncpg

from shared.accounts import agencies, clients, field_blocks, staff
from shared.accounts.agencies import Agency
from shared.accounts.clients import Case, Client, DynamicFields
from shared.accounts.staff import StaffUser
from shared.actors import Actor, Role
from shared.db import Pool
from shared.security.passwords import PasswordHasher
from tests.support.databases import Database

STAFF_PASSWORD = "correct-horse-battery-staple-9"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """A staff user who can sign in with ``password``."""

    agency: Agency
    user: StaffUser
    password: str = STAFF_PASSWORD

    @property
    def actor(self) -> Actor:
        """As use cases know this person."""
        return Actor(
            agency_id=self.agency.id,
            kind="staff",
            id=self.user.id,
            username=self.user.username,
            name=self.user.display_name,
            role=self.user.role,
        )


class World:
    """Puts people into one test's database."""

    def __init__(self, database: Database, pool: Pool, hasher: PasswordHasher) -> None:
        self._database = database
        self._pool = pool
        self._hasher = hasher

    async def agency(
        self,
        slug: str = "riverside",
        *,
        name: str = "Riverside Family Services",
        contracted: bool = True,
        time_zone: str = "America/New_York",
        portal_url: str | None = None,
    ) -> Agency:
        """An agency with the blocks that every agency starts with."""
        agency = Agency(uuid4(), slug, name, contracted, portal_url, time_zone, "en-US", None, 72, 1)
        owner = await asyncpg.connect(self._database.owner_url)
        try:
            await agencies.insert(owner, agency, _LONG_AGO)
        finally:
            await owner.close()
        async with self._pool.transaction(agency.id) as conn:
            for position, block in enumerate(field_blocks.DEFAULT_BLOCKS):
                await field_blocks.insert(conn, agency.id, uuid4(), block, position)
        return agency

    async def staff(
        self,
        agency: Agency,
        username: str = "nextstep",
        *,
        display_name: str = "NextStep Solutions",
        role: Role = "staff",
    ) -> Person:
        """A staff user with :data:`STAFF_PASSWORD`."""
        user = StaffUser(uuid4(), username, display_name, role, True, await self._hasher.hash(STAFF_PASSWORD))
        async with self._pool.transaction(agency.id) as conn:
            await staff.insert(conn, agency.id, user, _LONG_AGO)
        return Person(agency, user)

    async def client(
        self,
        agency: Agency,
        *,
        client_number: str = "100007",
        first_name: str = "Catherine",
        last_name: str = "Malek",
        date_of_birth: date = date(1966, 3, 7),
        case_number: str | None = "C26-09678",
        dynamic_fields: DynamicFields | None = None,
    ) -> Client:
        """A client, with a case unless told otherwise."""
        client = Client(
            id=uuid4(),
            client_number=client_number,
            first_name=first_name,
            last_name=last_name,
            date_of_birth=date_of_birth,
            portal_refused=False,
            dynamic_fields=dynamic_fields or {},
            version=1,
            updated_at=_LONG_AGO,
        )
        async with self._pool.transaction(agency.id) as conn:
            await clients.insert(conn, agency.id, client)
            if case_number:
                case = Case(uuid4(), client.id, case_number, "Residential", date(2019, 4, 30), None)
                await clients.insert_case(conn, agency.id, case)
            await clients.index(conn, agency.id, client)
        return client

    async def case_ids(self, agency: Agency, client: Client) -> list[UUID]:
        """The ids of a client's cases."""
        async with self._pool.transaction(agency.id) as conn:
            return [case.id for case in await clients.cases_of(conn, client.id)]
