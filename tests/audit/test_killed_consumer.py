"""A consumer's process is killed in the middle of a batch."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from redis.asyncio import Redis

from services.audit.consumer import ensure_group
from shared.db import Pool
from shared.streams import GROUP, STREAM
from tests.audit.events import events, put, stored
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import a_consumer


@pytest.mark.parametrize(("point", "stored_before"), [("before-storing", 0), ("before-acknowledging", 40)])
async def test_nothing_is_lost_and_nothing_is_there_twice(
    point: str,
    stored_before: int,
    store_pool: Pool,
    redis: Redis,
    redis_url: str,
    clock: FakeClock,
    database: Database,
) -> None:
    sent = events(40)
    await ensure_group(redis)
    await put(redis, *sent)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.audit.dying_consumer", point),
        env={**os.environ, "DATABASE_URL": database.url("portico_audit"), "REDIS_URL": redis_url},
    )
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    assert len(await stored(database)) == stored_before
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 40

    heir = a_consumer(store_pool, redis, clock, "heir", claim_idle=0)
    assert await heir.claim() == 40
    assert await stored(database) == [e.id for e in sent]
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0
