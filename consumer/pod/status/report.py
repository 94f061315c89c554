"""The report: what the service says of itself, asked whenever a probe, a page or a scrape comes."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

import anyio

from ...core.mapping.consent import Consent
from ...core.model import AccountId
from ...core.text import shown
from ...core.users.counts import Counts, Owed, count
from ...settings.account import Account
from ...telemetry.metrics import version
from .hour.last_hour import Ring
from .passed_over import ignored_filters, unknown_types, unknown_vendors
from .told.letters import letter_groups
from .tree import (
    NOT_A_MEMBER,
    TOPIC_MISSING,
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    LetterGroup,
    ListStatus,
    PartitionStatus,
    ReconcileStatus,
    Status,
    UnknownAnswer,
    UserCounts,
)

if TYPE_CHECKING:
    from ..service import Service

_LETTERS_LATE_S: Final = 30.0
_LETTERS_UNREAD_S: Final = 60.0
_MOVE_LATE_S: Final = 180.0
_RUN_LATE_S: Final = 600.0
_COUNT_REST: Final = 50
"""A look at all dirty users is followed by so many times its length without one: it takes at most 2 % of the time."""


class Report:
    """What one service says of itself."""

    def __init__(
        self, service: "Service", *, started_at: float, host: str = "", stopwatch: Callable[[], float] = time.perf_counter
    ) -> None:
        """Take the service, when it began (wall time, s), where it runs, and what measures the seconds that a look takes."""
        self._service, self._started_at, self._host, self._stopwatch = service, started_at, shown(host), stopwatch
        self._fingerprint = service.settings.fingerprint()
        self._counts, self._count_again_at = Counts(), 0.0
        self._oldest_letter_ms: int | None = None
        self.last_hour = Ring()
        self._letter_groups: tuple[LetterGroup, ...] = ()

    def status(self) -> Status:
        """Return the status of now."""
        service, now = self._service, anyio.current_time()
        seen = self._counted()
        failing = service.writer.failing_since
        writable = failing is None or now - failing < _LETTERS_LATE_S
        readable = now - service.follower.followed_at < _LETTERS_UNREAD_S
        not_ready = _not_ready(service, writable=writable, readable=readable)
        return Status(
            build=version(),
            host=self._host,
            at=time.time(),
            state=service.membership.state,
            ready=not not_ready,
            not_ready=not_ready,
            live=_live(service, now),
            started_at=self._started_at,
            group=_group(service),
            partitions=_partitions(service),
            users=_users(service, seen),
            upstreams=_gates(service, seen, now),
            lists=_lists(service, seen, now),
            unknown_vendors=unknown_vendors(service),
            unknown_types=unknown_types(service),
            ignored_filters=ignored_filters(service),
            dead_letters=self._letters(seen, writable=writable, readable=readable),
            recent_failures=tuple(sorted(service.resync.tally.failures.values(), key=lambda one: -one.last_at)),
            unknown_answers=tuple(
                UnknownAnswer(upstream=one.upstream, op=one.op, shape=one.shape, count=one.count) for one in service.up.shapes.seen()
            ),
            settings_fingerprint=self._fingerprint,
            last_hour=self.last_hour.seen(at=time.time()),
            dry_run=service.up.dry_run,
        )

    def _letters(self, seen: Counts, *, writable: bool, readable: bool) -> LetterCounts:
        service, book = self._service, self._service.backlog.healing.book
        is_known = service.follower.caught_up and readable
        return LetterCounts(
            written=service.writer.written,
            waiting=len(service.backlog.to_park),
            writable=writable,
            readable=readable,
            open=len(book.kinds) if is_known else None,
            oldest_s=_age_s(inf if self._oldest_letter_ms is None else self._oldest_letter_ms, time.time()),
            to_retry=seen.letters,
            unreadable=len(book.unreadable) if is_known else None,
            groups=self._letter_groups if is_known else (),
            need_person=sum(one.needs_a_person for one in self._letter_groups if not one.unreadable) if is_known else None,
        )

    def _counted(self) -> Counts:
        began = self._stopwatch()
        if began >= self._count_again_at:
            service, now = self._service, anyio.current_time()
            gates = service.up.gates
            self._counts = count(
                service.backlog.schedule.users.values(),
                service.up.account_ids,
                out_vendors={vendor for vendor, gate in gates.vendors.items() if gate.closed(now=now)},
                out_accounts={account for account, gate in gates.accounts.items() if gate.closed(now=now) or gates.late(account, now)},
                letters=service.backlog.waiting_letters(),
                now=now,
            )
            self._oldest_letter_ms = service.backlog.healing.book.oldest_parked_ms()
            self._letter_groups = letter_groups(service.backlog.healing.book, service.settings.accounts)
            ended = self._stopwatch()
            self._count_again_at = ended + (ended - began) * _COUNT_REST
        return self._counts


def _age_s(at_ms: float, wall: float) -> float | None:
    return None if at_ms == inf else round(max(0.0, wall - at_ms / 1000), 3)


def _not_ready(service: "Service", *, writable: bool, readable: bool) -> tuple[str, ...]:
    reasons = (
        ("starting", service.membership.state == "starting"),
        ("draining", service.membership.state == "draining"),
        (NOT_A_MEMBER, not service.membership.assignment.joined),
        (TOPIC_MISSING, service.membership.assignment.watch.missing),
        ("the dead-letter topic takes no letters", not writable),
        ("the dead-letter topic can't be read", not readable),
    )
    return tuple(why for why, holds in reasons if holds)


def _group(service: "Service") -> GroupStatus:
    return GroupStatus(
        generation=service.commits.generation,
        lease_left_s=round(max(0.0, service.lease_left_s()), 3),
        topic_partitions=service.backlog.topic_partitions,
    )


def _users(service: "Service", seen: Counts) -> UserCounts:
    wall = time.time()
    return UserCounts(
        dirty=len(service.backlog.schedule),
        limit=service.settings.workers.max_dirty_users,
        causes=tuple(
            CauseStatus(
                cause=cause,  # type: ignore[arg-type]
                users=users,
                oldest_s=_age_s(seen.since_ms.get(cause, inf), wall),
            )
            for cause, users in seen.causes.items()
        ),
    )


def _live(service: "Service", now: float) -> bool:
    """Say whether the work lives: every part, every run, and polls and commits of a member, or else its tries to join."""
    if service.ended or service.workers.longest_s(now=now) >= _RUN_LATE_S:
        return False
    if service.membership.state == "draining":
        return True
    if service.membership.intake is None or not service.membership.assignment.joined:
        return now - service.membership.tried_at < service.membership.join_limit_s
    return max(now - service.membership.intake.polled_at, now - service.commits.tried_at) < _MOVE_LATE_S


def _partitions(service: "Service") -> tuple[PartitionStatus, ...]:
    ledger, intake, member = service.backlog.ledger, service.membership.intake, service.membership.member
    rows = []
    for partition in sorted(ledger.partitions):
        end = None if member is None else member.end_of(partition)
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
                out=intake is not None and partition in intake.out,
            )
        )
    return tuple(rows)


def _gates(service: "Service", seen: Counts, now: float) -> tuple[GateStatus, ...]:
    owns = bool(service.backlog.ledger.partitions)
    waiting, held = _by_gate(service.backlog.schedule.due_by_account()), _by_gate(seen.held)
    rows = []
    for kind, prefix, gates in (("sesamy", "sesamy:", service.up.gates.vendors), ("makeas", "", service.up.gates.accounts)):
        for name, gate in gates.items():
            state, kept = gate.state(now=now), service.up.kept.get(AccountId(name)) if kind == "makeas" else None
            rows.append(
                GateStatus(
                    name=f"{prefix}{name}",
                    kind="sesamy" if kind == "sesamy" else "makeas",
                    state=state.state,
                    cause=state.cause,
                    closed_s=round(state.closed_s, 3),
                    next_try_s=round(state.next_try_s, 3),
                    waiting_users=waiting[f"{prefix}{name}"],
                    held_users=held[f"{prefix}{name}"],
                    rate_share=state.share if owns else 0.0,
                    in_use=state.in_use,
                    limit_per_minute=round(gate.heed.per_minute, 3),
                    not_kept=kept.not_kept() if kept is not None else (),
                    not_kept_s=round(kept.not_kept_s(now=now), 3) if kept is not None else 0.0,
                )
            )
    return tuple(rows)


def _by_gate(users: Mapping[tuple[str, AccountId], int]) -> Counter[str]:
    named: Counter[str] = Counter()
    for (vendor, account), number in users.items():
        named[account or f"sesamy:{vendor}"] += number
    return named


def _lists(service: "Service", seen: Counts, now: float) -> tuple[ListStatus, ...]:
    return tuple(_list(service, account, list_id, seen, now) for account in service.settings.accounts for list_id in account.lists)


def _list(service: "Service", account: Account, list_id: str, seen: Counts, now: float) -> ListStatus:
    wall, vendor = time.time(), account.vendor
    last_at, freshness_s = service.resync.tally.written.get((account.id, list_id, vendor), (None, None))
    nothing = Owed()
    of_all, own = seen.owed.get((vendor, account.id), nothing), seen.owed_lists.get((vendor, account.id, list_id), nothing)
    consent = service.up.registers.consent(account.id) or Consent(account.lists, salt=b"")
    door = service.up.gates.lists.state(account.id, list_id, now=now)
    return ListStatus(
        vendor=vendor,
        account=account.id,
        list=list_id,
        last_write_at=last_at,
        freshness_last_s=None if freshness_s is None else round(freshness_s, 3),
        oldest_pending_s=_age_s(min(of_all.since_ms, own.since_ms), wall),
        oldest_due_s=_age_s(min(of_all.due_since_ms, own.due_since_ms), wall),
        owed_users=of_all.users + own.users,
        register=consent.registers[list_id].state,
        register_code=consent.registers[list_id].code,
        left=len(consent.registers[list_id]),
        door=door.door,
        door_code=door.code,
        left_out_s=round(door.left_out_s, 3),
        next_try_s=round(door.next_try_s, 3),
        paused=service.up.gates.is_paused(vendor, account.id, (list_id,), now=now),
        contacts_without_status=consent.without_status,
        name=shown(account.names.get(list_id, "")),
        reconciled=_reconciled(service, vendor, account.id, list_id),
    )


def _reconciled(service: "Service", vendor: str, account: AccountId, list_id: str) -> ReconcileStatus | None:
    one = service.backlog.healing.book.reconciles.get(vendor, account, list_id)
    if one is None:
        return None
    return ReconcileStatus(at=one.at_ms / 1000, ended=shown(one.ended), readers=one.readers, repaired=one.repaired, left=one.left)
