"""Celery's worker inside this process: a thread that consumes, with a pulse that tells whether it does."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery, bootsteps, signals
from celery.app.trace import setup_worker_optimizations
from celery.worker import WorkController, state

from shared.deliveries.queue import QUEUES

log = structlog.get_logger(__name__)

_PULSE_SECONDS: Final = 1.0
_PULSE_MISSING_SECONDS: Final = 10.0
_NOT_A_PROBLEM: Final = 0


class _Pulse:
    """When the consumer's own loop last ran a timer. Written by one thread, read by others."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: float | None = None

    def beat(self) -> None:
        self._last = self._monotonic()

    def stop(self) -> None:
        self._last = None

    @property
    def alive(self) -> bool:
        last = self._last
        return last is not None and self._monotonic() - last < _PULSE_MISSING_SECONDS


class _PulseStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts once the consumer has its queue, and again after each reconnection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, pulse: _Pulse, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._pulse = pulse
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        self._pulse.beat()
        self._entry = consumer.timer.call_repeatedly(_PULSE_SECONDS, self._pulse.beat)

    def stop(self, consumer: Any) -> None:
        self._pulse.stop()
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None

    shutdown = stop


class DeliveryWorker:
    """One worker a process: Celery keeps the wish to stop in a global of its own."""

    def __init__(
        self, app: Celery, *, threads: int, on_end: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``on_end`` is called, in the worker's thread, when it has ended for whatever reason."""
        self._app = app
        self._threads = threads
        self._on_end = on_end
        self._pulse = _Pulse(monotonic)
        self._thread = threading.Thread(target=self._run, name="celery worker", daemon=True)

    @property
    def consuming(self) -> bool:
        """Whether it is connected and its loop turns."""
        return self._pulse.alive

    def start(self) -> None:
        """Begin to consume; connecting may take any time, and is tried again for ever."""
        self._thread.start()

    def stop_taking(self) -> None:
        """Take no new task. Those in flight go on, and the worker ends with the last of them."""
        state.should_stop = _NOT_A_PROBLEM

    def join(self, seconds: float) -> bool:
        """Wait for its end; whether it came within the time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._consume()
        except Exception:
            log.exception("the Celery worker ended with an error")
        finally:
            self._pulse.stop()
            self._on_end()

    def _consume(self) -> None:
        pulse = self._pulse

        class Pulse(_PulseStep):
            def __init__(self, consumer: Any, **options: Any) -> None:
                super().__init__(consumer, pulse, **options)

        self._app.steps["consumer"].add(Pulse)
        # Celery sets up logging of its own unless somebody listens to this signal.
        signals.setup_logging.connect(_leave_logging_alone)
        _leave_logging_alone()
        # Replicas share machines: names must differ.
        name = f"notifier-{secrets.token_hex(4)}@{socket.gethostname()}"
        setup_worker_optimizations(self._app, name)
        WorkController(
            app=self._app,
            hostname=name,
            pool="threads",
            concurrency=self._threads,
            # In this order, which kombu keeps.
            queues=list(QUEUES),
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        ).start()


def _leave_logging_alone(**_: Any) -> None:
    # Ours says what became of each delivery; Celery's lines repeat what a message carried, whatever that was.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.worker.request", "celery.pool"):
        logging.getLogger(name).setLevel(logging.WARNING)
