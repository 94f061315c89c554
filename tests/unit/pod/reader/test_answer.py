"""The answer to the editor's question, of every case."""
# ruff: noqa: E501 - a sentence stands as it is shown

from typing import Any, Final, Literal

import pytest
from msgspec.structs import replace

from consumer.core.model import Failure, GateCause, GateState
from consumer.pod.reader.answer import Listed, answered, clock, told
from consumer.pod.reader.facts import Explanation, HistoryEntry, OpenLetterStatus, OwedAccount
from consumer.pod.status.told.upstreams import points
from consumer.pod.status.told.words import KEY_CURE
from consumer.pod.status.tree import GateStatus
from tests.unit.pod.status.told.well import but

NOW: Final = 1_795_702_800.0
"""A moment of the wall clock."""
LISTS: Final = (
    Listed(account="1001", user_id="1001", list="1466", name="Morgenbrev"),
    Listed(account="2001", user_id="2001", list="2466"),
)


def one(state: Any = "clean", **said: Any) -> Explanation:
    return Explanation(vendor="v", user=said.pop("user", "ann"), state=state, why="", known_since=NOW - 3600, partition=3, **said)


def shut(cause: GateCause, *, closed_s: float = 0.0, next_try_s: float = 0.0, state: Literal["closed", "probing"] = "closed") -> GateState:
    return GateState(state=state, cause=cause, closed_s=closed_s, next_try_s=next_try_s, share=1.0, in_use=0)


def known(of: Explanation, lists: tuple[Listed, ...] = LISTS, **said: Any) -> tuple[Listed, ...]:
    """Return the lists with the times of the last write that the history has of each."""

    def last(what: str, one: Listed) -> float | None:
        return max((entry.at for entry in of.history if entry.what == what and one.list in entry.lists), default=None)

    return tuple(replace(each, written_at=last("written", each), kept_off_at=last("kept-off", each), **said) for each in lists)


def sentence(of: Explanation, gates: dict[str, GateState]) -> str:
    return answered(of, known(of), gates, now=NOW).sentence


def was(what: Any, *, ago_s: float = 60.0, **said: Any) -> HistoryEntry:
    return HistoryEntry(at=NOW - ago_s, what=what, **said)


AT = clock(NOW - 60, now=NOW)
OWED: Final = OwedAccount(account="1001", attempts=2, code="http-500", said="try later", next_try_s=3.0)
SESAMY: Final = OwedAccount(account="sesamy", attempts=1, code="absent", next_try_s=30.0)
LETTER: Final = OpenLetterStatus(place="3:17", account="1001", heals=False, code="http-422", lists="1466")


