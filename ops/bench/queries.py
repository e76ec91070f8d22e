"""How the logs' queries take to a store that grows: the product's own SQL, in a small store and in a large one."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from ops.bench.figures import Figure, Part, Target, median, steady_percentile
from ops.bench.filling import SQL as FILLING_SQL
from ops.bench.filling import Filling, Someone, years
from ops.bench.stage import Database, Options, Stage, Steps
from services.audit import store
from services.audit.queries import SQL
from shared.clock import system_clock
from shared.db import Pool
from shared.events import lowest_id_at, security_labels

_PAGE: Final = 26
_WARM_UP: Final = 20
_HIGHEST: Final = UUID(int=2**128 - 1)
_LOWEST: Final = UUID(int=0)
_RATIO: Final = Target("ratio", "<=", 1.5)


@dataclass(frozen=True, slots=True)
class Question:
    """One query of the product with the values of one client; several when a page asks several."""

    name: str
    agency_id: UUID
    queries: tuple[tuple[str, tuple[object, ...]], ...]


@dataclass(slots=True)
class Filled:
    """A store with its questions, and how many milliseconds each took."""

    filling: Filling
    database: Database
    pool: Pool
    questions: Sequence[Question]
    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    again: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def ask(self, question: Question) -> float:
        """Milliseconds from sending the queries until their rows are there, planning included."""
        async with self.pool.transaction(question.agency_id) as conn:
            started = time.perf_counter()
            for query, values in question.queries:
                await conn.fetch(SQL[query], *values)
            return (time.perf_counter() - started) * 1000

    async def ask_of_somebody_else(self, chance: random.Random) -> None:
        """What a real service does in between: other clients' rows come into the caches, and go."""
        other = Someone(2 + chance.randrange(self.filling.others), 0)
        async with self.pool.transaction(other.agency_id) as conn:
            await conn.fetch(SQL["activity_of_client"], other.agency_id, other.id, _HIGHEST, _PAGE)


async def measure(stage: Stage, options: Options) -> Part:
    """Both stores in turns, and the small one once more, which tells how much the machine itself varies."""
    now = system_clock()
    borders = years(now.year - 2, now.year)
    async with AsyncExitStack() as stack:
        steps = await stack.enter_async_context(stage.steps("queries", 2 * len(borders) + options.repeats))
        small, large = [
            await _filled(stage, stack, Filling(rows, borders[0], now), f"bench_{name}", steps)
            for name, rows in (("small", options.small_rows), ("large", options.rows))
        ]
        await _ask_in_turns(small, large, options.repeats, steps)
        figures = _figures(small, large, options.rounds)
        missed = {figure.name for figure in figures if figure.reached is False}
        plans = [await _plan(large, q) for q in large.questions if q.name in missed] if options.explain else []
    return Part("queries", tuple(figures), notes=(*_notes(small, options), *plans))


async def _filled(stage: Stage, stack: AsyncExitStack, filling: Filling, name: str, steps: Steps) -> Filled:
    database = await stack.enter_async_context(stage.database(name))
    await filling.load(database, years(filling.since.year, filling.until.year), steps)
    pool = await store.open_pool(database.url_of("audit"), 1)
    stack.push_async_callback(pool.close)
    asked = [question for who in (filling.quiet, filling.busy) for question in await questions(filling, database, who)]
    return Filled(filling, database, pool, asked)


