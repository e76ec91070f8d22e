"""Erasure: the personal details of a client's events go, the events stay, and so does the proof that none is missing.

The digest of the details takes their place in the chain and tells nothing, since its salt goes with them. All of it
needs the store's owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.audit.chain import year_of
from services.audit.notes import note_of
from services.audit.retention import first_day_without, years_of
from services.audit.store import append
from shared.actors import Actor
from shared.db import Connection, named_queries
from shared.events import Subject
from shared.events.operator_catalogue import AuditLogErased

SQL: Final = named_queries(__package__, "sql/erasure.sql")

BATCH: Final = 2000
"""Events a transaction: locks are short, and an interruption loses little."""


@dataclass(frozen=True, slots=True)
class Whose:
    """A client of an agency, and the client's portal logins."""

    agency_id: UUID
    client_id: UUID
    logins: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds of a client.

    ``ids`` are the events that still have their details, of ``events`` in all; ``kept_until`` is the first day (UTC) on
    which the agency need not keep any of them. Of the dead letters with a text, ``waiting`` can still be replayed, and
    ``letters`` are done.
    """

    ids: Sequence[UUID]
    events: int
    kept_until: date | None
    waiting: int
    letters: int

    def is_early(self, now: datetime) -> bool:
        """Whether the agency has to keep some of them still."""
        return self.kept_until is not None and now.date() < self.kept_until


async def find(conn: Connection, whose: Whose) -> Found:
    """What there is to erase. Reads all of the agency's events, which takes a while."""
    rows = await conn.fetch(SQL["concerned"], whose.agency_id, whose.client_id, whose.logins)
    letters = await conn.fetchrow(SQL["dead_letters"], whose.client_id, whose.logins)
    years = await years_of(conn, whose.agency_id)
    return Found(
        ids=[r["id"] for r in rows if r["readable"]],
        events=len(rows),
        kept_until=first_day_without(year_of(rows[-1]["id"]), years) if rows else None,
        waiting=letters["waiting"] if letters else 0,
        letters=letters["done"] if letters else 0,
    )


async def erase(
    conn: Connection,
    whose: Whose,
    found: Found,
    *,
    actor: Actor,
    reason: str,
    now: datetime,
    advance: Callable[[int], None],
) -> None:
    """Erase the details of the events that were found, and of the dead letters that are done.

    That it was done is stored with the first batch, so nothing is ever erased without a record; ``advance`` is told how
    many events each batch had. After an interruption, find and erase again: the rest goes.
    """
    note = AuditLogErased(reason=reason, events=len(found.ids), early=found.is_early(now))
    record = note_of(note, actor=actor, now=now, subject=Subject(client_id=whose.client_id))
    for start in range(0, max(len(found.ids), 1), BATCH):
        batch = found.ids[start : start + BATCH]
        async with conn.transaction():
            if start == 0:
                await append(conn, [record])
                await conn.execute(SQL["erase_dead_letters"], whose.client_id, whose.logins)
            await conn.execute(SQL["erase"], whose.agency_id, whose.client_id, whose.logins, batch)
        advance(len(batch))


async def tidy(conn: Connection, found: Found) -> None:
    """Have PostgreSQL forget the old versions of the rows, and what its statistics took from them."""
    for r in await conn.fetch(SQL["partitions_of"], found.ids):
        await conn.execute(f"vacuum {r['name']}")
    await conn.execute("vacuum audit.dead_letters")
    await conn.execute("analyze audit.events")
    await conn.execute("analyze audit.dead_letters")
