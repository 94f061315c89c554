"""The counts of a receiver: definitions only."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..settings.model import Settings
from .metrics import PREFIX, Process

EVENT_OUTCOMES: Final = ("taken", "refused", "unknown_vendor")
CODES: Final = (202, 400, 401, 404, 405, 408, 413, 415, 429, 500, 503)
REASONS: Final = (
    *("not-json", "no-ids", "too-large", "too-many", "no-events"),
    *("wrong-secret", "no-secret", "wrong-content-type", "wrong-charset", "wrong-content-encoding", "cut-off", "too-slow"),
)
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ReceiverMetrics:
    """
    All that a receiver counts as it happens.

    It promises: every label value comes from a closed set, and stands at 0 before anything happened; those of a pod are not among
    them, so that no alert takes a receiver for a pod.
    """

    def __init__(self, settings: Settings) -> None:
        """Define the metrics in a registry of their own, `registry`."""
        self.registry = CollectorRegistry()
        self.requests = self._counter("receive_requests", "Webhooks answered, by HTTP status.", "code")
        self.events = self._counter("receive_events", "Events of webhooks; those of an unknown vendor are among the taken, too.", "outcome")
        self.refused = self._counter("receive_refused", "Events and bodies that were refused.", "reason")
        self.in_flight = Gauge("receive_in_flight", "Webhooks that are being worked on.", namespace=PREFIX, registry=self.registry)
        self.ready = Gauge("receive_ready", "1: the receiver has a topic to write to.", namespace=PREFIX, registry=self.registry)
        self.seconds = Histogram(
            "receive_seconds",
            "Time from the head of a webhook to its 202.",
            namespace=PREFIX,
            registry=self.registry,
            buckets=_BUCKETS,
        )
        for code in CODES:
            self.requests.labels(str(code))
        for outcome in EVENT_OUTCOMES:
            self.events.labels(outcome)
        for reason in REASONS:
            self.refused.labels(reason)
        self.registry.register(Process(settings))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)
