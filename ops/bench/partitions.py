"""What a number of partitions costs: the same events in few and in many, and the first pages planned and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ops.bench.figures import Figure, Part, median
from ops.bench.filling import Filling, years
from ops.bench.queries import Question, questions
from ops.bench.stage import Options, Stage, Steps
from services.audit import store
from services.audit.queries import SQL
from shared.clock import system_clock
from shared.db import Pool

_YEARS: Final = 8
_WARM_UP: Final = 3
# Each layout is loaded, which takes its time: a part of what the part `queries` has.
_SHARE_OF_ROWS: Final = 5
_SHARE_OF_REPEATS: Final = 10


@dataclass(slots=True)
class Cost:
    """Milliseconds, one for each time that a query was explained."""

    planning: list[float] = field(default_factory=list)
    execution: list[float] = field(default_factory=list)


async def measure(stage: Stage, options: Options) -> Part:
    """One layout after the other, each in a database of its own."""
    now, rows = system_clock(), max(1000, options.rows // _SHARE_OF_ROWS)
    repeats = max(_WARM_UP, options.repeats // _SHARE_OF_REPEATS)
    layouts = _layouts(now.year)
    total = sum(len(borders) for borders in layouts.values()) + repeats * len(layouts)
    costs = {}
    async with stage.steps("partitions", total) as steps:
        for name, borders in layouts.items():
            filling = Filling(rows, borders[0], now)
            costs[name] = await _cost(stage, filling, borders, repeats, steps)
    return Part(
        "partitions",
        tuple(_figures(costs, rows)),
        notes=(_note(filling, repeats),),
    )


def _note(filling: Filling, repeats: int) -> str:
    return (
        f"Medians over {repeats} times each first page of both logs over {_YEARS} years, for a client with"
        f" {filling.busy.events:,} events and one with {filling.quiet.events}, as `explain (analyze)` tells them."
    )


def _layouts(year: int) -> Mapping[str, Sequence[datetime]]:
    """The borders of the partitions, for eight years up to ``year``."""
    yearly = years(year - _YEARS + 1, year)
    quarterly = [datetime(b.year, month, 1, tzinfo=UTC) for b in yearly[:-1] for month in (1, 4, 7, 10)]
    return {
        "1 partition": [yearly[0], yearly[-1]],
        "3 partitions": [yearly[0], yearly[3], yearly[6], yearly[-1]],
        "8 yearly": yearly,
        "32 quarterly": [*quarterly, yearly[-1]],
    }


async def _cost(
    stage: Stage, filling: Filling, borders: Sequence[datetime], repeats: int, steps: Steps
) -> Mapping[str, Cost]:
    """By client: the quiet one, the busy one."""
    costs = {"quiet": Cost(), "busy": Cost()}
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(stage.database("bench_partitions"))
        await filling.load(database, borders, steps)
        pool = await store.open_pool(database.url_of("audit"), 1)
        stack.push_async_callback(pool.close)
        asked = {
            "quiet": await questions(filling, database, filling.quiet),
            "busy": await questions(filling, database, filling.busy),
        }
        for number in range(-_WARM_UP, repeats):
            for client, cost in costs.items():
                for question in asked[client]:
                    if "deep" not in question.name:
                        await _explain(pool, question, cost if number >= 0 else Cost())
            if number >= 0:
                steps.done()
    return costs


async def _explain(pool: Pool, question: Question, cost: Cost) -> None:
    async with pool.transaction(question.agency_id) as conn:
        for query, values in question.queries:
            [plan] = await conn.fetchval(f"explain (analyze, timing off, summary, format json) {SQL[query]}", *values)
            cost.planning.append(plan["Planning Time"])
            cost.execution.append(plan["Execution Time"])


def _figures(costs: Mapping[str, Mapping[str, Cost]], rows: int) -> list[Figure]:
    one = costs["1 partition"]
    return [
        Figure(
            f"{what}, {layout}, {client} client",
            median(getattr(cost, what)),
            "ms p50",
            f"{rows:,} events",
            median(getattr(one[client], what)),
            "one partition",
        )
        for what in ("planning", "execution")
        for client in one
        for layout, found in costs.items()
        if layout != "1 partition"
        for cost in (found[client],)
    ]
