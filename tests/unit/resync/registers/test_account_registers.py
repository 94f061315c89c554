"""The keeper of the registers: when it asks, how often, and what it makes of answers; on a virtual clock, with a list as we say it is."""

from itertools import pairwise
from typing import cast

import anyio
import pytest

from consumer.core.errors import ConsumerError, Denied, Refused, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.mapping.consent import Standing
from consumer.core.model import AccountId, Door, UserKey
from consumer.resync.registers.account_registers import Source
from consumer.resync.registers.list_rows import ListRows, Page
from consumer.resync.registers.registers import Registers
from tests.fakes.registers import ANN, BO, DAY_S, STALE_S, A, Rows, There, gone


def test_nothing_is_asked_while_there_is_nothing_to_write() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(DAY_S)
        assert (there.rows.asked, there.ready, there.register.state) == ([], False, "unread")

    There(look_s=20.0).live(story)


def test_the_first_who_is_due_has_the_register_read_and_is_woken() -> None:
    async def story(there: There) -> None:
        there.rows.rows = {"unsubscribed": [gone(1, ANN)], "bounce": [gone(2, BO)]}
        there.due = [("v", A)]
        await anyio.sleep(10)
        assert (there.ready, there.rung, there.register.find(ANN), there.register.find(BO)) == (True, 1, 1, 2)
        asked = [(status, page) for _, _, status, page, _ in there.rows.asked]
        assert asked == [("unsubscribed", 1), ("unsubscribed", 2), ("bounce", 1), ("bounce", 2)]

    There().live(story)


def test_the_first_reading_takes_half_of_the_rate_and_later_ones_a_tenth() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(300)
        times = [at for at, *_ in there.rows.asked]
        first, later = times[:2], times[2:]
        assert first[1] - first[0] == pytest.approx(0.4)
        assert len(later) > 6
        assert min(b - a for a, b in pairwise(later)) >= 2.0 - 0.001

    There().live(story)


def test_changes_are_asked_for_every_minute_by_the_servers_time_less_five_minutes() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        began = there.rows.asked[0][0] + 3600
        there.rows.asked.clear()
        await anyio.sleep(110)
        asked = [(status, after and after - began) for _, _, status, _, after in there.rows.asked]
        assert asked == [(status, pytest.approx(-300)) for status in ("unsubscribed", "bounce", "active")]  # type: ignore[comparison-overlap]

    There().live(story)


def test_who_left_lately_enters_and_who_states_to_be_active_goes() -> None:
    async def story(there: There) -> None:
        there.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.rows.rows = {"unsubscribed": [gone(2, BO)], "active": [gone(1, ANN, Standing.ACTIVE)]}
        await anyio.sleep(100)
        assert (there.register.find(ANN), there.register.find(BO)) == (None, 2)

    There().live(story)


def test_without_anything_to_write_nothing_is_kept_fresh_and_the_next_write_waits_for_it() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.due = []
        await anyio.sleep(100)
        there.rows.asked.clear()
        await anyio.sleep(STALE_S)
        assert (there.rows.asked, there.ready) == ([], False)
        there.due = [("v", A)]
        await anyio.sleep(3)
        assert (there.ready, there.rung, len(there.rows.asked)) == (True, 2, 3)

    There().live(story)


def test_a_write_keeps_its_lists_fresh_though_nobody_waits() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.due = []
        for _ in range(100):
            there.consent.require(now=anyio.current_time())
            await anyio.sleep(20)
        assert there.ready

    There(look_s=5.0).live(story)


def test_the_whole_is_read_once_a_day_and_takes_the_place_of_what_was_known() -> None:
    async def story(there: There) -> None:
        there.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.rows.rows = {}
        await anyio.sleep(DAY_S - 100)
        assert there.register.find(ANN) == 1
        await anyio.sleep(200)
        assert there.register.find(ANN) is None
        assert sum(after is None for *_, after in there.rows.asked) == 3 + 2

    There(look_s=20.0).live(story)


@pytest.mark.parametrize("code", ["http-403", "http-404", "http-405"])
def test_a_refused_call_is_no_register_and_is_asked_again_after_an_hour(code: str) -> None:
    async def story(there: There) -> None:
        there.rows.error = Refused("no", code=code)
        there.due = [("v", A)]
        await anyio.sleep(3590)
        assert (there.ready, there.register.state, there.register.code, len(there.rows.asked)) == (True, "none", code, 1)
        there.rows.error = None
        await anyio.sleep(60)
        assert there.register.state == "whole"

    There(look_s=20.0).live(story)


