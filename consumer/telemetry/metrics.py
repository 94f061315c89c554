"""Metrics, and the door to logs and status: definitions only. It pulls state; the core never calls it."""

import platform
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..core.answers.sesamy import odd_names
from ..settings.model import Settings
from .logs import configure, counts, log

__all__ = ["CUT_OFF", "PREFIX", "Metrics", "Process", "configure", "gauge", "log", "version"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # A sixth of all series, which is not asked for.
PREFIX: Final = "sesamy_makeas"
_HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30, 60)
_FRESHNESS_BUCKETS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
RECORD_OUTCOMES: Final = ("user", "poison", "unknown_type", "unknown_vendor", "tombstone")
CUT_OFF: Final = "cut_off"
RESYNC_OUTCOMES: Final = ("synced", "partial", "failed", CUT_OFF, "skipped_no_email", "skipped_guest", "skipped_absent", "held")
COMMIT_RESULTS: Final = ("ok", "refused", "failed")
REBALANCE_KINDS: Final = ("assigned", "revoked")
NOTIFICATION_OUTCOMES: Final = ("sent", "failed", "held_back", "dropped")
STAGES: Final = ("intake", "sesamy", "makeas")
SESAMY_OPS: Final = ("token", "user", "contracts", "entitlements")
_WRITES: Final = ("upsert", "update", "products", "subscriptions")
MAKEAS_OPS: Final = ("contact", "by_id", "leavers", *_WRITES, "list")
_POISON_CODES: Final = ("too-large", "not-json", "no-ids", "bug")


def version() -> str:
    """Return our version."""
    return __version__


