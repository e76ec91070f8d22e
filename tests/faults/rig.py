"""A whole stack of real processes, each under the harness's own control, with proxies in front of what can go away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from ops import sample
from ops.migrate import migrate_all
from ops.stack import ports
from ops.stack.environment import SERVICES, Backends, StackEnvironment, broker_url, inheritable, public_url
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.secrets import DemoPasswords, Secrets
from ops.stack.valkey import EmbeddedValkey
from ops.stack.watchdog import Watchdog
from tests.faults.points import Point
from tests.faults.proxy import Mode, Proxy
from tests.faults.replica import Replica, probe

AGENCY, STAFF = "riverside", "nextstep"

# Short, so that what the product does after a while happens while somebody waits for it.
CLAIM_SECONDS = 3.0
_SHORT_TIMES = {
    "admin": {"RECONCILE_SECONDS": "3"},
    "portal": {"RECONCILE_SECONDS": "3"},
    "audit": {"CLAIM_SECONDS": str(CLAIM_SECONDS), "SEAL_SECONDS": "1"},
    "notifier": {"RECONCILE_SECONDS": "3", "SWEEP_SECONDS": "1", "LEASE_SECONDS": "5"},
}


@dataclass(slots=True)
class Rig:
    """The running stack. ``redis`` and ``database`` reach the servers directly, past the proxies."""

    environment: StackEnvironment
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    redis_proxy: Proxy
    store_proxy: Proxy
    smtp_proxy: Proxy
    redis: Redis
    database: asyncpg.Pool[asyncpg.Record]
    password: str
    agency_id: UUID
    folder: Path
    watchdog: Watchdog
    replicas: list[Replica] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def admin_url(self) -> str:
        """The API's base; any number of replicas listen there."""
        return f"http://{ports.LOOPBACK}:{self.environment.ports.admin}"

    @property
    def mails(self) -> Path:
        """The folder that keeps what the mail server took."""
        return self.folder / "mailbox"

    def of(self, service: str) -> list[Replica]:
        """The service's processes that run."""
        return [replica for replica in self.replicas if replica.service == service and replica.running]

    async def start(self, service: str, *, point: Point | None = None, own_port: int | None = None) -> Replica:
        """One more process of a service, ready to serve; on a port of its own it can be told from the others."""
        name = f"{service}-{next(self._numbers)}"
        if service == "mailbox":
            ready_url, told = f"http://{ports.LOOPBACK}:{self.environment.ports.mailbox}/readyz", self._mailbox()
        else:
            port = ports.free_port()
            ready_url, told = probe(port), self.environment.of_service(service, port) | _SHORT_TIMES[service]
        if own_port is not None:
            told = told | {"PORT": str(own_port)}
        child = {**inheritable(os.environ), "PYTHONUNBUFFERED": "1", **told}
        log = self.folder / f"{name}.log"
        replica = Replica(service, name, child, ready_url=ready_url, log=log, watchdog=self.watchdog, point=point)
        self.replicas.append(replica)
        await replica.ready()
        return replica

    async def replace(self, service: str, *, point: Point) -> Replica:
        """Have a process that will die at ``point`` take the place of the service's processes."""
        mortal = await self.start(service, point=point)
        await asyncio.gather(*(replica.stop() for replica in self.of(service) if replica is not mortal))
        return mortal

    async def figure(self, name: str, *services: str) -> float:
        """The sum of a metric over all processes of these services."""
        values = await asyncio.gather(*(replica.figure(name) for service in services for replica in self.of(service)))
        return sum(values)

    async def stop_redis(self) -> None:
        """End the server as its operator does."""
        await self.valkey.stop()
        # Ours would only find out when it is used next.
        await self.redis.connection_pool.disconnect()

    async def heal(self) -> None:
        """One process of each service, none of them paused or mortal, and every way open."""
        for proxy in (self.redis_proxy, self.store_proxy, self.smtp_proxy):
            await proxy.set(Mode.PASS)
        if self.valkey.pid is None:
            await self.valkey.start()
        for service in ("mailbox", *SERVICES):
            for replica in self.of(service):
                if replica.paused:
                    replica.go_on()
            keep, *others = [r for r in self.of(service) if r.point is None] or [await self.start(service)]
            await asyncio.gather(*(r.stop() for r in [*others, *(r for r in self.of(service) if r.point)]))
            await keep.ready()

    def _mailbox(self) -> dict[str, str]:
        published = self.environment.ports
        return {
            "HOST": ports.LOOPBACK,
            "PORT": str(published.mailbox),
            "SMTP_PORT": str(published.smtp),
            "PUBLIC_URL": public_url(published.mailbox),
            "MAIL_FOLDER": str(self.mails),
            "REUSE_PORT": "true",
        }


@asynccontextmanager
async def running() -> AsyncIterator[Rig]:
    """The stack with sample data, for as long as the context is open; nothing is left of it afterwards."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="portico-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        secrets = Secrets.of(folder)
        watchdog = stack.enter_context(Watchdog())
        rig = await _servers(stack, secrets, folder, watchdog)
        stack.push_async_callback(_end, rig)
        await asyncio.gather(*(rig.start(service) for service in ("mailbox", *SERVICES)))
        yield rig


async def _servers(stack: AsyncExitStack, secrets: Secrets, folder: Path, watchdog: Watchdog) -> Rig:
    """Everything that the services need: servers, proxies, tables, and people who can sign in."""
    postgres = await stack.enter_async_context(EmbeddedPostgres(watchdog=watchdog))
    # Without its append-only file: what a crash leaves is then up to the fault, and not to the last second's sync.
    valkey = await stack.enter_async_context(EmbeddedValkey(durable=False, watchdog=watchdog))
    reserved = ports.reserve(None, mailbox=True, say=lambda _: None)
    stack.callback(reserved.close)
    redis_proxy = await stack.enter_async_context(Proxy(valkey.url))
    store_proxy = await stack.enter_async_context(Proxy(postgres.url))
    smtp_proxy = await stack.enter_async_context(Proxy(f"smtp://{ports.LOOPBACK}:{reserved.ports.smtp}"))
    backends = Backends(
        owner_url=postgres.url,
        audit_owner_url=store_proxy.url,
        redis_url=redis_proxy.url,
        broker_url=broker_url(redis_proxy.url),
        smtp_url=smtp_proxy.url,
        smtp_security="plaintext",
    )
    environment = StackEnvironment(
        backends, secrets, reserved.ports, log_level="info", trusted_proxies="", mail_from="no-reply@portico.example"
    )
    await migrate_all(environment.of_migrations())
    passwords = DemoPasswords(secrets)
    await sample.load(environment.of_operator(), passwords)
    database = await asyncpg.create_pool(postgres.url, min_size=0, max_size=6)
    stack.push_async_callback(database.close)
    redis = Redis.from_url(valkey.url, decode_responses=True)
    stack.push_async_callback(redis.aclose)
    return Rig(
        environment=environment,
        postgres=postgres,
        valkey=valkey,
        redis_proxy=redis_proxy,
        store_proxy=store_proxy,
        smtp_proxy=smtp_proxy,
        redis=redis,
        database=database,
        password=passwords[f"{AGENCY}/{STAFF}"],
        agency_id=await database.fetchval("select id from accounts.agencies where slug = $1", AGENCY),
        folder=folder,
        watchdog=watchdog,
    )


async def _end(rig: Rig) -> None:
    for replica in rig.replicas:
        with contextlib.suppress(ProcessLookupError):
            await replica.kill()
