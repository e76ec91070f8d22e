"""Loops that run as long as the application does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger("shared.http.background")

_CANCEL_AGAIN_SECONDS = 2.0


@asynccontextmanager
async def background(
    task: Callable[[], Awaitable[None]],
    name: str,
    *,
    first_pause: float = 0.5,
    longest_pause: float = 30.0,
    jitter: Callable[[], float] = random.random,
) -> AsyncIterator[None]:
    """Run ``task`` while the context is open; a crash is logged and the task started again after a growing pause.

    For ``cleanup_ctx``: ``app.cleanup_ctx.append(lambda app: background(app[RELAY].run, "outbox relay"))``. At the end
    the task is cancelled and awaited. A task that returns has finished and is not started again. Pauses are seconds;
    ``jitter`` gives numbers from 0 to 1 and keeps replicas from trying in step.
    """
    supervisor = asyncio.create_task(_supervise(task, name, first_pause, longest_pause, jitter), name=name)
    try:
        yield
    finally:
        # More than once: before Python 3.12 asyncio.wait_for, which redis-py sends with, loses a cancellation that
        # comes in the moment in which what it waits for is done.
        while not supervisor.done():
            supervisor.cancel()
            await asyncio.wait({supervisor}, timeout=_CANCEL_AGAIN_SECONDS)
        with suppress(asyncio.CancelledError):
            await supervisor


async def _supervise(
    task: Callable[[], Awaitable[None]],
    name: str,
    first_pause: float,
    longest_pause: float,
    jitter: Callable[[], float],
) -> None:
    loop = asyncio.get_running_loop()
    pause = first_pause
    while True:
        started = loop.time()
        try:
            await task()
        except Exception:
            if loop.time() - started > longest_pause:
                # It ran well for a while: this is a new trouble, not the old one going on.
                pause = first_pause
            wait = pause * (0.5 + jitter() / 2)
            log.exception("background task crashed", task=name, retry_in_seconds=round(wait, 2))
        else:
            log.info("background task finished", task=name)
            return
        await asyncio.sleep(wait)
        pause = min(pause * 2, longest_pause)
