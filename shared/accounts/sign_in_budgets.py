"""How many sign-ins may go wrong before a login is locked for a while.

Each person has one budget for all browsers that nobody knows, and one for each browser on which they have signed in
before. So nobody can lock a person out where they usually sign in by typing wrong passwords elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.accounts.sessions import SessionKind
from shared.db import Connection, named_queries
from shared.outbox import Transaction

SQL = named_queries(__package__, "sql/sign_in_budgets.sql")

FAILURES: Final = 10
"""So many wrong passwords lock (NIST SP 800-63B-4, section 3.2.2, allows a hundred)."""
FIRST_LOCK: Final = timedelta(minutes=15)
"""How long the first lock lasts; each one after it twice as long, up to an hour."""
LONGEST_LOCK: Final = timedelta(hours=1)
FORGET_AFTER: Final = timedelta(days=1)
"""A wrong password of so long ago no longer counts, nor does a lock that ended then."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left to get wrong. ``device`` is the digest of a known browser's cookie, None for all others together."""

    device: bytes | None = None
    failures: int = 0
    last_failure_at: datetime | None = None
    locks: int = 0
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> bool:
        """Whether no password is good at this moment."""
        return self.locked_until is not None and now < self.locked_until

    def after_failure(self, now: datetime) -> Budget:
        """One more wrong password, which may be the one that locks."""
        known = self if self._recent(now) else Budget(self.device)
        failures = known.failures + 1
        if failures < FAILURES:
            return replace(known, failures=failures, last_failure_at=now)
        lasts = min(FIRST_LOCK * 2**known.locks, LONGEST_LOCK)
        return Budget(self.device, 0, now, known.locks + 1, now + lasts)

    def _recent(self, now: datetime) -> bool:
        latest = max(filter(None, (self.last_failure_at, self.locked_until)), default=None)
        return latest is not None and now - latest < FORGET_AFTER


async def known(conn: Connection, kind: SessionKind, person_id: UUID, device: bytes | None) -> bool:
    """Whether the person has signed in on this browser before."""
    found: bool = await conn.fetchval(SQL["known"], kind, person_id, device)
    return found


async def known_to_anybody(conn: Connection, kind: SessionKind, device: bytes | None) -> bool:
    """Whether somebody has signed in on this browser before, whoever it was."""
    found: bool = await conn.fetchval(SQL["known_to_anybody"], kind, device)
    return found


async def any_known(conn: Connection, kind: SessionKind, person_id: UUID) -> bool:
    """Whether the person has signed in on a browser before, whichever it was."""
    found: bool = await conn.fetchval(SQL["any_known"], kind, person_id)
    return found


async def lock(tx: Transaction, kind: SessionKind, person_id: UUID, device: bytes | None) -> Budget:
    """The budget that a sign-in of this browser counts in, held until the transaction ends.

    The caller holds the person's own row, so that two sign-ins at once count as two.
    """
    row = await tx.conn.fetchrow(SQL["lock"], kind, person_id, device)
    return Budget(**row) if row else Budget()


async def failed(tx: Transaction, kind: SessionKind, person_id: UUID, budget: Budget) -> datetime | None:
    """Count a wrong password; answers until when it locks, if it does."""
    after = budget.after_failure(tx.now)
    await _put(tx, kind, person_id, after)
    return after.locked_until if after.locked(tx.now) else None


async def passed(tx: Transaction, kind: SessionKind, person_id: UUID, budget: Budget) -> None:
    """The password was right: what went wrong before it no longer counts."""
    whole = Budget(budget.device)
    if budget != whole:
        await _put(tx, kind, person_id, whole)


async def know(tx: Transaction, kind: SessionKind, person_id: UUID, device: bytes | None) -> None:
    """A session begins on this browser: from now on it has a budget of its own."""
    if device is not None:
        await _put(tx, kind, person_id, Budget(device))


async def _put(tx: Transaction, kind: SessionKind, person_id: UUID, budget: Budget) -> None:
    await tx.conn.execute(
        SQL["put"],
        tx.agency_id,
        kind,
        person_id,
        budget.device,
        budget.failures,
        budget.last_failure_at,
        budget.locks,
        budget.locked_until,
    )


async def renew(tx: Transaction, kind: SessionKind, person_id: UUID) -> bool:
    """All budgets of a person are whole again; answers whether one of them was locked."""
    return None is not await tx.conn.fetchval(SQL["renew"], kind, person_id, tx.now)
