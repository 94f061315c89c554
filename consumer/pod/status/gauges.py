"""The status as metrics: gauges that are made anew for each scrape."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ...core.mapping.kept import KINDS
from ...core.model import GateCause
from ...telemetry.metrics import gauge
from .tree import GateStatus, ListStatus, PartitionStatus, Status, UserCounts

_GATE_CAUSES: Final = tuple(cause for cause in get_args(GateCause) if cause)


class Scrape(Collector):
    """What one scrape is given: what was counted, and a status as gauges. It asks no other part, so any thread may put it into words."""

    def __init__(self, registry: CollectorRegistry, status: Status, *, now: float) -> None:
        """Take what was counted, and the status of `now` (wall time, s)."""
        self._registry, self._gauges = registry, tuple(gauges(status, now=now))

    def collect(self) -> Iterator[Metric]:
        """Give everything."""
        yield from self._registry.collect()
        yield from self._gauges


def gauges(status: Status, *, now: float) -> Iterator[Metric]:
    """Turn a status into gauges; `now`: wall time (s)."""
    yield gauge("ready", "1: the pod does its work.", value=float(status.ready))
    yield gauge("live", "1: what should move, moves.", value=float(status.live))
    yield gauge("lease_remaining_seconds", "Time for which our partitions are surely ours.", value=status.group.lease_left_s)
    yield from _of_users(status.users, now=now)
    yield from _of_partitions(status.partitions)
    yield from _of_gates(status.upstreams)
    yield from _of_lists(status.lists, now=now)
    yield gauge("dead_letters_waiting", "Users and records whose letters are not written yet.", value=status.dead_letters.waiting)
    yield gauge("dead_letters_open", "Letters of users that nothing has closed; absent: not known.", value=status.dead_letters.open)
    oldest_at = None if status.dead_letters.oldest_s is None else now - status.dead_letters.oldest_s
    yield gauge(
        "dead_letters_oldest_open_timestamp_seconds", "When the oldest of them was parked; absent: there are none.", value=oldest_at
    )
    yield gauge("dead_letters_writable", "1: the dead-letter topic takes letters.", value=float(status.dead_letters.writable))
    yield gauge("dead_letters_readable", "1: the dead-letter topic can be followed.", value=float(status.dead_letters.readable))
    yield gauge("unknown_vendors", "Vendors that events name and the settings don't.", value=len(status.unknown_vendors))
    passed_over = sum(bool(one.replay) for one in status.unknown_types)
    yield gauge("unknown_types", "Event types that are none of the eight and are passed over.", value=passed_over)


def _of_users(users: UserCounts, *, now: float) -> Iterator[Metric]:
    by_cause = gauge("dirty_users", "Users with an event that no resync has covered, by what they wait for.", labels=["cause"])
    oldest = gauge("oldest_dirty_timestamp_seconds", "Time of their oldest event; absent: there are none.", labels=["cause"])
    for one in users.causes:
        by_cause.add_metric([one.cause], one.users)
        if one.oldest_s is not None:
            oldest.add_metric([one.cause], now - one.oldest_s)
    yield from (by_cause, oldest)
    yield gauge("dirty_users_limit", "Dirty users at which partitions are paused.", value=users.limit)


def _of_partitions(partitions: Iterable[PartitionStatus]) -> Iterator[Metric]:
    rows: tuple[tuple[GaugeMetricFamily, Callable[[PartitionStatus], float | None]], ...] = (
        (
            gauge("partition_committed_offset", "Next record after a crash; -1: none is known.", labels=["partition"]),
            lambda one: one.committed,
        ),
        (
            gauge(
                "partition_lag_records",
                "Records from the committed offset to the partition's end; absent: not known.",
                labels=["partition"],
            ),
            lambda one: one.lag,
        ),
        (
            gauge("partition_unread_records", "Records that are there and that we have not read; absent: not known.", labels=["partition"]),
            lambda one: one.unread,
        ),
        (gauge("partition_open_users", "Users with an uncovered event here.", labels=["partition"]), lambda one: one.open),
        (gauge("partition_paused", "1: not read for now.", labels=["partition"]), lambda one: one.paused),
        (
            gauge("partition_oldest_open_timestamp_seconds", "Time of the oldest uncovered event.", labels=["partition"]),
            lambda one: one.oldest_open_at,
        ),
    )
    for one_gauge, value_of in rows:
        for one in partitions:
            value = value_of(one)
            if value is not None:
                one_gauge.add_metric([str(one.partition)], value)
        yield one_gauge


def _of_gates(gates: Iterable[GateStatus]) -> Iterator[Metric]:
    closed = gauge("gate_closed", "1 at the cause for which the gate is shut.", labels=["upstream", "cause"])
    waiting = gauge("gate_waiting_users", "Users that are due and owed there.", labels=["upstream"])
    held = gauge("gate_held_users", "Users and letters that wait for nothing but this gate to open.", labels=["upstream"])
    share = gauge("gate_rate_share_ratio", "Our part of its limits.", labels=["upstream"])
    not_kept = gauge(
        "account_not_kept", "1 at what an account takes and does not keep: lists, tags of ours, tags of others.", labels=["account", "what"]
    )
    for one in gates:
        for what in KINDS if one.kind == "makeas" else ():
            not_kept.add_metric([one.name, what], float(what in one.not_kept))
        for cause in _GATE_CAUSES:
            closed.add_metric([one.name, cause], float(one.cause == cause))
        waiting.add_metric([one.name], one.waiting_users)
        held.add_metric([one.name], one.held_users)
        share.add_metric([one.name], one.rate_share)
    yield from (closed, waiting, held, share, not_kept)


def _of_lists(lists: Iterable[ListStatus], *, now: float) -> Iterator[Metric]:
    names = ["vendor", "account", "list"]
    written = gauge("list_last_write_timestamp_seconds", "Time of the last write; 0: none since the start.", labels=names)
    pending = gauge(
        "list_oldest_pending_timestamp_seconds", "Time of the oldest uncovered event, or held letter; absent: none.", labels=names
    )
    due = gauge(
        "list_oldest_due_timestamp_seconds",
        "As `list_oldest_pending_timestamp_seconds`, without users whose burst may go on, and not of paused lists.",
        labels=names,
    )
    owed = gauge("list_owed_users", "Users owed to the list.", labels=names)
    left = gauge("list_left", "Contacts known to have left the list; absent: not known of any.", labels=names)
    no_register = gauge("list_without_register", "1: which contacts left the list can't be read.", labels=names)
    left_out = gauge("list_left_out_users", "Users owed to a list that is left out, for it refuses what its siblings take.", labels=names)
    silent = gauge(
        "list_contacts_without_status", "Known contacts without a status, where none ever showed one; 0: below 20.", labels=names
    )
    paused = gauge("list_paused", "1: the settings say that nothing is written to it for now.", labels=names)
    looked = gauge(
        "reconcile_last_timestamp_seconds", "When all readers of the list were last looked at; absent: no result is known.", labels=names
    )
    differ = gauge("reconcile_left", "Differences that this look left; absent: no result is known.", labels=names)
    for one in lists:
        values = [one.vendor, one.account, one.list]
        if one.reconciled is not None:
            looked.add_metric(values, one.reconciled.at)
            differ.add_metric(values, one.reconciled.left)
        written.add_metric(values, one.last_write_at or 0.0)
        owed.add_metric(values, one.owed_users)
        if one.left or one.register == "whole":  # Before that, none that is known is not none.
            left.add_metric(values, one.left)
        no_register.add_metric(values, float(one.register == "none"))
        left_out.add_metric(values, one.owed_users if one.door != "open" and not one.paused else 0)
        silent.add_metric(values, one.contacts_without_status)
        paused.add_metric(values, float(one.paused))
        if one.oldest_pending_s is not None:
            pending.add_metric(values, now - one.oldest_pending_s)
        if one.oldest_due_s is not None and not one.paused:  # What somebody has paused is not late.
            due.add_metric(values, now - one.oldest_due_s)
    yield from (written, pending, due, owed, left, no_register, left_out, silent, paused, looked, differ)
