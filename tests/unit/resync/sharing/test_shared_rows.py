"""Rows of several readers in one call: who rides, who is cut off, and who is at fault."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final

import anyio
import pytest

from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable, Torn
from consumer.core.gates.gate import Gate
from consumer.core.model import UserKey
from consumer.resync.course import Course
from consumer.resync.make_reader import Limit
from consumer.resync.sharing.rider import Rider
from consumer.resync.sharing.shared_rows import MAX_ROWS, SharedRows
from consumer.resync.waits import Waits
from tests.clock import virtual

TAKES_S: Final = 1.0
CONNECTED_S: Final = 0.25
"""After so long a call has its connection, and is sent."""
NO: Final = Refused("no", code="http-422")
LATER: Final = Retryable("500", code="http-500")
FOREIGN: Final = Forbidden("403", code="http-403")


class Lane:
    """One account's shared rows, before an API that takes a second for each call."""

    def __init__(self, *, rate: float = 1000.0, burst: float = 1000.0) -> None:
        self.gate = Gate(rate_per_s=rate, burst=burst, run_calls=4, tries=8)
        self.source = Gate(rate_per_s=1.0, burst=9, run_calls=3)
        self.waits, self.lease_s = Waits(), inf
        self.calls: list[tuple[str, list[Any]]] = []
        """Those that were begun."""
        self.limits_s: list[float] = []
        self.cut = 0
        self.then: Callable[[], object] = lambda: None
        """What happens as the next call ends."""
        self.bad: dict[Any, Exception] = {}
        """Rows that no call is taken with."""
        self.shares = True
        """Whether it takes rows of several readers."""
        self.fails: list[Exception | None] = []
        """What the next calls are answered, whatever is in them."""
        self.on_answer: Callable[[], object] = lambda: None
        """Called in the turn in which a call is answered."""
        self.retried: list[str] = []
        self.riders = self.taken_apart = 0
        self.shared = SharedRows(self._send, upstream="1", told=self._ride, again=self.retried.append, taken_apart=self._apart)

    def _ride(self, readers: int) -> None:
        self.riders += readers

    def _apart(self) -> None:
        self.taken_apart += 1

    async def _send(self, op: str, rows: Sequence[object], limit_s: Limit) -> None:
        self.limits_s.append(limit_s())
        self.calls.append((op, list(rows)))
        try:
            await anyio.sleep(CONNECTED_S)
            limit_s()
            await anyio.sleep(TAKES_S - CONNECTED_S)
        except anyio.get_cancelled_exc_class():
            self.cut += 1
            raise
        self.on_answer()
        if self.fails and (error := self.fails.pop(0)) is not None:
            raise error
        if len(rows) > 1 and not self.shares:
            raise NO
        for row in rows:
            if row in self.bad:
                raise self.bad[row]

    def rider(self, name: str, *, fetched_s: float = 0.0) -> Rider:
        """Return a run whose snapshot was begun so long ago."""
        user, now = UserKey("v", name), anyio.current_time()
        self.gate.enter(user, now=now)
        course = Course(self.waits, lambda: self.lease_s, self.source, now - fetched_s)
        return Rider(user, self.gate, course, is_probe=False, again_s=0.25, step_aside=lambda: self.gate.step_aside(user))

    async def write(self, name: str, *rows: Any, op: str = "products", rider: Rider | None = None) -> ConsumerError | None:
        """Write the rows of one reader (its name, where none is given); return why it failed."""
        try:
            await self.shared.write(op, {str(row): row for row in rows or (name,)}, rider or self.rider(name))
        except ConsumerError as error:
            return error
        return None

    async def note(self, codes: dict[str, ConsumerError | None], name: str, fetched_s: float) -> None:
        """Write the rows of one reader whose snapshot was begun so long ago, and note why it failed; None: it did not."""
        codes[name] = await self.write(name, rider=self.rider(name, fetched_s=fetched_s))

    async def all(self, names: Collection[str], **more: Any) -> dict[str, str]:
        """Write for all at once; return the codes of those that failed."""
        failed: dict[str, str] = {}

        async def write(name: str) -> None:
            if (error := await self.write(name, **more)) is not None:
                failed[name] = error.code

        await gathered(*(partial(write, name) for name in names))
        return failed


