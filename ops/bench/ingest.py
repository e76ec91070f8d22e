"""How fast consumers store what waits in the stream, beside plain batch inserts of the same rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from ops.bench.events import Events, agency_ids, put_on_stream
from ops.bench.figures import Figure, Part, Target, median
from ops.bench.stage import Database, Options, Stage, start_together
from ops.problems import Problem
from services.audit.consumer import ensure_group
from shared.clock import system_clock
from shared.db import named_queries
from shared.streams import GROUP, STREAM

SQL = named_queries(__package__, "ingest.sql")

_BATCH: Final = 1000
_AGENCIES: Final = (8, 1)
_SHORTEST_LOOK: Final = 0.003
_LONGEST_LOOK: Final = 0.05
_PATIENCE: Final = 300.0
_NOTE: Final = (
    f"Plain inserts are batches of {_BATCH:,} by `insert ... select from unnest ... on conflict do nothing` on one"
    " connection of the owner."
)


@dataclass(slots=True)
class Rates:
    """Events a second, one a round; ``busy`` is the share of the time in which one consumer computed."""

    plain: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


async def measure(stage: Stage, options: Options) -> Part:
    """One consumer, two, and plain inserts, in turns, for many agencies and for one."""
    found = {agencies: Rates() for agencies in _AGENCIES}
    async with (
        Redis.from_url(stage.valkey.url) as redis,
        stage.database("bench_ingest") as ours,
        stage.database("bench_plain") as plain,
        stage.steps("ingest", options.rounds * len(_AGENCIES) * 3) as steps,
    ):
        bench = Ingest(stage, redis, ours)
        for _ in range(options.rounds):
            for agencies, rates in found.items():
                events = published(agencies, options.events)
                rate, busy = await bench.consume(events, consumers=1)
                rates.one.append(rate)
                rates.busy.append(busy)
                steps.done()
                # From what has just been stored: the very same rows, with their salts and links.
                rates.plain.append(await bench.insert_plainly(plain, len(events)))
                steps.done()
                rates.two.append((await bench.consume(events, consumers=2))[0])
                steps.done()
    return Part(
        "ingest",
        tuple(figure for agencies, rates in found.items() for figure in _figures(agencies, rates, options)),
        notes=(
            f"Medians of {options.rounds} rounds in turns. {_NOTE}",
            *(
                f"With {_agencies(a)} one consumer's process computed {median(r.busy):.0%} of the time."
                for a, r in found.items()
            ),
        ),
    )


def published(agencies: int, count: int) -> list[tuple[UUID, str]]:
    """Ids and texts of so many events of so many agencies, the latest of now."""
    made = Events(agency_ids(agencies)).make(count, until=system_clock())
    return [(event.id, event.to_json()) for event in made]


def _agencies(count: int) -> str:
    return "one agency" if count == 1 else f"{count} agencies"


def _figures(agencies: int, rates: Rates, options: Options) -> list[Figure]:
    name, size = _agencies(agencies), f"{options.events:,} events"
    one, two, plain = median(rates.one), median(rates.two), median(rates.plain)
    return [
        Figure(
            f"one consumer, {name}",
            one,
            "events/s",
            size,
            plain,
            "plain batch insert of the same rows",
            Target("ratio", ">=", 0.7),
        ),
        Figure(
            f"two consumers, {name}",
            two,
            "events/s",
            size,
            one,
            "one consumer",
            Target("ratio", ">=", 1.15 if agencies > 1 else 1.0),
        ),
    ]


class Ingest:
    """One measurement after the other, each on empty tables. ``ours`` takes what consumers store."""

    def __init__(self, stage: Stage, redis: Redis, ours: Database) -> None:
        self._stage = stage
        self._redis = redis
        self._ours = ours

    async def consume(self, events: Sequence[tuple[UUID, str]], *, consumers: int) -> tuple[float, float]:
        """Fill the stream and have it stored; answers events a second, and how busy the first consumer was."""
        await _empty(self._ours)
        await self._redis.flushdb()
        await ensure_group(self._redis)
        await put_on_stream(self._redis, events)
        async with AsyncExitStack() as stack:
            children = [
                await stack.enter_async_context(
                    self._stage.child(
                        "ops.bench.child_consumer",
                        store_url=self._ours.url_of("audit"),
                        redis_url=self._stage.valkey.url,
                        name=f"bench-{number}",
                    )
                )
                for number in range(consumers)
            ]
            await start_together(children)
            seconds = await self._until_stored(len(events))
            await asyncio.gather(*(child.tell(stop=True) for child in children))
            used = [float((await child.hear())["processor_seconds"]) for child in children]
        await _require(self._ours, len(events))
        return len(events) / seconds, used[0] / seconds

    async def insert_plainly(self, plain: Database, count: int) -> float:
        """Rows a second into another database, for what the last consumer has stored."""
        await _empty(plain)
        async with self._stage.child(
            "ops.bench.child_insert", source_url=self._ours.url, target_url=plain.url, batch=_BATCH
        ) as child:
            await start_together([child])
            answer = await child.hear()
        await _require(plain, count)
        return float(answer["rows"]) / float(answer["seconds"])

    async def _until_stored(self, count: int) -> float:
        """Seconds until everything is acknowledged. Looks seldom while much is left: looking costs as well."""
        started = time.perf_counter()
        while True:
            await asyncio.sleep(_SHORTEST_LOOK)
            [group] = [g for g in await self._redis.xinfo_groups(STREAM) if g["name"] == GROUP.encode()]
            done = int(group["entries-read"] or 0) - int(group["pending"])
            passed = time.perf_counter() - started
            if done >= count:
                return passed
            if passed > _PATIENCE:
                raise Problem(f"The consumers have stored {done:,} of {count:,} events after {passed:.0f} s.")
            await asyncio.sleep(min(_LONGEST_LOOK, passed * (count - done) / done / 2) if done else 0)


async def _empty(database: Database) -> None:
    async with database.owner() as conn:
        await conn.execute(SQL["empty"])
        await conn.execute("vacuum")
        await conn.execute("checkpoint")


async def _require(database: Database, count: int) -> None:
    async with database.owner() as conn:
        stored = await conn.fetchval(SQL["count"])
    if stored != count:
        raise Problem(f"{stored:,} of {count:,} events were stored: the figures mean nothing.")
