"""Which due user comes next."""

from math import inf

import pytest

from consumer.core.model import AccountId, Door, UserKey
from consumer.core.users.lanes import Lanes, Rank
from tests.fakes.doors import Doors
from tests.fakes.schedule import ANN, BOB, CID, DAN, DONE, EVE, HELD, PAID, RETRY, A, B, Bench, letter_of


class Vendors:
    """Lanes of vendors named by letters, each with an account of its own, whose runs begin and end by number."""

    def __init__(self, names: str, *, concurrency: int) -> None:
        self.accounts = {name: (AccountId(f"account {name}"),) for name in names}
        self.lanes, self.doors = Lanes(self.accounts, concurrency=concurrency), Doors()
        self.number = 0

    def due(self, vendor: str, users: int = 100) -> None:
        for _ in range(users):
            self.number += 1
            self.lanes.put(UserKey(vendor, f"u{self.number}"), self.accounts[vendor], rank=Rank.ROUTINE, due_at=self.number)

    def begin(self) -> str:
        """Begin all runs that may; return the vendors in order."""
        begun = ""
        while (chosen := self.lanes.choose(self.doors, lambda *_: -inf, now=0)) is not None:
            key, accounts = chosen
            self.lanes.remove(key, accounts)
            self.lanes.take_worker(key.vendor)
            begun += key.vendor
        return begun

    def end(self, vendor: str) -> str:
        """End a run of the vendor; return the vendors of those that begin instead."""
        self.lanes.free_worker(vendor)
        return self.begin()


def test_vendors_take_turns() -> None:
    bench = Bench(concurrency=4)
    for user in (ANN, BOB, CID, DAN):
        bench.event(user, 0)
    bench.event(EVE, 1)
    assert [bench.take(3).user.vendor for _ in range(4)] == ["v", "w", "v", "v"]
    assert bench.idle(3)


def test_among_equals_the_vendor_that_was_served_longest_ago_goes_first() -> None:
    vendors = Vendors("vwx", concurrency=1)
    for name in "vwx":
        vendors.due(name)
    assert vendors.begin() == "v"
    assert "".join(vendors.end(vendor) for vendor in "vwxvw") == "wxvwx"


@pytest.mark.parametrize(
    ("names", "concurrency", "most"),
    [
        ("v", 1, 1),
        ("v", 8, 8),
        ("vw", 1, 1),
        ("vw", 2, 1),
        ("vw", 4, 3),
        ("vw", 8, 7),
        ("vw", 15, 14),
        ("vw", 32, 28),
        ("vwx", 32, 28),
    ],
)
def test_a_busy_vendor_uses_all_but_an_eighth_where_the_others_are_idle(names: str, concurrency: int, most: int) -> None:
    vendors = Vendors(names, concurrency=concurrency)
    vendors.due("v")
    assert vendors.begin() == "v" * most
    assert vendors.end("v") == "v"


def test_users_of_another_vendor_begin_at_once_in_what_is_kept_for_them() -> None:
    vendors = Vendors("vw", concurrency=32)
    vendors.due("v")
    vendors.begin()
    vendors.due("w", 3)
    assert vendors.begin() == "www"
    assert [vendors.end("w") for _ in range(3)] == ["", "", ""]
    vendors.due("w", 4)
    assert vendors.begin() == "wwww"


def test_what_a_busy_vendor_holds_beyond_its_part_comes_back_run_by_run() -> None:
    vendors = Vendors("vw", concurrency=8)
    vendors.due("v")
    assert vendors.begin() == "vvvvvvv"
    vendors.due("w")
    assert vendors.begin() == "w"
    assert [vendors.end("v") for _ in range(3)] == ["w", "w", "w"]
    assert [vendors.end(vendor) for vendor in "vwwv"] == ["v", "w", "w", "v"]


def test_a_vendor_above_its_part_waits_for_no_more_than_are_due() -> None:
    vendors = Vendors("vw", concurrency=8)
    vendors.due("v")
    vendors.begin()
    vendors.due("w", 2)
    assert vendors.begin() == "w"
    assert [vendors.end("v") for _ in range(2)] == ["w", "v"]