async def gathered(*jobs: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(job)


def names(count: int) -> list[str]:
    return [f"r{number:03}" for number in range(count)]


# ---- Going together ----


@virtual
async def test_nobody_waits_when_no_call_is_in_flight() -> None:
    lane = Lane()
    assert await lane.write("ann", "a1", "a2") is None
    assert (lane.calls, anyio.current_time()) == ([("products", ["a1", "a2"])], TAKES_S)


@virtual
async def test_what_comes_while_a_call_is_in_flight_goes_with_the_next_each_row_once() -> None:
    lane = Lane()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        await anyio.sleep(0.1)
        for name in ("bo", "cat", "dan"):
            tasks.start_soon(lane.write, name, name, "p")
        await anyio.sleep(TAKES_S)
        tasks.start_soon(lane.write, "eve")
    assert [rows for _, rows in lane.calls] == [["ann"], ["bo", "p", "cat", "dan"], ["eve"]]
    assert anyio.current_time() == 3 * TAKES_S, "one call at a time"
    assert lane.riders == 5


@virtual
async def test_a_call_has_one_kind_of_rows_and_the_kind_that_waits_longest_is_next() -> None:
    lane = Lane()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        for name, op in (("bo", "subscriptions"), ("cat", "products"), ("dan", "subscriptions")):
            await anyio.sleep(0.1)
            tasks.start_soon(partial(lane.write, name, op=op))
    assert lane.calls == [("products", ["ann"]), ("subscriptions", ["bo", "dan"]), ("products", ["cat"])]


@virtual
async def test_no_call_has_more_than_a_thousand_rows() -> None:
    lane = Lane()
    lane.fails = [None]
    assert await lane.all(names(MAX_ROWS + 200)) == {}
    assert [len(rows) for _, rows in lane.calls] == [1, MAX_ROWS, 199] or [len(rows) for _, rows in lane.calls] == [MAX_ROWS, 200]
    assert lane.shared.goes_alone("products", UserKey("v", "x"), dict.fromkeys(names(MAX_ROWS + 1)), is_probe=False)
    assert not lane.shared.goes_alone("products", UserKey("v", "x"), dict.fromkeys(names(MAX_ROWS)), is_probe=False)
    assert lane.shared.goes_alone("products", UserKey("v", "x"), {"a": 1}, is_probe=True)


@virtual
async def test_each_call_takes_a_permit_of_its_own_and_what_comes_while_it_waits_rides_with_the_next() -> None:
    lane = Lane(rate=0.1, burst=4)
    assert [await lane.write(f"r{number}") for number in range(4)] == [None] * 4
    began = anyio.current_time()
    assert await lane.all(["ann", "bo"]) == {}
    assert [rows for _, rows in lane.calls[4:]] == [["ann", "bo"]]
    assert anyio.current_time() - began == pytest.approx(10.0 - 4 * TAKES_S + TAKES_S)


# ---- Each reader's own promises ----


@virtual
async def test_a_call_lasts_no_longer_than_each_rider_may_write() -> None:
    lane = Lane()
    lane.lease_s = 7.5
    await lane.all(["ann", "bo"])
    assert lane.limits_s == [7.5]


@virtual
async def test_without_a_lease_nothing_is_sent_and_nobody_has_failed() -> None:
    lane = Lane()
    lane.lease_s = 0.0
    assert await lane.all(["ann", "bo"]) == {"ann": "lease", "bo": "lease"}
    assert (lane.calls, len(lane.shared._alone)) == ([], 0)
    assert lane.gate.pace.wait_s(1000, now=anyio.current_time()) == 0.0, "the permit went back"


@virtual
async def test_who_can_not_wait_for_the_call_in_flight_goes_back_owed_and_the_others_go() -> None:
    lane = Lane()
    codes: dict[str, ConsumerError | None] = {}
    write = partial(lane.note, codes)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "ann", 0.0)
        await anyio.sleep(0.1)
        tasks.start_soon(write, "old", 29.5)
        tasks.start_soon(write, "bo", 0.0)
    assert [rows for _, rows in lane.calls] == [["ann"], ["bo"]]
    assert (codes["ann"], codes["bo"]) == (None, None)
    assert isinstance(codes["old"], Held), "no attempt is burnt"
    assert codes["old"].code == "snapshot-old"
    assert list(lane.shared._alone._places) == [(UserKey("v", "old"), "products")], "nor does it wait in vain for ever"


