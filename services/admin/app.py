"""The admin service, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import ClientSession, web

import shared.db
from services.admin.api.routes import api_routes
from services.admin.audit_client import AuditClient
from services.admin.figures import AdminFigures
from services.admin.keys import AUDIT, CREDENTIALS, HASHER, KEY_RING, SETTINGS, SIGNER, VERIFIER, WORK
from services.admin.pages.errors import render_error
from services.admin.pages.routes import page_routes
from services.admin.pages.visitors import page_context
from services.admin.pages.wording import FILTERS
from services.admin.settings import ISSUER, AdminSettings
from services.admin.use_cases.credentials import Credentials
from shared.accounts import access
from shared.clock import Clock, system_clock
from shared.db import Pool
from shared.deliveries.sealing import Sealer
from shared.http.application import create_app
from shared.http.background import background
from shared.http.keys import CLOCK, METRICS
from shared.http.openapi import openapi_routes
from shared.http.pages import setup_pages
from shared.http.readiness import Check, NotReady
from shared.outbox import Work
from shared.outbox.publisher import publishing
from shared.security.passwords import PasswordHasher
from shared.security.tokens import KEYS_EVERY, KeyRing, Signer, Verifier

_SWEEP_EVERY_SECONDS: Final = 20

_RELAY_POOL = web.AppKey("relay_pool", Pool)
_HTTP = web.AppKey("http", ClientSession)
_DESCRIPTION = "For staff and the systems that work for them: clients, face sheets and portal logins."


def create_admin(settings: AdminSettings, *, clock: Clock = system_clock) -> web.Application:
    """The admin service's application; connections are made when it starts."""
    app = create_app(
        public_url=settings.public_url,
        clock=clock,
        trusted_proxies=settings.trusted_proxies,
        unavailable=shared.db.Unavailable,
        render_error=render_error,
    )
    app[SETTINGS] = settings
    app[SIGNER] = Signer(settings.signing_key, ISSUER, clock)
    app[KEY_RING] = KeyRing()
    app[VERIFIER] = Verifier(app[KEY_RING], clock)
    setup_pages(
        app,
        [("services.admin", "templates")],
        filters=FILTERS,
        static=[("services.admin", "static")],
        context=page_context,
    )
    app.add_routes([*openapi_routes("Portico admin", "1", _DESCRIPTION), *api_routes(), *page_routes()])
    app.cleanup_ctx.extend([_databases, _passwords, _http, _publisher, _keys, _sweep])
    return app


def ready_checks(app: web.Application) -> Mapping[str, Check]:
    """What the service can't work without. Redis is not among it: events wait in the outbox until it is back."""

    async def keys() -> None:
        if not app[KEY_RING].known_everywhere(app[SIGNER].kid, app[CLOCK]()):
            raise NotReady("this process's key is not known everywhere yet; are the migrations applied?")

    async def database() -> None:
        await app[WORK].pool.check()

    return {"database": database, "keys": keys}


@asynccontextmanager
async def _databases(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    pool = await Pool.open(settings.database_url, application_name="portico-admin")
    relay_pool = await Pool.open(settings.relay_database_url, size=3, application_name="portico-admin-relay")
    app[WORK] = Work(pool, app[CLOCK], table="accounts.outbox")
    app[_RELAY_POOL] = relay_pool
    try:
        yield
    finally:
        await asyncio.gather(pool.close(), relay_pool.close())


@asynccontextmanager
async def _passwords(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[HASHER] = PasswordHasher()
    app[CREDENTIALS] = Credentials(app[HASHER], Sealer(settings.sealing_public_key), settings.portal_url)
    try:
        yield
    finally:
        app[HASHER].close()


@asynccontextmanager
async def _http(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as http:
        app[_HTTP] = http
        app[AUDIT] = AuditClient(http, app[SETTINGS].audit_url, app[SIGNER])
        yield


@asynccontextmanager
async def _publisher(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with publishing(
        app[WORK],
        app[_RELAY_POOL],
        app[_HTTP],
        table="accounts.outbox",
        redis_url=settings.redis_url,
        broker_url=settings.celery_broker_url,
        audit_url=settings.audit_url,
        signer=app[SIGNER],
        clock=app[CLOCK],
    ) as publisher:
        figures = AdminFigures(publisher, app[HASHER], app[CLOCK])
        app[METRICS].registry.register(figures)
        try:
            yield
        finally:
            app[METRICS].registry.unregister(figures)


@asynccontextmanager
async def _keys(app: web.Application) -> AsyncIterator[None]:
    async def run() -> None:
        ring, pool = app[KEY_RING], app[WORK].pool
        await ring.publish(pool, app[SIGNER], app[CLOCK]())
        while True:
            await ring.refresh(pool)
            await asyncio.sleep(KEYS_EVERY.total_seconds())

    async with background(run, "signing keys", longest_pause=5.0):
        yield


@asynccontextmanager
async def _sweep(app: web.Application) -> AsyncIterator[None]:
    async def run() -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_SECONDS)
            await access.end_overdue(app[_RELAY_POOL], app[WORK], "staff")

    async with background(run, "session sweep"):
        yield
