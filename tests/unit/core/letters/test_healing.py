"""Which parked users are tried again, by whom, and when a letter is done; and who follows the topic tells what ends nothing."""

from typing import Any

import pytest
from msgspec import structs

from consumer.core.events import encode
from consumer.core.letters.record import parse
from consumer.core.model import AccountId, Door, Event, Letter, Place, Result, Verdict
from consumer.core.partitioner import partition_of, usual_key
from tests.fakes.letters import ACCOUNTS, HELD, REFUSED, A, B, Pod, user


def a_letter(account: AccountId | None, lists: tuple[str, ...] = (), number: int = 0) -> Letter:
    return Letter(
        code="http-422", stage="makeas", partition=1, offset=40, user=user(number), type="contract.1#update", account=account, lists=lists
    )


# ---- Who tries which ----


def test_what_waits_to_be_tried_says_where_it_would_be_written() -> None:
    """Nobody is let in to an account before it is known who left its lists, and that is read for whoever would be written there."""
    pod = Pod(owned=(1,))
    pod.doors.states = {"1": Door.SHUT, "2": Door.SHUT}
    assert pod.due_by_account() == []
    pod.letter(0)
    pod.letter(1, code="http-422", account="2")
    assert pod.offered() == []
    assert pod.due_by_account() == [("v1", A)]

    pod.letter(2, account=None)
    assert pod.offered() == []
    assert {*pod.due_by_account()} == {("v1", A), ("v1", B)}
    pod.owned = [0, 2, 3]
    assert pod.due_by_account() == []


def test_a_held_letter_is_tried_any_other_once_asked_for() -> None:
    pod = Pod()
    pod.letter(0)
    other = pod.letter(1, code="http-422")

    assert pod.offered() == [user(0)]
    pod.mark(other, "requeue")
    assert pod.offered() == [user(0), user(1)]


def test_two_pods_never_try_one_letter_and_no_letter_is_left_when_partitions_are_added() -> None:
    """Each letter has one owner, whatever it says of its source, before and after; and after, it is whoever has the user's events."""
    sources: list[Any] = [{"source_partition": str(one), "source_partitions": said} for one in range(4) for said in ("4", "", "3")]
    sources += [{"source_partition": "-1"}, {"source_partition": "x"}, {"source_partition": "9"}]
    first, second = Pod([0, 1]), Pod([2, 3])
    for number, source in enumerate(sources):
        for pod in (first, second):
            pod.letter(number, **source)
    everybody = sorted(map(user, range(len(sources))))
    assert sorted(first.offered() + second.offered()) == everybody

    for pod, owned in ((first, [0, 1, 2]), (second, [3, 4, 5, 6])):
        pod.schedule.set_aside([], now=1.0)
        pod.owned, pod.of_topic = owned, 7
        pod.healing.interrupted()
    mine = {pod: pod.offered() for pod in (first, second)}
    assert sorted(mine[first] + mine[second]) == everybody
    for number, source in enumerate(sources):
        if source.get("source_partitions") == "4":
            assert (user(number) in mine[first]) == (partition_of(usual_key(user(number)), 7) in first.owned)


def test_nobody_is_tried_where_it_is_not_known_whose_it_is() -> None:
    pod = Pod(of_topic=0)
    pod.letter()
    assert pod.offered() == []

    pod.of_topic = 4
    assert pod.offered() == [user()]


def test_a_letter_of_what_the_settings_do_not_know_waits_for_nobody() -> None:
    pod = Pod()
    place = pod.letter(account="77")

    assert (pod.offered(), pod.healing.unknown_accounts, pod.waiting()) == ([], 1, [])
    pod.mark(place, "done")
    assert len(pod.healing.book) == 0


def test_a_letter_that_fails_again_keeps_its_source_and_its_key() -> None:
    """Else another pod would take it, beside the owner of the user's events."""
    pod = Pod()
    value = encode(Event(user(), "contract.1#update"))
    said = {"error.code": "held", "source.partition": "2", "source.offset": "41", "source.partitions": "3", "makeas.account": "1"}
    pod.owned = [partition_of(b"another", 4)]
    pod.tell(parse([(name, text.encode()) for name, text in said.items()], value, b"another", timestamp_ms=0, now=0.0))
    assert pod.offered() == [user()]
    _, ended = pod.run(a1=REFUSED)

    (letter,) = ended.letters
    assert (letter.partition, letter.offset, letter.partitions, letter.key) == (2, 41, 3, b"another")


