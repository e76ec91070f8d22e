"""What a process measures about its HTTP traffic; one registry per application, so that tests never mix."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "(no route)"

# From an indexed read to the point where a person would press the button again.
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The collectors of one application; services register their own in ``registry``."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """``registry`` is a fresh one when left out."""
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "route", "status")
        self._requests = Counter("portico_http_requests", "Requests answered.", labels, registry=self.registry)
        self._latency = Histogram(
            "portico_http_request_seconds",
            "Time from the request's headers to the answer.",
            labels,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("portico_http_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.loop_lag = Gauge(
            "portico_event_loop_lag_seconds", "How late the event loop ran a timer last.", registry=self.registry
        )
        # labels() takes a lock and builds a key each time: on the hot path a dictionary is cheaper.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; ``route`` is the pattern, or `NO_ROUTE`."""
        if method not in METHODS:
            # Anybody may invent methods; each would be a time series of its own.
            method = "(other)"
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            values = (method, route, str(status))
            children = self._children[key] = (self._requests.labels(*values), self._latency.labels(*values))
        children[0].inc()
        children[1].observe(seconds)

    def text(self) -> bytes:
        """Everything in the registry in Prometheus' text format, of type ``content_type``."""
        return generate_latest(self.registry)


@asynccontextmanager
async def watch_loop(metrics: Metrics, *, interval_seconds: float = 0.5) -> AsyncIterator[None]:
    """Keep ``metrics.loop_lag`` current while the context is open."""

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval_seconds
            await asyncio.sleep(interval_seconds)
            metrics.loop_lag.set(max(0.0, loop.time() - due))

    task = asyncio.create_task(watch(), name="event loop lag")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
