"""A store that has been in use for years, made in minutes: loaded year by year, indexed afterwards."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from ops.bench.stage import Database, Steps
from shared.db import Connection, named_queries
from shared.events import lowest_id_at

SQL: Final = named_queries(__package__, "filling.sql")

_BUSY: Final = 100_000
_QUIET: Final = 50
_EVENTS_OF_A_CLIENT: Final = 60
_CHUNK: Final = 500_000
_MEMORY: Final = "512MB"
AGENCIES: Final = 20


@dataclass(frozen=True, slots=True)
class Someone:
    """A client in a filled store, and how many events are about them."""

    number: int
    events: int

    @property
    def agency_id(self) -> UUID:
        """Whose client it is."""
        return _derived(f"agency{self.number % AGENCIES}")

    @property
    def id(self) -> UUID:
        """The client's id."""
        return _derived(f"client{self.number}")

    @property
    def login_id(self) -> UUID:
        """The client's only portal login."""
        return _derived(f"login{self.number}")

    def staff(self, name: str) -> str:
        """The actor key of staff: ``staff0`` to ``staff9`` do much, ``rare`` little, all others nothing."""
        return f"staff:{_derived(f'{name}{self.agency_id}')}"


@dataclass(frozen=True, slots=True)
class Filling:
    """What a store is filled with: ``rows`` events from ``since`` until ``until``."""

    rows: int
    since: datetime
    until: datetime

    @property
    def busy(self) -> Someone:
        """A client with 100,000 events, or half of all in a small store."""
        return Someone(0, self.rows // self._busy_every)

    @property
    def quiet(self) -> Someone:
        """A client with 50 events."""
        return Someone(1, self.rows // self._quiet_every)

    @property
    def others(self) -> int:
        """How many other clients there are, numbered from 2 on."""
        return max(1, self.rows // _EVENTS_OF_A_CLIENT)

    @property
    def _busy_every(self) -> int:
        return self.rows // min(_BUSY, self.rows // 2)

    @property
    def _quiet_every(self) -> int:
        return max(2, self.rows // _QUIET // 2 * 2)

    @property
    def _step(self) -> timedelta:
        return (self.until - self.since) / self.rows

    async def load(self, database: Database, borders: Sequence[datetime], steps: Steps) -> None:
        """Fill an empty store, with a partition from each of ``borders`` to the next. As many steps as borders."""
        async with database.owner() as conn:
            await conn.execute(f"set maintenance_work_mem = '{_MEMORY}'")
            await conn.execute("set synchronous_commit = off")
            for found in await conn.fetch(SQL["partitions"]):
                await conn.execute(SQL["drop_partition"].format(table=found["name"]))
            for low, high in pairwise(borders):
                await self._partition(conn, low, high)
                steps.done()
            await conn.execute("vacuum (analyze) audit.events")
            await conn.execute("checkpoint")
            steps.done()

    async def _partition(self, conn: Connection, low: datetime, high: datetime) -> None:
        table = f"events_from_{low:%Y_%m}"
        await conn.execute(SQL["new_table"].format(table=table))
        first, last = self._number(low), min(self._number(high), self.rows) - 1
        for start in range(first, last + 1, _CHUNK):
            await conn.execute(
                SQL["load"].format(table=table),
                start,
                min(start + _CHUNK - 1, last),
                self.since,
                self._step,
                self._busy_every,
                self._quiet_every,
                self.others,
                timeout=None,
            )
        await conn.execute(SQL["attach"].format(table=table, low=lowest_id_at(low), high=lowest_id_at(high)))

    def _number(self, moment: datetime) -> int:
        """The first event from a moment on."""
        return max(0, math.ceil((moment - self.since) / self._step))


def years(first: int, last: int) -> list[datetime]:
    """The borders of the years from ``first`` to ``last``, both included."""
    return [datetime(year, 1, 1, tzinfo=UTC) for year in range(first, last + 2)]


def _derived(text: str) -> UUID:
    # As PostgreSQL's md5(text)::uuid does.
    return UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
