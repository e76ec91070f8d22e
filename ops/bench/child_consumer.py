"""One audit consumer in a process of its own, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from ops.bench.child import Bench, play
from services.audit import store
from services.audit.consumer import Consumer
from services.audit.figures import Figures
from shared.clock import system_clock

_POOL = 8


async def consume(bench: Bench, told: Mapping[str, Any]) -> None:
    """``told`` names the store, the stream and the consumer; answers the processor time that it took, in seconds."""
    pool = await store.open_pool(told["store_url"], _POOL)
    redis = Redis.from_url(told["redis_url"], socket_timeout=10)
    figures = Figures(CollectorRegistry())
    consumer = Consumer(pool, redis, name=told["name"], clock=system_clock, figures=figures)
    try:
        # Connected before the start, as a service that has run for a while.
        await pool.check()
        await redis.ping()
        await bench.ready()
        used = time.process_time()
        running = asyncio.create_task(consumer.run())
        await bench.hear()
        bench.say(processor_seconds=time.process_time() - used)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        await redis.aclose()
        await pool.close()


if __name__ == "__main__":
    play(consume)
