"""How fast the notifier drains a queue of credentials, beside aiosmtplib alone at the same mail server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from redis.asyncio import Redis

from ops.bench.events import agency_ids
from ops.bench.figures import Figure, Part, Target, median
from ops.bench.people import add_agencies
from ops.bench.processes import memory_of
from ops.bench.stage import Child, Database, Options, Stage, start_together
from ops.problems import Problem
from ops.stack.environment import Backends, StackEnvironment
from ops.stack.ports import LOOPBACK, Ports, free_port
from ops.stack.service import ServiceProcess
from services.notifier.letters import Heading, on_the_wire
from services.notifier.settings import NotifierSettings
from shared.actors import system
from shared.clock import system_clock
from shared.db import Pool, named_queries
from shared.deliveries import store as deliveries
from shared.deliveries.queue import URGENT_QUEUE, CeleryDeliveryQueue, celery_app
from shared.deliveries.sealing import Sealer
from shared.events import Subject
from shared.letters import Letters, Words
from shared.outbox import Work

SQL = named_queries(__package__, "mail.sql")

_SENDER: Final = "bench@portico.example"
_SECRET: Final = "bench-Rw9Tz-mN4xV-u8Jbc"  # noqa: S105 - of nobody
# So many that the limit of mails at once to one domain is not what is measured.
_DOMAINS: Final = 200
_CONTEXT: Final = {"username": "bench", "agency_name": "Bench", "portal_url": "https://portal.example/bench/"}
_MOST_GROWTH_MIB: Final = 4.0
_THREADS: Final = int(NotifierSettings.model_fields["worker_threads"].default)
_WARM_UP: Final = 50
# What a mail server somewhere else needs to write a mail down and to answer, at best.
_PAUSE: Final = 0.05
_NOTE: Final = (
    "The mail server is aiosmtpd in a process of its own, without encryption. Times run from the first mail that"
    f" arrives to the last. Recipients are of {_DOMAINS} domains."
)


@dataclass(slots=True)
class Rates:
    """Mails a second, one a round; ``memory`` in MiB after each."""

    alone: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    alone_far: list[float] = field(default_factory=list)
    one_far: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def measure(stage: Stage, options: Options) -> Part:
    """aiosmtplib alone and one notifier in turns, then two notifiers."""
    rates = Rates()
    async with AsyncExitStack() as stack:
        steps = await stack.enter_async_context(stage.steps("mail", options.rounds * 5))
        database = await stack.enter_async_context(stage.database("bench_mail"))
        port = free_port()
        sink = await stack.enter_async_context(stage.child("ops.bench.child_sink", port=port))
        await start_together([sink])
        bench = await stack.enter_async_context(_open(stage, database, sink, port))
        first = await stack.enter_async_context(bench.notifier(1))
        await bench.drain(_WARM_UP)
        for _ in range(options.rounds):
            rates.alone.append(await bench.alone(options.mails))
            steps.done()
            rates.one.append(await bench.drain(options.mails))
            steps.done()
            rates.alone_far.append(await bench.alone(options.mails, pause=_PAUSE))
            steps.done()
            rates.one_far.append(await bench.drain(options.mails, pause=_PAUSE))
            rates.memory.append(memory_of([first.pid or 0]).own)
            steps.done()
        await stack.enter_async_context(bench.notifier(2))
        await bench.drain(_WARM_UP)
        for _ in range(options.rounds):
            rates.two.append(await bench.drain(options.mails))
            steps.done()
        await bench.require(options.mails * options.rounds * 3 + _WARM_UP * 2)
    return _part(rates, options)


def _part(rates: Rates, options: Options) -> Part:
    one, two, size = median(rates.one), median(rates.two), f"{options.mails:,} credentials, {_THREADS} connections"
    return Part(
        "mail",
        (
            *(
                Figure(
                    f"one notifier, a mail server that answers {when}",
                    median(ours),
                    "mails/s",
                    size,
                    median(alone),
                    "aiosmtplib alone",
                    Target("ratio", ">=", 0.8),
                )
                for when, ours, alone in (
                    ("at once", rates.one, rates.alone),
                    (f"after {_PAUSE * 1000:.0f} ms", rates.one_far, rates.alone_far),
                )
            ),
            Figure("two notifiers, a mail server that answers at once", two, "mails/s", size, one, "one notifier"),
            Figure(
                "memory of the notifier",
                rates.memory[-1] - rates.memory[0],
                "MiB growth",
                f"{options.mails * 2 * (options.rounds - 1):,} mails after the first {options.mails * 2:,}",
                target=Target("value", "<=", _MOST_GROWTH_MIB),
            ),
        ),
        notes=(f"Medians of {options.rounds} rounds in turns. {_NOTE}",),
    )


@asynccontextmanager
async def _open(stage: Stage, database: Database, sink: Child, port: int) -> AsyncIterator[Mails]:
    [agency_id] = agency_ids(1)
    await add_agencies(database, [agency_id])
    pool = await Pool.open(database.url_of("admin"), size=1)
    try:
        async with Redis.from_url(stage.valkey.url_of(1)) as broker, Redis.from_url(stage.valkey.url_of(2)) as aside:
            yield Mails(stage, database, sink, port, Work(pool, system_clock, table="accounts.outbox"), broker, aside)
    finally:
        await pool.close()


class Mails:
    """One measurement after the other. ``aside`` is where tasks are made before a worker may see them."""

    def __init__(
        self,
        stage: Stage,
        database: Database,
        sink: Child,
        port: int,
        work: Work,
        broker: Redis,
        aside: Redis,
    ) -> None:
        self._stage = stage
        self._database = database
        self._sink = sink
        self._port = port
        self._work = work
        self._broker = broker
        self._aside = aside
        [self._agency_id] = agency_ids(1)

    @asynccontextmanager
    async def notifier(self, number: int) -> AsyncIterator[ServiceProcess]:
        """One as it is deployed."""
        backends = Backends(
            owner_url=self._database.url,
            audit_owner_url=self._database.url,
            redis_url=self._stage.valkey.url,
            broker_url=self._stage.valkey.url_of(1),
            smtp_url=f"smtp://{LOOPBACK}:{self._port}",
            smtp_security="plaintext",
        )
        environment = StackEnvironment(
            backends, self._stage.secrets, Ports(0), log_level="info", trusted_proxies="", mail_from=_SENDER
        )
        service = ServiceProcess(
            service="notifier",
            number=number,
            module="services.notifier",
            settings=lambda probe: environment.of_service("notifier", probe),
            logs=self._stage.folder,
            watchdog=self._stage.watchdog,
        )
        await service.start()
        try:
            yield service
        finally:
            await service.stop()

    async def drain(self, count: int, *, pause: float = 0.0) -> float:
        """Queue so many credentials and wait until they have arrived; answers mails a second."""
        ids = await self._queue(count)
        queue = CeleryDeliveryQueue(celery_app(self._stage.valkey.url_of(2)))
        try:
            await queue.put_all([str(delivery_id) for delivery_id in ids])
        finally:
            queue.close()
        messages = await self._aside.lrange(URGENT_QUEUE, 0, -1)
        await self._aside.flushdb()
        await self._expect(count, pause)
        # All at once: making them takes time that is not the notifier's.
        await self._broker.rpush(URGENT_QUEUE, *messages)
        return await self._arrived(count)

    async def alone(self, count: int, *, pause: float = 0.0) -> float:
        """The same number of mails of the same size by aiosmtplib; answers mails a second."""
        async with self._stage.child(
            "ops.bench.child_mails",
            port=self._port,
            connections=_THREADS,
            sender=_SENDER,
            recipients=[_recipient(number) for number in range(count)],
            content=_content(),
        ) as child:
            await self._expect(count, pause)
            await start_together([child])
            await child.hear()
            return await self._arrived(count)

    async def require(self, count: int) -> None:
        """Raise Problem unless so many were accepted."""
        deadline = time.monotonic() + 30
        while True:
            async with self._database.owner() as conn:
                found = await conn.fetchval(SQL["count"])
            if found == count:
                return
            if time.monotonic() > deadline:
                raise Problem(f"{found:,} of {count:,} mails were accepted: the figures mean nothing.")
            await asyncio.sleep(0.2)

    async def _expect(self, count: int, pause: float) -> None:
        await self._sink.tell(expect=count, pause=pause)
        await self._sink.hear()

    async def _arrived(self, count: int) -> float:
        # The first one starts the clock.
        return (count - 1) / float((await self._sink.hear())["seconds"])

    async def _queue(self, count: int) -> list[UUID]:
        sealer = Sealer(self._stage.secrets.keys.sealing_public_key)
        async with self._work.transaction(system(self._agency_id, "bench")) as tx:
            return [
                await deliveries.queue(
                    tx,
                    sealer=sealer,
                    mail="temporary_password",
                    owner=Subject(client_id=uuid4(), portal_login_id=uuid4()),
                    recipient=_recipient(number),
                    context=_CONTEXT,
                    secret=_SECRET,
                    expires_at=tx.now + timedelta(hours=72),
                )
                for number in range(count)
            ]


def _recipient(number: int) -> str:
    return f"bench{number}@mail{number % _DOMAINS}.example"


def _content() -> str:
    now = system_clock()
    words = Words(**_CONTEXT, secret=_SECRET, expires_at=now, time_zone="UTC", locale="en-US")
    heading = Heading(_SENDER, "Bench", _recipient(0), f"<{uuid4()}@portico.example>", now)
    return on_the_wire(Letters().write("temporary_password", words), heading).decode()
