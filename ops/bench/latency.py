"""How soon an event can be read in the store after the transaction that made it has been committed."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from ops.bench.events import agency_ids
from ops.bench.figures import Figure, Part, Series, Target, median, percentile
from ops.bench.people import add_agencies
from ops.bench.stage import Child, Database, Options, Stage, Steps, start_together
from services.audit.consumer import ensure_group
from shared.db import named_queries

SQL = named_queries(__package__, "latency.sql")

_AGENCIES: Final = 8
_SAMPLE: Final = 25
_WARM_UP_SECONDS: Final = 3
_LOOK_AGAIN: Final = 0.001
_LAST_ARRIVAL: Final = 30.0
_NOTE: Final = (
    f"The store is asked about each {_SAMPLE}th event every millisecond, which takes processor time from what is"
    " measured."
)


class Watch:
    """Looks for sampled events in the store, and notes how long each took."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps
        self._committed: dict[UUID, float] = {}
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._nothing.set()
        self.began = time.monotonic()
        self.seen: list[tuple[float, float]] = []

    async def follow(self, publisher: Child) -> float:
        """Hear of commits until the publisher is done, and until the last one was seen; answers events a second."""
        looking = asyncio.create_task(self._look())
        try:
            while "published" not in (told := await publisher.hear()):
                self._committed[UUID(told["id"])] = told["committed"]
                self._something.set()
                self._nothing.clear()
                self._steps.done()
            async with asyncio.timeout(_LAST_ARRIVAL):
                await self._nothing.wait()
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        return float(told["published"]) / float(told["seconds"])

    async def _look(self) -> None:
        async with self._database.owner() as conn:
            visible = await conn.prepare(SQL["visible"])
            while True:
                await self._something.wait()
                found = await visible.fetch(list(self._committed))
                now = time.monotonic()
                for (event_id,) in found:
                    committed = self._committed.pop(event_id)
                    self.seen.append((committed, now - committed))
                if not self._committed:
                    self._something.clear()
                    self._nothing.set()
                await asyncio.sleep(_LOOK_AGAIN)


async def measure(stage: Stage, options: Options) -> Part:
    """A publisher with its relay and one consumer, each a process; this one asks the store."""
    agencies, seconds = agency_ids(_AGENCIES), options.seconds + _WARM_UP_SECONDS
    async with stage.database("bench_latency") as database, Redis.from_url(stage.valkey.url) as redis:
        await ensure_group(redis)
        await add_agencies(database, agencies)
        async with (
            stage.steps("latency", options.rate * seconds // _SAMPLE) as steps,
            stage.child(
                "ops.bench.child_consumer",
                store_url=database.url_of("audit"),
                redis_url=stage.valkey.url,
                name="bench",
            ) as consumer,
            stage.child(
                "ops.bench.child_publisher",
                admin_url=database.url_of("admin"),
                relay_url=database.url_of("relay"),
                redis_url=stage.valkey.url,
                broker_url=stage.valkey.url_of(1),
                agencies=[str(a) for a in agencies],
                rate=options.rate,
                seconds=seconds,
                sample=_SAMPLE,
            ) as publisher,
        ):
            watch = Watch(database, steps)
            await start_together([consumer, publisher])
            watch.began = time.monotonic() + _WARM_UP_SECONDS
            achieved = await watch.follow(publisher)
    return _part(watch, achieved, options)


def _part(watch: Watch, achieved: float, options: Options) -> Part:
    seen = [(committed - watch.began, took * 1000) for committed, took in watch.seen if committed >= watch.began]
    took = [milliseconds for _, milliseconds in seen]
    size = f"{len(took):,} samples at {achieved:.0f} events/s"
    by_second: defaultdict[int, list[float]] = defaultdict(list)
    for second, milliseconds in seen:
        by_second[int(second)].append(milliseconds)
    times = tuple(sorted(by_second))
    return Part(
        "latency",
        (
            Figure("commit to visible, p50", percentile(took, 0.5), "ms", size, target=Target("value", "<", 20)),
            Figure("commit to visible, p99", percentile(took, 0.99), "ms", size, target=Target("value", "<", 150)),
        ),
        series=(
            Series(
                "commit to visible, median of each second",
                "ms",
                tuple(float(t) for t in times),
                tuple(median(by_second[t]) for t in times),
            ),
            Series(
                "commit to visible, slowest of each second",
                "ms",
                tuple(float(t) for t in times),
                tuple(max(by_second[t]) for t in times),
            ),
        ),
        notes=(f"{options.rate} transactions a second with one event each were asked for. {_NOTE}",),
    )
