"""A service to start as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from shared.http.application import create_app
from shared.http.server import run, serve
from shared.logging import configure_logging
from shared.settings import ServiceSettings


async def slow(request: web.Request) -> web.Response:
    sys.stderr.write("slow request begins\n")
    await asyncio.sleep(0.5)
    return web.Response(text="finished")


@asynccontextmanager
async def resources(app: web.Application) -> AsyncIterator[None]:
    try:
        yield
    finally:
        sys.stderr.write("resources closed\n")


async def main() -> int:
    settings = ServiceSettings.load()
    configure_logging(settings.log_level, settings.log_format)
    app = create_app(public_url="http://localhost", clock=lambda: datetime.now(UTC))
    app.add_routes([web.get("/slow", slow)])
    app.cleanup_ctx.append(resources)
    return await serve(app, settings, ready_checks={}, grace_seconds=5, check_seconds=0.1)


if __name__ == "__main__":
    sys.exit(run(main()))
