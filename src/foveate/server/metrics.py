"""What a server counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The counters of one app: a registry of its own, so that a process may hold several."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry(auto_describe=True)
        by_route = ("route", "status")
        self.requests = Counter(
            "foveate_requests", "Answers by route and status", by_route, registry=own
        )
        self.latency = Histogram(
            "foveate_request_seconds",
            "Time to the whole answer",
            ("route",),
            buckets=SECONDS,
            registry=own,
        )
        self.queue_rows = Gauge("foveate_queue_rows", "Hypotheses that wait", registry=own)
        self.queue_tokens = Gauge(
            "foveate_queue_tokens", "Source tokens times hypotheses that wait", registry=own
        )
        self.batch_rows = Histogram(
            "foveate_batch_rows", "Hypotheses of a batch", buckets=ROWS, registry=own
        )
        self.batch_seconds = Histogram(
            "foveate_batch_seconds", "Time of a batch", buckets=SECONDS, registry=own
        )
        self.shed = Counter(
            "foveate_shed", "Requests refused or dropped", ("reason",), registry=own
        )
        self.joined = Counter(
            "foveate_joined", "Requests that joined an equal one that waited", registry=own
        )
        self.rate = Gauge(
            "foveate_tokens_per_second", "Source tokens times hypotheses, measured", registry=own
        )
        self.ready = Gauge("foveate_ready", "Whether /readyz says yes", registry=own)

    def render(self) -> bytes:
        """Return all of it as text."""
        return generate_latest(self.registry)
