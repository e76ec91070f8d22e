"""What the notifier measures besides its probes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.notifier.slots import Slots
from services.notifier.sweep import SweepFigures
from shared.clock import Clock
from shared.outbox.publisher import Publisher


class Attempts:
    """Counts attempts to hand a mail over. No label names an agency, a person or a delivery."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "portico_mail_attempts", "Attempts to hand a mail over.", ("mail", "outcome"), registry=registry
        )

    def __call__(self, mail: str, outcome: str) -> None:
        """Count one."""
        self._attempts.labels(mail, outcome).inc()


class NotifierFigures(Collector):
    """The queue of e-mails and the notifier's outbox, read at each question."""

    def __init__(self, sweep: SweepFigures, slots: Slots, publisher: Publisher, clock: Clock) -> None:
        self._sweep = sweep
        self._slots = slots
        self._relay = publisher.relay.figures
        self._reconciler = publisher.reconciler.figures
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        sweep = self._sweep
        yield GaugeMetricFamily("portico_mail_due", "Deliveries that are due.", value=sweep.waiting)
        yield GaugeMetricFamily(
            "portico_mail_oldest_due_seconds",
            "How long the oldest due delivery has waited.",
            value=sweep.oldest_waiting,
        )
        yield CounterMetricFamily("portico_mail_enqueued_by_sweep", "Tasks that sweeps put.", value=sweep.enqueued)
        yield CounterMetricFamily("portico_mail_expired", "Deliveries that expired in the queue.", value=sweep.expired)
        yield CounterMetricFamily("portico_mail_sweep_failures", "Sweeps that had to wait.", value=sweep.failures)
        yield GaugeMetricFamily(
            "portico_mail_channels_refusing",
            "Channels (all mail, or an agency's sender) that took none when last asked.",
            value=sweep.refusing,
        )
        yield CounterMetricFamily(
            "portico_mail_put_off", "Deliveries that waited because their domain was busy.", value=self._slots.put_off
        )
        relay, reconciler = self._relay, self._reconciler
        yield CounterMetricFamily("portico_outbox_published", "Rows published.", value=relay.published)
        yield CounterMetricFamily("portico_outbox_failures", "Attempts to publish that failed.", value=relay.failures)
        oldest = relay.oldest_unpublished
        waiting = max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily(
            "portico_outbox_oldest_seconds", "How long the oldest unpublished row has waited.", value=waiting
        )
        yield CounterMetricFamily(
            "portico_outbox_sent_again", "Events that the audit service had lost.", value=reconciler.sent_again
        )
        yield CounterMetricFamily(
            "portico_outbox_reconcile_failures",
            "Questions to the audit service that got no answer.",
            value=reconciler.failures,
        )
