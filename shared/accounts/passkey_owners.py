"""Whoever signs in, staff user or portal login alike: what the door needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from shared.accounts import portal_logins, staff
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import SessionKind
from shared.accounts.staff import StaffUser
from shared.actors import Actor, Role
from shared.db import Connection
from shared.events import Subject


@dataclass(frozen=True, slots=True)
class Owner:
    """A staff user or a portal login. ``barred``: why nobody gets in, however well they prove who they are."""

    kind: SessionKind
    id: UUID
    username: str
    name: str
    role: Role | None
    client_id: UUID | None
    password_hash: str | None = field(repr=False)
    barred: Literal["inactive", "locked"] | None

    @property
    def subject(self) -> Subject:
        """Whom their events are about."""
        if self.kind == "staff":
            return Subject(staff_user_id=self.id)
        return Subject(client_id=self.client_id, portal_login_id=self.id)


async def by_id(conn: Connection, kind: SessionKind, person_id: UUID) -> Owner | None:
    """The person of this id at the transaction's agency."""
    if kind == "staff":
        user = await staff.by_id(conn, person_id)
        return _staff(user) if user else None
    login = await portal_logins.by_id(conn, person_id)
    return _portal(login) if login else None


async def lock(conn: Connection, kind: SessionKind, person_id: UUID) -> Owner | None:
    """The same, held until the transaction ends."""
    if kind == "staff":
        user = await staff.lock(conn, person_id)
        return _staff(user) if user else None
    login = await portal_logins.lock(conn, person_id)
    return _portal(login) if login else None


def _staff(user: StaffUser) -> Owner:
    return Owner(
        kind="staff",
        id=user.id,
        username=user.username,
        name=user.display_name,
        role=user.role,
        client_id=None,
        password_hash=user.password_hash,
        barred="inactive" if not user.active else "locked" if user.reported_at else None,
    )


def _portal(login: PortalLogin) -> Owner:
    return Owner(
        kind="portal",
        id=login.id,
        username=login.username,
        name=login.username,
        role=None,
        client_id=login.client_id,
        password_hash=login.password_hash,
        barred="inactive" if not login.active else "locked" if login.reported_at else None,
    )


def at_the_door(agency: Agency, kind: SessionKind, owner: Owner | None, origin: Origin) -> Actor:
    """Somebody who is not signed in; nobody in particular when it is not known who."""
    return Actor(
        agency_id=agency.id,
        kind="staff" if kind == "staff" else "portal_login",
        id=owner.id if owner else None,
        username=owner.username if owner else "",
        name=owner.name if owner else "",
        role=owner.role if owner else None,
        address=origin.address,
        request_id=origin.request_id,
    )