@pytest.mark.parametrize(("concurrency", "parts"), [(3, (1, 1, 1)), (12, (4, 4, 4)), (32, (11, 11, 10))])
def test_vendors_that_are_busy_at_once_have_equal_parts_and_leave_nothing_free(concurrency: int, parts: tuple[int, ...]) -> None:
    vendors = Vendors("vwx", concurrency=concurrency)
    for name in "vwx":
        vendors.due(name)
    begun = vendors.begin()
    assert tuple(begun.count(name) for name in "vwx") == parts


def test_a_vendor_whose_gate_is_shut_keeps_nobody_down_and_is_first_when_it_opens() -> None:
    vendors = Vendors("vw", concurrency=32)
    vendors.due("w", 6)
    vendors.doors.states["w"] = Door.SHUT
    vendors.due("v")
    assert vendors.begin() == "v" * 28
    assert vendors.end("v") == "v"
    del vendors.doors.states["w"]
    assert vendors.begin() == "wwww"
    assert [vendors.end("v") for _ in range(3)] == ["w", "w", "v"]


def test_a_vendor_whose_only_account_is_shut_keeps_nobody_down() -> None:
    vendors = Vendors("vw", concurrency=8)
    vendors.due("w")
    vendors.doors.states["account w"] = Door.SHUT
    vendors.due("v")
    assert vendors.begin() == "v" * 7


def test_a_vendor_is_told_of_a_due_user_that_finds_its_door_shut_and_has_an_account_to_enter() -> None:
    vendors = Vendors("v", concurrency=8)
    vendors.doors.states["v"] = Door.SHUT
    assert (vendors.begin(), vendors.doors.wanted) == ("", [])
    vendors.due("v", 2)
    assert (vendors.begin(), vendors.doors.wanted) == ("", [("v", False)])
    vendors.lanes.put(UserKey("v", "paid"), vendors.accounts["v"], rank=Rank.URGENT, due_at=9)
    assert (vendors.begin(), vendors.doors.wanted[1:]) == ("", [("v", True)])
    vendors.doors.states["account v"] = Door.SHUT
    assert (vendors.begin(), vendors.doors.wanted[2:]) == ("", [])


@pytest.mark.parametrize("upstream", ["w", "account w"])
def test_a_probe_does_not_wait_for_a_busy_vendor(upstream: str) -> None:
    vendors = Vendors("vw", concurrency=2)
    vendors.due("v")
    vendors.begin()
    vendors.due("w", 1)
    vendors.doors.states[upstream] = Door.PROBE
    assert vendors.begin() == "w"


def test_a_vendor_whose_users_hang_leaves_an_eighth_to_the_others() -> None:
    vendors = Vendors("vw", concurrency=32)
    vendors.due("v")
    vendors.begin()
    vendors.due("w")
    assert vendors.begin() == "wwww"
    assert [vendors.end("w") for _ in range(40)] == ["w"] * 40


def test_of_eight_workers_the_last_is_kept_from_two_vendors_that_hang() -> None:
    vendors = Vendors("vwx", concurrency=32)
    vendors.due("v")
    vendors.begin()
    vendors.due("w")
    assert vendors.begin() == "www"
    vendors.due("x")
    assert vendors.begin() == "x"
    assert [vendors.end("x") for _ in range(5)] == ["x"] * 5


def test_of_fewer_than_eight_workers_the_last_is_kept_from_one_vendor_alone() -> None:
    """To let one of four rest for ever would cost more than to wait, now and then, for the end of a run."""
    vendors = Vendors("vwx", concurrency=4)
    vendors.due("v")
    vendors.due("w")
    assert vendors.begin() == "vwvw"
    vendors.due("x")
    assert (vendors.begin(), vendors.end("v")) == ("", "x")


def test_who_has_just_paid_comes_first_but_every_fourth_is_the_longest_due(bench: Bench) -> None:
    bench.event(ANN, 0)
    for number in range(6):
        bench.event(UserKey("v", f"paid{number}"), 1 + number / 10, type_=PAID)
    assert [bench.take(5).user.user for _ in range(5)] == ["paid0", "paid1", "paid2", "ann", "paid3"]