@virtual
async def test_who_may_not_go_when_the_connection_is_there_is_left_behind_and_the_others_go_without() -> None:
    lane = Lane()
    codes: dict[str, ConsumerError | None] = {}
    write = partial(lane.note, codes)

    await gathered(partial(write, "old", 29.9), partial(write, "ann", 0.0))
    assert [rows for _, rows in lane.calls] == [["old", "ann"], ["ann"]]
    assert isinstance(codes["old"], Held)
    assert codes["ann"] is None


@virtual
async def test_a_run_that_is_cut_off_takes_its_waiting_rows_along() -> None:
    lane = Lane()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        await anyio.sleep(0.1)
        with anyio.move_on_after(0.5):
            await lane.write("bo")
        tasks.start_soon(lane.write, "cat")
    assert [rows for _, rows in lane.calls] == [["ann"], ["cat"]]


@virtual
async def test_a_run_that_is_cut_off_does_not_cut_the_others_call() -> None:
    lane = Lane()
    codes: list[ConsumerError | None] = []

    async def write(name: str) -> None:
        codes.append(await lane.write(name))

    async def cut() -> None:
        with anyio.move_on_after(0.5):
            await lane.write("ann")

    await gathered(cut, partial(write, "bo"))
    assert (lane.cut, codes, anyio.current_time()) == (0, [None], TAKES_S)


@virtual
async def test_a_call_ends_with_the_last_run_that_rides_in_it_and_the_next_goes() -> None:
    lane = Lane()
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.5):
            await lane.all(["ann", "bo"])
        tasks.start_soon(lane.write, "cat")
    assert lane.cut == 1
    assert [rows for _, rows in lane.calls] == [["ann", "bo"], ["cat"]]
    assert anyio.current_time() == 0.5 + TAKES_S


@virtual
async def test_a_run_that_is_cut_off_in_the_very_turn_in_which_the_call_before_it_ends_stops_nobody_behind_it() -> None:
    for turns in range(4):
        lane = Lane()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.write, "ann")
            await anyio.sleep(0.1)
            waits = asyncio.ensure_future(lane.write("bo"))
            lane.on_answer = partial(after_turns, turns, waits.cancel)
        with suppress(asyncio.CancelledError):
            await waits
        lane.on_answer = int
        with anyio.fail_after(10):
            assert await lane.write("cat") is None
        assert [rows for _, rows in lane.calls if rows != ["bo"]] == [["ann"], ["cat"]]


def after_turns(turns: int, do: Callable[[], object]) -> None:
    """Do something so many turns of the loop later."""
    if turns:
        asyncio.get_running_loop().call_soon(after_turns, turns - 1, do)
    else:
        do()


@virtual
async def test_a_state_that_is_torn_in_a_call_ends_each_run_that_rides_waits_or_comes() -> None:
    lane = Lane()
    lane.fails = [LATER]
    met: list[str] = []

    def fail(*_: object, **__: object) -> None:
        raise KeyError("ours")

    lane.gate.warned = fail  # type: ignore[method-assign]

    async def write(name: str) -> None:
        try:
            await lane.write(name)
        except Torn:
            met.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "rides")
        await anyio.sleep(0.1)
        tasks.start_soon(write, "waits")
    await write("comes")
    assert met == ["rides", "waits", "comes"]