def test_rows_that_do_not_say_who_left_are_no_register() -> None:
    async def story(there: There) -> None:
        there.rows.rows = {"bounce": [gone(1, ANN, Standing.UNREADABLE)]}
        there.due = [("v", A)]
        await anyio.sleep(10)
        assert (there.ready, there.register.state, there.register.code) == (True, "none", "silent")

    There().live(story)


@pytest.mark.parametrize("error", [Retryable("later", code="http-500"), Retryable("cut", code="cut")])
def test_what_fails_in_passing_is_not_none_and_is_tried_ever_more_rarely(error: ConsumerError) -> None:
    async def story(there: There) -> None:
        there.rows.error = error
        there.due = [("v", A)]
        await anyio.sleep(1200)
        assert (there.ready, there.register.state) == (False, "unread")
        assert 10 < len(there.rows.asked) < 30
        there.rows.error = None
        await anyio.sleep(130)
        assert (there.ready, there.register.state, there.rung) == (True, "whole", 1)
        assert not there.gate.closed(now=anyio.current_time())

    There(look_s=5.0).live(story)


@pytest.mark.parametrize("tries", [8, None])
def test_while_nobody_can_be_written_failures_shut_the_gate_so_that_users_are_not_held_for_ever(tries: int | None) -> None:
    async def story(there: There) -> None:
        there.rows.error = Retryable("later", code="http-500")
        there.due = [("v", A)]
        await anyio.sleep(600)
        assert there.gate.state(now=anyio.current_time()).cause == "breaker"

    There(tries=tries, look_s=5.0).live(story)


def test_failures_beside_users_who_are_written_shut_no_gate() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.rows.error = Retryable("later", code="http-500")
        await anyio.sleep(600)
        assert (there.ready, there.gate.closed(now=anyio.current_time())) == (True, False)

    There(look_s=5.0).live(story)


@pytest.mark.parametrize("error", [Retryable("odd", code="wrong-shape"), ValueError("odd")])
def test_an_answer_that_is_never_usable_is_no_register_and_ends_nothing(error: ConsumerError | Exception) -> None:
    async def story(there: There) -> None:
        there.rows.error = error
        there.due = [("v", A)]
        await anyio.sleep(400)
        assert (there.ready, there.register.state, there.register.code) == (True, "none", "unusable")

    There(look_s=5.0).live(story)


def test_a_refused_key_shuts_the_gate_and_is_read_again() -> None:
    async def story(there: There) -> None:
        there.rows.error = Denied("no", code="http-401")
        there.due = [("v", A)]
        await anyio.sleep(1)
        assert (there.gate.state(now=anyio.current_time()).cause, there.expired) == ("denied", 1)
        there.rows.error = None
        await anyio.sleep(20)
        assert (there.ready, there.gate.closed(now=anyio.current_time())) == (True, False)

    There().live(story)


def test_a_retry_after_keeps_everybody_away() -> None:
    async def story(there: There) -> None:
        there.rows.error = Retryable("busy", code="http-429", retry_after_s=100.0)
        there.due = [("v", A)]
        await anyio.sleep(1)
        there.rows.error = None
        assert there.gate.closed(now=anyio.current_time())
        await anyio.sleep(90)
        assert len(there.rows.asked) == 1
        await anyio.sleep(60)
        assert there.ready

    There().live(story)


def test_nobody_is_asked_behind_a_gate_that_users_have_shut() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        for number in range(5):
            there.gate.failed(UserKey("v", str(number)), Retryable("no", code="http-500"), now=anyio.current_time())
        there.rows.asked.clear()
        await anyio.sleep(600)
        assert there.rows.asked == []

    There(look_s=5.0).live(story)


def test_a_server_that_answers_with_old_rows_when_asked_for_changes_is_not_asked_who_came_back() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        there.rows.rows = {"active": [gone(number, f"{number}@example.com", Standing.ACTIVE, updated_at=0.0) for number in range(3)]}
        await anyio.sleep(600)
        assert sum(status == "active" for _, _, status, _, _ in there.rows.asked) == 1

    There(look_s=5.0).live(story)


def test_where_the_server_never_says_its_time_the_whole_is_read_again() -> None:
    async def story(there: There) -> None:
        there.rows.says_time = False
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        await anyio.sleep(STALE_S)
        assert (there.ready, there.register.find(ANN)) == (True, 1)
        assert all(after is None for *_, after in there.rows.asked)

    There(look_s=5.0).live(story)


def test_many_lists_at_a_small_rate_do_not_make_each_other_stale() -> None:
    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(3600)
        rung = there.rung
        for _ in range(200):
            assert there.ready
            await anyio.sleep(100)
        assert there.rung == rung == 1

    There(lists=tuple(str(number) for number in range(20)), rate_per_s=0.5, look_s=5.0).live(story)


