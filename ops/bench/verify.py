"""How fast the hash chains are verified, beside fetching and hashing the same events without any chain."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from ops.bench.figures import Figure, Part, Target, median
from ops.bench.ingest import Ingest, published
from ops.bench.stage import Database, Options, Stage, start_together
from ops.problems import Problem

_AGENCIES: Final = 8
_NOTE: Final = (
    "The limit reads id, text, salt and link of each event in the order of the key, which hold all that a chain covers,"
    " and hashes salt and text; both are processes of their own on a store that a consumer has filled."
)


async def measure(stage: Stage, options: Options) -> Part:
    """Verification and limit in turns."""
    ours: list[float] = []
    limit: list[float] = []
    async with (
        Redis.from_url(stage.valkey.url) as redis,
        stage.database("bench_verify") as database,
        stage.steps("verify", 2 * options.rounds + 1) as steps,
    ):
        await Ingest(stage, redis, database).consume(published(_AGENCIES, options.events), consumers=1)
        async with database.owner() as conn:
            await conn.execute("vacuum (analyze) audit.events")
            await conn.execute("checkpoint")
        steps.done()
        for _ in range(options.rounds):
            for module, rates in (("child_verify", ours), ("child_hash", limit)):
                rates.append(await _rate(stage, database, f"ops.bench.{module}", options.events))
                steps.done()
    figure = Figure(
        "verify all chains",
        median(ours),
        "events/s",
        f"{options.events:,} events of {_AGENCIES} agencies",
        median(limit),
        "the same events fetched and hashed",
        Target("ratio", ">=", 0.5),
    )
    return Part("verify", (figure,), notes=(_NOTE,))


async def _rate(stage: Stage, database: Database, module: str, count: int) -> float:
    async with stage.child(module, store_url=database.url) as child:
        await start_together([child])
        answer = await child.hear()
    if answer["rows"] != count or answer.get("findings"):
        raise Problem(f"{answer['rows']:,} of {count:,} events were read, with {answer.get('findings', 0)} findings.")
    return float(answer["rows"]) / float(answer["seconds"])