class Metrics:
    """
    All that is counted as it happens.

    It promises: every label value comes from the settings or from a closed set, and stands at 0 before anything
    happened. `code` is one of our errors' slugs or an HTTP status, so it appears as it occurs.
    """

    def __init__(self, settings: Settings) -> None:
        """Define the metrics in a registry of their own, `registry`."""
        self.registry = CollectorRegistry()
        count, seconds = self._counter, self._histogram
        self.records = count("records", "Records read.", "outcome")
        self.events_merged = count("events_merged", "Events that found their user waiting already.")
        self.split_events = count("split_events", "Events of a user that has an open one on another of the pod's partitions.", "vendor")
        self.resyncs = count("resyncs", "Runs ended.", "vendor", "outcome")
        self.resyncs_half_written = count("resyncs_half_written", "Runs that had begun to write and were cut off.", "vendor")
        self.resync_seconds = seconds("resync_duration_seconds", "Time a run took.", _HTTP_BUCKETS)
        self.freshness = seconds("freshness_seconds", "Time from the oldest event to the list.", _FRESHNESS_BUCKETS, "account", "list")
        self.upstream_requests = count("upstream_requests", "HTTP requests by status or error code.", "upstream", "op", "code")
        # Not by operation, too: with hundreds of accounts that would be most of what a scrape brings.
        self.upstream_request_seconds = seconds(
            "upstream_request_duration_seconds", "Time an HTTP request took.", _HTTP_BUCKETS, "upstream"
        )
        self.bugs = count("bugs", "What nobody expected, of one user, record or letter each, and cost no other: our bug.", "stage")
        self.retries = count("retries", "Second tries within a run, at once.", "upstream", "code")
        self.commits = count("commits", "Commits of offsets.", "result")
        self.rebalances = count("rebalances", "Partitions given or taken.", "kind")
        self.dead_letters = count("dead_letters", "Letters written.", "stage", "code")
        self.dead_letters_done = count("dead_letters_done", "Letters closed: what they asked for is done.")
        self.offset_resets = count("offset_resets", "Partitions whose next record was gone.")
        self.offset_gap_records = count("offset_gap_records", "Records lost to retention before we read them.")
        self.fetch_errors = count("fetch_errors", "Failed reads of the topic.")
        self.consent_kept = count("consent_kept", "Writes that left an opted-out contact out of the lists.", "account")
        self.writes_spared = count("writes_spared", "Contacts that were not written, for they were as they were to be.", "account")
        self.shared_riders = count("shared_riders", "Readers whose rows went in a shared bulk call, each call's added up.", "account")
        self.shared_apart = count("shared_calls_taken_apart", "Shared calls that were refused and asked again in parts.", "account")
        self.would_write = count(
            "would_write", "Writes that a dry run would make, by what they would change; one may change several kinds.", "account", "kind"
        )
        self.unknown_answers = count(
            "unknown_answers", "Successes of a write whose body says nothing that we know; taken for done.", "upstream", "op"
        )
        self.odd_values = count("odd_values", "Fields of Sesamy's answers that could not be read, and rows left out.", "field")
        self.notifications = count(
            "notifications", "Notices to `notify.url`: sent, failed (and sent again while it is so), passed over, dropped.", "outcome"
        )
        self.loop_lag = seconds("loop_lag_seconds", "How late the event loop woke a sleeper.", _LAG_BUCKETS)
        self._begin_at_zero(settings)
        self.registry.register(Process(settings))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=tuple(buckets))

    def _begin_at_zero(self, settings: Settings) -> None:
        for counter, values in (
            (self.records, RECORD_OUTCOMES),
            (self.commits, COMMIT_RESULTS),
            (self.rebalances, REBALANCE_KINDS),
            (self.odd_values, odd_names()),
            (self.notifications, NOTIFICATION_OUTCOMES),
            (self.bugs, (*STAGES, "letter")),
        ):
            for value in values:
                counter.labels(value)
        for code in _POISON_CODES:
            self.dead_letters.labels("intake", code)
        for vendor in settings.vendors:
            for outcome in RESYNC_OUTCOMES:
                self.resyncs.labels(vendor.id, outcome)
            self.resyncs_half_written.labels(vendor.id)
            self.split_events.labels(vendor.id)
            self._upstream(f"sesamy:{vendor.id}", SESAMY_OPS)
        for account in settings.accounts:
            self._upstream(account.id, MAKEAS_OPS)
            self.consent_kept.labels(account.id)
            self.writes_spared.labels(account.id)
            self.shared_riders.labels(account.id)
            self.shared_apart.labels(account.id)
            for op in _WRITES:
                self.unknown_answers.labels(account.id, op)
            for list_id in account.lists:
                self.freshness.labels(account.id, list_id)

    def _upstream(self, name: str, ops: Iterable[str]) -> None:
        for op in ops:
            for code in ("200", "429"):
                self.upstream_requests.labels(name, op, code)
        self.upstream_request_seconds.labels(name)


class Process(Collector):
    """What belongs to the process: the build, the settings, the logs' own counts."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings it runs with."""
        self._fingerprint, self._max_wait_s = settings.fingerprint(), settings.debounce.max_wait_s

    def describe(self) -> Iterable[Metric]:
        """Give nothing: all is made as it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give all of it."""
        build = {"version": version(), "python": platform.python_version()}
        yield InfoMetricFamily(f"{PREFIX}_build", "What runs.", value=build)
        yield InfoMetricFamily(f"{PREFIX}_settings", "The settings it runs with.", value={"fingerprint": self._fingerprint})
        yield gauge("debounce_max_wait_seconds", "The longest that the end of a burst is waited for.", value=self._max_wait_s)
        lines = CounterMetricFamily(f"{PREFIX}_log_lines", "Log lines written.", labels=["level"])
        for level, number in counts.lines.items():
            lines.add_metric([level], number)
        yield lines
        yield CounterMetricFamily(f"{PREFIX}_log_lines_held_back", "Repeated lines not written.", value=counts.held_back)
        yield CounterMetricFamily(f"{PREFIX}_log_fields_dropped", "Undeclared log fields.", value=counts.fields_dropped)


def gauge(name: str, text: str, *, value: float | None = None, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    """Return a gauge of ours, with its value, or with labels and none yet."""
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value, labels=None if value is not None else tuple(labels))
