"""What a server counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The counters of one app: a registry of its own, so that a process may hold several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        kept = {"registry": self.registry, "namespace": "foveate"}
        self.requests = Counter("requests", "Answers by route and status", ("route", "status"), **kept)
        self.latency = Histogram(
            "request_seconds", "Time to the whole answer", ("route",), buckets=SECONDS, **kept
        )
        self.queue_rows = Gauge("queue_rows", "Hypotheses that wait", **kept)
        self.queue_tokens = Gauge("queue_tokens", "Source tokens times hypotheses that wait", **kept)
        self.batch_rows = Histogram("batch_rows", "Hypotheses of a batch", buckets=ROWS, **kept)
        self.batch_seconds = Histogram("batch_seconds", "Time of a batch", buckets=SECONDS, **kept)
        self.shed = Counter("shed", "Requests that were refused or dropped", ("reason",), **kept)
        self.joined = Counter("joined", "Requests that waited for the same answer", **kept)
        self.rate = Gauge("tokens_per_second", "Source tokens times hypotheses, measured", **kept)
        self.ready = Gauge("ready", "Whether /readyz says yes", **kept)

    def render(self) -> bytes:
        """Return all of it as text."""
        return generate_latest(self.registry)