@pytest.mark.parametrize(
    ("of", "gates", "words"),
    [
        (one("unknown-vendor"), {}, "The settings don't know the vendor v: its events are passed over; see whether its id is right"),
        (one("elsewhere"), {}, "Another pod has this user (partition 3): ask there, with its --url, or ask with --online"),
        (one("not-ready"), {}, "This pod has no partitions yet: ask again in a minute, or ask with --online"),
        (one("paused"), {}, "Nothing is read of partition 3 for now, so an event of this user may wait there: see the status"),
        (one("waiting", due_s=2.0), {}, "Waits for the end of a burst: due in 2 s"),
        (one("due", due_s=0.0), {}, "Is due now, and waits for its turn"),
        (
            one("due"),
            {"sesamy": shut("unproven")},
            f"Sesamy has not answered yet whether it heeds which user is asked for, since {clock(NOW, now=NOW)}; it is tried again by itself",
        ),
        (one("running", since_s=3.0), {}, "Is being written, for 3 s"),
        (one("parking"), {}, "Is being written to the dead-letter topic"),
        (
            one("owed", owed=(OWED,)),
            {},
            'Not written to Morgenbrev: account 1001 failed 2 times (http-500, which said "try later"); it is tried again by itself in 3 s',
        ),
        (
            one("owed", owed=(OwedAccount(account="1001", code="register"),)),
            {},
            "Not written to Morgenbrev: it is read first which contacts left the lists of account 1001; it is written by itself once that is known",
        ),
        (
            one("owed", owed=(SESAMY,)),
            {},
            "Not written to Morgenbrev, list 2466: Sesamy does not know the user so far; it is tried again by itself in 30 s",
        ),
        (
            one("owed", owed=(OWED,)),
            {"1001": shut("denied", closed_s=60)},
            f"Not written to Morgenbrev: account 1001 refuses the key, since {AT}; {KEY_CURE}",
        ),
        (
            one("owed", owed=(SESAMY,)),
            {"sesamy": shut("denied", closed_s=60)},
            f"Not written to Morgenbrev, list 2466: Sesamy refuses the client, since {AT}; {KEY_CURE}",
        ),
        (
            one("owed", owed=(OWED,)),
            {"1001": shut("retry-after", closed_s=60, next_try_s=40)},
            f"Not written to Morgenbrev: account 1001 asked us to wait, since {AT}; it is tried again by itself in 40 s",
        ),
        (
            one("owed", owed=(OWED,)),
            {"1001": shut("breaker", closed_s=60, state="probing")},
            f"Not written to Morgenbrev: account 1001 failed for five users in a row, since {AT}; it is tried again by itself",
        ),
        (
            one("parked", letters=(LETTER,)),
            {},
            "Not written to Morgenbrev: parked for 1466 (http-422) at 3:17: `sesamy-makeas dead-letters requeue 3:17`",
        ),
        (
            one("parked", letters=(OpenLetterStatus(place="3:17", account="", heals=True, code="held"),)),
            {},
            "Not written to Morgenbrev, list 2466: parked for all accounts (held) at 3:17: it is tried again by itself",
        ),
        (
            one("parked", letters=(OpenLetterStatus(place="3:17", account="9", heals=False),)),
            {},
            "Parked for 9 at 3:17: `sesamy-makeas dead-letters requeue 3:17`",
        ),
        (one(history=(was("written", lists=("1466", "2466")),)), {}, f"Written {AT} to 2 of 2 lists, and nothing is owed"),
        (one(history=(was("written", lists=("1466",)),)), {}, f"Written {AT} to 1 of 2 lists, and nothing is owed"),
        (
            one(history=(was("kept-off", lists=("1466",)), was("written", lists=("2466",)))),
            {},
            f"Written {AT} to 1 of 2 lists, and nothing is owed; not on Morgenbrev, for the address has left it, and is not put back",
        ),
        (
            one(history=(was("would-write", lists=("1466",)),)),
            {},
            f"This pod is a dry run and writes nothing: its log says what it would have changed, {AT}",
        ),
        (
            one(history=(was("failed", code="held", account="1001"), was("would-park", code="held", account="1001", lists=("1466",)))),
            {},
            f"This pod is a dry run and parks nothing: it would be parked for account 1001 (held), {AT}",
        ),
        (
            one(history=(was("skipped", code="guest"),)),
            {},
            f"Not written {AT}: it is a guest, and guests are put on no list; let the reader make an account at Sesamy",
        ),
        (
            one(history=(was("skipped", code="no-email"),)),
            {},
            f"Not written {AT}: Sesamy has no usable e-mail address of it; let the reader enter an address at Sesamy",
        ),
        (
            one(history=(was("skipped", code="absent"),)),
            {},
            f"Not written {AT}: Sesamy knew no such user; see whether the id is right, and whether it is this vendor's",
        ),
        (
            one(history=(was("failed", code="http-500", account="1001"),)),
            {},
            f"The last run of {AT} failed (http-500), and nothing is owed on this pod any more: ask with --online",
        ),
        (
            one(user="guest|7"),
            {},
            "Not written: it is a guest, and guests are put on no list; let the reader make an account at Sesamy",
        ),
        (
            one("unknown"),
            {},
            f"Nothing known of this user on this pod since {clock(NOW - 3600, now=NOW)}: not an answer that it is synced; ask with --online",
        ),
    ],
)
def test_the_answer_is_a_sentence_that_says_what_to_do(of: Explanation, gates: dict[str, GateState], words: str) -> None:
    assert sentence(of, gates) == words