# ---- Gates ----


def test_at_most_fifty_letters_of_one_upstream_are_in_the_schedule_and_one_where_its_gate_wants_a_probe() -> None:
    pod = Pod()
    for number in range(120):
        pod.letter(number)
        pod.letter(1000 + number, account="2", makeas_lists="20")
    pod.doors.states["1"] = Door.PROBE
    found = pod.offered()
    assert [sum(one.user >= "u1000" and len(one.user) == 5 for one in found), len(found)] == [50, 51]
    assert pod.offered() == found

    pod.doors.states["1"] = Door.OPEN
    assert len(pod.offered()) == 100
    for _ in range(100):
        pod.run()
    pod.healing.interrupted()  # `done` may not have been written.
    assert len(pod.offered()) == 100


def test_no_letter_is_tried_before_a_shut_gate() -> None:
    pod = Pod()
    pod.letter(0)
    pod.letter(1, account=None)
    pod.doors.states = {"1": Door.SHUT}
    assert pod.offered() == [user(1)]
    pod = Pod()
    pod.letter(0, account=None)
    pod.doors.states = {"1": Door.SHUT, "2": Door.SHUT}
    assert pod.offered() == []
    pod.doors.states = {"v1": Door.SHUT}
    assert pod.offered() == []
    pod.doors.states = {}
    assert pod.offered() == [user()]


def test_a_letter_whose_user_was_let_go_is_tried_again_and_no_probe_twice_before_all_others() -> None:
    """Its gate held it too long: the letter is open still."""
    pod = Pod()
    for number in range(3):
        pod.letter(number)
    pod.doors.states["1"] = Door.PROBE
    tried = []
    for at in range(3):
        pod.offered(now=10.0 * at)
        job, _ = pod.run(now=10.0 * at + 1, a1=HELD)
        tried.append(job.user)
        pod.schedule.set_aside([], now=10.0 * at + 2)
        pod.offered(now=10.0 * at + 3)
        pod.schedule.set_aside([], now=10.0 * at + 4)

    assert sorted(set(tried)) == [user(0), user(1), user(2)]


def test_who_is_let_go_takes_the_time_of_its_last_try_along() -> None:
    """Else one reader whom the list refuses would be every probe."""
    pod = Pod()
    for number in range(2):
        pod.letter(number)
    tried = []
    for at in (1.0, 11.0):
        pod.offered(now=at)
        pod.doors.states["1"] = Door.PROBE
        tried.append(pod.run(now=at + 1, a1=HELD)[0].user)
        pod.schedule.set_aside([], now=at + 2)
        pod.doors.states["1"] = Door.OPEN

    assert tried == [user(0), user(1)]


# ---- Lists that are left out ----

TWO_LISTS = {"v1": (structs.replace(ACCOUNTS["v1"][0], lists=("10", "11")), ACCOUNTS["v1"][1])}


def test_a_letter_about_a_list_that_is_left_out_waits_for_its_probe_alone() -> None:
    """Else it would be resynced in a circle, each time for a letter more."""
    pod = Pod(accounts=TWO_LISTS)
    pod.hears("11", taken=["10"], times=5)
    for number in range(3):
        pod.letter(number, makeas_lists="11")
    pod.letter(9, makeas_lists="10,11")
    assert [pod.offered(now=at) for at in (1.0, 4.9)] == [[user(9)]] * 2

    assert pod.offered(now=5.0) == [user(0), user(9)]
    pod.hears("11", taken=["10"], now=5.0)
    assert pod.offered(now=14.9) == [user(0), user(9)]
    pod.hears("", taken=["10", "11"], now=15.0)
    assert pod.offered(now=15.0) == [user(0), user(1), user(2), user(9)]


def test_a_letter_about_several_lists_is_tried_once_one_of_them_may_be() -> None:
    pod = Pod(accounts={"v1": (structs.replace(ACCOUNTS["v1"][0], lists=("10", "11", "12")), ACCOUNTS["v1"][1])})
    pod.hears("11", taken=["10", "12"], times=5)
    pod.letter(0, makeas_lists="11,12", code="http-422", state="x")
    pod.letter(1, makeas_lists="11")
    pod.mark(Place(0, 0), "requeue")

    assert pod.offered(now=1.0) == [user(0)]


