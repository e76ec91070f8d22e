"""What a publisher with passwords measures: how its outbox gets on, and how busy hashing is."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.clock import Clock
from shared.outbox.publisher import Publisher
from shared.security.passwords import PasswordHasher


class PublisherFigures(Collector):
    """Reads the figures at each question; Redis or the audit service being away shows here and nowhere else."""

    def __init__(self, publisher: Publisher, hasher: PasswordHasher, clock: Clock) -> None:
        self._relay = publisher.relay.figures
        self._reconciler = publisher.reconciler.figures
        self._hasher = hasher
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield CounterMetricFamily("portico_outbox_published", "Rows published.", value=self._relay.published)
        yield CounterMetricFamily(
            "portico_outbox_failures", "Attempts to publish that failed.", value=self._relay.failures
        )
        oldest = self._relay.oldest_unpublished
        waiting = max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily(
            "portico_outbox_oldest_seconds", "How long the oldest unpublished row has waited.", value=waiting
        )
        yield CounterMetricFamily(
            "portico_outbox_sent_again", "Events that the audit service had lost.", value=self._reconciler.sent_again
        )
        yield CounterMetricFamily(
            "portico_outbox_reconcile_failures",
            "Questions to the audit service that got no answer.",
            value=self._reconciler.failures,
        )
        yield GaugeMetricFamily(
            "portico_password_hashes_waiting", "Password hashes that run or wait.", value=self._hasher.waiting
        )
