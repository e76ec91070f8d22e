"""What a person shows besides the password, as it is stored: an app, recovery codes, remembered devices.

Half-done sign-ins are here too: the password was right, the second factor is to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.accounts.sessions import SessionKind
from shared.db import Connection, named_queries
from shared.security.tokens import Reference
from shared.security.totp import digest_of

SQL = named_queries(__package__, "sql/second_factors.sql")

Method = Literal["totp", "recovery_code", "passkey"]

HALF_DONE: Final = timedelta(minutes=10)
"""How long a sign-in waits for its second factor."""
WRONG_CODES: Final = 5
"""So many wrong codes end a half-done sign-in."""
SET_UP_WITHIN: Final = timedelta(minutes=15)
"""How long a shared secret waits for the code that shows that the app has it."""
REMEMBERED: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, repr=False)
class Totp:
    """An app: the one that is asked for (``sealed_seed``), and the one that is being set up (``pending_seed``)."""

    sealed_seed: bytes | None = None
    confirmed_at: datetime | None = None
    last_step: int | None = None
    wrong_codes: int = 0
    pending_seed: bytes | None = None
    pending_since: datetime | None = None
    pending_for: bytes | None = None

    def pending(self, now: datetime, whose: bytes) -> bytes | None:
        """The sealed secret that ``whose`` session or half-done sign-in is setting up, while it is good."""
        if self.pending_since is None or self.pending_for != whose or now - self.pending_since >= SET_UP_WITHIN:
            return None
        return self.pending_seed


@dataclass(frozen=True, slots=True)
class HalfSignIn:
    """A sign-in whose password was right."""

    person_id: UUID
    expires_at: datetime
    wrong_codes: int


@dataclass(frozen=True, slots=True)
class Device:
    """A browser on which the second factor is not asked for; ``current`` is the one that asks."""

    id: UUID
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


async def methods_of(conn: Connection, kind: SessionKind, person_id: UUID) -> tuple[Method, ...]:
    """What the person can show besides the password. This is the one place that knows all methods.

    Recovery codes stand in for another method and are never the only one.
    """
    row = await conn.fetchrow(SQL["methods"], kind, person_id)
    if row is None or not row["totp"]:
        return ()
    return ("totp", "recovery_code") if row["recovery_code"] else ("totp",)


async def shown_by(conn: Connection, kind: SessionKind, person_id: UUID, *, required: bool) -> tuple[Method, ...]:
    """What the second step takes. A passkey is enough where a step is asked for anyway, and brings none about."""
    methods = await methods_of(conn, kind, person_id)
    if (methods or required) and await has_passkey(conn, kind, person_id):
        return (*methods, "passkey")
    return methods


async def overview(conn: Connection, kind: SessionKind, person_id: UUID) -> tuple[datetime | None, int]:
    """Since when the person has an app, and how many recovery codes are left."""
    row = await conn.fetchrow(SQL["overview"], kind, person_id)
    return (row["totp_since"], row["codes_left"]) if row else (None, 0)


async def of_client(conn: Connection, client_id: UUID) -> set[UUID]:
    """Which of a client's portal logins have a second factor, or a passkey."""
    return {row["id"] for row in await conn.fetch(SQL["of_client"], client_id)}


# The app


async def lock_totp(conn: Connection, kind: SessionKind, person_id: UUID) -> Totp:
    """The person's app, held until the transaction ends; an empty one when there is none."""
    row = await conn.fetchrow(SQL["lock_totp"], kind, person_id)
    return Totp(**row) if row else Totp()


async def begin(
    conn: Connection, agency_id: UUID, kind: SessionKind, person_id: UUID, *, sealed: bytes, now: datetime, whose: bytes
) -> None:
    """An app is being set up."""
    await conn.execute(SQL["begin"], agency_id, kind, person_id, sealed, now, whose)


async def confirm(conn: Connection, kind: SessionKind, person_id: UUID, *, step: int, now: datetime) -> None:
    """The app that was being set up is asked for from now on."""
    await conn.execute(SQL["confirm"], kind, person_id, now, step)


async def use_step(conn: Connection, kind: SessionKind, person_id: UUID, *, step: int, sealed: bytes) -> None:
    """The code of this time step was taken."""
    await conn.execute(SQL["use_step"], kind, person_id, step, sealed)


async def count_wrong(conn: Connection, kind: SessionKind, person_id: UUID) -> None:
    """A code of the app was wrong."""
    await conn.execute(SQL["count_wrong"], kind, person_id)


