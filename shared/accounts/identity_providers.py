"""Single sign-on of staff: an agency's provider, who its people are here, and sign-ins that are on their way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.db import Connection, named_queries
from shared.errors import DomainError

SQL = named_queries(__package__, "sql/identity_providers.sql")

Claim = Literal["preferred_username", "email"]

SIGN_IN_LASTS: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""


class LocalSignInOff(DomainError):
    """The staff of this agency sign in with single sign-on. A password does not open anything here.

    The agency's admins have switched sign-in with a password off, for everybody alike.
    """

    status = 403


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where an agency's staff sign in with OpenID Connect.

    ``claim`` is what the provider calls a staff user the first time; ``name`` stands on the button. ``connected_at`` is
    when issuer, client, secret or claim were last changed.
    """

    issuer: str
    client_id: str
    sealed_secret: bytes
    name: str
    claim: Claim
    local_sign_in: bool
    connected_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """A sign-in that has begun. ``browser_digest`` is that of the cookie of the browser where it did."""

    browser_digest: bytes
    next_path: str
    started_at: datetime

    def over(self, now: datetime) -> bool:
        """Whether it took too long."""
        return now >= self.started_at + SIGN_IN_LASTS


async def of_agency(conn: Connection) -> IdentityProvider | None:
    """The provider of the transaction's agency, if it has one."""
    row = await conn.fetchrow(SQL["of_agency"])
    return IdentityProvider(**row) if row else None


async def require_local(conn: Connection) -> None:
    """Raises LocalSignInOff where staff sign in with single sign-on only."""
    provider = await of_agency(conn)
    if provider is not None and not provider.local_sign_in:
        raise LocalSignInOff


async def lock(conn: Connection) -> IdentityProvider | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock"])
    return IdentityProvider(**row) if row else None


async def put(conn: Connection, agency_id: UUID, provider: IdentityProvider) -> None:
    """Keep the provider as it is to be."""
    await conn.execute(
        SQL["put"],
        agency_id,
        provider.issuer,
        provider.client_id,
        provider.sealed_secret,
        provider.name,
        provider.claim,
        provider.local_sign_in,
        provider.connected_at,
        provider.version,
    )


async def reseal(conn: Connection, agency_id: UUID, old: bytes, new: bytes) -> None:
    """Keep the same secret in another box, unless it was changed meanwhile."""
    await conn.execute(SQL["reseal"], agency_id, old, new)


async def remove(conn: Connection, agency_id: UUID) -> None:
    """The agency has none any more. Who its people are stays known, for the day when it comes back."""
    await conn.execute(SQL["remove"], agency_id)


async def of_address(conn: Connection, email: str) -> UUID | None:
    """The staff user who has an e-mail address. When several active ones share it, it names none of them."""
    rows = await conn.fetch(SQL["of_address"], email)
    shared = len(rows) > 1 and rows[1]["active"]
    return rows[0]["id"] if rows and not shared else None


async def linked(conn: Connection, issuer: str, subject: str) -> UUID | None:
    """The staff user who is tied to a sign-in at the provider."""
    found: UUID | None = await conn.fetchval(SQL["linked"], issuer, subject)
    return found


async def link(
    conn: Connection, agency_id: UUID, issuer: str, subject: str, staff_user_id: UUID, now: datetime
) -> bool:
    """Tie a staff user to a sign-in at the provider; False when either is tied to another."""
    return None is not await conn.fetchval(SQL["link"], agency_id, issuer, subject, staff_user_id, now)


async def unlink(conn: Connection, staff_user_id: UUID) -> bool:
    """Untie a staff user from all providers; False when there was nothing to untie."""
    return bool(await conn.fetch(SQL["unlink"], staff_user_id))


async def begin(conn: Connection, agency_id: UUID, state_digest: bytes, started: OnTheWay) -> None:
    """Somebody is on the way. Those who were and never came back are forgotten."""
    await conn.execute(SQL["forget"], agency_id, started.started_at - SIGN_IN_LASTS)
    await conn.execute(
        SQL["begin"], state_digest, agency_id, started.browser_digest, started.next_path, started.started_at
    )


async def take(conn: Connection, state_digest: bytes) -> OnTheWay | None:
    """The sign-in of this state, once."""
    row = await conn.fetchrow(SQL["take"], state_digest)
    return OnTheWay(**row) if row else None


async def session_began(conn: Connection, session_id: UUID | None) -> datetime | None:
    """When a staff session began, if it did at the provider."""
    found: datetime | None = await conn.fetchval(SQL["session_began"], session_id)
    return found
