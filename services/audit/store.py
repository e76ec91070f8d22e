"""The audit store: events in, each once; dead letters; which ids are held; partitions ahead of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from shared.db import Connection, Pool, named_queries
from shared.events import Envelope, known_events

SQL: Final = named_queries(__package__, "sql/store.sql")

# What PostgreSQL raises about a row itself; anything else is about the database and is tried again.
BAD_ROW: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    # Too large for an index, nested too deeply.
    asyncpg.ProgramLimitExceededError,
)


_KNOWN: Final = known_events()


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came from the stream. ``body`` may say more than this version's envelope has fields for."""

    stream_id: str
    envelope: Envelope
    body: str


def actor_key(envelope: Envelope) -> str:
    """By whom the change log is filtered: ``kind:id``, or the username where there is no id."""
    actor = envelope.actor
    return f"{actor.kind}:{actor.id or actor.username}"


def in_activity(envelope: Envelope) -> bool:
    """Whether the Client Action Log shows it. A type that is not known (yet) is shown if it names a login."""
    declared = _KNOWN.get((envelope.type, envelope.version))
    if envelope.subject.portal_login_id is None:
        return False
    return declared is None or declared.activity is not None


def change_type(envelope: Envelope) -> str | None:
    """The Face Sheet Change Log's type, None when it is no change. An unknown type that names a client is its own."""
    declared = _KNOWN.get((envelope.type, envelope.version))
    if envelope.subject.client_id is None:
        return None
    if declared is None:
        return envelope.type
    return declared.change.change_type if declared.change else None


async def insert_events(conn: Connection, received: Sequence[Envelope], bodies: Sequence[str] | None = None) -> int:
    """Store events, as ``bodies`` say them where these are given; answers how many were new."""
    status = await conn.execute(
        SQL["insert_events"],
        [e.id for e in received],
        [e.agency_id for e in received],
        [e.type for e in received],
        [e.version for e in received],
        [e.occurred_at for e in received],
        [actor_key(e) for e in received],
        [e.actor.name for e in received],
        [e.subject.client_id for e in received],
        [e.subject.case_id for e in received],
        [e.subject.portal_login_id for e in received],
        [in_activity(e) for e in received],
        [change_type(e) for e in received],
        bodies or [e.to_json() for e in received],
    )
    return int(status.rpartition(" ")[2])


async def store_batch(pool: Pool, received: Sequence[Received]) -> tuple[int, list[tuple[Received, str]]]:
    """Store a batch; answers how many were new, and which rows PostgreSQL refused for what reason.

    One refused row must not hold up the others, so a batch that fails is halved until the row stands alone.
    """
    if not received:
        return 0, []
    try:
        async with pool.transaction(None) as conn:
            return await insert_events(conn, [r.envelope for r in received], [r.body for r in received]), []
    except BAD_ROW as error:
        if len(received) == 1:
            return 0, [(received[0], f"refused by the store: {type(error).__name__}")]
    middle = len(received) // 2
    first, refused = await store_batch(pool, received[:middle])
    second, more = await store_batch(pool, received[middle:])
    return first + second, refused + more


async def insert_dead_letter(
    conn: Connection, *, stream_id: str, event_id: UUID | None, body: str, reason: str, now: datetime
) -> None:
    """Keep what could not be stored."""
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
