"""What the audit service measures of its pipeline."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0)
_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)


class Figures:
    """The consumer's collectors, in the registry of its application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stored = Counter("portico_audit_events_stored", "Events stored.", registry=registry)
        self.duplicates = Counter("portico_audit_duplicates", "Events that were stored already.", registry=registry)
        self.dead_letters = Counter("portico_audit_dead_letters", "Entries kept as dead letters.", registry=registry)
        self.failures = Counter("portico_audit_failures", "Times the consumer had to wait.", registry=registry)
        self.batch_size = Histogram(
            "portico_audit_batch_size", "Entries in a batch.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.latency = Histogram(
            "portico_audit_latency_seconds",
            "Time from an event to its place in the store.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge("portico_audit_lag", "Entries that no consumer has read yet.", registry=registry)
        self.pending = Gauge("portico_audit_pending", "Entries read and not acknowledged.", registry=registry)


class SealFigures:
    """The sealing's collectors, in the registry of its application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.made = Counter("portico_audit_seals", "Ends of chains signed.", registry=registry)
        self.failures = Counter("portico_audit_seal_failures", "Times the sealing had to wait.", registry=registry)
        self.unsealed = Gauge(
            "portico_audit_unsealed_seconds",
            "For how long the end of a chain that waits longest has waited to be signed.",
            registry=registry,
        )
