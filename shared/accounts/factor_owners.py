"""Whose second factor it is: a staff user or a portal login, and what is told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.accounts import portal_logins, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import SessionKind
from shared.accounts.sign_in_budgets import FAILURES
from shared.accounts.staff import StaffUser
from shared.actors import Actor, Role
from shared.db import Connection
from shared.events import Payload, Subject
from shared.events.catalogue import PortalLoginLocked, PortalSessionRefused
from shared.events.factor_catalogue import FactorChange, PortalSecondFactorChanged, StaffSecondFactorChanged
from shared.events.staff_catalogue import StaffLocked, StaffSessionRefused
from shared.outbox import Transaction
from shared.security.boxes import Boxes
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer


@dataclass(frozen=True, slots=True)
class FactorOwner:
    """A person with what matters at their second factor. ``may_enter``: nothing but a factor is in the way."""

    kind: SessionKind
    id: UUID
    username: str
    name: str
    role: Role | None
    password_hash: str | None
    may_enter: bool
    representative: bool
    subject: Subject

    def required(self, agency: Agency) -> bool:
        """Whether the agency asks this person for a second factor."""
        if self.kind == "staff":
            return agency.second_factor_of_staff
        return self.representative and agency.second_factor_of_representatives

    def actor(self, agency_id: UUID, origin: Origin) -> Actor:
        """The person at the door, not signed in."""
        return Actor(
            agency_id=agency_id,
            kind="staff" if self.kind == "staff" else "portal_login",
            id=self.id,
            username=self.username,
            name=self.name,
            role=self.role,
            address=origin.address,
            request_id=origin.request_id,
        )

    def changed(self, what: FactorChange) -> tuple[Payload, Subject]:
        """The event of a change of the second factor."""
        declared = StaffSecondFactorChanged if self.kind == "staff" else PortalSecondFactorChanged
        return declared(username=self.username, what=what), self.subject

    def refused(self, *, locked: bool) -> tuple[Payload, Subject]:
        """The event of a refused code."""
        if self.kind == "staff":
            refusal = StaffSessionRefused(username=self.username, reason="locked" if locked else "wrong_code")
            return refusal, self.subject
        return PortalSessionRefused(username=self.username, reason="locked" if locked else "wrong_code"), self.subject

    def locked(self, until: datetime, *, known_device: bool) -> tuple[Payload, Subject]:
        """The event of a lock."""
        declared = StaffLocked if self.kind == "staff" else PortalLoginLocked
        event = declared(username=self.username, failures=FAILURES, until=until, known_device=known_device)
        return event, self.subject


class Begin(Protocol):
    """Opens a session for somebody who has shown all that is asked of them, with its event."""

    async def __call__(
        self,
        tx: Transaction,
        agency: Agency,
        person_id: UUID,
        *,
        signer: Signer,
        origin: Origin,
        with_cookie: bool,
    ) -> SignedIn:
        """The session."""


Tell = Callable[[Transaction, Agency, FactorOwner, FactorChange], Awaitable[None]]
"""Puts the e-mail about a change into the queue, where the owner gets one."""
Warn = Callable[[Transaction, Agency, FactorOwner], Awaitable[None]]
"""Puts the e-mail into the queue that says: somebody has the password, and no code."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What the use cases of second factors need of a service."""

    kind: SessionKind
    boxes: Boxes
    hasher: PasswordHasher
    signer: Signer
    begin: Begin
    tell: Tell
    warn: Warn


async def by_id(conn: Connection, kind: SessionKind, person_id: UUID) -> FactorOwner | None:
    """The person of this kind and id at the transaction's agency."""
    if kind == "staff":
        user = await staff.by_id(conn, person_id)
        return of_staff(user) if user else None
    login = await portal_logins.by_id(conn, person_id)
    return of_login(login) if login else None


async def lock(conn: Connection, kind: SessionKind, person_id: UUID) -> FactorOwner | None:
    """The same, held until the transaction ends."""
    if kind == "staff":
        user = await staff.lock(conn, person_id)
        return of_staff(user) if user else None
    login = await portal_logins.lock(conn, person_id)
    return of_login(login) if login else None


def of_staff(user: StaffUser) -> FactorOwner:
    """A staff user as the owner of a second factor."""
    return FactorOwner(
        kind="staff",
        id=user.id,
        username=user.username,
        name=user.display_name,
        role=user.role,
        password_hash=user.password_hash,
        may_enter=user.active and user.reported_at is None,
        representative=False,
        subject=Subject(staff_user_id=user.id),
    )


def of_login(login: PortalLogin) -> FactorOwner:
    """A portal login as the owner of a second factor."""
    return FactorOwner(
        kind="portal",
        id=login.id,
        username=login.username,
        name=login.username,
        role=None,
        password_hash=login.password_hash,
        may_enter=login.active and login.reported_at is None,
        representative=login.representative,
        subject=Subject(client_id=login.client_id, portal_login_id=login.id),
    )
