"""The notifier, put together: a Celery worker in threads, and one event loop that owns everything else."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from aiohttp import ClientSession
from redis.asyncio import Redis

from services.notifier.celery_app import worker_app
from services.notifier.channel import Pauses
from services.notifier.delivery import Courier
from services.notifier.keys import NotifierKeys
from services.notifier.liveness import Liveness
from services.notifier.mailer import Mailer, SmtpServer
from services.notifier.metrics import Attempts, NotifierFigures
from services.notifier.servers import Servers
from services.notifier.settings import NotifierSettings
from services.notifier.slots import Slots
from services.notifier.sweep import Sweep
from services.notifier.tasks import LoopBridge
from services.notifier.worker import DeliveryWorker
from shared.clock import Clock, system_clock
from shared.db import Pool
from shared.deliveries.sealing import Opener
from shared.http.background import background
from shared.http.metrics import Metrics
from shared.http.probes import probes
from shared.http.readiness import Check, NotReady, Phase, Readiness
from shared.letters import Letters
from shared.outbox import Work
from shared.outbox.publisher import Publisher, publishing
from shared.security.tokens import Signer

log = structlog.get_logger(__name__)

_CUT_OFF_SECONDS: Final = 5.0
_REDIS_SECONDS: Final = 5.0
# For the relay, the reconciler, the sweep with its two transactions, readiness.
_OTHER_CONNECTIONS: Final = 4
_MOST_FOR_DELIVERIES: Final = 8


async def serve(settings: NotifierSettings, *, clock: Clock = system_clock) -> int:
    """Deliver until SIGTERM or SIGINT; answers the process's exit code, 1 when the worker ended by itself.

    At the end no new task is taken, those in flight have some seconds, and what is cut off then is taken up by another
    worker once its lease has run out.
    """
    # Remembered for a short time only: no gateway asks a worker, and starting should be quick.
    readiness, metrics = Readiness(remember_seconds=0.2), Metrics()
    readiness.phase = Phase.STARTING
    with _stop_on_signals() as stop:
        async with probes(settings, readiness, metrics), _delivering(settings, readiness, metrics, clock) as broken:
            waits = [asyncio.create_task(stop.wait()), *(asyncio.create_task(event.wait()) for event in broken)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            readiness.phase = Phase.DRAINING
            log.info("stopping", grace_seconds=settings.shutdown_seconds)
            failed = any(event.is_set() for event in broken)
    log.info("stopped")
    return 1 if failed else 0


@asynccontextmanager
async def _delivering(
    settings: NotifierSettings, readiness: Readiness, metrics: Metrics, clock: Clock
) -> AsyncIterator[tuple[asyncio.Event, ...]]:
    """Everything at work; gives the events that say that it can't go on."""
    async with AsyncExitStack() as stack:
        work, pool = await _database(stack, settings, clock)
        keys = NotifierKeys.of(settings, clock)
        publisher = await _publisher(stack, settings, work, keys.signer, clock)
        sweep = Sweep(work, publisher.deliveries, every=settings.sweep_seconds)
        slots = Slots(settings.mails_per_domain)
        metrics.registry.register(NotifierFigures(sweep.figures, slots, publisher, clock))
        broker = _redis(settings.celery_broker_url)
        stack.push_async_callback(broker.aclose)

        bridge = LoopBridge(
            asyncio.get_running_loop(),
            _courier(settings, work, keys.opener, _servers(stack, settings, keys.opener), slots, metrics).deliver,
            seconds=settings.lease_seconds * 2,
        )
        ended = asyncio.Event()
        worker = await stack.enter_async_context(_worker(settings, bridge, ended))

        readiness.use(_ready_checks(pool, publisher.redis, broker, worker))
        readiness.phase = Phase.SERVING
        liveness = Liveness(readiness, heartbeat_file=settings.heartbeat_file)

        for task, name in ((sweep.run, "sweep"), (partial(keys.run, pool), "keys"), (liveness.run, "liveness")):
            await stack.enter_async_context(background(task, name, longest_pause=10.0))
        yield ended, liveness.stalled


