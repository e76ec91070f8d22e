"""The one task: a message names a delivery, a thread of Celery's pool has it delivered on the background loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from uuid import UUID

import structlog
from celery import Celery

from shared.deliveries import tasks
from shared.deliveries.queue import TASK

log = structlog.get_logger(__name__)

Deliver = Callable[[UUID], Awaitable[None]]


class LoopBridge:
    """Runs coroutines on one event loop for the threads that Celery's pool has; safe for threads.

    Tasks that are ``async def`` do not run in Celery, and time limits do not work on its threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Deliver, *, seconds: float) -> None:
        """``seconds``: longer than any delivery takes, after which one is cut off."""
        self._loop = loop
        self._deliver = deliver
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: set[Future[None]] = set()

    def deliver(self, delivery_id: UUID) -> None:
        """Wait until the delivery was looked after. Raises what that raises, and CancelledError."""
        running = asyncio.run_coroutine_threadsafe(self._within_time(delivery_id), self._loop)
        with self._lock:
            self._running.add(running)
        try:
            # The loop keeps the time; this is for a loop that does not run any more.
            running.result(self._seconds * 2)
        finally:
            running.cancel()
            with self._lock:
                self._running.discard(running)

    async def _within_time(self, delivery_id: UUID) -> None:
        async with asyncio.timeout(self._seconds):
            await self._deliver(delivery_id)

    def cut_off(self) -> int:
        """Cancel what runs; answers how many deliveries that were. Their leases make it safe."""
        with self._lock:
            running = list(self._running)
        for future in running:
            future.cancel()
        return len(running)


def register(app: Celery, bridge: LoopBridge) -> None:
    """Give ``app`` the task."""

    # Whatever a message carries arrives here, so that nothing of it ends in a traceback of Celery's.
    def deliver(*args: object, **kwargs: object) -> None:
        delivery_id = _id_in(args, kwargs)
        if delivery_id is None:
            log.warning("message without a delivery's id dropped")
            return
        try:
            bridge.deliver(delivery_id)
        except CancelledError:
            log.warning("delivery cut off", delivery_id=delivery_id)
        except Exception as error:  # noqa: BLE001 - the row says what is to be done; a failed task would say it twice
            log.error("delivery was not looked after", delivery_id=delivery_id, error=type(error).__name__)

    app.task(name=TASK, ignore_result=True, typing=False)(deliver)


def _id_in(args: tuple[object, ...], kwargs: dict[str, object]) -> UUID | None:
    if len(args) != 1 or kwargs or not isinstance(args[0], str):
        return None
    try:
        # A relay of the version before puts the whole name into the message.
        return UUID(tasks.read(args[0])[0])
    except ValueError:
        return None
