"""A consumer that kills its own process (SIGKILL) at a given point: ``python -m tests.audit.dying_consumer POINT``.

POINT is ``before-storing`` or ``before-acknowledging``. DATABASE_URL and REDIS_URL come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.audit import store
from services.audit.consumer import Consumer
from services.audit.figures import Figures
from shared.clock import system_clock
from shared.db import Pool


async def _die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


async def _main(point: str) -> None:
    pool = await Pool.open(os.environ["DATABASE_URL"], size=1)
    redis = Redis.from_url(os.environ["REDIS_URL"])
    consumer = Consumer(pool, redis, name="mortal", clock=system_clock, figures=Figures(CollectorRegistry()))
    if point == "before-storing":
        store.append = _die
    else:
        redis.xack = _die  # type: ignore[method-assign]
    await consumer.run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