def test_of_held_letters_about_a_list_that_nobody_has_tried_since_the_start_one_is_its_probe() -> None:
    """Else the first of them would be refused as its user's own, and wait for a human after each restart."""
    pod = Pod(accounts=TWO_LISTS)
    for number in range(3):
        pod.letter(number, makeas_lists="11")
    assert pod.offered(now=1.0) == [user(0)]
    assert pod.doors.lists.state(A, "11", now=1.0).door == "left-out"

    pod.hears("11", taken=["10"], now=1.0)
    assert pod.doors.lists.state(A, "11", now=1.0).next_try_s == 10.0
    pod.hears("", taken=["10", "11"], now=11.0)
    assert len(pod.offered(now=11.0)) == 3


def test_who_an_operator_asks_for_puts_no_list_in_doubt() -> None:
    pod = Pod(accounts=TWO_LISTS)
    pod.mark(pod.letter(code="http-422", makeas_lists="11"), "requeue")

    assert pod.offered() == [user()]
    assert pod.doors.lists.state(A, "11", now=1.0).door == "open"


def test_what_is_owed_to_some_lists_waits_for_those_alone() -> None:
    pod = Pod(accounts=TWO_LISTS)
    pod.letter(0, makeas_lists="11")
    pod.letter(1, makeas_lists="11,10")
    pod.letter(2, makeas_lists="77")
    pod.letter(3, account=None)
    pod.offers(now=1.0)
    pod.schedule.set_aside([], now=1.0)

    assert {one.parked_ms: 0 for one in pod.waiting()}.keys() == {1795507200000}
    assert sorted((one.accounts, one.lists) for one in pod.waiting()) == [((A,), ()), ((A,), ()), ((A,), ("11",)), ((A, B), ())]


def test_no_letter_is_tried_whose_lists_are_all_paused_though_the_account_is_open_for_another_vendor() -> None:
    """Else it would be resynced in a circle, each time for a letter more."""
    pod = Pod(accounts=TWO_LISTS)
    pod.doors.lists.pause(A, ["10", "11"], now=0.0)
    pod.letter(0, makeas_lists="10,11")
    pod.letter(1)
    pod.letter(2, account=None)
    assert pod.offered(now=1.0) == [user(2)]

    alone = Pod(accounts={"v1": TWO_LISTS["v1"][:1]})
    alone.doors.lists.pause(A, ["10", "11"], now=0.0)
    alone.letter(account=None)
    assert alone.offered(now=1.0) == []


def test_a_letter_about_all_lists_waits_where_some_are_paused_and_the_others_left_out() -> None:
    pod = Pod(accounts=TWO_LISTS)
    pod.hears("11", taken=["10"], times=5)
    pod.doors.lists.pause(A, ["10"], now=0.0)
    pod.letter(0, makeas_lists="10,11")
    pod.letter(1)
    assert pod.offered(now=4.9) == []
    assert pod.offered(now=5.0) == [user(0)]


# ---- Done ----


def test_a_letter_is_done_by_runs_that_began_after_it_was_read() -> None:
    """An older one may have fetched what was before it: what was parked would be lost."""
    pod = Pod()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    place = pod.letter(now=3.0)
    pod.run(now=2.0)
    assert pod.done == []

    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 51, since_ms=0, now=3.0)
    pod.run(now=4.0)
    assert [one.place for one in pod.done] == [place]
    assert [one.origin for one in pod.done] == [pod.healing.book[place].origin]


def test_a_letter_for_all_accounts_may_be_done_by_several_runs_and_is_not_offered_while_it_is_closed() -> None:
    pod = Pod()
    place = pod.letter(account=None)
    pod.offered()
    pod.run(a1=REFUSED)
    assert pod.done == []
    pod.schedule.parked(user(), now=3.0)
    pod.offered(now=3.0)
    pod.run(now=4.0)
    assert [one.place for one in pod.done] == [place]

    assert pod.offered(now=5.0) == []
    assert pod.waiting() == []
    pod.mark(place, "done")
    assert (pod.offered(now=6.0), len(pod.healing.book)) == ([], 0)


def test_a_letter_done_by_an_events_run_is_not_tried_while_it_is_closed() -> None:
    pod = Pod()
    pod.doors.states["1"] = Door.SHUT
    place = pod.letter()
    pod.offered()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    pod.doors.states["1"] = Door.OPEN
    pod.run()

    assert ([one.place for one in pod.done], pod.offered(now=3.0)) == ([place], [])
    pod.healing.interrupted()
    assert pod.offered(now=4.0) == []


