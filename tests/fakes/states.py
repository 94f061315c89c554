"""The six states of a pod that people meet: what it says of itself, and what the verdict must say."""

from typing import Final

from msgspec import Struct, structs

from consumer.core.model import Failure
from consumer.pod.status.hour.shapes import LastHour, ListHour
from consumer.pod.status.tree import (
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    LetterGroup,
    ListStatus,
    PartitionStatus,
    Status,
    UserCounts,
)
from consumer.pod.status.verdict import Level

AT: Final = 1_795_521_600.0


class State(Struct, frozen=True):
    """One state, what its verdict is, and what is said of it."""

    status: Status
    level: Level
    said: tuple[str, ...]


def _hour(*, stuck_list: str = "") -> LastHour:
    events = (*[None] * 12, *(20 + (minute * 37) % 90 for minute in range(30)), None, None, *(60 + minute * 5 for minute in range(16)))
    fresh = (*[None] * 12, *(8.0 + minute % 7 for minute in range(48)))
    stuck = (*[None] * 12, *(8.0 for _ in range(30)), *(60.0 * (minute + 1) for minute in range(18)))
    return LastHour(
        events=events,
        resyncs=tuple(None if one is None else one // 2 for one in events),
        dirty=tuple(None if one is None else one % 40 for one in events),
        lists=tuple(
            ListHour(vendor=vendor, account=account, list=name, freshness_s=stuck if name == stuck_list else fresh)
            for vendor, account, name in LISTS
        ),
    )


LISTS: Final = (
    ("morgenposten", "100123456", "1466"),
    ("morgenposten", "100123456", "1467"),
    ("vendor_5f7c1a2b3c4d", "account-335c6689", "20456"),
    ("kveldsavisen", "100123999", "31"),
)


def well() -> Status:
    return Status(
        build="0.1.0",
        host="sesamy-makeas-7c9f8d6b5-x2k4q",
        at=AT,
        state="consuming",
        ready=True,
        started_at=AT - 86_400 * 3,
        group=GroupStatus(generation=12, lease_left_s=27.0, topic_partitions=12),
        users=UserCounts(dirty=12, limit=250_000, causes=(CauseStatus(cause="debounce", users=12, oldest_s=3.0),)),
        partitions=tuple(PartitionStatus(partition=one, position=18_234_570, end=18_234_570, committed=18_234_567) for one in range(6)),
        upstreams=(
            *(GateStatus(name=f"sesamy:{one}", kind="sesamy", rate_share=0.5) for one in dict.fromkeys(vendor for vendor, _, _ in LISTS)),
            *(GateStatus(name=one, kind="makeas", rate_share=0.5) for one in dict.fromkeys(account for _, account, _ in LISTS)),
        ),
        lists=tuple(
            ListStatus(vendor=vendor, account=account, list=name, last_write_at=AT - 40, freshness_last_s=12.0)
            for vendor, account, name in LISTS
        ),
        dead_letters=LetterCounts(open=0),
        settings_fingerprint="abcdef012345",
        last_hour=_hour(),
    )


def _stopped() -> State:
    fine = well()
    lists = (
        structs.replace(fine.lists[0], last_write_at=AT - 1200, oldest_pending_s=1080.0, oldest_due_s=1080.0, owed_users=412),
        *fine.lists[1:],
    )
    gates = tuple(
        structs.replace(one, state="closed", cause="denied", closed_s=1080.0, next_try_s=44.0, held_users=412)
        if one.name == "100123456"
        else one
        for one in fine.upstreams
    )
    failures = (Failure(code="http-401", upstream="100123456", count=203, last_at=AT - 4, said="The token is not valid any more"),)
    status = structs.replace(fine, lists=lists, upstreams=gates, recent_failures=failures, last_hour=_hour(stuck_list="1466"))
    said = ("2 of 4 lists stopped since 11:42 UTC (18 min)", "account 100123456 refuses the key", "put the right key into its secret")
    return State(status, "trouble", said)


def _letters() -> State:
    groups = (
        LetterGroup(code="not-json", needs_a_person=135, unreadable=True),
        LetterGroup(code="http-422", account="100123456", lists=("1466", "1467"), needs_a_person=17, heals=2),
        LetterGroup(code="held", account="account-335c6689", lists=("20456",), heals=1204),
    )
    letters = LetterCounts(open=1223, oldest_s=90_000.0, to_retry=1206, unreadable=135, groups=groups, need_person=17)
    return State(structs.replace(well(), dead_letters=letters), "trouble", ("17 letters need a person", "dead-letters list"))


def _paused() -> State:
    fine = well()
    status = structs.replace(
        fine,
        partitions=tuple(structs.replace(one, paused=True, end=one.end + 5_000, open=20_000) for one in fine.partitions),
        users=UserCounts(dirty=250_000, limit=250_000, causes=(CauseStatus(cause="ready", users=250_000, oldest_s=600.0),)),
    )
    return State(status, "trouble", ("paused",))


def _no_member() -> State:
    status = structs.replace(
        well(),
        ready=False,
        not_ready=("not a member of the group",),
        partitions=(),
        group=GroupStatus(topic_partitions=12),
        last_hour=structs.replace(_hour(), events=(*[None] * 60,), resyncs=(*[None] * 60,)),
    )
    return State(status, "trouble", ("not a member of the group",))


STATES: Final[dict[str, State]] = {
    "fine": State(well(), "fine", ()),
    "stopped": _stopped(),
    "paused": _paused(),
    "no-member": _no_member(),
    "letters": _letters(),
    "gone": State(well(), "fine", ()),
}
