"""The limit of the verification: the same rows fetched by keyset and hashed, one process on one connection."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from ops.bench.child import Bench, play
from shared.db import named_queries

SQL = named_queries(__package__, "verify.sql")

_BATCH = 5000


async def fetch_and_hash(bench: Bench, told: Mapping[str, Any]) -> None:
    """Hash everything that the store at ``store_url`` holds; answers how many rows in how many seconds."""
    conn = await asyncpg.connect(told["store_url"])
    try:
        next_rows = await conn.prepare(SQL["next_rows"])
        await bench.ready()
        started, last, count = time.perf_counter(), UUID(int=0), 0
        while rows := await next_rows.fetch(last, _BATCH):
            for row in rows:
                hashlib.sha256(row["salt"] + row["event"].encode()).digest()
            last, count = rows[-1]["id"], count + len(rows)
        bench.say(seconds=time.perf_counter() - started, rows=count)
    finally:
        await conn.close()


if __name__ == "__main__":
    play(fetch_and_hash)
