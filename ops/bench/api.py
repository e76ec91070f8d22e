"""How many activity pages the audit service answers a second, beside a bare handler that answers the same rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from ops.bench.events import Events, agency_ids, put_on_stream
from ops.bench.figures import Figure, Part, median, percentile
from ops.bench.people import SignedIn, add_agencies, sign_in
from ops.bench.stage import Database, Options, Stage, start_together
from ops.problems import Problem
from ops.stack.environment import Backends, StackEnvironment
from ops.stack.ports import LOOPBACK, Ports, free_port
from ops.stack.service import ServiceProcess
from services.audit.consumer import ensure_group
from shared.clock import system_clock
from shared.db import named_queries
from shared.events import Envelope, Subject

SQL = named_queries(__package__, "api.sql")

_EVENTS: Final = 10_000
_EVERY: Final = 20
_PAGE: Final = 25
_LOOK_AGAIN: Final = 0.05
_STORED_WITHIN: Final = 60.0
_SHORTEST_SECONDS: Final = 1.0
_NOTE: Final = (
    "Each connection asks again when it has its answer. The service checks the token and the session, sets the agency"
    " for row-level security, and words each row; the bare handler does one query on a connection that it holds and"
    " joins the rows' text. Load, server and database share the cores."
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a load brought: answers a second, and how many milliseconds each took."""

    rate: float
    took: Sequence[float]


async def measure(stage: Stage, options: Options) -> Part:
    """Both servers under the same load, in turns."""
    seconds = max(_SHORTEST_SECONDS, options.seconds / options.rounds / 2)
    ours: list[Answered] = []
    bare: list[Answered] = []
    async with (
        stage.database("bench_api") as database,
        stage.steps("api", 2 * options.rounds + 2) as steps,
    ):
        await add_agencies(database, agency_ids(1))
        who = await sign_in(database, agency_ids(1)[0])
        async with _service(stage, database) as service_port, _bare(stage, database, who) as bare_port:
            await _fill(stage, database, who)
            headers = (f"Authorization: Bearer {who.token}", "Accept: application/json")
            # The first seconds open connections and prepare statements.
            for port, path in ((service_port, "/api/v1/activity"), (bare_port, "/")):
                await _load(stage, port, path, headers, options.connections, _SHORTEST_SECONDS)
                steps.done()
            for _ in range(options.rounds):
                for port, path, found in ((service_port, "/api/v1/activity", ours), (bare_port, "/", bare)):
                    found.append(await _load(stage, port, path, headers, options.connections, seconds))
                    steps.done()
    return _part(ours, bare, options)


def _part(ours: Sequence[Answered], bare: Sequence[Answered], options: Options) -> Part:
    size = f"{options.connections} connections, {_EVENTS:,} events"
    limit = "aiohttp and asyncpg alone"
    return Part(
        "api",
        (
            Figure(
                "first page of activity",
                median([a.rate for a in ours]),
                "requests/s",
                size,
                median([a.rate for a in bare]),
                limit,
            ),
            Figure(
                "first page of activity, p99",
                percentile([one for a in ours for one in a.took], 0.99),
                "ms",
                size,
                percentile([one for a in bare for one in a.took], 0.99),
                limit,
            ),
        ),
        notes=(_NOTE,),
    )


@asynccontextmanager
async def _service(stage: Stage, database: Database) -> AsyncIterator[int]:
    """The audit service as it is deployed, with its consumer; its port."""
    ports = Ports(free_port() - Ports(0).audit)
    backends = Backends(
        owner_url=database.url,
        audit_owner_url=database.url,
        redis_url=stage.valkey.url,
        broker_url=stage.valkey.url_of(1),
        smtp_url="",
        smtp_security=None,
    )
    environment = StackEnvironment(
        backends, stage.secrets, ports, log_level="warning", trusted_proxies="", mail_from="bench@portico.example"
    )
    service = ServiceProcess(
        service="audit",
        number=1,
        module="services.audit",
        settings=lambda probe_port: environment.of_service("audit", probe_port),
        logs=stage.folder,
        watchdog=stage.watchdog,
    )
    await service.start()
    try:
        yield ports.audit
    finally:
        await service.stop()


@asynccontextmanager
async def _bare(stage: Stage, database: Database, who: SignedIn) -> AsyncIterator[int]:
    port = free_port()
    async with stage.child(
        "ops.bench.child_bare",
        store_url=database.url,
        agency_id=str(who.agency_id),
        portal_login_id=str(who.login_id),
        limit=_PAGE,
        port=port,
    ) as child:
        await child.hear()
        yield port


async def _fill(stage: Stage, database: Database, who: SignedIn) -> None:
    """Every 20th event is of the login; the service's own consumer stores them."""
    made = Events([who.agency_id]).make(_EVENTS, until=system_clock())
    about = Subject(client_id=who.client_id, portal_login_id=who.login_id)
    events = [_about(event, about) if n % _EVERY == 0 else event for n, event in enumerate(made)]
    async with Redis.from_url(stage.valkey.url) as redis:
        await ensure_group(redis)
        await put_on_stream(redis, [(event.id, event.to_json()) for event in events])
    async with database.owner() as conn, asyncio.timeout(_STORED_WITHIN):
        stored = 0
        while stored < _EVENTS:
            await asyncio.sleep(_LOOK_AGAIN)
            stored = await conn.fetchval(SQL["stored"])
        await conn.execute("vacuum (analyze) audit.events")
        await conn.execute("checkpoint")


def _about(event: Envelope, subject: Subject) -> Envelope:
    return event.model_copy(update={"subject": subject})


async def _load(
    stage: Stage, port: int, path: str, headers: Sequence[str], connections: int, seconds: float
) -> Answered:
    async with stage.child(
        "ops.bench.child_load",
        host=LOOPBACK,
        port=port,
        path=path,
        headers=headers,
        connections=connections,
        seconds=seconds,
    ) as child:
        await start_together([child])
        answer = await child.hear()
    if answer["refused"] or answer["lost"] or not answer["took"]:
        raise Problem(f"{path} was refused {answer['refused']} times, and {answer['lost']} connections were lost.")
    return Answered(len(answer["took"]) / answer["seconds"], [one * 1000 for one in answer["took"]])
