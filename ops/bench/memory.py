"""Whether any process grows while the whole product is at work for a good while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import asyncpg
from rich.progress import Progress

from ops.bench.figures import Figure, Part, Series, Target, median
from ops.bench.processes import family, memory_of
from ops.bench.stage import Child, Options, Steps, child_process, start_together, steps
from ops.bench.whole_product import Product, Visitor, product
from ops.problems import Problem
from ops.stack import environment
from shared.db import named_queries

SQL = named_queries(__package__, "memory.sql")

_EVERY_SECONDS: Final = 5.0
_FEWEST_SAMPLES: Final = 20
_VISITOR_PAUSE: Final = 0.2
_SHARED: Final = "postgres, shared buffers"
# Growth up to the larger of the two counts as none.
_FLAT_SHARE: Final = 0.05
_FLAT_MEBIBYTES: Final = 4.0
_NOTE: Final = (
    "Growth is from the median of the run's second fifth to that of its last; up to"
    f" {_FLAT_MEBIBYTES:g} MiB or {_FLAT_SHARE:.0%} counts as flat. A shared page counts once. PostgreSQL's buffers"
    " fill up to their size, which is a setting, and stand by themselves."
)


async def measure(progress: Progress, options: Options) -> Part:
    """Events at a steady rate and a visitor over the API; the memory of each process now and then. Raises Problem."""
    if not memory_of([os.getpid()]).own:
        raise Problem("The memory of processes is read from /proc/*/smaps_rollup, which this system does not have.")
    async with AsyncExitStack() as stack:
        bar = await stack.enter_async_context(steps(progress, "memory", options.seconds))
        running = await stack.enter_async_context(product())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        publisher = await stack.enter_async_context(
            child_process(
                running.data.parent / "publisher.log",
                "ops.bench.child_publisher",
                admin_url=environment.load(running.data)["DATABASE_URL"],
                agencies=await _agencies(running),
                rate=options.rate,
                seconds=options.seconds,
                # Nobody asks when each was committed.
                sample=options.rate * options.seconds,
            )
        )
        await start_together([publisher])
        visitor = Visitor(running, http)
        working = asyncio.create_task(visitor.work(_VISITOR_PAUSE))
        try:
            sampled = await _watch(running, options.seconds, bar)
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
        told = await _published(publisher)
    return _part(sampled, told, visitor, options)


async def _agencies(running: Product) -> list[str]:
    conn = await asyncpg.connect(running.told["database_url"])
    try:
        return [str(row["id"]) for row in await conn.fetch(SQL["agencies"])]
    finally:
        await conn.close()


async def _watch(running: Product, seconds: int, bar: Steps) -> dict[str, list[tuple[float, float]]]:
    """Samples (second, MiB) by process."""
    every = min(_EVERY_SECONDS, seconds / _FEWEST_SAMPLES)
    sampled: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        sampled["portico up"].append((passed, memory_of([running.pid]).own))
        for name, pids in running.told["pids"].items():
            # PostgreSQL's connections are processes of their own, below the first.
            found = memory_of(member for pid in pids for member in family(pid))
            sampled[name].append((passed, found.own))
            if name == "postgres":
                sampled[_SHARED].append((passed, found.shared))
        bar.done(every)
        await asyncio.sleep(every)
    return sampled


async def _published(publisher: Child) -> Mapping[str, Any]:
    while "published" not in (told := await publisher.hear()):
        pass
    return told


def _part(
    sampled: Mapping[str, Sequence[tuple[float, float]]], told: Mapping[str, Any], visitor: Visitor, options: Options
) -> Part:
    events = f"{told['published']:,} events ({told['refused']} refused)"
    return Part(
        "memory",
        tuple(_figure(name, samples, options) for name, samples in sampled.items()),
        series=tuple(
            Series(name, "MiB", tuple(second for second, _ in samples), tuple(value for _, value in samples))
            for name, samples in sampled.items()
        ),
        notes=(f"{events}, {visitor.answered:,} requests ({visitor.refused} refused). {_NOTE}",),
    )


def _figure(name: str, samples: Sequence[tuple[float, float]], options: Options) -> Figure:
    fifth = max(1, len(samples) // 5)
    before = median([value for _, value in samples[fifth : 2 * fifth]])
    after = median([value for _, value in samples[-fifth:]])
    flat = round(max(_FLAT_MEBIBYTES, before * _FLAT_SHARE), 1)
    return Figure(
        name,
        after - before,
        "MiB growth",
        f"{options.seconds} s; from {before:.1f} to {after:.1f} MiB, {(after / before - 1) if before else 0:+.1%}",
        target=None if name == _SHARED else Target("value", "<=", flat),
    )