def test_every_eighth_is_the_longest_due_of_all_also_where_only_a_letter_asks(bench: Bench) -> None:
    """A vendor at its rate always has somebody due; who is held in a letter must not wait for its quiet hour."""
    bench.event(ANN, 0)
    bench.schedule.reopen(letter_of(DAN), now=1.0)
    for number in range(20):
        bench.event(UserKey("v", f"paid{number}"), 1 + number / 10, type_=PAID)
    bench.schedule.reopen(letter_of(CID), now=1.0)
    taken = [bench.take(5).user.user for _ in range(16)]

    assert [place for place, user in enumerate(taken, 1) if not user.startswith("paid")] == [4, 8, 16]
    assert [taken[3], taken[7], taken[15]] == ["ann", "dan", "cid"]


def test_every_eighth_is_no_letter_where_an_event_is_due_for_longer(bench: Bench) -> None:
    for number in range(20):
        bench.event(UserKey("v", f"u{number}"), number / 10)
    bench.schedule.reopen(letter_of(DAN), now=2.95)
    taken = [bench.take(4).user.user for _ in range(16)]

    assert taken == [*(f"u{number}" for number in range(10)), *(f"u{number}" for number in range(10, 15)), "dan"]


def test_where_only_letters_ask_they_come_in_order(bench: Bench) -> None:
    for number in range(9):
        bench.schedule.reopen(letter_of(UserKey("v", f"u{number}")), now=number)
    assert [bench.take(20).user.user for _ in range(9)] == [f"u{number}" for number in range(9)]


def test_a_probe_is_who_was_never_tried_then_who_was_tried_longest_ago(bench: Bench) -> None:
    for user in (ANN, BOB, CID):
        bench.event(user, 0)
    for user, at in ((ANN, 3.0), (BOB, 2.5)):
        job = bench.take(2)
        assert job.user == user
        bench.end(job, at, a=DONE, b=HELD)
    bench.doors.states[B] = Door.PROBE
    bench.doors.states[A] = Door.SHUT
    probes = []
    for at in (4.0, 5.0, 6.0):
        job = bench.take(at)
        probes.append(job.user)
        bench.end(job, at, b=HELD)
    assert probes == [CID, BOB, ANN]


def test_a_vendors_probe_is_one_user(bench: Bench) -> None:
    bench.doors.states["v"] = Door.PROBE
    bench.event(ANN, 0)
    assert bench.take(2).accounts == (A, B)


def test_a_retry_goes_before_those_that_became_due_after_it(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(BOB, 0.5)
    bench.end(job, 2.1, a=RETRY, uniform=0.5)
    bench.doors.states = {"v": Door.SHUT}
    assert bench.idle(9)
    bench.doors.states = {}
    assert [bench.take(9).user for _ in range(2)] == [ANN, BOB]


def test_a_vendor_is_probed_by_who_owes_to_an_account_that_wants_a_probe_too(bench: Bench) -> None:
    """Else the two gates would keep each other shut, though a third is open."""
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=RETRY)
    bench.doors.states = {"v": Door.PROBE, A: Door.PROBE, B: Door.OPEN}
    assert bench.take(60).accounts == (A,)


def test_a_run_that_ends_makes_room_for_its_vendor() -> None:
    bench = Bench(concurrency=2)
    for user in (ANN, BOB, EVE):
        bench.event(user, 0)
    job = bench.take(2)
    assert (job.user, bench.take(2).user, bench.idle(2)) == (ANN, EVE, True)
    bench.end(job, 3)
    assert bench.take(3).user == BOB


def test_who_became_due_before_the_first_of_a_line_goes_before_him(bench: Bench) -> None:
    """ANN has waited longer than all, though she joins the line of those who owe to B alone last."""
    bench.event(ANN, 0)
    bench.event(BOB, 1)
    bench.doors.states = {"v": Door.SHUT}
    assert bench.idle(5)
    bench.doors.states = {B: Door.SHUT}
    jobs = [bench.take(5), bench.take(5)]
    for job in reversed(jobs):
        bench.end(job, 6)
    bench.doors.states = {}
    assert [bench.take(7).user for _ in range(2)] == [ANN, BOB]
