"""Passkeys of staff and of portal logins, and the challenges that authenticators sign."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.accounts.sessions import SessionKind
from shared.db import Connection, named_queries
from shared.outbox import Transaction
from shared.security.passkeys import NewPasskey
from shared.security.tokens import Reference, new_reference, parse_reference

SQL = named_queries(__package__, "sql/passkeys.sql")

MOST: Final = 10
"""So many passkeys has a person at most: one for each of their devices, and some to spare."""
CHALLENGE_WITHIN: Final = timedelta(minutes=5)
"""How long an authenticator's answer is waited for."""
_CHALLENGE_BYTES: Final = 32

Purpose = Literal["register", "sign_in"]


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey. ``public_key`` is a COSE key; ``backed_up``: it was last seen to be on other devices as well."""

    id: UUID
    person_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]
    name: str
    backup_eligible: bool
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What was signed, if all is well; ``person_id`` and ``session_id`` are those of somebody who adds a passkey."""

    challenge: bytes
    person_id: UUID | None
    session_id: UUID | None


async def of_person(conn: Connection, kind: SessionKind, person_id: UUID) -> list[Passkey]:
    """Somebody's passkeys in the order in which they were added."""
    return [Passkey(**row) for row in await conn.fetch(SQL["of_person"], kind, person_id)]


async def by_credential(conn: Connection, kind: SessionKind, credential_id: bytes) -> Passkey | None:
    """The passkey with this credential at the transaction's agency."""
    row = await conn.fetchrow(SQL["by_credential"], kind, credential_id)
    return Passkey(**row) if row else None


async def lock_by_credential(conn: Connection, kind: SessionKind, credential_id: bytes) -> Passkey | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock_by_credential"], kind, credential_id)
    return Passkey(**row) if row else None


async def lock(conn: Connection, kind: SessionKind, person_id: UUID, passkey_id: UUID) -> Passkey | None:
    """One of somebody's own passkeys, held until the transaction ends."""
    row = await conn.fetchrow(SQL["by_id"], kind, person_id, passkey_id)
    return Passkey(**row) if row else None


async def insert(tx: Transaction, kind: SessionKind, person_id: UUID, name: str, new: NewPasskey) -> Passkey | None:
    """Add a passkey; None when its credential is there already."""
    passkey = Passkey(
        id=tx.new_id(),
        person_id=person_id,
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        transports=new.transports,
        name=name,
        backup_eligible=new.backup_eligible,
        backed_up=new.backed_up,
        created_at=tx.now,
        last_used_at=None,
    )
    added = await tx.conn.fetchval(
        SQL["insert"],
        passkey.id,
        tx.agency_id,
        kind,
        person_id,
        passkey.credential_id,
        passkey.public_key,
        passkey.sign_count,
        list(passkey.transports),
        name,
        passkey.backup_eligible,
        passkey.backed_up,
        tx.now,
    )
    return passkey if added is not None else None


async def used(conn: Connection, passkey_id: UUID, sign_count: int, backed_up: bool, now: datetime) -> None:
    """It has signed its owner in."""
    await conn.execute(SQL["used"], passkey_id, sign_count, backed_up, now)


async def rename(conn: Connection, passkey_id: UUID, name: str) -> None:
    """Its owner calls it something else."""
    await conn.execute(SQL["rename"], passkey_id, name)


async def remove(conn: Connection, passkey_id: UUID) -> None:
    """It opens nothing any more."""
    await conn.execute(SQL["remove"], passkey_id)


async def remove_all(tx: Transaction, kind: SessionKind, person_id: UUID) -> list[str]:
    """None of somebody's passkeys opens anything any more, and none is on its way; answers their names."""
    await tx.conn.execute(SQL["void_challenges"], kind, person_id, tx.now)
    rows = await tx.conn.fetch(SQL["remove_all"], kind, person_id)
    return [row["name"] for row in sorted(rows, key=lambda row: row["id"])]


async def new_challenge(
    conn: Connection,
    agency_id: UUID,
    kind: SessionKind,
    purpose: Purpose,
    now: datetime,
    *,
    person_id: UUID | None = None,
    session_id: UUID | None = None,
) -> tuple[str, bytes]:
    """Something for an authenticator to sign: the handle for the caller, and the challenge."""
    reference, challenge = new_reference(agency_id), secrets.token_bytes(_CHALLENGE_BYTES)
    await conn.execute(
        SQL["insert_challenge"],
        reference.digest,
        agency_id,
        kind,
        purpose,
        challenge,
        person_id,
        session_id,
        now + CHALLENGE_WITHIN,
    )
    return reference.text, challenge


def parse_handle(agency_id: UUID, handle: str) -> Reference | None:
    """A handle of this agency; None when it is none, or another agency's."""
    reference = parse_reference(handle)
    return reference if reference is not None and reference.agency_id == agency_id else None


async def use_challenge(tx: Transaction, kind: SessionKind, purpose: Purpose, handle: str) -> Challenge | None:
    """The challenge behind a handle, once, whatever comes of it; None when it is no good (any more)."""
    reference = parse_handle(tx.agency_id, handle)
    if reference is None:
        return None
    row = await tx.conn.fetchrow(SQL["use_challenge"], reference.digest, kind, purpose, tx.now)
    return Challenge(**row) if row else None


async def forget_challenges(conn: Connection, now: datetime) -> None:
    """Delete those that are over, of all agencies; for the sweep's own role."""
    await conn.execute(SQL["forget_challenges"], now)
