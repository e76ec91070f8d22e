"""Retention: how long each agency's events are kept, and the end of a year that is over for all of them.

A year goes as a whole, by dropping its partition; no event is ever deleted by itself. All of it needs the store's
owner.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.audit.notes import note_of
from services.audit.store import append
from shared.actors import Actor
from shared.db import Connection, named_queries
from shared.errors import DomainError
from shared.events.operator_catalogue import AuditLogRetentionChanged, AuditLogRetired

SQL: Final = named_queries(__package__, "sql/retention.sql")

LEAST_YEARS: Final = 6
"""Full years after its own: 45 CFR 164.316(b)(2)(i) asks for six from the creation of a record."""
MOST_YEARS: Final = 100
FIRST_YEAR: Final = 1971
"""The first that can have a partition: ids of 1970 are those of clocks that were never set."""

# Whoever waits for the table of events holds up all who come after: readers and consumers notice no more than this.
_LOCK_WAIT: Final = "300ms"
_PAUSE_SECONDS: Final = 0.5
TRIES: Final = 60

_IN_THE_WAY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


class Busy(DomainError):
    """Somebody is at work on the events all the time, or holds them with a long query."""


class StillKept(DomainError):
    """The time of the year is not over for everybody who has events in it."""


class Differs(DomainError):
    """Events of the year are missing, or too many: letting it go would cover up what happened."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an agency chose: events of a year are kept for ``years`` full years after it."""

    agency_id: UUID
    years: int
    set_at: datetime
    set_by: str


@dataclass(frozen=True, slots=True)
class Partition:
    """A year with a partition of its own. ``rows`` is PostgreSQL's estimate, None when it has none yet.

    ``keepers`` has the years for which each agency that has events in it keeps them.
    """

    year: int
    rows: int | None
    size: int
    keepers: tuple[tuple[UUID, int], ...]

    @property
    def goes_on(self) -> date:
        """The first day (UTC) on which it may go."""
        return first_day_without(self.year, max((years for _, years in self.keepers), default=LEAST_YEARS))

    def is_over(self, now: datetime) -> bool:
        """Whether nobody keeps it any longer."""
        return now.date() >= self.goes_on


@dataclass(frozen=True, slots=True)
class Share:
    """What one agency has in a year: ``rows`` as counted, ``expected`` by its chain, which ends with number ``seq``."""

    agency_id: UUID
    rows: int
    expected: int
    seq: int | None
    years: int

    @property
    def differs(self) -> bool:
        """Whether there are other rows than the chain knows of."""
        return self.rows != self.expected


def first_day_without(year: int, years: int) -> date:
    """When the events of ``year`` have been kept for ``years`` full years after it."""
    return date(min(year + years + 1, MAXYEAR), 1, 1)


async def policies(conn: Connection) -> list[Policy]:
    """What agencies chose; those that chose nothing keep :data:`LEAST_YEARS`."""
    return [Policy(**r) for r in await conn.fetch(SQL["policies"])]


async def years_of(conn: Connection, agency_id: UUID) -> int:
    """For how many full years after its own an agency keeps a year's events."""
    years: int = await conn.fetchval(SQL["policy"], agency_id, LEAST_YEARS)
    return years


async def set_years(conn: Connection, *, actor: Actor, years: int, now: datetime) -> int:
    """Have an agency's events kept for so many years, 6 to 100; answers what it was. The same again changes nothing."""
    async with conn.transaction():
        await conn.execute(SQL["lock_policies"])
        old = await years_of(conn, actor.agency_id)
        if old != years:
            await conn.execute(SQL["set_policy"], actor.agency_id, years, now, actor.username)
            await append(conn, [note_of(AuditLogRetentionChanged(old=old, new=years), actor=actor, now=now)])
    return old


async def partitions(conn: Connection) -> list[Partition]:
    """The years that have a partition, the oldest first."""
    keepers: dict[int, list[tuple[UUID, int]]] = {}
    for r in await conn.fetch(SQL["keepers"], LEAST_YEARS):
        keepers.setdefault(r["year"], []).append((r["agency_id"], r["years"]))
    return [
        Partition(r["year"], r["rows"] if r["rows"] >= 0 else None, r["bytes"], tuple(keepers.get(r["year"], ())))
        for r in await conn.fetch(SQL["partitions"])
    ]


async def without_partition(conn: Connection) -> dict[int, int]:
    """How many events lie in no partition of their own, by year. They stay until their year has one."""
    return {r["year"]: r["rows"] for r in await conn.fetch(SQL["without_partition"])}


async def make_partition(conn: Connection, year: int, *, tries: int = TRIES) -> None:
    """Give a year a partition, which takes over what lies elsewhere. Raises Busy."""

    async def attempt() -> bool:
        async with conn.transaction():
            await conn.execute(SQL["short_wait"], _LOCK_WAIT)
            await conn.execute(SQL["make_partition"], year)
        return True

    await _patiently(attempt, tries)


async def shares(conn: Connection, year: int) -> list[Share]:
    """What each agency has in a year. This counts its rows, which takes a while."""
    return [Share(**r) for r in await conn.fetch(SQL["shares"], year, LEAST_YEARS)]


async def retire(
    conn: Connection,
    *,
    year: int,
    found: Sequence[Share],
    by: Callable[[UUID], Actor],
    now: datetime,
    despite_differences: bool = False,
    tries: int = TRIES,
) -> Sequence[Share]:
    """Let a year go that is over for everybody who has events in it, with a note in each one's log; all or nothing.

    ``found`` is what :func:`shares` counted. Answers what went, which is more when events came in since. ``by`` is the
    operator at an agency. Raises Busy, Differs and StillKept.
    """

    async def attempt() -> bool:
        nonlocal found
        if not despite_differences and any(share.differs for share in found):
            raise Differs
        try:
            await _retire_as_counted(conn, year, found, by, now)
        except _Changed:
            found = await shares(conn, year)
            return False
        except asyncpg.RaiseError as error:
            raise StillKept from error
        return True

    await _patiently(attempt, tries)
    return found


class _Changed(Exception):
    """Events of the year came in since they were counted."""


async def _retire_as_counted(
    conn: Connection, year: int, found: Sequence[Share], by: Callable[[UUID], Actor], now: datetime
) -> None:
    actors = {share.agency_id: by(share.agency_id) for share in found}
    notes = [
        note_of(AuditLogRetired(year=year, events=share.rows), actor=actors[share.agency_id], now=now)
        for share in found
    ]
    async with conn.transaction():
        await conn.execute(SQL["short_wait"], _LOCK_WAIT)
        # Before the table is locked: consumers hold the ends of chains while they wait for the table.
        if notes:
            await append(conn, notes)
        unchanged = await conn.fetchval(
            SQL["retire"],
            year,
            now,
            list(actors),
            [actor.username for actor in actors.values()],
            [share.seq for share in found],
            [share.rows for share in found],
        )
        if not unchanged:
            raise _Changed


async def _patiently(attempt: Callable[[], Awaitable[bool]], tries: int) -> None:
    """Try until it answers true. Raises Busy when that did not come to pass."""
    for left in reversed(range(tries)):
        try:
            if await attempt():
                return
        except _IN_THE_WAY:
            pass
        if left:
            await asyncio.sleep(_PAUSE_SECONDS * (0.5 + random.random()))  # noqa: S311 - no secret, a pause
    raise Busy