def test_a_letter_whose_replacement_went_with_a_rebalance_is_tried_again() -> None:
    """The newer one may never be written."""
    pod = Pod()
    pod.letter()
    pod.offered()
    _, ended = pod.run(a1=REFUSED)
    pod.healing.replaced(ended.letters)
    pod.schedule.parked(user(), now=3.0)
    assert pod.offered(now=3.0) == []

    pod.healing.interrupted()
    assert pod.offered(now=4.0) == [user()]


def test_a_letter_that_waits_is_not_tried_while_a_newer_one_takes_its_place() -> None:
    pod = Pod()
    pod.doors.states["1"] = Door.SHUT
    pod.letter()
    pod.offered()
    pod.doors.states["1"] = Door.OPEN
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    _, ended = pod.run(a1=REFUSED)
    pod.healing.replaced(ended.letters)
    pod.schedule.parked(user(), now=3.0)

    assert pod.offered(now=3.0) == []


@pytest.mark.parametrize(("verdict", "is_done"), [(Verdict.SKIPPED, True), (Verdict.RETRY, False)])
def test_who_is_skipped_is_owed_nothing(verdict: Verdict, is_done: bool) -> None:
    pod = Pod()
    pod.letter()
    pod.offered()
    pod.run(sesamy=Result(verdict))

    assert bool(pod.done) == is_done


# ---- What a newer letter replaces ----


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ("1", [A], True),
        ("1", [B], False),
        ("1", [None], True),
        (None, [A], False),
        (None, [A, B], True),
        (None, [None], True),
    ],
)
def test_a_letter_takes_the_place_of_those_that_ask_for_no_more(old: str | None, new: list[AccountId | None], replaces: bool) -> None:
    pod = Pod()
    place = pod.letter(account=old)

    assert [one.place for one in pod.healing.replaced([a_letter(one) for one in new])] == [place] * replaces


@pytest.mark.parametrize(("old", "replaces"), [("10", True), ("10,12", False), ("", False)])
def test_a_letter_about_some_lists_takes_the_place_of_those_that_name_no_other(old: str, replaces: bool) -> None:
    pod = Pod()
    place = pod.letter(makeas_lists=old)

    assert [one.place for one in pod.healing.replaced([a_letter(A, ("10", "11"))])] == [place] * replaces


@pytest.mark.parametrize(("read_at", "replaces"), [(0.0, True), (3.0, False)])
def test_of_an_account_whose_other_lists_a_run_wrote_the_letter_about_some_takes_the_place(read_at: float, replaces: bool) -> None:
    """Where that run began after the older letter was read. Else it would be tried in a circle."""
    pod = Pod()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    place = pod.letter(makeas_lists="10,11", now=read_at)
    _, ended = pod.run(a1=Result(Verdict.REFUSED, "held", lists={"11": "held"}))

    assert [(one.code, one.account, one.lists) for one in ended.letters] == [("held", A, ("11",))]
    assert [one.place for one in pod.healing.replaced(ended.letters)] == [place] * replaces


def test_a_letter_about_some_lists_is_done_with_its_account() -> None:
    pod = Pod()
    place = pod.letter(makeas_lists="11")
    pod.offered()
    pod.run()

    assert [one.place for one in pod.done] == [place]


# ---- What is kept ----


def test_nothing_is_kept_of_what_is_closed_forgotten_or_out_of_the_topic() -> None:
    pod = Pod()
    places = [pod.letter(number, account=None) for number in range(60)]
    pod.owned = [0]
    pod.offered()
    pod.owned = [1]
    pod.offered()
    for _ in range(10):
        pod.run(now=3.0)
    for place in places[:20]:
        pod.mark(place, "done")
    pod.healing.forget_before(0, 30)
    pod.healing.forget(0)

    healing = pod.healing
    kept = [len(one) for one in (healing.book, healing._taken, healing._progress, healing._closing, healing._unsorted)]
    assert kept + [len(queue) for by_home in healing._waiting.values() for queue in by_home.values()] == [0] * 6
    assert (+healing._taken_of, pod.offered(now=9.0) != [], pod.waiting()) == ({}, True, [])


def test_a_round_looks_at_no_letter_that_is_not_ours() -> None:
    pod = Pod([0])
    for number in range(2000):
        pod.letter(number)
    assert pod.offered() == []
    pod.healing.book = None  # type: ignore[assignment]  # To look is to fail.

    assert pod.offered() == []
