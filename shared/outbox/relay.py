"""The relay: takes what was committed to the outbox and puts it on the stream and on the deliveries queue.

It runs in each publisher. A crash after sending and before marking only repeats; consumers dedupe by the event's id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import structlog
from redis.asyncio import Redis

from shared.clock import Clock
from shared.db import Pool
from shared.outbox.queries import queries_of
from shared.outbox.work import OutboxTable
from shared.streams import FIELD, ID_FIELD, STREAM

BATCH: Final = 500
# How long a row of another process, whose own relay died, may wait when nothing wakes this one.
POLL_SECONDS: Final = 0.3
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0

Row: TypeAlias = tuple[UUID, str]
"""An outbox row: its id (the event's own, when it is an event) and its body."""

log = structlog.get_logger(__name__)


class DeliveryQueue(Protocol):
    """Where delivery ids go."""

    async def put_all(self, names: Sequence[str]) -> None:
        """Put a task for each delivery, named as `shared.deliveries.tasks` does."""


@dataclass(slots=True)
class RelayFigures:
    """What the relay counts, for the metrics."""

    published: int = 0
    failures: int = 0
    oldest_unpublished: datetime | None = None


class Relay:
    """Publishes one outbox. ``pool`` belongs to the role portico_relay, which sees all agencies' rows."""

    def __init__(
        self,
        pool: Pool,
        redis: Redis,
        deliveries: DeliveryQueue,
        *,
        table: OutboxTable,
        wake: asyncio.Event,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._deliveries = deliveries
        # Where each kind of row goes.
        self._ways: Mapping[str, Callable[[Sequence[Row]], Awaitable[None]]] = {
            "event": self._send_events,
            "delivery": self._send_deliveries,
        }
        self._sql = queries_of(table)
        self._wake = wake
        self._clock = clock
        self._jitter = jitter
        self.figures = RelayFigures()

    async def run(self) -> None:
        """Publish until cancelled. Trouble with Redis or PostgreSQL makes it wait, and loses nothing."""
        failed = 0
        while True:
            try:
                await self.drain()
                failed = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, the rows are still there: wait, try again
                failed += 1
                self.figures.failures += 1
                if failed == 1:
                    log.warning("relay waits", reason=type(error).__name__)
            await self._pause(failed)

    async def _pause(self, failed: int) -> None:
        if failed:
            await asyncio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failed) * (0.5 + self._jitter() / 2))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        self._wake.clear()

    async def drain(self) -> int:
        """Publish until nothing is left; answers how many rows that were.

        The stream and the queue may be on different servers: when one is away the other still gets its rows, and then
        the trouble is raised.
        """
        total, troubles, kinds = 0, [], list(self._ways)
        while kinds:
            count = 0
            for kind in tuple(kinds):
                try:
                    count += await self.publish_batch(kind)
                except Exception as error:  # noqa: BLE001 - raised below, when the other kind had its turn
                    kinds.remove(kind)
                    troubles.append(error)
            if not count:
                break
            total += count
        async with self._pool.transaction(None) as conn:
            self.figures.oldest_unpublished = await conn.fetchval(self._sql["oldest_unpublished"])
        if troubles:
            raise troubles[0]
        return total

    async def publish_batch(self, kind: str) -> int:
        """Publish up to :data:`BATCH` rows of one kind; they stay locked until they are marked."""
        async with self._pool.transaction(None) as conn:
            rows = await conn.fetch(self._sql["take"], kind, BATCH)
            if not rows:
                return 0
            await self._ways[kind]([(r["id"], r["body"]) for r in rows])
            await conn.execute(self._sql["mark_published"], [r["id"] for r in rows], self._clock())
        self.figures.published += len(rows)
        return len(rows)

    async def _send_events(self, rows: Sequence[Row]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for event_id, body in rows:
                # The id besides, for whoever cannot read the body.
                pipe.xadd(STREAM, {FIELD: body, ID_FIELD: str(event_id)})
            await pipe.execute()

    async def _send_deliveries(self, rows: Sequence[Row]) -> None:
        await self._deliveries.put_all([name for _, name in rows])
