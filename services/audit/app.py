"""The audit service, put together."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

import shared.db
from services.audit import store
from services.audit.api import routes
from services.audit.consumer import Consumer
from services.audit.figures import Figures, SealFigures
from services.audit.keys import (
    ACCOUNTS_POOL,
    CONSUMER,
    KEY_RING,
    LOGS,
    SECURITY_LOG,
    SETTINGS,
    STORE_POOL,
    VERIFIER,
    VIEWERS,
)
from services.audit.queries import Logs
from services.audit.sealing import Sealer, SealsFile
from services.audit.seals import SealKey
from services.audit.security_api import security_routes
from services.audit.security_log import SecurityLog
from services.audit.settings import AuditSettings
from services.audit.viewers import Viewers
from shared.clock import Clock, system_clock
from shared.db import Pool
from shared.http.application import create_app
from shared.http.background import background
from shared.http.keys import CLOCK, METRICS
from shared.http.openapi import openapi_routes
from shared.http.readiness import Check, NotReady
from shared.security.tokens import KEYS_EVERY, KeyRing, Verifier

_PARTITIONS_EVERY_SECONDS: Final = 3600.0
_TRY_AGAIN_SECONDS: Final = 2.0
_REDIS_SECONDS: Final = 10.0
_DESCRIPTION = (
    "The record of everything that happened: the Client Action Log, the Face Sheet Change Log and the Security Log."
)

log = structlog.get_logger(__name__)


def create_audit(settings: AuditSettings, *, clock: Clock = system_clock) -> web.Application:
    """The audit service's application; connections are made when it starts."""
    app = create_app(
        public_url=settings.public_url,
        clock=clock,
        trusted_proxies=settings.trusted_proxies,
        unavailable=shared.db.Unavailable,
    )
    app[SETTINGS] = settings
    app[KEY_RING] = KeyRing()
    app[VERIFIER] = Verifier(app[KEY_RING], clock)
    app.add_routes([*openapi_routes("Portico audit", "1", _DESCRIPTION), *routes(), *security_routes()])
    app.cleanup_ctx.extend([_databases, _keys, _partitions, _seals, _consumer])
    return app


def ready_checks(app: web.Application) -> Mapping[str, Check]:
    """What the audit service can't serve without. Redis is not among it: the logs are read from PostgreSQL."""

    async def accounts() -> None:
        await app[ACCOUNTS_POOL].check()

    async def events() -> None:
        await app[STORE_POOL].check()

    async def keys() -> None:
        if not app[KEY_RING].loaded:
            raise NotReady("public keys were not read yet; are the migrations applied?")

    return {"accounts database": accounts, "audit store": events, "keys": keys}


@asynccontextmanager
async def _databases(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    accounts = await Pool.open(settings.database_url, size=8, application_name="portico-audit")
    events = await store.open_pool(settings.store_url, 8)
    app[ACCOUNTS_POOL], app[STORE_POOL] = accounts, events
    app[VIEWERS] = Viewers(accounts, app[CLOCK])
    app[LOGS] = Logs(events, app[CLOCK])
    app[SECURITY_LOG] = SecurityLog(events, app[CLOCK])
    try:
        yield
    finally:
        await asyncio.gather(accounts.close(), events.close())


@asynccontextmanager
async def _keys(app: web.Application) -> AsyncIterator[None]:
    async def refresh() -> None:
        await app[KEY_RING].refresh(app[ACCOUNTS_POOL])

    async with background(
        lambda: _regularly(refresh, KEYS_EVERY.total_seconds(), "signing keys"), "signing keys", longest_pause=5.0
    ):
        yield


@asynccontextmanager
async def _partitions(app: web.Application) -> AsyncIterator[None]:
    async def ensure() -> None:
        await store.ensure_partitions(app[STORE_POOL], app[CLOCK]())

    async with background(lambda: _regularly(ensure, _PARTITIONS_EVERY_SECONDS, "partitions"), "partitions"):
        yield


@asynccontextmanager
async def _seals(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    file = SealsFile(settings.seals_file) if settings.seals_file is not None else None
    figures = SealFigures(app[METRICS].registry)
    sealer = Sealer(app[STORE_POOL], SealKey(settings.seal_key), file, clock=app[CLOCK], figures=figures)

    async def seal() -> None:
        await sealer.round()

    async with background(lambda: _regularly(seal, settings.seal_seconds, "seals"), "seals"):
        yield


async def _regularly(work: Callable[[], Awaitable[None]], seconds: float, name: str) -> None:
    """Do ``work`` every so often; while what it needs is away, say so once and try again sooner."""
    away = False
    while True:
        try:
            await work()
            away = False
        except shared.db.Unavailable as error:
            if not away:
                log.warning("periodic work waits", task=name, reason=type(error).__name__)
            away = True
        await asyncio.sleep(min(seconds, _TRY_AGAIN_SECONDS) if away else seconds)


@asynccontextmanager
async def _consumer(app: web.Application) -> AsyncIterator[None]:
    redis = Redis.from_url(
        app[SETTINGS].redis_url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        socket_keepalive=True,
    )
    # A name of its own for each process: what a dead one left is claimed, and the name forgotten.
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    figures = Figures(app[METRICS].registry)
    app[CONSUMER] = Consumer(
        app[STORE_POOL],
        redis,
        name=name,
        clock=app[CLOCK],
        figures=figures,
        claim_idle=int(app[SETTINGS].claim_seconds * 1000),
        tend_every=app[SETTINGS].claim_seconds / 4,
    )
    try:
        async with background(app[CONSUMER].run, "consumer"):
            yield
        with suppress(RedisError, OSError, TimeoutError):
            await app[CONSUMER].leave()
    finally:
        await redis.aclose()