def test_a_dry_run_puts_nobody_into_a_letter_and_says_so() -> None:
    said = answered(one("parking"), LISTS, {}, now=NOW, is_dry=True)

    assert said.sentence == "Would be parked: this pod is a dry run and parks nothing"
    assert {(of.state, of.text) for of in said.lists} == {("waits", "would be parked: this pod is a dry run and parks nothing")}


def test_a_list_that_is_paused_is_said_though_the_others_are_well() -> None:
    paused = (Listed(account="1001", user_id="1001", list="1466", name="Morgenbrev", is_paused=True), LISTS[1])
    of = one(history=(was("written", lists=("2466",)),))
    said = answered(of, known(of, paused), {}, now=NOW)

    assert said.sentence == "Not written to Morgenbrev: the settings say that nothing is written for now; take `paused` out of the settings"
    assert [(of.state, of.written_at) for of in said.lists] == [("paused", None), ("well", NOW - 60)]


PAUSED: Final = (replace(LISTS[0], is_paused=True), LISTS[1])
WHY_PAUSED: Final = "Not written to Morgenbrev: the settings say that nothing is written for now; take `paused` out of the settings"


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (one("waiting", due_s=2.0), f"{WHY_PAUSED}; list 2466: waits for the end of a burst: due in 2 s"),
        (
            one(history=(was("kept-off", lists=("2466",)),)),
            f"{WHY_PAUSED}; Not on list 2466, for the address has left it, and is not put back",
        ),
        (
            one(history=(was("skipped", code="no-email"),)),
            f"Not written {AT}: Sesamy has no usable e-mail address of it; let the reader enter an address at Sesamy",
        ),
    ],
)
def test_a_paused_list_does_not_hide_what_keeps_the_reader_off_the_others(of: Explanation, words: str) -> None:
    assert answered(of, known(of, PAUSED), {}, now=NOW).sentence == words


def test_a_skipped_reader_with_a_letter_is_still_owed_to_a_paused_list() -> None:
    of = one("parked", letters=(replace(LETTER, heals=True, code="held"),), history=(was("skipped", code="no-email"),))

    assert [of.state for of in answered(of, known(of, PAUSED), {}, now=NOW).lists] == ["paused", "skipped"]


def test_each_list_has_its_own_state_and_its_own_last_write() -> None:
    of = one("owed", owed=(OWED,), history=(was("written", lists=("1466",), ago_s=900), was("written", lists=("2466",))))
    said = answered(of, known(of), {}, now=NOW)

    assert [(of.list, of.name, of.state, of.written_at) for of in said.lists] == [
        ("1466", "Morgenbrev", "owed", NOW - 900),
        ("2466", "", "well", NOW - 60),
    ]
    assert said.lists[1].text == f"written {AT}, and nothing is owed"


OUT: Final = ("the list is left out since 14:02 UTC", "mend it")


@pytest.mark.parametrize(
    ("of", "gates", "words"),
    [
        (one("owed", owed=(OWED,)), {}, OUT),
        (one("parked", letters=(replace(LETTER, heals=True, code="held"),)), {}, OUT),
        (one("parked", letters=(LETTER,)), {}, ("parked for 1466 (http-422) at 3:17", "`sesamy-makeas dead-letters requeue 3:17`")),
        (one("owed", owed=(SESAMY,)), {}, ("Sesamy does not know the user so far", "it is tried again by itself in 30 s")),
        (
            one("owed", owed=(OWED,)),
            {"1001": shut("denied", closed_s=60)},
            (f"account 1001 refuses the key, since {AT}", KEY_CURE),
        ),
    ],
)
def test_a_list_that_is_left_out_says_why_and_what_to_do_unless_more_than_the_list_is_in_trouble(
    of: Explanation, gates: dict[str, GateState], words: tuple[str, str]
) -> None:
    said = answered(of, (replace(LISTS[0], left_out=OUT),), gates, now=NOW)

    assert (said.lists[0].text, said.lists[0].cure) == words
    assert said.sentence.startswith(f"Not written to Morgenbrev: {words[0]}")
    assert said.sentence.endswith(words[1])


