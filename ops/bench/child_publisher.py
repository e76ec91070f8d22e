"""A publisher in a process of its own: commits events at a steady rate, with the relay woken as in the services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from ops.bench.child import Bench, play
from ops.bench.events import Events
from shared.actors import Actor
from shared.clock import system_clock
from shared.db import Pool, Unavailable
from shared.deliveries.queue import CeleryDeliveryQueue, celery_app
from shared.http.background import background
from shared.outbox import Work
from shared.outbox.relay import Relay


async def publish(bench: Bench, told: Mapping[str, Any]) -> None:
    """Commit ``rate`` events a second for so many ``seconds``; of each ``sample``-th one the bench hears when.

    A database that is too busy refuses some, as it would refuse requests: the answer says how many.

    With ``relay_url`` this process has a relay; else that of somebody else takes what was committed.
    """
    pool = await Pool.open(told["admin_url"])
    work = Work(pool, system_clock, table="accounts.outbox")
    publisher = Publisher(bench, work, [UUID(a) for a in told["agencies"]], told["sample"])
    try:
        async with _relay(work, told):
            await pool.check()
            await bench.ready()
            await publisher.keep_on(told["rate"], told["seconds"])
            bench.say(published=publisher.committed, refused=publisher.refused, seconds=publisher.seconds)
            # The relay may have something left to send until the bench has seen it.
            await bench.hear()
    finally:
        await pool.close()


class Publisher:
    """Commits one event a transaction, as use cases do."""

    def __init__(self, bench: Bench, work: Work, agencies: list[UUID], sample: int) -> None:
        self._bench = bench
        self._work = work
        self._agencies = agencies
        self._sample = sample
        self._events = Events(agencies)
        self.committed = 0
        self.refused = 0
        self.seconds = 0.0

    async def keep_on(self, rate: int, seconds: int) -> None:
        """Begin a transaction whenever one is due, however many are still open."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(rate * seconds):
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                group.create_task(self._commit(number))
        self.seconds = time.monotonic() - started

    async def _commit(self, number: int) -> None:
        agency = self._agencies[number % len(self._agencies)]
        who = self._events.actor(agency)
        actor = Actor(
            agency_id=agency,
            kind="staff",
            username=who.username,
            name=who.name,
            id=who.id,
            session_id=who.session_id,
            address=who.address,
        )
        try:
            async with self._work.transaction(actor) as tx:
                event_id = await tx.append(self._events.payload(), self._events.subject(agency))
        except Unavailable:
            self.refused += 1
            return
        self.committed += 1
        if number % self._sample == 0:
            self._bench.say(id=str(event_id), committed=time.monotonic())


@asynccontextmanager
async def _relay(work: Work, told: Mapping[str, Any]) -> AsyncIterator[None]:
    if "relay_url" not in told:
        yield
        return
    pool = await Pool.open(told["relay_url"], size=3)
    redis = Redis.from_url(told["redis_url"], socket_timeout=5)
    deliveries = CeleryDeliveryQueue(celery_app(told["broker_url"]))
    relay = Relay(pool, redis, deliveries, table="accounts.outbox", wake=work.wake, clock=system_clock)
    try:
        async with background(relay.run, "relay"):
            yield
    finally:
        deliveries.close()
        await redis.aclose()
        await pool.close()


if __name__ == "__main__":
    play(publish)
