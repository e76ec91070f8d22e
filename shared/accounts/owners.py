"""The owners of passwords: what staff users and portal logins have in common, and where they differ.

What happens to passwords (chosen, changed, reset, reported) is written once, for an ``Owners`` of either kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.sessions import SessionKind
from shared.actors import Actor
from shared.db import Connection
from shared.events import Subject
from shared.events.catalogue import (
    PortalLoginReported,
    PortalLoginUnlocked,
    PortalPasswordChanged,
    PortalPasswordResetRequested,
)
from shared.events.staff_catalogue import (
    StaffPasswordChanged,
    StaffPasswordResetRequested,
    StaffReported,
    StaffUnlocked,
)
from shared.outbox import Transaction
from shared.security.tokens import Signer

NEW_ADDRESS_WAITS: Final = timedelta(days=1)
"""So long no reset e-mail goes to an address that others have put in: the owner of the old one has time to notice."""

PasswordState = Literal["own", "temporary", "temporary_expired", "link_sent", "link_expired", "none"]


class Person(Protocol):
    """A staff user or a portal login, as far as their password is concerned."""

    @property
    def id(self) -> UUID: ...  # noqa: D102 - what these are is said where they are stored
    @property
    def username(self) -> str: ...  # noqa: D102
    @property
    def email(self) -> str | None: ...  # noqa: D102
    @property
    def active(self) -> bool: ...  # noqa: D102
    @property
    def password_hash(self) -> str | None: ...  # noqa: D102
    @property
    def temporary_password_hash(self) -> str | None: ...  # noqa: D102
    @property
    def temporary_password_expires_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def email_unconfirmed_since(self) -> datetime | None: ...  # noqa: D102
    @property
    def reported_at(self) -> datetime | None: ...  # noqa: D102


P = TypeVar("P", bound=Person)
P_contra = TypeVar("P_contra", bound=Person, contravariant=True)


def password_state(person: Person, now: datetime) -> PasswordState:
    """What somebody can sign in with at this moment. A pending temporary password, or link, replaces an own one."""
    if person.temporary_password_expires_at is not None and person.temporary_password_hash is None:
        # Whoever was sent a link to choose a password has none until then.
        return "link_sent" if now < person.temporary_password_expires_at else "link_expired"
    if person.temporary_password_expires_at is not None:
        return "temporary" if now < person.temporary_password_expires_at else "temporary_expired"
    return "own" if person.password_hash else "none"


def usable_hash(person: Person | None) -> str | None:
    """The one hash that can let somebody in; a pending temporary password replaces an own one."""
    if person is None or not person.active or person.reported_at is not None:
        return None
    return person.temporary_password_hash or person.password_hash


def email_waits(person: Person, now: datetime) -> bool:
    """Whether the e-mail address is one that others have just put in, and its owner has not confirmed it yet."""
    changed = person.email_unconfirmed_since
    return changed is not None and now - changed < NEW_ADDRESS_WAITS


class BeginSession(Protocol[P_contra]):
    """Opens a session for somebody who has just proved who they are, with its event."""

    async def __call__(  # noqa: D102 - see the class
        self, tx: Transaction, agency: Agency, person: P_contra, /, *, signer: Signer, origin: Origin, with_cookie: bool
    ) -> SignedIn: ...


Changed: TypeAlias = type[PortalPasswordChanged] | type[StaffPasswordChanged]
ResetRequested: TypeAlias = type[PortalPasswordResetRequested] | type[StaffPasswordResetRequested]
Reported: TypeAlias = type[PortalLoginReported] | type[StaffReported]
Unlocked: TypeAlias = type[PortalLoginUnlocked] | type[StaffUnlocked]


@dataclass(frozen=True, slots=True)
class Owners(Generic[P]):
    """People of one kind: how they are found and written, what their events are, and how they go in.

    ``words_of`` gives what a password of theirs must not hold besides username, mailbox and agency. With
    ``contracted_only`` nothing is done for people of an agency without a contract.
    """

    kind: SessionKind
    contracted_only: bool
    by_id: Callable[[Connection, UUID], Awaitable[P | None]]
    by_username: Callable[[Connection, str], Awaitable[P | None]]
    lock: Callable[[Connection, UUID], Awaitable[P | None]]
    set_own_password: Callable[[Connection, UUID, str, datetime], Awaitable[None]]
    report: Callable[[Connection, UUID, datetime], Awaitable[None]]
    words_of: Callable[[Connection, P], Awaitable[tuple[str, ...]]]
    changed: Changed
    reset_requested: ResetRequested
    reported: Reported
    unlocked: Unlocked
    actor_of: Callable[[Agency, P, Origin], Actor]
    subject_of: Callable[[P], Subject]
    begin_session: BeginSession[P]
