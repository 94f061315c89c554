"""Which lists are left out of a write, by example; time is an argument."""

from collections.abc import Sequence

import pytest

from consumer.core.gates.gates import Gates
from consumer.core.gates.list_doors import ListDoors, ListState, Visit
from consumer.core.model import AccountId, Door, UserKey

A = AccountId("1")
LISTS = ("11", "12", "13")
OPEN = ListState()


def user(number: int) -> UserKey:
    return UserKey("v", f"u{number}")


class Bench:
    """The lists 11 to 13 of one account; 12 refuses whom the others take."""

    def __init__(self, *, heals: bool = True) -> None:
        self.doors = ListDoors(heals=heals)

    def enter(self, number: int = 0, *, now: float = 0.0, lists: Sequence[str] = LISTS) -> Visit:
        return self.doors.enter(user(number), A, lists, now=now)

    def end(self, visit: Visit, *refused: str, now: float = 0.0, code: str = "http-404") -> tuple[str, ...]:
        """End a write; what is not refused is taken. Return what says nothing of the user."""
        taken = [one for one in visit.lists if one not in refused]
        held = self.doors.learn(visit, taken=taken, refused=dict.fromkeys([one for one in refused if one in visit.lists], code), now=now)
        self.doors.leave(visit, now=now)
        return held

    def write(self, number: int, *refused: str, now: float = 0.0) -> tuple[str, ...]:
        return self.end(self.enter(number, now=now), *refused, now=now)

    def shut(self, *, now: float = 0.0) -> None:
        """Have list 12 refuse five."""
        assert [self.write(number, "12", now=now) for number in range(5)] == [()] * 4 + [("12",)]

    def state(self, *, now: float, one: str = "12") -> ListState:
        return self.doors.state(A, one, now=now)


def test_the_fifth_user_in_a_row_that_one_list_refuses_has_it_left_out() -> None:
    """Four of them are refused as users; of the fifth it says nothing."""
    bench = Bench()
    bench.shut()

    assert bench.enter(9, now=4.9).lists == ("11", "13")
    assert bench.state(now=2.0) == ListState(door="left-out", code="http-404", left_out_s=2.0, next_try_s=3.0)
    assert (bench.state(now=2.0, one="11"), bench.doors.state(AccountId("2"), "12", now=2.0)) == (OPEN, OPEN)


def test_one_user_however_often_and_a_row_that_somebody_breaks_leave_nothing_out() -> None:
    bench = Bench()
    for _ in range(20):
        assert bench.write(0, "12") == ()
    for number in range(40):
        assert bench.write(number, *["12"] * (number % 5 != 4)) == ()

    assert (bench.enter().lists, bench.state(now=0.0)) == (LISTS, OPEN)


def test_what_all_lists_refuse_says_nothing_of_one() -> None:
    bench = Bench()
    for number in range(20):
        assert bench.write(number, *LISTS) == ()

    assert bench.enter().lists == LISTS


def test_one_user_at_a_time_probes_after_five_seconds_and_then_doubling_to_sixty() -> None:
    bench = Bench()
    bench.shut()
    now, waits = 0.0, []
    for _ in range(6):
        wait_s = bench.state(now=now).next_try_s
        waits.append(wait_s)
        now += wait_s
        probe = bench.enter(20, now=now)
        assert (probe.lists, bench.enter(21, now=now).lists, bench.state(now=now).door) == (LISTS, ("11", "13"), "probing")
        assert bench.end(probe, "12", now=now) == ("12",)

    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_probe_that_the_list_takes_opens_it_and_the_next_outage_begins_anew() -> None:
    bench = Bench()
    bench.shut()
    bench.write(8, "12", now=5.0)
    assert bench.write(9, now=15.0) == ()
    assert bench.state(now=15.0) == OPEN

    bench.shut(now=20.0)
    assert bench.state(now=20.0).next_try_s == 5.0


def test_a_probe_that_leaves_without_a_verdict_makes_room_for_the_next() -> None:
    bench = Bench()
    bench.shut()
    bench.doors.leave(bench.enter(8, now=6.0), now=7.0)

    assert bench.enter(9, now=7.0).lists == LISTS


def test_who_began_before_it_shut_neither_opens_it_nor_is_refused_by_it() -> None:
    bench = Bench()
    early = [bench.enter(number) for number in (30, 31)]
    bench.shut()

    assert bench.end(early[0], now=1.0) == ()
    assert bench.end(early[1], "12", now=1.0) == ("12",)
    assert bench.state(now=1.0).next_try_s == 4.0