async def _publisher(
    stack: AsyncExitStack, settings: NotifierSettings, work: Work, signer: Signer, clock: Clock
) -> Publisher:
    relay_pool = await Pool.open(settings.relay_database_url, size=3, application_name="portico-notifier-relay")
    stack.push_async_callback(relay_pool.close)
    http = await stack.enter_async_context(ClientSession())
    return await stack.enter_async_context(
        publishing(
            work,
            relay_pool,
            http,
            table="mail.outbox",
            redis_url=settings.redis_url,
            broker_url=settings.celery_broker_url,
            audit_url=settings.audit_url,
            signer=signer,
            clock=clock,
            ask_after=timedelta(seconds=settings.reconcile_seconds),
        )
    )


async def _database(stack: AsyncExitStack, settings: NotifierSettings, clock: Clock) -> tuple[Work, Pool]:
    pool = await Pool.open(
        settings.database_url,
        # Whoever waits for a mail server holds none.
        size=min(settings.worker_threads, _MOST_FOR_DELIVERIES) + _OTHER_CONNECTIONS,
        application_name="portico-notifier",
    )
    stack.push_async_callback(pool.close)
    return Work(pool, clock, table="mail.outbox"), pool


def _servers(stack: AsyncExitStack, settings: NotifierSettings, opener: Opener) -> Servers:
    tls, hello = settings.tls_context(), settings.mail_from.rpartition("@")[2]

    def mailer(server: SmtpServer) -> Mailer:
        # Each thread's last connection is kept.
        return Mailer(server, hello=hello, tls=tls, patience=settings.patience, keep=settings.worker_threads)

    servers = Servers(
        mailer(settings.smtp),
        opener,
        make=mailer,
        inside=settings.smtp_allowed_networks,
        reserved=settings.reserved_domains,
    )
    stack.push_async_callback(servers.close)
    return servers


def _courier(
    settings: NotifierSettings, work: Work, opener: Opener, servers: Servers, slots: Slots, metrics: Metrics
) -> Courier:
    return Courier(
        work,
        servers=servers,
        letters=Letters(),
        opener=opener,
        sender=settings.mail_from,
        pauses=Pauses(),
        lease=settings.lease,
        jitter=random.random,
        slots=slots,
        observe=Attempts(metrics.registry),
        dkim=settings.dkim,
        return_paths=settings.return_paths(),
    )


@asynccontextmanager
async def _worker(
    settings: NotifierSettings, bridge: LoopBridge, ended: asyncio.Event
) -> AsyncIterator[DeliveryWorker]:
    """The worker at work; at the end what it has begun is finished, or cut off."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        # A worker that outlived all patience may end when nobody listens any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    app = worker_app(settings.celery_broker_url, bridge)
    worker = DeliveryWorker(app, threads=settings.worker_threads, on_end=tell)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop_taking()
        if not await asyncio.to_thread(worker.join, settings.shutdown_seconds):
            log.warning("deliveries cut off", count=bridge.cut_off())
            await asyncio.to_thread(worker.join, _CUT_OFF_SECONDS)
        app.close()


def _ready_checks(pool: Pool, redis: Redis, broker: Redis, worker: DeliveryWorker) -> Mapping[str, Check]:
    async def database() -> None:
        async with pool.transaction(None) as conn:
            # The newest table is named so that missing migrations show.
            await conn.execute("select 1 from mail.channels where false")

    async def consuming() -> None:
        if not worker.consuming:
            raise NotReady("the worker does not consume")

    async def answers(server: Redis) -> None:
        await server.ping()

    return {
        "database": database,
        "redis": lambda: answers(redis),
        "broker": lambda: answers(broker),
        "worker": consuming,
    }


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS, socket_keepalive=True
    )


@contextmanager
def _stop_on_signals() -> Iterator[asyncio.Event]:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
