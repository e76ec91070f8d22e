"""The audit store: events in, each once and each at the end of its chain; dead letters; what is held; partitions."""

from __future__ import annotations

import secrets
from collections import defaultdict
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
_SESSION: Final = {
    # Partitions are chosen by the ids that a query names, so a plan for any ids would look into all of them.
    "plan_cache_mode": "force_custom_plan",
    # The rows of one agency lie apart. Fetching 26 of them by their index must not seem dearer than reading everybody's
    # rows in between, which may be millions where an agency has fallen silent.
    "random_page_cost": "1.0",
}
# Transactions that a large batch is stored in: enough that two consumers need not wait for each other's chains.
_PARTS: Final = 4
_SMALLEST_PART: Final = 100


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
    return await Pool.open(url, size=size, application_name="portico-audit-store", server_settings=_SESSION)


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


async def store_batch(pool: Pool, entries: Sequence[Entry]) -> Stored:
    """Store a batch, in several transactions when it is large: first those parts whose chains nobody is at."""
    done, busy = Stored(), []
    for part in _parts(entries):
        stored = await _store(pool, part, wait=False)
        if stored is None:
            busy.append(part)
        else:
            done.add(stored)
    for part in busy:
        done.add(await _store(pool, part, wait=True) or Stored())
    return done


def _parts(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries by chain: those of one chain stay together, in their order."""
    chains: defaultdict[tuple[UUID, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        chains[entry.chain].append(entry)
    size = max(len(entries) / _PARTS, _SMALLEST_PART)
    parts: list[list[Entry]] = []
    for found in chains.values():
        if not parts or len(parts[-1]) >= size:
            parts.append([])
        parts[-1] += found
    return parts


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
