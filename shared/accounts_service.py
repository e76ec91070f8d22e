"""What the admin service and the portal have in common as processes: they change accounts and publish what they did.

Each composes itself from these parts and adds its own API, pages and use cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, web
from pydantic import Field
from redis.asyncio import Redis

from shared.accounts import access, passkeys
from shared.accounts.factor_owners import Factors
from shared.accounts.sessions import SessionKind
from shared.db import Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import Sealer
from shared.http.background import background
from shared.http.keys import CLOCK, METRICS
from shared.http.readiness import Check, NotReady
from shared.outbox import Work
from shared.outbox.figures import PublisherFigures
from shared.outbox.publisher import publishing
from shared.outbox.reconcile import ASK_AFTER
from shared.security.blocklist import Blocklist, shipped
from shared.security.blocklist_setting import BlocklistFile
from shared.security.boxes import Boxes
from shared.security.gate import Gate
from shared.security.key_files import KeyFile
from shared.security.key_settings import BoxKeys, SealingPublicKey, SigningKey
from shared.security.own_keys import OwnKeys
from shared.security.passwords import PasswordHasher
from shared.security.throttle import Throttle
from shared.security.tokens import KEYS_EVERY, KeyRing, Signer, Verifier
from shared.settings import BaseUrl, Networks, PostgresUrl, RedisUrl, ServiceSettings

_SWEEP_EVERY_SECONDS: Final = 20
_REDIS_SECONDS: Final = 5.0

WORK = web.AppKey("work", Work)
RELAY_POOL = web.AppKey("relay_pool", Pool)
HASHER = web.AppKey("hasher", PasswordHasher)
GATE = web.AppKey("gate", Gate)
BOXES = web.AppKey("boxes", Boxes)
SEALER = web.AppKey("sealer", Sealer)
FACTORS = web.AppKey("factors", Factors)
HTTP = web.AppKey("http", ClientSession)
SIGNER = web.AppKey("signer", Signer)
KEY_RING = web.AppKey("key_ring", KeyRing)
VERIFIER = web.AppKey("verifier", Verifier)

Context = Callable[[web.Application], AbstractAsyncContextManager[None]]


class AccountsServiceSettings(ServiceSettings):
    """The settings of both; each secret ``X`` may come from the file that ``X_FILE`` names."""

    public_url: BaseUrl
    database_url: PostgresUrl = Field(repr=False)
    relay_database_url: PostgresUrl = Field(repr=False)
    redis_url: RedisUrl = Field(repr=False)
    celery_broker_url: RedisUrl = Field(repr=False)
    signing_key: SigningKey = Field(repr=False)
    # A key that has a file is read again from there while the service runs.
    signing_key_file: Path | None = None
    # What is sealed for until the notifier has published a key of its own.
    sealing_public_key: SealingPublicKey
    # What this service alone reads in the database: no other service has the same.
    box_keys: BoxKeys = Field(repr=False)
    box_keys_file: Path | None = None
    audit_url: BaseUrl
    # Where many people come from one address: offices, shelters, schools.
    shared_networks: Networks = ()
    # Passwords that nobody may choose, besides those of the list that comes with Portico.
    password_blocklist_file: BlocklistFile | None = None
    # After how long a published event that nobody has confirmed is asked for.
    reconcile_seconds: float = Field(default=ASK_AFTER.total_seconds(), ge=1, le=3600)


@dataclass(frozen=True, slots=True)
class AccountsService:
    """One of them: ``issuer`` signs its tokens and is its database role, ``kind`` are the sessions that it keeps."""

    settings: AccountsServiceSettings
    issuer: str
    kind: SessionKind

    def install(self, app: web.Application) -> None:
        """Put the parts into an application; connections are made when it starts."""
        clock, settings = app[CLOCK], self.settings
        app[KEY_RING] = KeyRing()
        app[SIGNER] = Signer(settings.signing_key, self.issuer, clock, app[KEY_RING])
        app[SEALER] = Sealer(settings.sealing_public_key)
        app[BOXES] = Boxes(settings.box_keys)
        app[VERIFIER] = Verifier(app[KEY_RING], clock)
        contexts: tuple[Context, ...] = (self._databases, self._gate, self._publisher, self._keys, self._sweep)
        app.cleanup_ctx.extend(contexts)

    @asynccontextmanager
    async def _databases(self, app: web.Application) -> AsyncIterator[None]:
        name = self.issuer.replace("_", "-")
        pool = await Pool.open(self.settings.database_url, application_name=name)
        relay_pool = await Pool.open(self.settings.relay_database_url, size=3, application_name=f"{name}-relay")
        app[WORK] = Work(pool, app[CLOCK], table="accounts.outbox")
        app[RELAY_POOL] = relay_pool
        try:
            yield
        finally:
            await asyncio.gather(pool.close(), relay_pool.close())

    @asynccontextmanager
    async def _gate(self, app: web.Application) -> AsyncIterator[None]:
        # A list that is missing or damaged is told at the start, not to the first who chooses a password.
        shipped()
        listed = self.settings.password_blocklist_file
        app[HASHER] = PasswordHasher(blocklist=Blocklist(listed) if listed else None)
        redis = Redis.from_url(self.settings.redis_url, socket_connect_timeout=_REDIS_SECONDS, socket_keepalive=True)
        app[GATE] = Gate(app[HASHER], Throttle(redis, self.settings.shared_networks))
        try:
            yield
        finally:
            app[HASHER].close()
            await redis.aclose()

    @asynccontextmanager
    async def _publisher(self, app: web.Application) -> AsyncIterator[None]:
        settings = self.settings
        async with (
            ClientSession() as http,
            publishing(
                app[WORK],
                app[RELAY_POOL],
                http,
                table="accounts.outbox",
                redis_url=settings.redis_url,
                broker_url=settings.celery_broker_url,
                audit_url=settings.audit_url,
                signer=app[SIGNER],
                clock=app[CLOCK],
                ask_after=timedelta(seconds=settings.reconcile_seconds),
            ) as publisher,
        ):
            app[HTTP] = http
            figures = PublisherFigures(publisher, app[HASHER], app[CLOCK])
            app[METRICS].registry.register(figures)
            try:
                yield
            finally:
                app[METRICS].registry.unregister(figures)

    @asynccontextmanager
    async def _keys(self, app: web.Application) -> AsyncIterator[None]:
        settings, pool = self.settings, app[WORK].pool
        box_file = KeyFile("BOX_KEYS", settings.box_keys_file, settings.box_keys, app[BOXES].take)
        signing = OwnKeys.of(app[SIGNER], app[KEY_RING], settings.signing_key, settings.signing_key_file)

        async def run() -> None:
            while True:
                await box_file.look()
                # First: readiness asks for the signing keys alone.
                await sealing_keys.use_newest(pool, app[SEALER], app[CLOCK]())
                await signing.round(pool, app[CLOCK]())
                await asyncio.sleep(KEYS_EVERY.total_seconds())

        async with background(run, "keys", longest_pause=5.0):
            yield

    @asynccontextmanager
    async def _sweep(self, app: web.Application) -> AsyncIterator[None]:
        async def run() -> None:
            while True:
                await asyncio.sleep(_SWEEP_EVERY_SECONDS)
                await access.end_overdue(app[RELAY_POOL], app[WORK], self.kind)
                async with app[RELAY_POOL].transaction(None) as conn:
                    await passkeys.forget_challenges(conn, app[CLOCK]())

        async with background(run, "session sweep"):
            yield


def ready_checks(app: web.Application) -> Mapping[str, Check]:
    """What these services can't work without. Redis is not among it: events wait in the outbox until it is back."""

    async def keys() -> None:
        if not app[KEY_RING].known_everywhere(app[SIGNER].kid, app[CLOCK]()):
            raise NotReady("no key of this process is known everywhere and still good; are the migrations applied?")

    async def database() -> None:
        await app[WORK].pool.check()

    return {"database": database, "keys": keys}
