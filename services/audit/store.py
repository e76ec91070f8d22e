"""The audit store: events in, each once and each at the end of its chain; dead letters; what is held; partitions."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.audit.chain import SALT_BYTES
from services.audit.entries import Entry
from shared.db import Connection, Pool, named_queries

SQL: Final = named_queries(__package__, "sql/store.sql")

# What PostgreSQL raises about a row itself; anything else is about the database and is tried again.
BAD_ROW: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    # Too large for an index, nested too deeply.
    asyncpg.ProgramLimitExceededError,
)
SESSION: Final = {
    # Partitions are chosen by the ids that a query names, so a plan for any ids would look into all of them.
    "plan_cache_mode": "force_custom_plan",
    # The rows of one agency lie apart. Fetching 26 of them by their index must not seem dearer than reading everybody's
    # rows in between, which may be millions where an agency has fallen silent.
    "random_page_cost": "1.0",
}
# Into how many parts the agencies are divided while others are at the same chains.
_PARTS: Final = 4


@dataclass(slots=True)
class Stored:
    """What became of a batch: how many events were new, and which entries PostgreSQL refused for what reason."""

    new: int = 0
    refused: list[tuple[Entry, str]] = field(default_factory=list)

    def add(self, other: Stored) -> None:
        """Count another batch in."""
        self.new += other.new
        self.refused += other.refused


async def open_pool(url: str, size: int) -> Pool:
    """Connections to the store of a role that reads and appends."""
    return await Pool.open(url, size=size, application_name="portico-audit-store", server_settings=SESSION)


def salts(count: int) -> list[bytes]:
    """Fresh salts for so many entries."""
    drawn = secrets.token_bytes(SALT_BYTES * count)
    return [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]


def entry_of(text: str) -> Entry:
    """One event as it would stand in the stream. Raises NoEvent."""
    return Entry(text.encode(), salt=secrets.token_bytes(SALT_BYTES))


async def append(conn: Connection, entries: Iterable[Entry], *, wait: bool = True) -> int | None:
    """Store entries in the open transaction, at the ends of their chains, which stay locked until it is over.

    Answers how many were new; None, with nothing stored, when somebody is at one of the chains and ``wait`` is off.
    """
    # The same event may stand in the stream twice.
    once = {entry.event.id: entry for entry in entries}
    numbers = {chain: number for number, chain in enumerate(sorted({e.chain for e in once.values()}), start=1)}
    columns = zip(*(entry.row for entry in once.values()), strict=True)
    appended: int | None = await conn.fetchval(
        SQL["append"],
        [agency_id for agency_id, _ in numbers],
        [year for _, year in numbers],
        [numbers[entry.chain] for entry in once.values()],
        *columns,
        wait,
    )
    return appended


class Appender:
    """Stores batches: each in one transaction, or in parts where other consumers may be at the same chains.

    Every consumer divides the chains in the same way, so that two of them need not meet at each part.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turn = 0

    async def store(self, entries: Sequence[Entry], *, alone: bool) -> Stored:
        """Store a batch. Unless ``alone``, first those parts of it whose chains nobody is at."""
        parts = [list(entries)] if alone else self._in_turn(entries)
        done, busy = Stored(), []
        for part in parts:
            stored = await _store(self._pool, part, wait=len(parts) == 1)
            if stored is None:
                busy.append(part)
            else:
                done.add(stored)
        if busy and busy[0] is parts[0]:
            # Next time somewhere else than whoever was there.
            self._turn += 1
        for part in busy:
            done.add(await _store(self._pool, part, wait=True) or Stored())
        return done

    def _in_turn(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        """Entries by groups of agencies, in their order."""
        groups: list[list[Entry]] = [[] for _ in range(_PARTS)]
        for entry in entries:
            groups[entry.chain[0].int % _PARTS].append(entry)
        first = self._turn % _PARTS
        return [group for group in (*groups[first:], *groups[:first]) if group]


async def _store(pool: Pool, entries: list[Entry], *, wait: bool) -> Stored | None:
    """Store a part. One refused row must not hold up the others: what fails is halved until the row stands alone."""
    try:
        async with pool.transaction(None) as conn:
            new = await append(conn, entries, wait=wait)
            return None if new is None else Stored(new)
    except BAD_ROW as error:
        if len(entries) == 1:
            return Stored(refused=[(entries[0], f"refused by the store: {type(error).__name__}")])
    middle = len(entries) // 2
    done = Stored()
    for half in (entries[:middle], entries[middle:]):
        done.add(await _store(pool, half, wait=True) or Stored())
    return done


async def insert_dead_letter(
    conn: Connection, *, stream_id: str, event_id: UUID | None, body: str, reason: str, now: datetime
) -> None:
    """Keep what could not be stored, once, however often it is delivered or sent."""
    # Text in PostgreSQL cannot hold NUL, and what cannot be stored may be there for that very reason.
    await conn.execute(SQL["insert_dead_letter"], stream_id, event_id, body.replace("\x00", "\ufffd"), reason, now)


async def held(conn: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Which of these events need not be sent again: stored, or kept as dead letters."""
    return [r["held"] for r in await conn.fetch(SQL["held"], list(ids))]


async def ensure_partitions(pool: Pool, now: datetime) -> None:
    """This year's partition and the next one's are there, whichever replica comes first."""
    async with pool.transaction(None) as conn:
        for year in (now.year, now.year + 1):
            await conn.execute(SQL["ensure_partition"], year)
