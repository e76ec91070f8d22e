"""State and event commit together: one transaction that appends to the outbox and wakes the relay when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.actors import Actor
from shared.clock import Clock
from shared.db import Connection, Pool
from shared.deliveries import tasks
from shared.events import Envelope, EventIds, Payload, Subject

OutboxTable = Literal["accounts.outbox", "mail.outbox"]

_INSERT = {
    "accounts.outbox": "insert into accounts.outbox (id, agency_id, kind, body) values ($1, $2, $3, $4)",
    "mail.outbox": "insert into mail.outbox (id, agency_id, kind, body) values ($1, $2, $3, $4)",
}


@dataclass(slots=True)
class Transaction:
    """An open transaction of one actor. ``now`` is one moment for everything in it."""

    conn: Connection
    actor: Actor
    now: datetime
    _table: OutboxTable
    _ids: EventIds
    appended: int = field(default=0, init=False)

    @property
    def agency_id(self) -> UUID:
        """The agency the transaction works for."""
        return self.actor.agency_id

    def new_id(self) -> UUID:
        """A fresh UUIDv7 of this moment, for rows and events alike."""
        return self._ids(self.now)

    async def append(self, payload: Payload, subject: Subject) -> UUID:
        """Put one event into the outbox; answers its id."""
        return (await self.append_all([(payload, subject)]))[0]

    async def append_all(self, items: Sequence[tuple[Payload, Subject]]) -> list[UUID]:
        """Put several events into the outbox, in this order."""
        envelopes = [
            Envelope(
                id=self.new_id(),
                type=payload.type,
                version=payload.version,
                agency_id=self.actor.agency_id,
                occurred_at=self.now,
                actor=self.actor.as_event_actor(),
                subject=subject,
                request_id=self.actor.request_id,
                payload=payload.model_dump(mode="json"),
            )
            for payload, subject in items
        ]
        await self.conn.executemany(
            _INSERT[self._table], [(e.id, e.agency_id, "event", e.to_json()) for e in envelopes]
        )
        self.appended += len(envelopes)
        return [e.id for e in envelopes]

    async def enqueue_delivery(self, delivery_id: UUID, *, urgent: bool = True) -> None:
        """Have the relay put a task for this delivery on one of the notifier's queues: its id and nothing else."""
        name = tasks.named(delivery_id, urgent=urgent)
        await self.conn.execute(_INSERT[self._table], self.new_id(), self.actor.agency_id, "delivery", name)
        self.appended += 1


class Work:
    """What a use case works with: the pool, the clock, and the outbox of its service.

    ``wake`` is set after each commit that appended something; the relay of the same process waits for it.
    """

    def __init__(self, pool: Pool, clock: Clock, *, table: OutboxTable, ids: EventIds | None = None) -> None:
        self.pool = pool
        self.clock = clock
        self.wake = asyncio.Event()
        self._table: OutboxTable = table
        self._ids = ids or EventIds()

    @asynccontextmanager
    async def transaction(self, actor: Actor) -> AsyncIterator[Transaction]:
        """Everything in it commits together, or not at all."""
        async with self.pool.transaction(actor.agency_id) as conn:
            tx = Transaction(conn, actor, self.clock(), self._table, self._ids)
            yield tx
        if tx.appended:
            self.wake.set()