@virtual
async def test_a_bug_before_anybody_rides_fails_those_that_wait_and_turns_in_no_circle() -> None:
    lane = Lane(rate=0.1, burst=4)
    lane.gate.pace.reserve(4, now=anyio.current_time())

    async def fail(_wait_s: float) -> bool:
        raise KeyError("ours")

    lane.waits.sleep = fail  # type: ignore[method-assign,assignment]
    with anyio.fail_after(10):
        assert await lane.all(["ann", "bo"]) == {"ann": "bug", "bo": "bug"}


@virtual
async def test_rows_of_a_run_that_was_cut_off_are_not_sent_again() -> None:
    lane = Lane()
    lane.fails = [LATER]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "bo")
        with anyio.move_on_after(0.5):
            await lane.write("ann")
    assert [sorted(rows) for _, rows in lane.calls] == [["ann", "bo"], ["bo"]]


@virtual
async def test_while_we_stop_only_those_that_have_begun_wait_for_a_permit() -> None:
    lane = Lane(rate=0.1, burst=4)
    lane.gate.pace.reserve(4, now=anyio.current_time())
    begun, codes = lane.rider("begun"), dict[str, str]()
    begun.course.begun = True

    async def write(name: str, rider: Rider) -> None:
        if (error := await lane.write(name, rider=rider)) is not None:
            codes[name] = error.code

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "new", lane.rider("new"))
        tasks.start_soon(write, "begun", begun)
        await anyio.sleep(0.1)
        lane.waits.end()
    assert codes == {"new": "stopping"}
    assert [rows for _, rows in lane.calls] == [["begun"]]


@virtual
async def test_where_nobody_has_begun_a_stop_ends_the_wait_and_the_permit_goes_back() -> None:
    lane = Lane(rate=0.1, burst=4)
    lane.gate.pace.reserve(4, now=anyio.current_time())
    before = lane.gate.pace.wait_s(1, now=anyio.current_time())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.all, ["ann", "bo"])
        await anyio.sleep(0.0001)
        lane.waits.end()
    assert not lane.calls
    assert anyio.current_time() == pytest.approx(0.0, abs=0.01)
    assert lane.gate.pace.wait_s(1, now=anyio.current_time()) == pytest.approx(before, abs=0.01)


@virtual
async def test_a_stop_does_not_throw_out_who_waits_for_nothing_but_the_call_in_flight() -> None:
    lane = Lane()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        await anyio.sleep(0.1)
        for name in names(300):
            tasks.start_soon(lane.write, name)
        await anyio.sleep(0.1)
        lane.waits.end()
    assert [len(rows) for _, rows in lane.calls] == [1, 300]


# ---- What is refused ----


@virtual
async def test_of_a_refused_call_the_bad_reader_alone_fails_and_all_others_are_taken() -> None:
    for bad in (NO, Refused("rows", code="rows"), FOREIGN, KeyError("ours")):
        lane = Lane()
        lane.bad = {"r033": bad}
        assert await lane.all(names(64)) == {"r033": getattr(bad, "code", "bug")}
        assert (lane.taken_apart, len(lane.calls) <= 1 + 12) == (1, True)
        assert lane.gate.admits(UserKey("v", "r000"), now=anyio.current_time())


@virtual
async def test_who_was_refused_goes_alone_until_it_is_taken() -> None:
    lane = Lane()
    lane.bad = {"ann": NO}
    await lane.all(["ann", "bo"])
    ann = UserKey("v", "ann")
    assert lane.shared.goes_alone("products", ann, {"a": 1}, is_probe=False)
    assert not lane.shared.goes_alone("subscriptions", ann, {"a": 1}, is_probe=False)
    assert not lane.shared.goes_alone("products", UserKey("v", "bo"), {"a": 1}, is_probe=False)
    lane.shared.went_alone("products", ann)
    assert not lane.shared.goes_alone("products", ann, {"a": 1}, is_probe=False)


@virtual
async def test_no_more_than_a_thousand_are_remembered() -> None:
    lane = Lane()
    lane.fails = [LATER, LATER]
    await lane.all(names(1000))
    lane.fails = [LATER, LATER]
    await lane.all([f"x{name}" for name in names(1000)])
    assert len(lane.shared._alone) == 1024


