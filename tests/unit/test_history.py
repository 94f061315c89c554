"""The referee sees each promise broken, and finds nothing in a history where all held."""

from pathlib import Path

import pytest
from msgspec import structs

from tests.history.checker import check
from tests.history.invariants import EVERY
from tests.history.operations import (
    Bounded,
    Called,
    Closed,
    Committed,
    Fetched,
    Finished,
    Healed,
    Leaked,
    Left,
    Looked,
    Operation,
    Outcome,
    Owned,
    Parked,
    Place,
    Proved,
    Rate,
    Said,
    Sent,
    Stopping,
    Town,
    Turned,
    Wrote,
    read,
    write,
)

ANN, BOB, GUEST = "v|ann", "v|bob", "v|guest|1"
TOWN = Town(
    places=(Place("v", "1", ("11", "12")), Place("v", "2", ("21",))),
    skipped=frozenset({GUEST}),
    hopeless=frozenset({("2", BOB)}),
    parks_only_hopeless=True,
    rates={"1": Rate(2.0, 6.0)},
    converge_s=60.0,
    stop_s=10.0,
    touched=frozenset({"2"}),
    calm_s=3.0,
)


def written(
    at: float, user: str, version: int, account: str, lists: tuple[str, ...], *, pod: str = "a", began_at: float = 0
) -> list[Operation]:
    """Return one whole write."""
    began_at = began_at or at - 0.3
    return [
        Looked(at=began_at + 0.1, pod=pod, account=account, user=user, began_at=began_at),
        Called(at=began_at + 0.1, pod=pod, upstream=account, op="upsert", user=user),
        *(
            Wrote(
                at=at,
                pod=pod,
                account=account,
                user=user,
                part=part,
                version=version,
                began_at=began_at + 0.1,
                lists=lists if part == "contact" else (),
            )
            for part in ("contact", "products", "subscriptions")
        ),
    ]


def history() -> list[Operation]:
    """Return a history in which all promises hold."""
    return [
        Owned(at=0, pod="a", partitions=(0,)),
        Proved(at=0, pod="a", vendor="v", heeds=True),
        Sent(at=1, partition=0, offset=5, user=ANN, version=1),
        Sent(at=1, partition=0, offset=6),
        Sent(at=1, partition=0, offset=7, user=GUEST, version=1),
        Parked(at=1.5, letter=0, source=(0, 6), code="not-json"),
        Fetched(at=2, pod="a", user=ANN, version=1),
        *written(3, ANN, 1, "1", ("11", "12")),
        *written(3, ANN, 1, "2", ("21",)),
        Committed(at=4, partition=0, offset=8, before=5),
        Sent(at=5, partition=0, offset=8, user=BOB, version=1),
        *written(6, BOB, 1, "1", ("11", "12")),
        Parked(at=7, letter=1, user=BOB, account="2", lists=("21",), code="http-422", source=(0, 8), version=1),
        Committed(at=8, partition=0, offset=9, before=8),
        Turned(at=9, pod="a", upstream="1", until=10),
        Left(at=11, account="1", user=ANN),
        Sent(at=12, partition=0, offset=9, user=ANN, version=2),
        *written(13, ANN, 2, "1", ()),
        *written(13, ANN, 2, "2", ("21",)),
        Parked(at=13.5, letter=2, user=ANN, account="2", code="held", source=(0, 9), version=2),
        Closed(at=14, letter=2),
        Bounded(at=15, pod="a", name="runs", value=4, limit=4),
        Said(at=15, pod="a", name="lag", value=0, truth=0),
        Committed(at=16, partition=0, offset=10, before=9),
        Healed(at=17),
        Stopping(at=18, pod="a"),
        Outcome(at=19, pod="a", status=0),
        Finished(at=20),
    ]


def test_a_history_in_which_all_promises_hold_has_no_violation() -> None:
    assert check(TOWN, history()) == []


