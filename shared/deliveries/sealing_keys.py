"""What is sealed for: the notifier publishes the public halves of its keys, and publishers use the newest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.db import Connection, Pool, named_queries
from shared.deliveries.sealing import Opener, Sealer

SQL = named_queries(__package__, "sql/sealing_keys.sql")

SEALED_AHEAD: Final = timedelta(seconds=10)
"""Notifiers read their keys again every two seconds: nothing is sealed for a key that one of them may not have yet."""


async def publish(pool: Pool, opener: Opener, now: datetime) -> None:
    """Put the public halves of the notifier's keys where publishers read them; known ones stay as they are."""
    async with pool.transaction(None) as conn:
        for place, (name, public_key) in enumerate(opener.public_keys.items()):
            # Those that are published together keep their order: the newest comes first in the file.
            await conn.execute(SQL["publish"], name, public_key, now - place * timedelta(microseconds=1))


async def use_newest(pool: Pool, sealer: Sealer, now: datetime) -> None:
    """Have ``sealer`` seal for the newest key. As long as none was published it goes on with its own."""
    async with pool.transaction(None) as conn:
        found = await newest(conn, now)
    if found is not None:
        sealer.use(found)


async def newest(conn: Connection, now: datetime) -> bytes | None:
    """The public key to seal for at this moment, if any was published."""
    found: bytes | None = await conn.fetchval(SQL["newest"], now - SEALED_AHEAD)
    return found
