"""Sessions of staff and of portal logins, their refresh tokens, and the single-use tokens that set a password.

Whether a session is good is decided by PostgreSQL at each request, so an end takes effect at once and everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.actors import Role
from shared.db import Connection, named_queries
from shared.security.session_limits import ABSOLUTE, IDLE
from shared.security.tokens import Reference

SQL = named_queries(__package__, "sql/sessions.sql")

SessionKind = Literal["staff", "portal"]
EndReason = Literal["signed_out", "idle", "expired", "revoked"]
PasswordTokenPurpose = Literal["temporary", "reset", "report", "confirm_email", "invitation"]


@dataclass(frozen=True, slots=True)
class Session:
    """A session with the person it belongs to, as they are now. ``client_id`` is a portal login's client."""

    id: UUID
    secret_digest: bytes | None
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    person_id: UUID
    username: str
    name: str
    role: Role | None
    active: bool
    client_id: UUID | None
    representative: bool

    def overdue(self, now: datetime) -> Literal["idle", "expired"] | None:
        """Why an open session has to end at this moment, if it has to."""
        if now >= self.expires_at:
            return "expired"
        return "idle" if now - self.last_seen_at >= IDLE else None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A session that a sweep has to end."""

    id: UUID
    agency_id: UUID
    staff_user_id: UUID | None
    portal_login_id: UUID | None
    past_limit: bool
    username: str
    client_id: UUID | None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token as it is stored."""

    digest: bytes
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class PasswordToken:
    """A token from a sign-in or an e-mail, good once: for setting a password, or for saying what a change was."""

    digest: bytes
    # A portal login or a staff user, whichever was asked for.
    person_id: UUID
    purpose: PasswordTokenPurpose
    issued_at: datetime
    expires_at: datetime


async def start(
    conn: Connection,
    *,
    session_id: UUID,
    agency_id: UUID,
    kind: SessionKind,
    person_id: UUID,
    secret_digest: bytes | None,
    user_agent: str,
    address: str | None,
    now: datetime,
    single_sign_on: bool = False,
) -> None:
    """Begin a session. ``secret_digest`` is that of the cookie's reference, None for the API.

    ``single_sign_on``: an agency's identity provider said who it is.
    """
    staff_id, login_id = (person_id, None) if kind == "staff" else (None, person_id)
    await conn.execute(
        SQL["insert"],
        session_id,
        agency_id,
        kind,
        staff_id,
        login_id,
        secret_digest,
        user_agent[:300],
        address,
        now,
        now + ABSOLUTE,
        single_sign_on,
    )


async def by_id(conn: Connection, kind: SessionKind, session_id: UUID) -> Session | None:
    """The session of this kind and id at the transaction's agency."""
    row = await conn.fetchrow(SQL[f"{kind}_by_id"], session_id)
    return Session(**row) if row else None


async def seen(conn: Connection, session_id: UUID, now: datetime) -> None:
    """The session was used."""
    await conn.execute(SQL["seen"], session_id, now)


async def count_wrong_password(conn: Connection, session_id: UUID) -> int:
    """Somebody who is signed in gave a wrong current password; answers how often in this session."""
    count: int = await conn.fetchval(SQL["count_wrong_password"], session_id)
    return count


async def end(conn: Connection, session_id: UUID, reason: EndReason, now: datetime) -> bool:
    """End a session; False when it had ended already."""
    return None is not await conn.fetchval(SQL["end_one"], session_id, now, reason)


async def end_all(
    conn: Connection, kind: SessionKind, person_id: UUID, reason: EndReason, now: datetime, *, but: UUID | None = None
) -> list[UUID]:
    """End all open sessions of a person, but for one; answers those that ended now."""
    rows = await conn.fetch(SQL[f"end_all_{kind}"], person_id, now, reason, but)
    return [r["id"] for r in rows]


async def open_of_client(conn: Connection, client_id: UUID, now: datetime) -> dict[UUID, int]:
    """How many sessions of each of a client's portal logins are open; those with none are left out."""
    rows = await conn.fetch(SQL["open_of_client"], client_id, now - IDLE, now)
    return {r["portal_login_id"]: r["open"] for r in rows}