def after(at: float, *ops: Operation) -> list[Operation]:
    """Return that history with more in it, from a time on."""
    before = [op for op in history() if op.at <= at]
    return [*before, *ops, *(op for op in history() if op.at > at)]


def without(*kinds: type[Operation]) -> list[Operation]:
    return [op for op in history() if not isinstance(op, kinds)]


BROKEN = {
    "nothing lost: committed, and not written to one account": [
        op for op in history() if not (isinstance(op, Wrote) and op.account == "2" and op.at == 3)
    ],
    "nothing lost: committed, and not written to one list": [
        Wrote(**{name: getattr(op, name) for name in op.__struct_fields__} | {"lists": ("11",)})
        if isinstance(op, Wrote) and op.lists == ("11", "12") and op.at == 3
        else op
        for op in history()
    ],
    "nothing lost: committed, and only half of it written": [
        op for op in history() if not (isinstance(op, Wrote) and op.part == "subscriptions" and op.at == 3)
    ],
    "nothing lost: committed, and written before it came": after(
        14.5, Sent(at=14.6, partition=0, offset=10, user=ANN, version=3), Committed(at=14.7, partition=0, offset=11, before=10)
    ),
    "nothing lost: committed, and nobody parked what nobody can read": [
        op for op in history() if not (isinstance(op, Parked) and op.letter == 0)
    ],
    "nothing lost: parked before the event came": after(
        9,
        Sent(at=9.1, partition=0, offset=20, user=BOB, version=2),
        *written(9.5, BOB, 2, "1", ("11", "12")),
        Committed(at=9.6, partition=0, offset=21, before=20),
    ),
    "nothing lost: a letter closed that is not done": after(8, Closed(at=8.1, letter=1)),
    "nothing lost: a letter closed that is none": after(8, Closed(at=8.1, letter=0)),
    "nothing lost: a letter replaced by one that asks for less": after(
        8, Parked(at=8.1, letter=9, user=BOB, account="1", code="http-422", source=(0, 8), replaces=(1,), version=1)
    ),
    "all agrees in the end: never written": list(after(14, Sent(at=14.1, partition=0, offset=10, user=BOB, version=2))),
    "all agrees in the end: never parked": list(after(14, Sent(at=14.1, partition=0, offset=10))),
    "all agrees in the end: parked unread, and it can be read": after(14, Parked(at=14.1, letter=9, source=(0, 5), code="not-json")),
    "all agrees in the end: parked, and nobody sent it": after(14, Parked(at=14.1, letter=9, source=(3, 5), code="not-json")),
    "all agrees in the end: parked, and nothing was wrong": after(
        14,
        Sent(at=14.1, partition=0, offset=10, user=ANN, version=3),
        Parked(at=14.2, letter=9, user=ANN, code="http-500", source=(0, 10), version=3),
    ),
    "all agrees in the end: no end": without(Finished),
    "trouble stays where it is: an untouched account waits": after(
        9, Sent(at=9.1, partition=0, offset=20, user=BOB, version=2), *written(16.5, BOB, 2, "1", ("11", "12"))
    ),
    "nothing grows without bound: too many": after(14, Bounded(at=14.1, pod="a", name="runs", value=5, limit=4)),
    "no older state over a newer one: older over newer": after(13, *written(13.4, ANN, 1, "1", ())),
    "no older state over a newer one: two at once": after(13, *written(13.2, ANN, 2, "1", (), pod="b", began_at=12.6)),
    "no older state over a newer one: twice at once in one pod": after(13, *written(13.1, ANN, 2, "1", (), began_at=12.6)),
    "no older state over a newer one: another's partition": after(9, Owned(at=9.1, pod="b", partitions=(0,))),
    "consent kept: put back on a list": after(13, *written(13.4, ANN, 2, "1", ("11",))),
    "nothing personal said: a name in a log": after(14, Leaked(at=14.1, where="a log")),
    "it goes on: too late": [*history()[:-1], Finished(at=78)],
    "it goes on: hangs": [*history()[:-1], Finished(at=20, waits_for="the end")],
    "nobody pressed: within the Retry-After": after(9, Called(at=9.5, pod="a", upstream="1", op="contact", user=ANN)),
    "nobody pressed: too often": after(14, *(Called(at=14.1 + number / 10, pod="a", upstream="1", op="contact") for number in range(9))),
    "nobody pressed: a vendor that may give others' rows": after(
        9, Proved(at=9, pod="b", vendor="v", heeds=True), Proved(at=9, pod="a", vendor="v", heeds=False)
    ),
    "it stops in order: a bad status": [Outcome(at=19, pod="a", status=75) if isinstance(op, Outcome) else op for op in history()],
    "it stops in order: too slow": [Stopping(at=5, pod="a") if isinstance(op, Stopping) else op for op in history()],
    "it stops in order: never": without(Outcome),
    "it stops in order: a call after the end": after(19, Called(at=19.5, pod="a", upstream="2")),
    "what it says is so: a lag that is none": after(14, Said(at=14.1, pod="a", name="lag", value=1, truth=0)),
    "held ones heal: held, and still open": without(Closed),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_promise_that_is_broken_is_found_by_its_name(case: str) -> None:
    found = check(TOWN, sorted(BROKEN[case], key=lambda op: op.at))

    assert case.partition(":")[0] in {one.invariant for one in found}, [str(one) for one in found]


def test_there_is_a_broken_history_for_every_promise() -> None:
    names = [one.name for one in EVERY]

    assert len({*names}) == 12 == len(names)
    assert {case.partition(":")[0] for case in BROKEN} == {*names}


def test_nothing_is_asked_of_the_end_of_a_history_that_goes_on() -> None:
    assert check(TOWN, without(Finished, Outcome), is_whole=False) == []


def test_who_came_back_need_not_be_put_on_a_list_before_its_next_event() -> None:
    back = after(14, Left(at=14.1, account="1", user=ANN, back=True))
    assert check(TOWN, back) == []

    again = after(
        14,
        Left(at=14.1, account="1", user=ANN, back=True),
        Sent(at=14.2, partition=0, offset=10, user=ANN, version=3),
        *written(14.9, ANN, 3, "1", ()),
        *written(14.9, ANN, 3, "2", ("21",)),
    )
    assert {"all agrees in the end"} == {one.invariant for one in check(TOWN, again)}


def test_a_contact_that_is_found_on_its_list_as_it_is_to_be_need_not_be_put_there_once_more() -> None:
    def found(version: int, lists: tuple[str, ...]) -> list[Operation]:
        event = Sent(at=14.1, partition=0, offset=10, user=BOB, version=2)
        look = Looked(at=15, pod="a", account="1", user=BOB, began_at=14.9, version=version, lists=lists)
        return after(14, event, *written(14.9, BOB, 2, "1", ("11",)), look, Committed(at=15.5, partition=0, offset=11, before=10))

    def lacks_list(history: list[Operation]) -> bool:
        return any("1/12" in one.text for one in check(TOWN, history))

    assert not lacks_list(found(2, ("11", "12")))
    assert lacks_list(found(1, ("11", "12")))
    assert lacks_list(found(2, ("11",)))


def test_a_history_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "history.jsonl", TOWN, history())

    assert read(tmp_path / "history.jsonl") == (TOWN, history())


def test_a_command_outside_the_group_may_write_late_what_it_makes_good_itself() -> None:
    late = after(13, Proved(at=13, pod="replay", vendor="v", heeds=True), *written(13.4, ANN, 1, "1", (), pod="replay"))

    assert {"nothing lost", "all agrees in the end", "no older state over a newer one"} == {one.invariant for one in check(TOWN, late)}
    assert check(structs.replace(TOWN, outside=frozenset({"replay"})), late) == []