async def questions(filling: Filling, database: Database, who: Someone) -> list[Question]:
    """Everything that can be asked about a client."""
    async with database.owner() as conn:
        deep = await conn.fetchval(FILLING_SQL["some_event"], who.agency_id, who.id, who.events * 4 // 5)
    since, until = (lowest_id_at(filling.until - timedelta(days=days)) for days in (120, 30))
    agency, client = who.agency_id, who.id

    def changes(
        high: UUID = _HIGHEST, low: UUID = _LOWEST, type_: str | None = None, actor: str | None = None
    ) -> tuple[str, tuple[object, ...]]:
        return "changes_of_client", (agency, client, high, low, type_, actor, _PAGE)

    asked = {
        "activity of a login": (("activity_of_login", (agency, who.login_id, _HIGHEST, _PAGE)),),
        "activity of a client": (("activity_of_client", (agency, client, _HIGHEST, _PAGE)),),
        "activity, deep page": (("activity_of_client", (agency, client, deep, _PAGE)),),
        "changes": (changes(),),
        "changes, deep page": (changes(high=deep),),
        "changes by common type": (changes(type_="Dynamic Fields"),),
        "changes by rare type": (changes(type_="Portal Refusal"),),
        "changes by busy actor": (changes(actor=who.staff("staff3")),),
        "changes by rare actor": (changes(actor=who.staff("rare")),),
        "changes by nobody's actor": (changes(actor=who.staff("nobody")),),
        "changes of 90 days": (changes(high=until, low=since),),
        "changes by type, actor, days": (changes(until, since, "Dynamic Fields", who.staff("staff3")),),
        "what can be filtered by": (("change_types", (agency, client)), ("changed_by", (agency, client))),
        "changes of all clients": (("changes_of_agency", (agency, None, _HIGHEST, _LOWEST, None, None, _PAGE)),),
        **_security_questions(who, since, until),
    }
    kind = "quiet" if who.number else "busy"
    return [Question(f"{name}, {kind} client", agency, queries) for name, queries in asked.items()]


def _security_questions(
    who: Someone, since: UUID, until: UUID
) -> Mapping[str, tuple[tuple[str, tuple[object, ...]], ...]]:
    every, staff = list(security_labels()), who.staff("staff3")

    def values(
        *person: object, types: Sequence[str] = every, high: UUID = _HIGHEST, low: UUID = _LOWEST
    ) -> tuple[object, ...]:
        return (who.agency_id, list(types), high, low, _PAGE, *person)

    return {
        "security log": (("security_of_agency", values()),),
        "security log by common event": (("security_of_agency", values(types=["portal_session.started"])),),
        "security log by rare event": (("security_of_agency", values(types=["portal_password.changed"])),),
        "security log by an event that never was": (("security_of_agency", values(types=["staff.locked"])),),
        "security log of 90 days": (("security_of_agency", values(high=until, low=since)),),
        "security log of a login": (("security_of_login", values(who.login_id)),),
        # As the page asks about one: what they did, and what was done to them.
        "security log of staff": (
            ("security_by_actor", values(staff)),
            ("security_of_staff", values(UUID(staff.partition(":")[2]))),
        ),
    }


async def _ask_in_turns(small: Filled, large: Filled, repeats: int, steps: Steps) -> None:
    chance = random.Random(1)  # noqa: S311 - an order that repeats from run to run
    pairs = list(zip(small.questions, large.questions, strict=True))
    for number in range(-min(_WARM_UP, repeats), repeats):
        chance.shuffle(pairs)
        for of_small, of_large in pairs:
            turns = [(small, of_small, small.took), (large, of_large, large.took), (small, of_small, small.again)]
            chance.shuffle(turns)
            for filled, question, took in turns:
                await filled.ask_of_somebody_else(chance)
                milliseconds = await filled.ask(question)
                if number >= 0:
                    took[question.name].append(milliseconds)
        if number >= 0:
            steps.done()


def _figures(small: Filled, large: Filled, rounds: int) -> list[Figure]:
    def p99(took: Sequence[float]) -> float:
        return steady_percentile(took, 0.99, rounds)

    reference = f"the same in {small.filling.rows:,} events"
    figures = []
    for question in large.questions:
        ours, limit = large.took[question.name], small.took[question.name]
        medians = f"p50 {median(ours):.2f} and {median(limit):.2f} ms"
        size = f"{large.filling.rows:,} events; {medians}"
        figures.append(Figure(question.name, p99(ours), "ms p99", size, p99(limit), reference, _RATIO))
    every, first, second = (_all(took) for took in (large.took, small.took, small.again))
    size = f"{large.filling.rows:,} events"
    return [
        *figures,
        Figure("all of them together", p99(every), "ms p99", size, p99(first), reference, _RATIO),
        Figure(
            "noise: the small store, asked twice",
            p99(second),
            "ms p99",
            f"{small.filling.rows:,} events",
            p99(first),
            "the other time",
        ),
    ]


def _all(took: defaultdict[str, list[float]]) -> list[float]:
    """In the order in which they were asked."""
    return [milliseconds for turn in zip(*took.values(), strict=True) for milliseconds in turn]


def _notes(small: Filled, options: Options) -> list[str]:
    ratios = sorted(
        steady_percentile(small.again[name], 0.99, options.rounds) / steady_percentile(took, 0.99, options.rounds)
        for name, took in small.took.items()
    )
    busy, quiet = small.filling.busy.events, small.filling.quiet.events
    pages = (
        f"Each page of 25 was asked for {options.repeats} times in each store, in turns, another client's in between."
        f" The busy client has {busy:,} of the small store's events and up to 100,000 of the large one's, the quiet one"
        f" {quiet} of each. p99 is the median of the p99 of {options.rounds} rounds."
    )
    noise = (
        f"The same query in the small store, asked as often once more, has p99 ratios of {ratios[0]:.2f} to"
        f" {ratios[-1]:.2f} on this machine."
    )
    return [pages, noise]


async def _plan(filled: Filled, question: Question) -> str:
    """The plans behind a figure, as text."""
    lines = [f"{question.name}:"]
    async with filled.pool.transaction(question.agency_id) as conn:
        for query, values in question.queries:
            lines += [row[0] for row in await conn.fetch(f"explain (analyze, buffers) {SQL[query]}", *values)]
    return "\n".join(lines)
