"""What the service says of itself, asked whenever a probe, a page or a scrape comes."""

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import anyio
from aiokafka import TopicPartition

from .dirty import owed_by_account
from .status import (
    GateStatus,
    GroupStatus,
    LetterCounts,
    ListStatus,
    PartitionStatus,
    Status,
    UnknownVendor,
    UserCounts,
    shown,
)
from .telemetry import version

if TYPE_CHECKING:
    from .service import Service

_LETTERS_LATE_S: Final = 30.0
_POLL_LATE_S: Final = 180.0
_RUN_LATE_S: Final = 600.0


def pulse(service: "Service", *, started_at: float) -> Status:
    """Return the status of now; `started_at`: wall time (s)."""
    now = anyio.current_time()
    failing = service.parker.failing_since
    writable = failing is None or now - failing < _LETTERS_LATE_S
    not_ready = tuple(
        why
        for why, holds in (
            ("starting", service.state == "starting"),
            ("draining", service.state == "draining"),
            ("not a member of the group", not service.assignment.joined),
            ("the dead-letter topic takes no letters", not writable),
        )
        if holds
    )
    settings, counts = service.settings, service.schedule.counts()
    return Status(
        build=version(),
        state=service.state,
        ready=not not_ready,
        not_ready=not_ready,
        live=_live(service, now),
        started_at=started_at,
        group=GroupStatus(generation=service.generation, lease_left_s=max(0.0, service.lease_left_s())),
        partitions=_partitions(service),
        users=UserCounts(dirty=len(service.schedule), limit=settings.workers.max_dirty_users, **counts),
        upstreams=_gates(service, now),
        lists=_lists(service),
        unknown_vendors=tuple(
            UnknownVendor(
                vendor=shown(vendor),
                events=events,
                first_offset=f"{partition}:{offset}",
                replay=f"sesamy-makeas replay --from-offset {partition}:{offset}",
            )
            for vendor, (events, partition, offset) in service.unknown.seen.items()
        ),
        dead_letters=LetterCounts(
            written=service.parker.written, waiting=len(service.parker), writable=writable, open=len(service.healing.book)
        ),
        recent_failures=tuple(service.resync.failures.values()),
        settings_fingerprint=settings.fingerprint(),
    )


def _live(service: "Service", now: float) -> bool:
    """Say whether all that should move does: polling, unless a rebalance is under way, and every run."""
    polls = service.intake is None or not service.assignment.joined or service.state == "draining"
    return (polls or now - service.intake.polled_at < _POLL_LATE_S) and service.workers.longest_s(now=now) < _RUN_LATE_S  # type: ignore[union-attr]


def _partitions(service: "Service") -> tuple[PartitionStatus, ...]:
    ledger, intake, consumer = service.ledger, service.intake, service.consumer
    rows = []
    for partition in sorted(ledger.partitions):
        tp = TopicPartition(service.settings.kafka.topic, partition)
        end = consumer.highwater(tp) if consumer is not None and tp in consumer.assignment() else None
        oldest_ms = ledger.oldest_since_ms(partition)
        rows.append(
            PartitionStatus(
                partition=partition,
                position=ledger.next_offset(partition),
                end=-1 if end is None else end,
                committed=service.commits.committed.get(partition, -1),
                open=ledger.open_count(partition),
                paused=intake is not None and (intake.paused or partition in intake.out),
                oldest_open_at=None if oldest_ms is None else oldest_ms / 1000,
            )
        )
    return tuple(rows)


def _gates(service: "Service", now: float) -> tuple[GateStatus, ...]:
    due = service.schedule.due_by_account()
    waiting: Counter[str] = Counter()
    for (vendor, account), users in due.items():
        waiting[account or f"sesamy:{vendor}"] += users
    rows = []
    for kind, prefix, gates in (("sesamy", "sesamy:", service.up.gates.vendors), ("makeas", "", service.up.gates.accounts)):
        for name, gate in gates.items():
            state = gate.state(now=now)
            rows.append(
                GateStatus(
                    name=f"{prefix}{name}",
                    kind="sesamy" if kind == "sesamy" else "makeas",
                    state=state.state,
                    cause=state.cause,
                    closed_s=round(state.closed_s, 3),
                    next_try_s=round(state.next_try_s, 3),
                    waiting_users=waiting[f"{prefix}{name}"],
                    rate_share=state.share,
                    in_use=state.in_use,
                )
            )
    return tuple(rows)


def _lists(service: "Service") -> tuple[ListStatus, ...]:
    wall = time.time()
    owed = owed_by_account(service.schedule.users.values(), service.up.account_ids)
    rows: list[ListStatus] = []
    for account in service.settings.accounts:
        last_at, freshness_s = service.resync.written.get((account.id, account.vendor), (None, None))
        users, oldest_ms = owed.get((account.vendor, account.id), (0, None))
        rows.extend(
            ListStatus(
                vendor=account.vendor,
                account=account.id,
                list=list_id,
                last_write_at=last_at,
                freshness_last_s=freshness_s,
                oldest_pending_s=None if oldest_ms is None else max(0.0, wall - oldest_ms / 1000),
                owed_users=users,
            )
            for list_id in account.lists
        )
    return tuple(rows)
