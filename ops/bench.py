"""``make bench``: how near the pipeline comes to what this machine can do, measured in the same run.

Prints ratios: absolute figures of a shared machine say little. ``--events`` sets the size, ``--json`` the form.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated
from uuid import uuid4

import asyncpg
import typer
from nacl.pwhash import argon2id
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ops.stack.environment import role_url
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.valkey import EmbeddedValkey
from services.audit import store
from services.audit.consumer import Consumer, ensure_group
from services.audit.figures import Figures
from shared.accounts import agencies
from shared.accounts.agencies import Agency
from shared.actors import system
from shared.clock import system_clock
from shared.db import Pool, migrations
from shared.deliveries.queue import CeleryDeliveryQueue, celery_app
from shared.events import Subject, from_json
from shared.events.catalogue import FaceSheetViewed
from shared.outbox import Work
from shared.outbox.relay import Relay
from shared.security import passwords
from shared.security.passwords import PasswordHasher

_PACKAGES = ("shared.accounts.migrations", "shared.deliveries.migrations", "services.audit.migrations")
_ROLES = ("admin", "portal", "audit", "notifier", "relay")
_BATCH = 1000
_HASHES = 40


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement beside its limit, both in operations a second."""

    name: str
    ours: float
    limit: float
    limit_name: str

    @property
    def ratio(self) -> float:
        """What share of the limit is reached."""
        return self.ours / self.limit


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


class Bench:
    """The measurements, on servers of their own that are thrown away."""

    def __init__(self, owner_url: str, redis: Redis, broker_url: str, password: str, progress: Progress) -> None:
        self._owner_url = owner_url
        self._redis = redis
        self._broker_url = broker_url
        self._password = password
        self._progress = progress

    async def prepare(self) -> Agency:
        """Migrate, and make one agency."""
        await migrations.apply(self._owner_url, _PACKAGES, {f"portico_{r}": self._password for r in _ROLES})
        agency = Agency(uuid4(), "bench", "Bench", True, None, "UTC", "en-US", None, 72, version=1)
        conn = await asyncpg.connect(self._owner_url)
        try:
            await agencies.insert(conn, agency, system_clock())
        finally:
            await conn.close()
        return agency

    async def _pool(self, role: str) -> Pool:
        return await Pool.open(role_url(self._owner_url, role, self._password), size=4)

    async def pipeline(self, agency: Agency, events: int) -> list[Figure]:
        """Append, relay and store ``events``; the limit is a plain insert of the same rows in the same batches."""
        admin, relay_pool, audit = await self._pool("admin"), await self._pool("relay"), await self._pool("audit")
        work = Work(admin, system_clock, table="accounts.outbox")
        queue = CeleryDeliveryQueue(celery_app(self._broker_url))
        relay = Relay(relay_pool, self._redis, queue, table="accounts.outbox", wake=work.wake, clock=system_clock)
        figures = Figures(CollectorRegistry())
        consumer = Consumer(audit, self._redis, name="bench", clock=system_clock, figures=figures)
        task = self._progress.add_task("pipeline", total=4)

        async def append() -> None:
            for _ in range(events // _BATCH):
                async with work.transaction(system(agency.id, "bench")) as tx:
                    await tx.append_all([(FaceSheetViewed(), Subject(client_id=uuid4()))] * _BATCH)

        async def ingest() -> None:
            await ensure_group(self._redis)
            while await consumer.consume_once(wait_milliseconds=1):
                pass

        appending = await _timed(append)
        self._progress.advance(task)
        relaying = await _timed(relay.drain)
        self._progress.advance(task)
        storing = await _timed(ingest)
        self._progress.advance(task)
        inserting = await self._plain_insert(relay_pool, audit)
        self._progress.advance(task)
        queue.close()
        for pool in (admin, relay_pool, audit):
            await pool.close()
        limit = events / inserting
        return [
            Figure("append to the outbox", events / appending, limit, "plain batch insert into the store"),
            Figure("relay to the stream", events / relaying, limit, "plain batch insert into the store"),
            Figure("store from the stream", events / storing, limit, "plain batch insert into the store"),
        ]

    async def _plain_insert(self, relay_pool: Pool, audit: Pool) -> float:
        async with relay_pool.transaction(None) as conn:
            rows = await conn.fetch("select body from accounts.outbox where kind = 'event'")
        envelopes = [from_json(r["body"]).model_copy(update={"id": uuid4()}) for r in rows]

        async def insert() -> None:
            for start in range(0, len(envelopes), _BATCH):
                async with audit.transaction(None) as conn:
                    await store.append(conn, [store.entry_of(e.to_json()) for e in envelopes[start : start + _BATCH]])

        return await _timed(insert)

    async def hashing(self) -> Figure:
        """Verify passwords through the pool; the limit is the same hash on one thread without it."""
        hasher = PasswordHasher(threads=1)
        stored = await hasher.hash("a password for the bench")
        task = self._progress.add_task("hashing", total=2)

        async def ours() -> None:
            await asyncio.gather(*(hasher.verify(stored, "a password for the bench") for _ in range(_HASHES)))

        async def bare() -> None:
            raw = passwords.normalized("a password for the bench")
            await asyncio.to_thread(lambda: [argon2id.verify(stored.encode(), raw) for _ in range(_HASHES)])

        through_pool = await _timed(ours)
        self._progress.advance(task)
        alone = await _timed(bare)
        self._progress.advance(task)
        hasher.close()
        return Figure("verify a password", _HASHES / through_pool, _HASHES / alone, "argon2id alone on one thread")


async def measure(events: int, console: Console) -> list[Figure]:
    """All figures."""
    async with EmbeddedPostgres() as postgres, EmbeddedValkey() as valkey, Redis.from_url(valkey.url) as redis:
        with Progress(console=console) as progress:
            bench = Bench(postgres.url, redis, valkey.url_of(1), uuid4().hex, progress)
            agency = await bench.prepare()
            return [*await bench.pipeline(agency, events), await bench.hashing()]


def main(
    events: Annotated[int, typer.Option(help="How many events, in thousands of whole batches.", min=_BATCH)] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the pipeline and the hashing against this machine's own limits."""
    figures = asyncio.run(measure(events, Console(stderr=True)))
    if as_json:
        typer.echo(json.dumps([asdict(f) | {"ratio": round(f.ratio, 3)} for f in figures]))
        return
    table = Table("what", "a second", "limit a second", "ratio", "limit")
    for f in figures:
        table.add_row(f.name, f"{f.ours:,.0f}", f"{f.limit:,.0f}", f"{f.ratio:.2f}", f.limit_name)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