B = AccountId("1002")


def test_nobody_is_let_in_before_the_register_is_read() -> None:
    there = There()
    gates = Gates({}, {A: there.gate})
    gates.ready = there.registers.ready
    assert gates.account(A, now=0.0) is Door.SHUT
    there.register.refuse("http-404")
    assert gates.account(A, now=0.0) is Door.OPEN


# ---- Where only changes can't be had ----


class OnlyWhole(Rows):
    """A server that does not answer what changed."""

    async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
        self.error = self.refusal if updated_after is not None else None
        return await super().page(list_id, status, page=page, updated_after=updated_after)

    refusal: ConsumerError = Refused("400", code="http-400")


@pytest.mark.parametrize("refusal", [Refused("400", code="http-400"), Retryable("500", code="http-500"), Retryable("-", code="timeout")])
def test_where_changes_cant_be_had_the_whole_is_read_instead_and_the_register_stays(refusal: ConsumerError) -> None:
    """Else a list would be without its register for a day, or its account shut for as long."""
    there = There()
    there.rows = OnlyWhole()
    there.rows.refusal = refusal
    there.registers = Registers({A: Source(there.consent, cast(ListRows, there.rows), there.gate, there._expire)}, look_s=5.0)

    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(10)
        there.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        shut_s = 0.0
        for _ in range(300):
            await anyio.sleep(60)
            shut_s += 60.0 * (not there.ready)
        assert (there.register.state, there.register.find(ANN)) == ("whole", 1)
        assert shut_s < 1800, "a tenth of the time"

    there.live(story)


def test_two_lists_that_ask_at_once_may_both_be_the_gates_probe_in_turn() -> None:
    """A gate that forgets what it knew lets in another probe while the first is on its way: both leave it."""
    gate, callers = Gate(rate_per_s=5.0, burst=10, run_calls=4), list[UserKey]()

    class Slow(Rows):
        async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
            await anyio.sleep(12)
            return await super().page(list_id, status, page=page, updated_after=updated_after)

    there = There(lists=("1", "2"))
    enter = gate.enter

    def entered(user: UserKey, *, now: float, permits: float = 0) -> float:
        callers.append(user)
        return enter(user, now=now, permits=permits)

    gate.enter = entered  # type: ignore[method-assign]
    there.registers = Registers({A: Source(there.consent, cast(ListRows, Slow()), gate, there._expire)})

    async def story(there: There) -> None:
        def shut() -> None:
            for number in range(5):
                gate.failed(UserKey("v", f"u{number}"), Retryable("500", code="http-500"), now=anyio.current_time())

        shut()
        there.due = [("v", A)]
        await anyio.sleep(7)
        gate.forget()
        shut()
        await anyio.sleep(200)
        assert there.ready

    there.live(story)
    assert len(callers) == len(set(callers)) >= 2


def test_users_wait_no_longer_for_a_list_that_never_answers_though_its_sibling_does() -> None:
    """The sibling's answers open the gate again and again, so it never holds anybody for long: what waits must be parked all the same."""

    class OneSilent(Rows):
        async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
            self.error = Retryable("500", code="http-500") if list_id == "2" else None
            return await super().page(list_id, status, page=page, updated_after=updated_after)

    there = There(lists=("1", "2"))
    source = Source(there.consent, cast(ListRows, OneSilent()), there.gate, there._expire)
    there.registers = Registers({A: source}, hold_s=900.0, look_s=1.0)
    gates = Gates({}, {A: there.gate})
    gates.ready, gates.late = there.registers.ready, there.registers.late

    async def story(there: There) -> None:
        await anyio.sleep(2000)
        there.due = [("v", A)]
        await anyio.sleep(890)
        assert not gates.account_expired(A, now=anyio.current_time())
        await anyio.sleep(20)
        assert gates.account_expired(A, now=anyio.current_time())
        assert not there.ready

    there.live(story)


def test_users_wait_for_a_long_list_as_long_as_it_answers() -> None:
    class Long(Rows):
        async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
            await super().page(list_id, status, page=page, updated_after=updated_after)
            rows = tuple(gone(page * 10 + number, f"{page}-{number}@example.com") for number in range(2))
            return Page(rows, anyio.current_time())

    there = There()
    there.registers = Registers({A: Source(there.consent, cast(ListRows, Long()), there.gate, there._expire)}, hold_s=60.0, look_s=5.0)

    async def story(there: There) -> None:
        there.due = [("v", A)]
        await anyio.sleep(1500)
        assert (there.ready, there.registers.late(A, anyio.current_time())) == (False, False)

    there.live(story)
