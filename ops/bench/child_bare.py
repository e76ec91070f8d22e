"""The limit of the logs' API: aiohttp and asyncpg with one query for the same rows, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from ops.bench.child import Bench, play
from ops.stack.ports import LOOPBACK
from services.audit.queries import SQL
from shared.db import Connection

_CONNECTIONS = 8
_HIGHEST = UUID(int=2**128 - 1)


async def serve(bench: Bench, told: Mapping[str, Any]) -> None:
    """Answer the newest ``limit`` events of a login on ``port``, as they are stored, until the bench is gone."""
    values = (UUID(told["agency_id"]), UUID(told["portal_login_id"]), _HIGHEST, told["limit"])
    pool = await asyncpg.create_pool(told["store_url"], min_size=_CONNECTIONS, max_size=_CONNECTIONS)
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(_CONNECTIONS):
        # Held for good: giving one back to the pool costs a round trip.
        free.put_nowait(await pool.acquire())

    async def newest(_: web.Request) -> web.Response:
        conn = await free.get()
        try:
            rows = await conn.fetch(SQL["activity_of_login"], *values)
        finally:
            free.put_nowait(conn)
        text = '{"items":[' + ",".join([row["event"] for row in rows]) + "]}"
        return web.Response(text=text, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", newest)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, told["port"]).start()
        bench.say(ready=True)
        while True:
            await bench.hear()
    finally:
        await runner.cleanup()
        pool.terminate()


if __name__ == "__main__":
    play(serve)
