"""Dead letters: what could not be stored, for operators to look at, to try again, or to discard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.audit.store import BAD_ROW, SQL, append, entry_of
from shared.db import Connection, Pool
from shared.errors import DomainError


class StillRefused(DomainError):
    """The event still cannot be stored."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be stored; ``body`` is what stood in the stream."""

    id: int
    stream_id: str
    event_id: UUID | None
    body: str
    reason: str
    received_at: datetime
    replayed_at: datetime | None
    discarded_at: datetime | None

    @property
    def waits(self) -> bool:
        """Whether nobody has decided about it yet."""
        return self.replayed_at is None and self.discarded_at is None


async def listed(conn: Connection, *, also_done: bool, after: int, limit: int) -> list[DeadLetter]:
    """Dead letters with an id above ``after``, oldest first; those replayed or discarded only when asked for."""
    return [DeadLetter(**r) for r in await conn.fetch(SQL["dead_letters"], also_done, after, limit)]


async def show(conn: Connection, letter_id: int) -> DeadLetter | None:
    """One of them, None when there is none of this id."""
    row = await conn.fetchrow(SQL["dead_letter"], letter_id)
    return DeadLetter(**row) if row is not None else None


async def replay(pool: Pool, letter_id: int, now: datetime) -> bool:
    """Store a dead letter's event now. False when it is gone or done; raises StillRefused."""
    try:
        async with pool.transaction(None) as conn:
            # The mark comes first: it locks the row, so that nobody discards it meanwhile.
            body = await conn.fetchval(SQL["mark_replayed"], letter_id, now)
            if body is None:
                return False
            await append(conn, [entry_of(body)])
            return True
    except (*BAD_ROW, ValueError) as error:
        raise StillRefused from error


async def discard(pool: Pool, letter_id: int, now: datetime) -> bool:
    """Decide that a dead letter is not needed; it stays readable. False when it is gone or done."""
    async with pool.transaction(None) as conn:
        return await conn.fetchval(SQL["mark_discarded"], letter_id, now) is not None
