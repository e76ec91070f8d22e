"""The limit of the ingest: the same rows by plain batch inserts, in one process on one connection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import asyncpg

from ops.bench.child import Bench, play
from shared.db import named_queries

SQL = named_queries(__package__, "ingest.sql")


async def insert(bench: Bench, told: Mapping[str, Any]) -> None:
    """Insert what the store at ``source_url`` holds at ``target_url``, ``batch`` by batch; answers the seconds."""
    statement, batches = await _prepared(told["source_url"], told["batch"])
    conn = await asyncpg.connect(told["target_url"])
    try:
        insert_batch = await conn.prepare(statement)
        await bench.ready()
        started = time.perf_counter()
        for batch in batches:
            await insert_batch.fetch(*batch)
        bench.say(seconds=time.perf_counter() - started, rows=sum(len(batch[0]) for batch in batches))
    finally:
        await conn.close()


async def _prepared(source_url: str, size: int) -> tuple[str, list[list[list[Any]]]]:
    """The statement, and for each batch its columns."""
    conn = await asyncpg.connect(source_url)
    try:
        columns = await conn.fetch(SQL["columns"])
        names = ", ".join(c["name"] for c in columns)
        rows = await conn.fetch(SQL["rows"].replace("{columns}", names))
    finally:
        await conn.close()
    arrays = ", ".join(f"${n}::{c['type']}[]" for n, c in enumerate(columns, start=1))
    batches = [
        [list(column) for column in zip(*rows[start : start + size], strict=True)]
        for start in range(0, len(rows), size)
    ]
    return SQL["insert"].replace("{columns}", names).replace("{arrays}", arrays), batches


if __name__ == "__main__":
    play(insert)
