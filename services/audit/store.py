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
    # Every page comes from an index in its order, newest first. The planner does not know who works for whom and takes
    # the events of one client by one actor for few: it would fetch them all and sort them.
    "enable_sort": "off",
    # Whoever is frozen while it holds the ends of chains holds up all consumers. Nothing here takes its time in a
    # transaction.
    "idle_in_transaction_session_timeout": "5s",
}


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


async def append(conn: Connection, entries: Iterable[Entry]) -> int:
    """Store entries in the open transaction, at the ends of their chains, which stay locked until it is over.

    Answers how many were new.
    """
    # The same event may stand in the stream twice.
    once = {entry.event.id: entry for entry in entries}
    numbers = {chain: number for number, chain in enumerate(sorted({e.chain for e in once.values()}), start=1)}
    appended: int = await conn.fetchval(
        SQL["append"],
        [agency_id for agency_id, _ in numbers],
        [year for _, year in numbers],
        [(numbers[entry.chain], *entry.row) for entry in once.values()],
    )
    return appended


async def store_batch(pool: Pool, entries: Sequence[Entry]) -> Stored:
    """Store a batch. One refused row must not hold up the others: what fails is halved until the row stands alone."""
    if not entries:
        return Stored()
    try:
        async with pool.transaction(None) as conn:
            return Stored(await append(conn, entries))
    except BAD_ROW as error:
        if len(entries) == 1:
            return Stored(refused=[(entries[0], f"refused by the store: {type(error).__name__}")])
    middle = len(entries) // 2
    done = await store_batch(pool, entries[:middle])
    done.add(await store_batch(pool, entries[middle:]))
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
