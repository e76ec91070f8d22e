"""Staff users: the people who work in the admin service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from shared.accounts.owners import PasswordState, password_state
from shared.actors import Role
from shared.db import Connection, named_queries
from shared.errors import DomainError

SQL = named_queries(__package__, "sql/staff.sql")

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StaffUsernameTaken(DomainError):
    """That username is already in use at this agency."""

    field = "username"


@dataclass(frozen=True, slots=True)
class StaffUser:
    """One staff user. ``username`` stands in the action log, ``display_name`` in the change log.

    ``email`` is None for those from before staff had addresses. ``locked_until``: after too many wrong passwords, on
    one browser or on all that are not known; it may be over.
    """

    id: UUID
    username: str
    display_name: str
    role: Role
    active: bool
    password_hash: str | None
    email: str | None = None
    temporary_password_hash: str | None = None
    temporary_password_expires_at: datetime | None = None
    # Since when the person has not signed in with an e-mail address that an admin has put in.
    email_unconfirmed_since: datetime | None = None
    # Since when nobody gets in, because the person said that somebody else had changed the password.
    reported_at: datetime | None = None
    last_sign_in_at: datetime | None = None
    version: int = 1
    created_at: datetime = _LONG_AGO
    updated_at: datetime = _LONG_AGO
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> bool:
        """Whether the person, somewhere, is refused at this moment whatever the password."""
        return self.locked_until is not None and now < self.locked_until

    def password_state(self, now: datetime) -> PasswordState:
        """What the person can sign in with at this moment. A pending temporary password replaces an own one."""
        return password_state(self, now)


async def by_username(conn: Connection, username: str) -> StaffUser | None:
    """The staff user of this name at the transaction's agency, in whatever case it is written."""
    row = await conn.fetchrow(SQL["by_username"], username)
    return StaffUser(**row) if row else None


async def by_id(conn: Connection, staff_user_id: UUID) -> StaffUser | None:
    """The staff user of this id at the transaction's agency."""
    row = await conn.fetchrow(SQL["by_id"], staff_user_id)
    return StaffUser(**row) if row else None


async def lock(conn: Connection, staff_user_id: UUID) -> StaffUser | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock"], staff_user_id)
    return StaffUser(**row) if row else None


async def page(conn: Connection, *, after: str | None, active: bool | None, limit: int) -> list[StaffUser]:
    """The agency's staff by username; ``after`` is the last username of the page before."""
    return [StaffUser(**row) for row in await conn.fetch(SQL["page"], after, active, limit)]


async def lock_admins(conn: Connection) -> frozenset[UUID]:
    """The agency's active admins, all held until the transaction ends. To be asked before any one of them is held."""
    return frozenset(row["id"] for row in await conn.fetch(SQL["lock_admins"]))


async def insert(conn: Connection, agency_id: UUID, user: StaffUser, created_at: datetime) -> bool:
    """Add a staff user; False when the username is taken."""
    return None is not await conn.fetchval(
        SQL["insert"],
        user.id,
        agency_id,
        user.username,
        user.display_name,
        user.role,
        user.password_hash,
        user.email,
        user.temporary_password_hash,
        user.temporary_password_expires_at,
        created_at,
    )


async def update(conn: Connection, user: StaffUser) -> int:
    """Write what an agency admin may change; answers the new version."""
    version: int = await conn.fetchval(
        SQL["update"],
        user.id,
        user.display_name,
        user.email,
        user.role,
        user.active,
        user.password_hash,
        user.temporary_password_hash,
        user.temporary_password_expires_at,
        user.reported_at,
        user.updated_at,
    )
    return version


async def set_own_password(conn: Connection, staff_user_id: UUID, password_hash: str, now: datetime) -> None:
    """A password of their own; a temporary one is dead from now on."""
    await conn.execute(SQL["set_password"], staff_user_id, password_hash, now)


async def set_email(conn: Connection, staff_user_id: UUID, email: str) -> None:
    """Where e-mails go to somebody who has had no address."""
    await conn.execute(SQL["set_email"], staff_user_id, email)


async def renew_hash(conn: Connection, staff_user_id: UUID, old: str, new: str) -> None:
    """Keep the same password at another cost, unless it was changed meanwhile."""
    await conn.execute(SQL["renew_hash"], staff_user_id, old, new)


async def signed_in(conn: Connection, staff_user_id: UUID, now: datetime) -> None:
    """The person got in, so the address that an admin has put in is theirs."""
    await conn.execute(SQL["signed_in"], staff_user_id, now)


async def report(conn: Connection, staff_user_id: UUID, now: datetime) -> None:
    """The person said that somebody else had changed the password: nobody gets in any more."""
    await conn.execute(SQL["report"], staff_user_id, now)
