"""What orchestrators ask: is the process alive, can it serve, what does it measure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import web

from shared.http.keys import METRICS, READINESS
from shared.http.listening import listen
from shared.http.metrics import Metrics, watch_loop
from shared.http.readiness import Readiness
from shared.settings import ProcessSettings

log = structlog.get_logger("shared.http.probes")


def health_routes() -> list[web.RouteDef]:
    """``/healthz`` and ``/readyz``, for applications that have `READINESS`."""
    return [web.get("/healthz", _alive, name="healthz"), web.get("/readyz", _ready, name="readyz")]


@asynccontextmanager
async def probes(settings: ProcessSettings, readiness: Readiness, metrics: Metrics) -> AsyncIterator[None]:
    """Answer on the probe port while the context is open; `serve` does so itself, other processes call this."""
    app = web.Application()
    app[READINESS], app[METRICS] = readiness, metrics
    app.add_routes([*health_routes(), web.get("/metrics", _metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        port = await listen(web.TCPSite(runner, settings.probe_host, settings.probe_port))
        log.info("probe port open", host=settings.probe_host, port=port)
        async with watch_loop(metrics):
            yield
    finally:
        await runner.cleanup()


async def _alive(request: web.Request) -> web.Response:
    # That this runs at all is the proof: a blocked event loop would not answer.
    return _json({"alive": True})


async def _ready(request: web.Request) -> web.Response:
    missing = await request.app[READINESS].reported()
    return _json({"ready": not missing, "missing": missing}, 503 if missing else 200)


async def _metrics(request: web.Request) -> web.Response:
    metrics = request.app[METRICS]
    return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})


def _json(document: dict[str, object], status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
