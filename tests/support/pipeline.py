"""The pipeline of one test, step by step: relay, stream, consumer, and the audit service's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.audit.app import create_audit
from services.audit.consumer import Consumer, ensure_group
from services.audit.figures import Figures
from services.audit.keys import ACCOUNTS_POOL, CONSUMER, KEY_RING
from services.audit.settings import AuditSettings
from shared.accounts import access
from shared.accounts.access import Origin
from shared.actors import Actor
from shared.clock import Clock
from shared.db import Pool
from shared.outbox import OutboxTable, Work
from shared.outbox.relay import Relay
from shared.security.tokens import CLIENT, INTERNAL, STAFF, Signer, new_signing_key
from tests.support.databases import Database

PEMS = {issuer: new_signing_key() for issuer in ("portico_admin", "portico_portal", "portico_notifier")}


@dataclass
class NotedDeliveries:
    """Where the relay puts delivery ids in tests that send no mail."""

    ids: list[str] = field(default_factory=list)

    async def put_all(self, delivery_ids: Any) -> None:
        """Note them."""
        self.ids += delivery_ids


def a_relay(pool: Pool, redis: Redis, clock: Clock, *, table: OutboxTable = "accounts.outbox") -> Relay:
    """A relay that is run batch by batch."""
    return Relay(pool, redis, NotedDeliveries(), table=table, wake=asyncio.Event(), clock=clock)


def a_consumer(pool: Pool, redis: Redis, clock: Clock, name: str = "one", *, claim_idle: int = 60_000) -> Consumer:
    """A consumer that is run batch by batch, with figures of its own."""
    return Consumer(pool, redis, name=name, clock=clock, figures=Figures(CollectorRegistry()), claim_idle=claim_idle)


async def run_through(relay: Relay, consumer: Consumer, redis: Redis) -> None:
    """Everything that was committed is stored now."""
    await ensure_group(redis)
    await relay.drain()
    while await consumer.consume_once(wait_milliseconds=1):
        pass


class AuditApi:
    """The audit service's API as one person sees it."""

    def __init__(self, client: TestClient[Any, Any], signers: dict[str, Signer], work: Work) -> None:
        self.http = client
        self._signers = signers
        self._work = work

    async def staff_token(self, actor: Actor) -> str:
        """A token of a fresh session of a staff user."""
        assert actor.id is not None
        async with self._work.transaction(actor) as tx:
            session_id, _ = await access.open_session(
                tx, kind="staff", person_id=actor.id, origin=Origin(), with_cookie=False
            )
        return self._signers["portico_admin"].mint(
            STAFF,
            lifetime=timedelta(minutes=5),
            subject=actor.id,
            session_id=session_id,
            agency_id=actor.agency_id,
        )

    async def client_token(self, actor: Actor, login_id: UUID) -> str:
        """A token of a fresh session of a portal login."""
        async with self._work.transaction(actor) as tx:
            session_id, _ = await access.open_session(
                tx, kind="portal", person_id=login_id, origin=Origin(), with_cookie=False
            )
        return self._signers["portico_portal"].mint(
            CLIENT,
            lifetime=timedelta(minutes=5),
            subject=login_id,
            session_id=session_id,
            agency_id=actor.agency_id,
        )

    def internal_token(self) -> str:
        """A token of a service."""
        return self._signers["portico_admin"].mint(INTERNAL, lifetime=timedelta(seconds=60))

    async def get(self, path: str, token: str, **query: Any) -> tuple[int, Any]:
        """Status and JSON body."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        async with self.http.get(path, params=params, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.json()


async def _rest(_: Consumer) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def audit_api(database: Database, redis_url: str, work: Work, clock: Clock) -> AsyncIterator[AuditApi]:
    """The audit service on its own database roles, with the public keys of everybody in it; its own consumer rests."""
    settings = AuditSettings(
        public_url="http://localhost:8083",
        port=8083,
        probe_port=9083,
        database_url=database.url("portico_audit"),
        redis_url=redis_url,
        seal_key=new_signing_key(),
    )
    app = create_audit(settings, clock=clock)
    # A test decides itself when something is read from the stream.
    with patch.object(Consumer, "run", _rest):
        client = TestClient(TestServer(app))
        await client.start_server()
    async with client:
        signers = {issuer: Signer(pem, issuer, clock) for issuer, pem in PEMS.items()}
        ring = app[KEY_RING]
        for issuer, signer in signers.items():
            pool = await Pool.open(database.url(issuer), size=1)
            await ring.publish(pool, signer, clock())
            await pool.close()
        await ring.refresh(app[ACCOUNTS_POOL])
        assert app[CONSUMER].name
        yield AuditApi(client, signers, work)
