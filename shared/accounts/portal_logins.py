"""Portal logins: how a client, or a representative, gets into the portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.accounts.agencies import Agency
from shared.accounts.owners import PasswordState, email_waits, password_state
from shared.db import Connection, named_queries
from shared.errors import DomainError
from shared.letters.languages import language_of

SQL = named_queries(__package__, "sql/portal_logins.sql")


class UsernameTaken(DomainError):
    """That portal username is already in use at this agency."""

    field = "username"


@dataclass(frozen=True, slots=True)
class PortalLogin:
    """One portal login.

    ``credential_due``: a temporary password is made and mailed once it is made active. ``locked_until``: after too many
    wrong passwords, on one browser or on all that are not known; it may be over.
    """

    id: UUID
    client_id: UUID
    username: str
    email: str
    representative: bool
    active: bool
    password_hash: str | None
    temporary_password_hash: str | None
    temporary_password_expires_at: datetime | None
    credential_due: bool
    version: int
    created_at: datetime
    updated_at: datetime
    # Since when the owner has neither signed in with an e-mail address that staff have put in, nor confirmed it.
    email_unconfirmed_since: datetime | None = None
    # Since when nobody gets in, because its owner said that somebody else had changed the password.
    reported_at: datetime | None = None
    # Of the e-mails to its owner; None is the agency's own.
    language: str | None = None
    locked_until: datetime | None = None

    def written_to_in(self, agency: Agency) -> str:
        """The language of the e-mails to its owner."""
        return self.language or language_of(agency.locale)

    def locked(self, now: datetime) -> bool:
        """Whether somebody, somewhere, is refused at this moment whatever the password."""
        return self.locked_until is not None and now < self.locked_until

    def email_waits(self, now: datetime) -> bool:
        """Whether the e-mail address is one that staff have just put in, and its owner has not confirmed it yet."""
        return email_waits(self, now)

    def password_state(self, now: datetime) -> PasswordState:
        """What the owner can sign in with at this moment. A pending temporary password replaces an own one."""
        return password_state(self, now)


async def of_client(conn: Connection, client_id: UUID) -> list[PortalLogin]:
    """A client's portal logins in the order in which they were added."""
    return [PortalLogin(**row) for row in await conn.fetch(SQL["of_client"], client_id)]


async def by_id(conn: Connection, login_id: UUID) -> PortalLogin | None:
    """The portal login of this id at the transaction's agency."""
    row = await conn.fetchrow(SQL["by_id"], login_id)
    return PortalLogin(**row) if row else None


async def lock(conn: Connection, login_id: UUID) -> PortalLogin | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock"], login_id)
    return PortalLogin(**row) if row else None


async def by_username(conn: Connection, username: str) -> PortalLogin | None:
    """The portal login of this username at the transaction's agency, in whatever case it is written."""
    row = await conn.fetchrow(SQL["by_username"], username)
    return PortalLogin(**row) if row else None


async def active_by_email(conn: Connection, email: str, limit: int) -> list[PortalLogin]:
    """Active portal logins with this address at the transaction's agency; whether they are locked is not looked up."""
    return [PortalLogin(**row) for row in await conn.fetch(SQL["active_by_email"], email, limit)]


async def insert(conn: Connection, agency_id: UUID, login: PortalLogin) -> None:
    """Add a portal login. Raises UsernameTaken."""
    added = await conn.fetchval(
        SQL["insert"],
        login.id,
        agency_id,
        login.client_id,
        login.username,
        login.email,
        login.representative,
        login.active,
        login.temporary_password_hash,
        login.temporary_password_expires_at,
        login.credential_due,
        login.created_at,
        login.language,
    )
    if added is None:
        raise UsernameTaken


async def update(conn: Connection, login: PortalLogin) -> int:
    """Write what staff may change; answers the new version."""
    version: int = await conn.fetchval(
        SQL["update"],
        login.id,
        login.email,
        login.representative,
        login.active,
        login.password_hash,
        login.temporary_password_hash,
        login.temporary_password_expires_at,
        login.credential_due,
        login.updated_at,
        login.reported_at,
        login.language,
    )
    return version


async def set_own_password(conn: Connection, login_id: UUID, password_hash: str, now: datetime) -> None:
    """The owner's own password; a temporary one is dead from now on."""
    await conn.execute(SQL["set_own_password"], login_id, password_hash, now)


async def renew_hash(conn: Connection, login_id: UUID, old: str, new: str) -> None:
    """Keep the same password at another cost, unless it was changed meanwhile."""
    await conn.execute(SQL["renew_hash"], login_id, old, new)


async def confirm_email(conn: Connection, login_id: UUID) -> None:
    """The owner got in, or said so with a code: the address that staff have put in is theirs."""
    await conn.execute(SQL["confirm_email"], login_id)


async def report(conn: Connection, login_id: UUID, now: datetime) -> None:
    """Its owner said that somebody else had changed the password: nobody gets in any more."""
    await conn.execute(SQL["report"], login_id, now)