@virtual
async def test_one_that_rides_alone_and_is_refused_is_not_asked_again() -> None:
    lane = Lane()
    lane.bad = {"ann": NO}
    assert await lane.all(["ann"]) == {"ann": "http-422"}
    assert (len(lane.calls), lane.taken_apart) == (1, 0)


@virtual
async def test_where_of_five_none_is_taken_the_gate_shuts_and_nobody_is_refused() -> None:
    lane = Lane()
    lane.bad = dict.fromkeys(names(8), NO)
    assert await lane.all(names(8)) == dict.fromkeys(names(8), "gate")
    state = lane.gate.state(now=anyio.current_time())
    assert (state.state, state.cause) == ("closed", "breaker")


@virtual
async def test_of_four_each_is_refused_by_itself() -> None:
    lane = Lane()
    lane.bad = dict.fromkeys(names(4), NO)
    assert await lane.all(names(4)) == dict.fromkeys(names(4), "http-422")
    assert lane.gate.state(now=anyio.current_time()).state == "open"


@virtual
async def test_where_all_are_forbidden_it_is_for_the_gate_to_say_whether_that_is_the_key() -> None:
    lane = Lane()
    lane.bad = dict.fromkeys(names(8), FOREIGN)
    failed = await lane.all(names(8))
    assert list(failed.values()).count("http-403") == 5
    assert set(failed.values()) <= {"http-403", "apart"}


@virtual
async def test_no_more_than_twenty_calls_are_made_of_one_that_is_refused_and_the_rest_goes_back_owed() -> None:
    lane = Lane()
    lane.bad = {f"r{number:03}": NO for number in range(0, 500, 25)}
    failed = await lane.all(names(500))
    assert len(lane.calls) == 1 + 20
    refused = {name for name, code in failed.items() if code == "http-422"}
    assert refused
    assert refused <= lane.bad.keys()
    assert {code for name, code in failed.items() if name not in refused} == {"apart"}


@virtual
async def test_taking_apart_ends_with_the_age_of_the_snapshots() -> None:
    lane = Lane()
    lane.bad = {"r063": NO}
    failed: dict[str, str] = {}

    async def write(name: str) -> None:
        if (error := await lane.write(name, rider=lane.rider(name, fetched_s=27.5))) is not None:
            failed[name] = error.code

    await gathered(*(partial(write, name) for name in names(64)))
    assert len(lane.calls) == 3, "the whole, the first half, and the half of the second"
    assert set(failed.values()) == {"snapshot-old"}
    assert len(lane.shared._alone) == 0


@virtual
async def test_an_account_that_takes_no_rows_of_several_readers_is_not_asked_to_for_long() -> None:
    """Nobody here could call the API: if it is so, each reader is written, and two calls are wasted."""
    lane = Lane()
    lane.shares = False
    for _ in range(2):
        assert await lane.all(names(8)) == {}
    assert lane.taken_apart == 2
    assert lane.shared.goes_alone("products", UserKey("v", "new"), {"a": 1}, is_probe=False)
    assert lane.shared.goes_alone("subscriptions", UserKey("v", "new"), {"a": 1}, is_probe=False)
    await anyio.sleep(600)
    assert not lane.shared.goes_alone("products", UserKey("v", "new"), {"a": 1}, is_probe=False)


# ---- What fails in passing ----


@virtual
async def test_what_fails_in_passing_is_sent_once_more_with_a_permit_of_its_own() -> None:
    lane = Lane()
    lane.fails = [LATER]
    assert await lane.all(["ann", "bo"]) == {}
    assert [sorted(rows) for _, rows in lane.calls] == [["ann", "bo"]] * 2
    assert (lane.retried, anyio.current_time()) == (["http-500"], 2 * TAKES_S + 0.25)
    assert len(lane.shared._alone) == 0


@virtual
async def test_who_rode_in_a_call_that_failed_twice_goes_alone_so_that_one_costs_the_others_nothing_for_long() -> None:
    lane = Lane()
    lane.fails = [LATER, LATER]
    assert await lane.all(["ann", "bo"]) == {"ann": "http-500", "bo": "http-500"}
    for name in ("ann", "bo"):
        assert lane.shared.goes_alone("products", UserKey("v", name), {"a": 1}, is_probe=False)