def test_never_are_all_lists_of_an_account_left_out() -> None:
    """Runs that go on side by side may shut one after the other: then it is the account, and whoever is taken opens."""
    bench = Bench()
    late = [bench.enter(number) for number in range(40, 45)]
    also = [bench.enter(number) for number in range(50, 55)]
    bench.shut()
    for visit in late:
        bench.end(visit, "11")
    for visit in also:
        bench.end(visit, "13")
    assert [bench.state(now=0.0, one=one).door for one in LISTS] == ["left-out"] * 3

    assert bench.write(60, "12", now=1.0) == ("12",)
    assert [bench.state(now=1.0, one=one).door for one in LISTS] == ["open", "left-out", "open"]


def test_an_accounts_only_list_is_asked_always() -> None:
    """Another vendor with the same key may have more."""
    bench = Bench()
    bench.shut()

    assert bench.enter(9, lists=("12",)).lists == ("12",)


@pytest.mark.parametrize(("lists", "door"), [((), Door.OPEN), (("11",), Door.OPEN), (("12",), Door.SHUT), (("12", "13"), Door.OPEN)])
def test_who_is_owed_some_lists_may_be_tried_as_the_most_open_of_them_says(lists: tuple[str, ...], door: Door) -> None:
    bench = Bench()
    bench.shut()
    assert bench.doors.door(A, lists, now=4.0) is door

    assert bench.doors.door(A, lists, now=5.0) is (Door.PROBE if door is Door.SHUT else door)


def test_in_doubt_is_only_what_nobody_has_been_put_on_since_the_start() -> None:
    bench = Bench()
    bench.write(0, "12")
    bench.doors.doubt(A, ["11", "12"], now=3.0)
    assert (bench.state(now=3.0, one="11"), bench.doors.door(A, ["12"], now=3.0)) == (OPEN, Door.PROBE)

    assert bench.write(1, "12", now=3.0) == ("12",)
    bench.doors.doubt(A, ["12"], now=4.0)
    assert bench.state(now=4.0).next_try_s == 9.0


def test_where_nothing_heals_nothing_is_left_out() -> None:
    """A process that parks nobody reports what each list says of each user."""
    bench = Bench(heals=False)
    for number in range(20):
        assert bench.write(number, "12") == ()
    bench.doors.doubt(A, ["13"], now=0.0)

    assert bench.enter().lists == LISTS


def test_who_has_no_users_any_more_knows_of_no_list() -> None:
    bench = Bench()
    bench.shut()
    probe = bench.enter(9, now=6.0)
    Gates({}, {}, bench.doors).forget()

    assert bench.state(now=6.0) == OPEN
    bench.doors.leave(probe, now=7.0)


# ---- What is paused ----


def test_a_paused_list_is_never_written_nor_probed_whatever_becomes_of_its_siblings() -> None:
    bench = Bench()
    bench.doors.pause(A, ["12"], now=3.0)
    for _ in range(2):
        assert bench.enter(now=1e6).lists == ("11", "13")
        assert bench.enter(now=1e6, lists=["11", "12"]).lists == ("11",), "the last that is left is written"
        assert bench.enter(now=1e6, lists=["12"]).lists == (), "not even where it is the only one"
        assert bench.doors.door(A, ["12"], now=1e6) is Door.SHUT
        assert bench.state(now=5.0) == ListState(door="left-out", code="paused", left_out_s=2.0, next_try_s=0.0)
        bench.doors.doubt(A, ["12"], now=1e6)
        bench.doors.forget()


@pytest.mark.parametrize("heals", [True, False])
def test_beside_paused_lists_what_refuses_every_user_is_left_out_but_for_probes_where_that_heals(heals: bool) -> None:
    """Nothing is sent to what is paused, nor is the account at fault: the next probe shows when the other is good."""
    bench = Bench(heals=heals)
    bench.doors.pause(A, ["11", "13"], now=0.0)
    for number in range(5):
        visit = bench.enter(number, now=0.0)
        assert visit.lists == ("12",)
        bench.doors.learn(visit, taken=[], refused={"12": "http-422"}, now=0.0)

    assert bench.enter(9, now=1.0).lists == (() if heals else ("12",))
    assert bench.doors.door(A, [], now=1.0, of=["11", "12", "13"]) is (Door.SHUT if heals else Door.OPEN)
    assert bench.enter(9, now=5.0).lists == ("12",)


def test_what_is_named_is_paused_only_where_all_of_it_is() -> None:
    bench = Bench()
    bench.doors.pause(A, ["11", "12"], now=0.0)

    asked: tuple[list[str], ...] = ([], ["11"], ["11", "12"], ["11", "13"])
    assert [bench.doors.are_paused(A, lists) for lists in asked] == [False, True, True, False]
    assert not bench.doors.are_paused(AccountId("2"), ["11"])
