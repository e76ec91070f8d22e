"""The sweep: finds deliveries whose task was lost, whose worker died or whose next try is due, and those that expired.

It runs in every replica; an advisory lock lets one of them work at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog

from services.notifier import store
from services.notifier.channel import Pauses
from services.notifier.delivery import PART
from shared import actors
from shared.deliveries import tasks
from shared.deliveries.store import LATER
from shared.events.delivery_catalogue import DeliveryExpired
from shared.outbox import Work

log = structlog.get_logger(__name__)

# The relay puts a new delivery's task within a second; after this long the task is taken for lost.
UNHEARD: Final = timedelta(seconds=15)
# Longer than a task waits in a queue that is not in trouble.
ENQUEUE_AGAIN: Final = timedelta(seconds=60)
BATCH: Final = 500

_LOCK: Final = "select pg_try_advisory_xact_lock(hashtext('portico deliveries sweep'))"


class DeliveryQueue(Protocol):
    """Where delivery ids go."""

    async def put_all(self, names: Sequence[str]) -> None:
        """Put a task for each delivery, named as `shared.deliveries.tasks` does."""


@dataclass(slots=True)
class SweepFigures:
    """What the sweep counts and sees, for the metrics. The age is in seconds, 0 when nothing waits."""

    enqueued: int = 0
    expired: int = 0
    failures: int = 0
    waiting: int = 0
    oldest_waiting: float = 0.0
    refusing: int = 0


class Sweep:
    """Looks after the queue of e-mails."""

    def __init__(self, work: Work, queue: DeliveryQueue, *, every: float) -> None:
        """``every`` is in seconds."""
        self._work = work
        self._queue = queue
        self._pauses = Pauses()
        self._every = every
        self.figures = SweepFigures()

    async def run(self) -> None:
        """Sweep every so often until cancelled. While PostgreSQL or the broker is away, the rows wait."""
        failed = False
        while True:
            try:
                await self.look()
                await self.sweep()
                failed = False
            except Exception as error:  # noqa: BLE001 - whatever it is, the rows are still there: wait, try again
                self.figures.failures += 1
                if not failed:
                    log.warning("sweep waits", reason=type(error).__name__)
                failed = True
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Bring the figures up to date; in every replica, whoever sweeps."""
        now = self._work.clock()
        async with self._work.pool.transaction(None) as conn:
            self.figures.waiting, oldest = await store.waiting(conn, now=now)
            self.figures.refusing = await self._pauses.refusing(conn)
        self.figures.oldest_waiting = (now - oldest).total_seconds() if oldest else 0.0

    async def sweep(self) -> None:
        """One round, unless another process is at it. Raises what the database or the broker raises."""
        async with self._work.pool.transaction(None) as conn:
            if not await conn.fetchval(_LOCK):
                return
            now = self._work.clock()
            await self._pauses.forget(conn, now=now)
            for agency_id in await store.agencies_with_expired(conn, now=now):
                # In transactions of their own: what has expired stays so, even when the broker is away below.
                while await self._end_expired(actors.system(agency_id, PART)) == BATCH:
                    pass
            due = await store.due(
                conn, now=now, unheard=now - UNHEARD, enqueued_before=now - ENQUEUE_AGAIN, limit=BATCH
            )
            if due:
                await self._queue.put_all([tasks.named(id_, urgent=mail not in LATER) for id_, mail in due])
                await store.mark_enqueued(conn, [id_ for id_, _ in due], now=now)
                self.figures.enqueued += len(due)
                log.info("deliveries put on the queue", count=len(due))

    async def _end_expired(self, actor: actors.Actor) -> int:
        async with self._work.transaction(actor) as tx:
            ended = await store.end_expired(tx.conn, actor.agency_id, now=tx.now, limit=BATCH)
            await tx.append_all(
                [(DeliveryExpired(delivery_id=known.id, mail=known.mail), known.subject) for known in ended]
            )
        self.figures.expired += len(ended)
        if ended:
            log.info("deliveries expired", agency_id=actor.agency_id, count=len(ended))
        return len(ended)