@virtual
async def test_there_is_no_second_try_in_the_run_of_what_was_tried_twice() -> None:
    lane = Lane()
    lane.fails = [LATER, LATER]
    error = await lane.write("ann")
    assert error is not None
    assert error.is_final
    assert not LATER.is_final or error is LATER


@virtual
async def test_what_asks_all_to_wait_is_not_sent_again_and_what_waits_behind_it_goes_nowhere() -> None:
    for error in (Retryable("429", code="http-429", retry_after_s=30.0), Denied("401", code="http-401")):
        lane = Lane()
        lane.fails = [error]
        assert await behind(lane) == [["ann"]]


@virtual
async def test_what_asks_one_to_wait_is_not_sent_again_and_what_waits_behind_it_goes() -> None:
    lane = Lane()
    lane.fails = [Retryable("x", code="x", delay_s=5.0)]
    assert await behind(lane) == [["ann"], ["bo"]]


async def behind(lane: Lane) -> list[list[Any]]:
    """Let one wait behind another's call; return what was sent."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        await anyio.sleep(0.1)
        tasks.start_soon(lane.write, "bo")
    return [rows for _, rows in lane.calls]


@virtual
async def test_a_failure_while_it_is_taken_apart_is_of_those_that_were_sent_and_the_rest_goes_back_owed() -> None:
    lane = Lane()
    lane.fails = [NO, None, LATER]
    failed = await lane.all(names(4))
    assert failed == {"r002": "http-500", "r003": "http-500"}
    lane = Lane()
    lane.fails = [NO, LATER]
    assert await lane.all(names(4)) == {"r000": "http-500", "r001": "http-500", "r002": "apart", "r003": "apart"}


@virtual
async def test_who_was_in_the_part_that_failed_in_passing_goes_alone_so_that_nobody_pays_twice_for_the_one_that_brings_it_about() -> None:
    lane = Lane()
    lane.fails = [NO, LATER]
    await lane.all(names(4))
    assert [user.user for user, _ in lane.shared._alone._places] == ["r000", "r001"]


# ---- Where permits are short ----


@virtual
async def test_where_permits_are_short_a_call_lets_those_go_first_that_they_are_promised_to_and_others_ride_along() -> None:
    lane = Lane(rate=1.0, burst=4)
    promised = UserKey("v", "promised")
    assert lane.gate.enter(promised, now=anyio.current_time(), permits=4) == 0.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.write, "ann")
        await anyio.sleep(0.5)
        tasks.start_soon(lane.write, "bo")
        await anyio.sleep(0.4)
        assert lane.calls == []
    assert [rows for _, rows in lane.calls] == [["ann", "bo"]]
    assert anyio.current_time() == pytest.approx(1.0 + TAKES_S), "as soon as a permit is there beside the promised ones"


@virtual
async def test_it_gives_way_for_two_seconds_at_most() -> None:
    lane = Lane(rate=0.1, burst=9)
    for number in range(8):
        lane.gate.enter(UserKey("v", f"promised{number}"), now=anyio.current_time(), permits=4)
    assert await lane.write("ann") is None
    assert anyio.current_time() == pytest.approx(2.0 + TAKES_S)


@virtual
async def test_who_steps_aside_leaves_what_was_promised_to_others() -> None:
    lane = Lane(rate=1.0, burst=4)
    ann = UserKey("v", "ann")
    lane.gate.enter(ann, now=anyio.current_time(), permits=4)
    assert lane.gate.pace.wait_s(1, now=anyio.current_time()) == 1.0
    lane.gate.step_aside(ann)
    assert lane.gate.pace.wait_s(1, now=anyio.current_time()) == 0.0
    lane.gate.leave(ann, now=anyio.current_time())
    assert lane.gate.pace.wait_s(4, now=anyio.current_time()) == 0.0, "it goes back once"
