"""Metrics, and the door to logs and status: definitions only. It pulls state; the core never calls it."""

import platform
from collections.abc import Callable, Iterable, Iterator
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from . import __version__
from .logs import configure, counts, log
from .model import GateCause
from .sesamy_answers import odd_names
from .settings import Settings
from .status import GateStatus, ListStatus, PartitionStatus, Status, UserCounts

__all__ = ["CUT_OFF", "Metrics", "Scrape", "configure", "gauges", "log", "version"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # A sixth of all series, which nobody asks for.
_PREFIX: Final = "sesamy_makeas"
_HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30, 60)
_FRESHNESS_BUCKETS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
RECORD_OUTCOMES: Final = ("user", "poison", "unknown_type", "unknown_vendor", "tombstone")
CUT_OFF: Final = "cut_off"
RESYNC_OUTCOMES: Final = ("synced", "partial", "failed", CUT_OFF, "skipped_no_email", "skipped_guest", "skipped_absent")
COMMIT_RESULTS: Final = ("ok", "refused", "failed")
REBALANCE_KINDS: Final = ("assigned", "revoked")
STAGES: Final = ("intake", "sesamy", "makeas")
SESAMY_OPS: Final = ("token", "user", "contracts", "entitlements")
_WRITES: Final = ("upsert", "update", "products", "subscriptions")
MAKEAS_OPS: Final = ("contact", "by_id", "leavers", *_WRITES, "list")
_POISON_CODES: Final = ("too-large", "not-json", "no-ids", "bug")
_GATE_CAUSES: Final = tuple(cause for cause in get_args(GateCause) if cause)


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
        self.resyncs = count("resyncs", "Runs ended.", "vendor", "outcome")
        self.resyncs_half_written = count("resyncs_half_written", "Runs that had begun to write and were cut off.", "vendor")
        self.resync_seconds = seconds("resync_duration_seconds", "Time a run took.", _HTTP_BUCKETS)
        self.freshness = seconds("freshness_seconds", "Time from the oldest event to the list.", _FRESHNESS_BUCKETS, "account", "list")
        self.upstream_requests = count("upstream_requests", "HTTP requests by status or error code.", "upstream", "op", "code")
        self.upstream_request_seconds = seconds(
            # Not by operation, too: with hundreds of accounts that would be most of what a scrape brings.
            "upstream_request_duration_seconds",
            "Time an HTTP request took.",
            _HTTP_BUCKETS,
            "upstream",
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
        self.unknown_answers = count(
            "unknown_answers", "Successes of a write whose body says nothing that we know; taken for done.", "upstream", "op"
        )
        self.odd_values = count("odd_values", "Fields of Sesamy's answers that could not be read, and rows left out.", "field")
        self.loop_lag = seconds("loop_lag_seconds", "How late the event loop woke a sleeper.", _LAG_BUCKETS)
        self._begin_at_zero(settings)
        self.registry.register(_Process(settings))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=_PREFIX, registry=self.registry, buckets=tuple(buckets))

    def _begin_at_zero(self, settings: Settings) -> None:
        for counter, values in (
            (self.records, RECORD_OUTCOMES),
            (self.commits, COMMIT_RESULTS),
            (self.rebalances, REBALANCE_KINDS),
            (self.odd_values, odd_names()),
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
            self._upstream(f"sesamy:{vendor.id}", SESAMY_OPS)
        for account in settings.accounts:
            self._upstream(account.id, MAKEAS_OPS)
            self.consent_kept.labels(account.id)
            for op in _WRITES:
                self.unknown_answers.labels(account.id, op)
            for list_id in account.lists:
                self.freshness.labels(account.id, list_id)

    def _upstream(self, name: str, ops: Iterable[str]) -> None:
        for op in ops:
            for code in ("200", "429"):
                self.upstream_requests.labels(name, op, code)
        self.upstream_request_seconds.labels(name)


class _Process(Collector):
    """What belongs to the process: the build, the settings, the logs' own counts."""

    def __init__(self, settings: Settings) -> None:
        self._fingerprint, self._max_wait_s = settings.fingerprint(), settings.debounce.max_wait_s

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        build = {"version": version(), "python": platform.python_version()}
        yield InfoMetricFamily(f"{_PREFIX}_build", "What runs.", value=build)
        yield InfoMetricFamily(f"{_PREFIX}_settings", "The settings it runs with.", value={"fingerprint": self._fingerprint})
        yield _gauge("debounce_max_wait_seconds", "The longest that the end of a burst is waited for.", value=self._max_wait_s)
        lines = CounterMetricFamily(f"{_PREFIX}_log_lines", "Log lines written.", labels=["level"])
        for level, number in counts.lines.items():
            lines.add_metric([level], number)
        yield lines
        yield CounterMetricFamily(f"{_PREFIX}_log_lines_held_back", "Repeated lines not written.", value=counts.held_back)
        yield CounterMetricFamily(f"{_PREFIX}_log_fields_dropped", "Undeclared log fields.", value=counts.fields_dropped)


class Scrape(Collector):
    """What one scrape is given: what was counted, and a status as gauges. It asks nobody, so any thread may put it into words."""

    def __init__(self, registry: CollectorRegistry, status: Status, *, now: float) -> None:
        """Take what was counted, and the status of `now` (wall time, s)."""
        self._registry, self._gauges = registry, tuple(gauges(status, now=now))

    def collect(self) -> Iterator[Metric]:
        """Give everything."""
        yield from self._registry.collect()
        yield from self._gauges


def gauges(status: Status, *, now: float) -> Iterator[Metric]:
    """Turn a status into gauges; `now`: wall time (s)."""
    yield _gauge("ready", "1: the pod does its work.", value=float(status.ready))
    yield _gauge("lease_remaining_seconds", "Time for which our partitions are surely ours.", value=status.group.lease_left_s)
    yield from _of_users(status.users, now=now)
    yield from _of_partitions(status.partitions)
    yield from _of_gates(status.upstreams)
    yield from _of_lists(status.lists, now=now)
    yield _gauge("dead_letters_waiting", "Users and records whose letters are not written yet.", value=status.dead_letters.waiting)
    yield _gauge("dead_letters_open", "Letters of users that nothing has closed; absent: not known.", value=status.dead_letters.open)
    oldest_at = None if status.dead_letters.oldest_s is None else now - status.dead_letters.oldest_s
    yield _gauge(
        "dead_letters_oldest_open_timestamp_seconds", "When the oldest of them was parked; absent: there are none.", value=oldest_at
    )
    yield _gauge("dead_letters_writable", "1: the dead-letter topic takes letters.", value=float(status.dead_letters.writable))
    yield _gauge("dead_letters_readable", "1: the dead-letter topic can be followed.", value=float(status.dead_letters.readable))
    yield _gauge("unknown_vendors", "Vendors that events name and the settings don't.", value=len(status.unknown_vendors))
    passed_over = sum(bool(one.replay) for one in status.unknown_types)
    yield _gauge("unknown_types", "Event types that are none of the eight and are passed over.", value=passed_over)


def _gauge(name: str, text: str, *, value: float | None = None, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value, labels=None if value is not None else tuple(labels))


def _of_users(users: UserCounts, *, now: float) -> Iterator[Metric]:
    by_cause = _gauge("dirty_users", "Users with an event that no resync has covered, by what they wait for.", labels=["cause"])
    oldest = _gauge("oldest_dirty_timestamp_seconds", "Time of their oldest event; absent: there are none.", labels=["cause"])
    for one in users.causes:
        by_cause.add_metric([one.cause], one.users)
        if one.oldest_s is not None:
            oldest.add_metric([one.cause], now - one.oldest_s)
    yield from (by_cause, oldest)
    yield _gauge("dirty_users_limit", "Dirty users at which partitions are paused.", value=users.limit)


def _of_partitions(partitions: Iterable[PartitionStatus]) -> Iterator[Metric]:
    rows: tuple[tuple[GaugeMetricFamily, Callable[[PartitionStatus], float | None]], ...] = (
        (_gauge("partition_committed_offset", "Next record after a crash.", labels=["partition"]), lambda one: one.committed),
        (
            _gauge("partition_lag_records", "Records from the committed offset to the partition's end.", labels=["partition"]),
            lambda one: one.lag,
        ),
        (_gauge("partition_open_users", "Users with an uncovered event here.", labels=["partition"]), lambda one: one.open),
        (_gauge("partition_paused", "1: not read for now.", labels=["partition"]), lambda one: one.paused),
        (
            _gauge("partition_oldest_open_timestamp_seconds", "Time of the oldest uncovered event.", labels=["partition"]),
            lambda one: one.oldest_open_at,
        ),
    )
    for gauge, value_of in rows:
        for one in partitions:
            value = value_of(one)
            if value is not None:
                gauge.add_metric([str(one.partition)], value)
        yield gauge


def _of_gates(gates: Iterable[GateStatus]) -> Iterator[Metric]:
    closed = _gauge("gate_closed", "1 at the cause for which the gate is shut.", labels=["upstream", "cause"])
    waiting = _gauge("gate_waiting_users", "Users who are due and owed there.", labels=["upstream"])
    held = _gauge("gate_held_users", "Users and letters that wait for nothing but this gate to open.", labels=["upstream"])
    share = _gauge("gate_rate_share_ratio", "Our part of its limits.", labels=["upstream"])
    for one in gates:
        for cause in _GATE_CAUSES:
            closed.add_metric([one.name, cause], float(one.cause == cause))
        waiting.add_metric([one.name], one.waiting_users)
        held.add_metric([one.name], one.held_users)
        share.add_metric([one.name], one.rate_share)
    yield from (closed, waiting, held, share)


def _of_lists(lists: Iterable[ListStatus], *, now: float) -> Iterator[Metric]:
    names = ["vendor", "account", "list"]
    written = _gauge("list_last_write_timestamp_seconds", "Time of the last write; 0: none since the start.", labels=names)
    pending = _gauge(
        "list_oldest_pending_timestamp_seconds", "Time of the oldest uncovered event, or held letter; absent: none.", labels=names
    )
    due = _gauge("list_oldest_due_timestamp_seconds", "The same, without users whose burst may go on.", labels=names)
    owed = _gauge("list_owed_users", "Users owed to the list.", labels=names)
    left = _gauge("list_left", "Contacts known to have left the list.", labels=names)
    no_register = _gauge("list_without_register", "1: who left the list can't be read.", labels=names)
    left_out = _gauge("list_left_out_users", "Users owed to a list that is left out, for it refuses whom its siblings take.", labels=names)
    silent = _gauge(
        "list_contacts_without_status", "Known contacts without a status, where none ever showed one; 0: below 20.", labels=names
    )
    for one in lists:
        values = [one.vendor, one.account, one.list]
        written.add_metric(values, one.last_write_at or 0.0)
        owed.add_metric(values, one.owed_users)
        left.add_metric(values, one.left)
        no_register.add_metric(values, float(one.register == "none"))
        left_out.add_metric(values, one.owed_users if one.door != "open" else 0)
        silent.add_metric(values, one.contacts_without_status)
        if one.oldest_pending_s is not None:
            pending.add_metric(values, now - one.oldest_pending_s)
        if one.oldest_due_s is not None:
            due.add_metric(values, now - one.oldest_due_s)
    yield from (written, pending, due, owed, left, no_register, left_out, silent)