async def overdue(conn: Connection, kind: SessionKind, now: datetime, limit: int) -> list[Overdue]:
    """Sessions of all agencies that have to end, locked; for the sweep's own role."""
    return [Overdue(**r) for r in await conn.fetch(SQL["overdue"], now, now - IDLE, kind, limit)]


async def insert_refresh(
    conn: Connection, reference: Reference, session_id: UUID, kind: SessionKind, now: datetime
) -> None:
    """Keep a refresh token's digest; it lives as long as a session can."""
    await conn.execute(
        SQL["insert_refresh"], reference.digest, reference.agency_id, session_id, kind, now, now + ABSOLUTE
    )


async def lock_refresh(conn: Connection, reference: Reference, kind: SessionKind) -> RefreshToken | None:
    """The token that is presented, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock_refresh"], reference.digest, kind)
    return RefreshToken(**row) if row else None


async def stored_refresh(conn: Connection, digests: list[bytes]) -> bytes | None:
    """Which of these is the digest of a refresh token; None when none is."""
    found: bytes | None = await conn.fetchval(SQL["stored_refresh"], digests)
    return found


async def use_refresh(conn: Connection, token: RefreshToken, now: datetime) -> None:
    """The token has been exchanged."""
    await conn.execute(SQL["use_refresh"], token.digest, now)


async def expire_refresh(conn: Connection, session_id: UUID, now: datetime) -> None:
    """The session's refresh tokens are no good from now on; presenting one is refused and ends nothing."""
    await conn.execute(SQL["expire_refresh"], session_id, now)


async def rotate_secret(conn: Connection, session_id: UUID, secret_digest: bytes) -> None:
    """The session goes on with another cookie."""
    await conn.execute(SQL["rotate_secret"], session_id, secret_digest)


async def insert_password_token(
    conn: Connection,
    reference: Reference,
    kind: SessionKind,
    person_id: UUID,
    purpose: PasswordTokenPurpose,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep the digest of a token that sets a password."""
    await conn.execute(
        SQL["insert_password_token"],
        reference.digest,
        reference.agency_id,
        person_id if kind == "portal" else None,
        person_id if kind == "staff" else None,
        purpose,
        now,
        expires_at,
    )


async def lock_password_token(
    conn: Connection, reference: Reference, kind: SessionKind, now: datetime
) -> PasswordToken | None:
    """The token that is presented, when it is still good and of that kind, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock_password_token"], reference.digest, now, kind)
    return PasswordToken(**row) if row else None


async def use_password_token(conn: Connection, reference: Reference, now: datetime) -> bool:
    """The token has been used; False when it was no good any more."""
    return None is not await conn.fetchval(SQL["use_password_token"], reference.digest, now)


async def last_reset(conn: Connection, person_id: UUID, now: datetime) -> datetime | None:
    """When the reset that is still open was asked for; None when none is."""
    found: datetime | None = await conn.fetchval(SQL["last_reset"], person_id, now)
    return found


async def resets_since(conn: Connection, person_id: UUID, since: datetime) -> int:
    """How often a reset was asked for since then."""
    count: int = await conn.fetchval(SQL["resets_since"], person_id, since)
    return count


async def void_resets(conn: Connection, person_id: UUID, now: datetime) -> None:
    """The reset tokens that are open can no longer set this person's password."""
    await conn.execute(SQL["void_resets"], person_id, now)


async def void_password_tokens(conn: Connection, person_id: UUID, now: datetime) -> None:
    """Whatever could set this person's password can no longer do it."""
    await conn.execute(SQL["void_password_tokens"], person_id, now)


async def program_known(conn: Connection, login_id: UUID, user_agent: str) -> tuple[bool, bool]:
    """Whether a portal login's owner has used the API before: with a program of this name, and with any."""
    row = await conn.fetchrow(SQL["program_known"], login_id, user_agent[:300])
    return (row["this"], row["any"]) if row else (False, False)