async def forgive(conn: Connection, kind: SessionKind, person_id: UUID) -> None:
    """Wrong codes so far no longer count."""
    await conn.execute(SQL["forgive"], kind, person_id)


async def has_passkey(conn: Connection, kind: SessionKind, person_id: UUID) -> bool:
    """Whether the person has a passkey, which is both factors at once."""
    found: bool = await conn.fetchval(SQL["has_passkey"], kind, person_id)
    return found


async def remove(conn: Connection, kind: SessionKind, person_id: UUID) -> None:
    """The app and the recovery codes are gone."""
    await conn.execute(SQL["remove_totp"], kind, person_id)
    await conn.execute(SQL["remove_codes"], kind, person_id)


# Recovery codes


async def replace_codes(
    conn: Connection, agency_id: UUID, kind: SessionKind, person_id: UUID, codes: list[str], now: datetime
) -> None:
    """These are the person's recovery codes, and no others."""
    await conn.execute(SQL["remove_codes"], kind, person_id)
    await conn.executemany(SQL["insert_code"], [(digest_of(code), agency_id, kind, person_id, now) for code in codes])


async def use_code(conn: Connection, kind: SessionKind, person_id: UUID, code: str, now: datetime) -> bool:
    """Whether it is one of the person's recovery codes that was not used yet; now it is."""
    return None is not await conn.fetchval(SQL["use_code"], digest_of(code), kind, person_id, now)


# Half-done sign-ins


async def insert_half(
    conn: Connection, reference: Reference, kind: SessionKind, person_id: UUID, now: datetime
) -> None:
    """A sign-in waits for its second factor; only the token's digest is kept."""
    await conn.execute(SQL["insert_half"], reference.digest, reference.agency_id, kind, person_id, now, now + HALF_DONE)


async def half(conn: Connection, reference: Reference, kind: SessionKind, now: datetime) -> HalfSignIn | None:
    """The sign-in that this token is of, while it is good."""
    row = await conn.fetchrow(SQL["half"], reference.digest, kind, now)
    return HalfSignIn(**row) if row else None


async def lock_half(conn: Connection, reference: Reference, kind: SessionKind, now: datetime) -> HalfSignIn | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock_half"], reference.digest, kind, now)
    return HalfSignIn(**row) if row else None


async def count_half(conn: Connection, reference: Reference, now: datetime) -> bool:
    """Another wrong code; answers whether that was the last one."""
    ended: bool = await conn.fetchval(SQL["count_half"], reference.digest, now, WRONG_CODES)
    return ended


async def end_half(conn: Connection, reference: Reference, now: datetime) -> None:
    """The sign-in is done."""
    await conn.execute(SQL["end_half"], reference.digest, now)


# Remembered devices


async def remembered(conn: Connection, kind: SessionKind, person_id: UUID, digest: bytes | None, now: datetime) -> bool:
    """Whether the browser with this cookie is one that the person had remembered."""
    if digest is None:
        return False
    return None is not await conn.fetchval(SQL["remembered"], kind, person_id, digest, now)


async def devices(
    conn: Connection, kind: SessionKind, person_id: UUID, now: datetime, *, current: bytes | None
) -> list[Device]:
    """The browsers that the person had remembered."""
    return [Device(**row) for row in await conn.fetch(SQL["devices"], kind, person_id, now, current)]


async def remember(
    conn: Connection,
    agency_id: UUID,
    kind: SessionKind,
    person_id: UUID,
    *,
    device_id: UUID,
    digest: bytes,
    before: bytes | None,
    user_agent: str,
    now: datetime,
) -> None:
    """This browser is remembered for a while; ``before`` is what it was remembered by until now."""
    await conn.execute(SQL["forget_digest"], kind, person_id, before)
    await conn.execute(
        SQL["remember"], device_id, agency_id, kind, person_id, digest, user_agent[:300], now, now + REMEMBERED
    )


async def forget(
    conn: Connection, kind: SessionKind, person_id: UUID, now: datetime, *, device_id: UUID | None = None
) -> bool:
    """One remembered browser is a stranger again, or all of them; answers whether there was any."""
    found = await conn.fetch(SQL["forget"], kind, person_id, device_id, now)
    return any(row["asked"] for row in found) if device_id else bool(found)


async def start_over(conn: Connection, kind: SessionKind, person_id: UUID, now: datetime) -> None:
    """After a change of what a person signs in with: no browser is remembered, no sign-in is half done."""
    await forget(conn, kind, person_id, now)
    await conn.execute(SQL["end_halves"], kind, person_id, now)
