"""Each condition is told once when it has begun and once when it has ended."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from consumer.core.model import Failure
from consumer.pod.status.told.words import LIMIT_CURE
from consumer.pod.status.tree import (
    NOT_A_MEMBER,
    TOPIC_MISSING,
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    ListStatus,
    PartitionStatus,
    Status,
    UserCounts,
)
from consumer.pod.watch.conditions import Conditions, Notice
from consumer.pod.watch.outbox import Outbox
from tests.simulation.settings import SETTINGS

WELL = Status(
    state="consuming",
    ready=True,
    group=GroupStatus(generation=1, lease_left_s=9.0),
    partitions=(PartitionStatus(partition=0, position=5, end=5, committed=5),),
    upstreams=(GateStatus(name="1", kind="makeas"), GateStatus(name="sesamy:v1", kind="sesamy")),
    lists=(ListStatus(vendor="v1", account="1", list="10"),),
    dead_letters=LetterCounts(open=0, need_person=0),
)


def shut(cause: Any = "denied", *, state: Any = "closed", users: int = 5, closed_s: float = 0.0) -> Status:
    gate = GateStatus(name="1", kind="makeas", state=state, cause=cause, held_users=users, closed_s=closed_s)
    return replace(WELL, upstreams=(gate, WELL.upstreams[1]))


def lived(*looks: tuple[float, Status], conditions: Conditions | None = None) -> list[Notice]:
    """Return what is told, where each status is seen at its time."""
    one = Conditions(SETTINGS) if conditions is None else conditions
    return [notice for at, status in looks for notice in one.changed(replace(status, at=1000.0 + at), at)]


def events(notices: Iterable[Notice]) -> list[tuple[str, str, str]]:
    return [(one.event, one.subject, one.cause) for one in notices]


def test_a_gate_that_shuts_is_told_with_its_lists_and_its_cure_and_once() -> None:
    (told,) = lived((0, WELL), (1, shut()), (2, shut()), (90, shut()))

    assert (told.event, told.begins, told.subject, told.cause, told.users) == ("list-stopped", True, "1", "denied", 5)
    assert [(one.vendor, one.list) for one in told.lists] == [("v1", "10")]
    assert told.text == "Make.as account 1 refuses the key: 1 list gets nothing (10), 5 users wait"
    assert told.cure


def test_its_end_says_how_long_it_was_and_how_many_waited_at_most() -> None:
    began, ended = lived((1, shut()), (50, shut(users=55, closed_s=49)), (98, WELL), (99, WELL), (103, WELL), (104, WELL))

    assert events([began, ended]) == [("list-stopped", "1", "denied"), ("list-runs", "1", "denied")]
    assert (ended.begins, ended.users, ended.since, ended.lasted_s) == (False, 55, 1001.0, 97.0)
    assert ended.text == "1 list runs again (10), after 1 min 37 s; at most 55 waited"


def test_a_gate_of_sesamy_names_all_lists_of_its_vendor() -> None:
    gate = GateStatus(name="sesamy:v1", kind="sesamy", state="closed", cause="breaker")
    (told,) = lived((0, replace(WELL, upstreams=(gate,))))

    assert [one.list for one in told.lists] == ["10", "20"]
    assert "Sesamy (sesamy:v1) failed for five users in a row" in told.text


@pytest.mark.parametrize(
    ("code", "what", "cure", "runbook"),
    [
        (
            "timeout",
            "failed for five users in a row",
            "look at its own status; it is tried again by itself, at least every minute",
            "sesamymakeasgateshut",
        ),
        ("http-429", "answers that we ask too often", LIMIT_CURE, "sesamymakeasratelimited"),
    ],
)
def test_a_breaker_says_the_last_code_of_its_upstream_and_the_cure_of_a_rate_limit(code: str, what: str, cure: str, runbook: str) -> None:
    gate = GateStatus(name="sesamy:v1", kind="sesamy", state="closed", cause="breaker")
    failures = tuple(Failure(code=one, upstream=name, count=1, last_at=at) for one, name, at in ((code, gate.name, 2.0), ("x", "1", 3.0)))
    (told,) = lived((0, replace(WELL, upstreams=(gate,), recent_failures=failures)))

    assert f"Sesamy (sesamy:v1) {what} ({code}): 2 lists" in told.text
    assert (told.cure, told.runbook.rpartition("#")[2]) == (cure, runbook)


@pytest.mark.parametrize("between", [shut(state="probing"), WELL], ids=["probed", "well-for-a-moment"])
def test_a_gate_that_is_probed_does_not_flap(between: Status) -> None:
    assert len(lived((0, shut()), (5, between), (7, shut()), (12, between), (16, shut()))) == 1


def test_a_long_probe_is_no_end() -> None:
    probed = shut(state="probing")

    assert len(lived((0, shut()), (5, probed), (15, probed), (25, probed))) == 1


def test_it_can_begin_anew_after_its_end() -> None:
    told = lived((0, shut()), (10, WELL), (15, WELL), (20, shut()))

    assert [one.event for one in told] == ["list-stopped", "list-runs", "list-stopped"]


@pytest.mark.parametrize("cause", ["retry-after", "unproven"])
def test_what_is_often_well_by_itself_is_told_after_a_minute_only(cause: str) -> None:
    assert lived((0, shut(cause)), (59, shut(cause)), (60, WELL), (130, WELL)) == []
    assert [one.begins for one in lived((0, shut(cause)), (60, shut(cause)))] == [True]
    # Each short wait begins anew.
    assert lived((0, shut(cause)), (40, shut(cause)), (50, WELL), (55, shut(cause)), (100, shut(cause))) == []


def test_another_cause_is_told_once_for_its_cure_is_another() -> None:
    told = lived(
        (0, shut("breaker")),
        (5, shut("denied")),
        (6, shut("breaker")),
        (7, shut("denied")),
        (8, shut("retry-after")),
        (90, WELL),
        (160, WELL),
    )

    assert [(one.begins, one.cause) for one in told if one.is_news] == [(True, "breaker"), (True, "denied"), (False, "retry-after")]


def test_of_causes_in_turn_the_address_is_told_the_one_that_is_so() -> None:
    outbox, conditions = Outbox(), Conditions(SETTINGS)
    for at, cause in ((0, "denied"), (100, "breaker"), (200, "denied"), (300, "breaker"), (400, "denied")):
        for notice in lived((at, shut(cause)), conditions=conditions):
            outbox.put(notice)
        if (parcel := outbox.take(now=float(at))) is not None:
            outbox.arrived(parcel, now=float(at))

    assert len(outbox) == 0  # `denied` was told, and is so.


def test_causes_that_stay_are_handed_on_once() -> None:
    told = lived((0, shut("breaker")), (1, shut("denied")), (2, shut("breaker")), (3, shut("breaker")), (4, shut("breaker")))

    assert [(one.cause, one.is_news) for one in told] == [("breaker", True), ("denied", True), ("breaker", False)]


def test_a_list_that_is_left_out_and_taken_back() -> None:
    out = replace(WELL, lists=(ListStatus(vendor="v1", account="1", list="10", door="left-out", door_code="http-422", owed_users=7),))
    probed = replace(WELL, lists=(ListStatus(vendor="v1", account="1", list="10", door="probing", door_code="http-422"),))
    told = lived((0, out), (5, probed), (6, out), (9, WELL), (14, WELL))

    assert events(told) == [("list-stopped", "1/v1/10", "http-422"), ("list-runs", "1/v1/10", "http-422")]
    assert told[0].text == "List 10 of v1 refuses everybody (http-422) and is left out: 7 users wait"


def with_partition(**more: Any) -> Status:
    return replace(WELL, partitions=(PartitionStatus(**{"partition": 0, "position": 9, "end": 9, "committed": 5, **more}),))


def test_a_partition_that_commits_nothing_for_ten_minutes_stands_still_until_it_moves() -> None:
    told = lived(
        (0, with_partition()),
        (599, with_partition()),
        (600, with_partition()),
        (700, with_partition(committed=6)),
        (705, with_partition(committed=6)),
    )

    assert events(told) == [("partition-stalled", "0", "no-commit"), ("partition-moves", "0", "no-commit")]
    assert told[0].text == "Partition 0 has committed nothing for 10 min: 4 records behind"
    assert told[0].since == 1000.0


@pytest.mark.parametrize(
    "status",
    [
        with_partition(committed=9),
        # A burst goes on: what is open is younger than it may be.
        with_partition(oldest_open_at=1598.0),
        replace(with_partition(), users=UserCounts(causes=(CauseStatus(cause="held", users=1),))),
    ],
    ids=["nothing-behind", "burst", "held-by-a-gate"],
)
def test_a_partition_that_others_hold_back_is_not_told(status: Status) -> None:
    assert lived((0, status), (600, status)) == []


def test_records_that_come_after_hours_of_silence_are_not_late_at_once() -> None:
    assert lived((0, with_partition(committed=9)), (9000, with_partition(committed=9)), (9001, with_partition(committed=9, end=12))) == []


@pytest.mark.parametrize(("dirty", "cause"), [(10, "full"), (9, "left-out")])
def test_a_partition_that_is_paused_for_a_minute_is_told_with_its_cause(dirty: int, cause: str) -> None:
    paused = replace(with_partition(paused=True), users=UserCounts(dirty=dirty, limit=10))

    assert lived((0, paused), (59, paused), (60, WELL), (61, WELL)) == []
    assert events(lived((0, paused), (60, paused))) == [("partition-stalled", "0", cause)]


@pytest.mark.parametrize(
    ("status", "after_s", "event", "end"),
    [
        (replace(WELL, not_ready=(NOT_A_MEMBER,), partitions=()), 60, "not-a-member", "member-again"),
        (replace(WELL, group=GroupStatus(generation=1)), 60, "not-a-member", "member-again"),
        (replace(WELL, not_ready=(NOT_A_MEMBER, TOPIC_MISSING)), 0, "topic-missing", "topic-there"),
        (replace(WELL, dead_letters=LetterCounts(writable=False, waiting=3)), 0, "letters-not-writable", "letters-writable"),
        (replace(WELL, dead_letters=LetterCounts(readable=False)), 60, "letters-not-readable", "letters-readable"),
    ],
    ids=["member", "lease", "topic", "writing", "reading"],
)
def test_what_kafka_refuses_is_told_once_it_has_lasted(status: Status, after_s: float, event: str, end: str) -> None:
    assert lived((0, status), (after_s - 1, status)) == [] if after_s else True
    told = lived((0, status), (after_s, status), (after_s + 9, status), (100, WELL), (105, WELL))

    assert [one.event for one in told] == [event, end]


def parked(number: int, *, holds_first: bool = True) -> Status:
    status = replace(WELL, dead_letters=LetterCounts(open=9, need_person=number))
    return status if holds_first else replace(status, partitions=(PartitionStatus(partition=1),))


def test_letters_need_a_person_from_the_first_to_the_last_and_one_pod_sends_it() -> None:
    for holds_first in (True, False):
        told = lived(
            (0, WELL),
            (1, parked(1, holds_first=holds_first)),
            (2, parked(4, holds_first=holds_first)),
            (50, WELL),
            (79, WELL),
            (80, parked(0)),
        )

        assert events(told) == [("letters-need-a-person", "", "open"), ("no-letter-needs-a-person", "", "open")]
        assert [one.is_sent for one in told] == [holds_first, holds_first]
        assert told[0].text == "1 letter needs a person: what they hold is not tried again by itself"


def test_letters_that_need_a_person_are_sent_by_the_pod_that_comes_to_hold_partition_0() -> None:
    # Before it is given partitions, and where the pod that held partition 0 is gone.
    not_yet = replace(parked(2), partitions=())
    told = lived((0, not_yet), (1, parked(2, holds_first=False)), (2, parked(2)), (3, not_yet), (4, parked(2)), (10, WELL), (40, WELL))

    assert events(told) == [*[("letters-need-a-person", "", "open")] * 2, ("no-letter-needs-a-person", "", "open")]
    assert [(one.is_news, one.is_sent) for one in told] == [(True, False), (False, True), (True, True)]


def test_the_pod_that_sent_a_beginning_sends_its_end_though_partition_0_went() -> None:
    told = lived((0, parked(2)), (1, parked(2, holds_first=False)), (10, parked(0, holds_first=False)), (40, parked(0, holds_first=False)))

    assert [(one.begins, one.is_sent) for one in told] == [(True, True), (False, True)]


def test_letters_that_cannot_be_read_are_told_and_counted_and_hide_no_other() -> None:
    def status(need: int, unreadable: int) -> Status:
        return replace(WELL, dead_letters=LetterCounts(open=need, need_person=need, unreadable=unreadable))

    told = lived((0, WELL), (1, status(0, 8)), (2, status(15, 8)), (50, status(0, 8)), (81, status(0, 8)), (90, WELL), (121, WELL))

    assert [one.event for one in told] == [
        "letters-unreadable",
        "letters-need-a-person",
        "no-letter-needs-a-person",
        "no-letter-unreadable",
    ]
    assert told[0].text == "8 letters of records that can't be read need a person: nobody was resynced for them"
    assert told[1].text == (
        "23 letters need a person, 8 of them of records that can't be read: what they hold is not tried again by itself"
    )
    assert told[1].users == 23


def test_letters_that_nobody_has_counted_need_nobody() -> None:
    assert lived((0, replace(WELL, dead_letters=LetterCounts()))) == []


def test_a_pod_that_drains_says_nothing_and_forgets_nothing() -> None:
    conditions = Conditions(SETTINGS)
    lived((0, shut()), conditions=conditions)

    assert lived((10, replace(WELL, state="draining")), (99, replace(WELL, state="draining")), conditions=conditions) == []


def test_what_is_so_at_the_start_is_told_and_counted_and_what_is_over_is_not() -> None:
    conditions = Conditions(SETTINGS)

    assert len(lived((0, shut()), conditions=conditions)) == 1
    assert (conditions.standing, conditions.kinds) == (1, "gate")
    assert lived((0, WELL)) == []
