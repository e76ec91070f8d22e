"""What a flood of wrong passwords from everywhere does to people who are signed in, and what the flood is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from ops.bench.figures import Figure, Part, Target, percentile
from ops.bench.hashing import alone_at_once
from ops.bench.portal import AGENCY, PASSWORD, Portal, portal
from ops.bench.processes import memory_of
from ops.bench.stage import Child, Options, Stage, start_together
from ops.stack.ports import LOOPBACK
from shared.security.passwords import usual_threads

_LOGINS: Final = 200
_PEOPLE: Final = 8
_PAUSE: Final = 0.1
_LOOK_AGAIN: Final = 0.25
_ENTERING: Final = 16
_HASHES: Final = 100
_WARM_UP_SECONDS: Final = 1.0
_MOST_GROWTH_MIB: Final = 60.0
_WRONG: Final = "answered otherwise than 401, or than 429 or 503 with Retry-After"


async def measure(stage: Stage, options: Options) -> Part:
    """The same people looking at the same page, first alone, then with ``rate`` sign-ins a second beside them."""
    async with (
        stage.steps("sign-ins", 4) as steps,
        stage.database("bench_sign_ins") as database,
        portal(stage, database, _LOGINS) as found,
    ):
        await _visits(stage, found, _WARM_UP_SECONDS)
        steps.done()
        idle = await _visits(stage, found, max(1.0, options.seconds / 2))
        steps.done()
        entering = await _sign_ins(stage, found, max(1.0, options.seconds / 4))
        alone = await alone_at_once(usual_threads(), _HASHES)
        steps.done()
        before = memory_of([found.pid]).own
        async with _highest_memory(found.pid) as highest, _flood(stage, found, options) as flood:
            busy = await _visits(stage, found, float(options.seconds), beside=flood)
            told = await flood.hear()
        steps.done()
    part = _part(idle, busy, told, options, before, highest[0])
    return replace(part, figures=(_entering(entering, alone), *part.figures))


async def _visits(stage: Stage, found: Portal, seconds: float, *, beside: Child | None = None) -> Mapping[str, Any]:
    headers = {"Cookie": f"portico_portal_{AGENCY}={found.cookie}", "Accept": "text/html"}
    async with stage.child(
        "ops.bench.child_visit",
        host=LOOPBACK,
        port=found.port,
        path=f"/{AGENCY}/sessions",
        headers=headers,
        people=_PEOPLE,
        pause=_PAUSE,
        seconds=seconds,
    ) as child:
        await start_together([child, *([beside] if beside else [])])
        return await child.hear()


async def _sign_ins(stage: Stage, found: Portal, seconds: float) -> Mapping[str, Any]:
    async with stage.child(
        "ops.bench.child_enter",
        host=LOOPBACK,
        port=found.port,
        agency=AGENCY,
        logins=_LOGINS,
        password=PASSWORD,
        people=_ENTERING,
        seconds=seconds,
    ) as child:
        await start_together([child])
        return await child.hear()


def _entering(told: Mapping[str, Any], alone: float) -> Figure:
    return Figure(
        *("sign-ins with the right password", told["entered"] / told["seconds"], "a second"),
        f"{_ENTERING} at a time, {told['refused']} refused",
        alone,
        f"argon2id alone, threads: {usual_threads()}",
        target=Target("ratio", ">=", 0.85),
    )


@asynccontextmanager
async def _flood(stage: Stage, found: Portal, options: Options) -> AsyncIterator[Child]:
    async with stage.child(
        "ops.bench.child_flood",
        host=LOOPBACK,
        port=found.port,
        agency=AGENCY,
        logins=_LOGINS,
        rate=options.rate,
        seconds=options.seconds,
    ) as child:
        yield child


@asynccontextmanager
async def _highest_memory(pid: int) -> AsyncIterator[list[float]]:
    """The most that the process has while the context is open, in MiB."""
    highest = [0.0]

    async def look() -> None:
        while True:
            highest[0] = max(highest[0], memory_of([pid]).own)
            await asyncio.sleep(_LOOK_AGAIN)

    looking = asyncio.create_task(look())
    try:
        yield highest
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def _part(
    idle: Mapping[str, Any],
    busy: Mapping[str, Any],
    flood: Mapping[str, Any],
    options: Options,
    before: float,
    highest: float,
) -> Part:
    rate = flood["sent"] / flood["seconds"]
    size = f"{_PEOPLE} people, {rate:.0f} sign-ins/s for {options.seconds} s"
    took, alone = _milliseconds(busy["took"]), _milliseconds(idle["took"])
    statuses: Mapping[str, int] = flood["statuses"]
    judged = statuses.get("401", 0) / flood["seconds"]
    wrong = sum(n for status, n in statuses.items() if status not in ("401", "429", "503")) + flood["silent"]
    answers = ", ".join(f"{count:,} times {status}" for status, count in sorted(statuses.items()))
    lost = "" if busy["refused"] == 0 else f" {busy['refused']} pages of people who are signed in were refused."
    alone_is = "without sign-ins"
    return Part(
        "sign-ins",
        (
            Figure(
                *("page, p99", percentile(took, 0.99), "ms", size, percentile(alone, 0.99), alone_is),
                target=Target("ratio", "<", 5),
            ),
            Figure("page, p50", percentile(took, 0.5), "ms", size, percentile(alone, 0.5), alone_is),
            Figure("passwords that were judged", judged, "a second", size),
            Figure(_WRONG, wrong, "answers", size, target=Target("value", "<=", 0)),
            Figure(
                *("memory of the portal at most", highest - before, "MiB growth", size),
                target=Target("value", "<=", _MOST_GROWTH_MIB),
            ),
        ),
        notes=(f"No password was right. The flood was answered {answers}.{lost}",),
    )


def _milliseconds(took: Sequence[float]) -> list[float]:
    return [one * 1000 for one in took]