def test_of_two_times_of_the_next_try_the_later_one_is_told() -> None:
    gate = {"1001": shut("retry-after", closed_s=60, next_try_s=40)}

    assert sentence(one("owed", owed=(replace(OWED, next_try_s=90.0),)), gate).endswith("it is tried again by itself in 1 min 30 s")
    assert sentence(one("owed", owed=(replace(OWED, next_try_s=0.0),)), gate).endswith("it is tried again by itself in 40 s")


def test_no_attempt_is_not_called_a_failure() -> None:
    said = sentence(one("owed", owed=(replace(OWED, attempts=0),)), {})

    assert "account 1001 could not take it (http-500" in said
    assert "0 times" not in said


def test_a_letter_of_one_list_leaves_the_others_of_its_account_alone() -> None:
    lists = (LISTS[0], Listed(account="1001", user_id="1001", list="1467"))
    said = answered(one("parked", letters=(LETTER,)), lists, {}, now=NOW)

    assert [of.state for of in said.lists] == ["parked", "unknown"]


def test_a_time_of_another_day_has_its_date() -> None:
    assert clock(0.0, now=NOW) == "1970-01-01 00:00 UTC"
    assert AT.endswith(" UTC")
    assert len(AT) == len("14:02 UTC")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (was("event", code="contract.1#update"), "event contract.1#update"),
        (was("began"), "a run began"),
        (was("written", lists=("1466", "2466")), "written to 1466, 2466"),
        (was("failed", account="1001", code="http-500"), "failed at account 1001 (http-500)"),
        (was("failed", account="sesamy"), "failed at Sesamy (not tried)"),
        (was("skipped", code="guest"), "skipped (guest)"),
        (was("cut-off"), "the run was cut off"),
        (was("parked", code="http-422", account="1001", lists=("1466",)), "parked for account 1001 1466 (http-422)"),
        (was("parked", code="held"), "parked for all accounts (held)"),
        (was("healed", place="3:17"), "the letter at 3:17 is dealt with"),
    ],
)
def test_each_thing_that_is_remembered_is_one_line(entry: HistoryEntry, words: str) -> None:
    assert told(entry, now=NOW) == f"{AT}  {words}"


@pytest.mark.parametrize("cause", ["denied", "breaker", "absent", "filter", "unproven", "retry-after"])
@pytest.mark.parametrize("who", ["1001", "sesamy"])
@pytest.mark.parametrize("code", ["http-429", "http-500", ""])
def test_why_nothing_is_asked_is_said_in_the_words_of_the_status(cause: GateCause, who: str, code: str) -> None:
    gates = {who: shut(cause, closed_s=60)}
    owed = replace(OWED, account=who)
    explained = answered(one("owed", owed=(owed,)), LISTS[:1], gates, {who: code}, now=NOW).lists[0].text
    name = "sesamy:v" if who == "sesamy" else who
    status = but(
        upstreams=(GateStatus(name=name, kind="makeas", state="closed", cause=cause, closed_s=60),),
        recent_failures=(Failure(code=code, upstream=name, count=1, last_at=NOW),) if code else (),
    )
    told = next(points({"pod": status}, now=NOW)).text
    what = explained.partition(", since ")[0].removeprefix("account 1001 ").removeprefix("Sesamy ")

    assert told.endswith(f"{'Sesamy, for v,' if who == 'sesamy' else 'account 1001'} {what}")
    assert ("ask too often (http-429)" in what) == (cause == "breaker" and code == "http-429")
