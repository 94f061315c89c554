"""The look back: what it costs, when it asks nothing, and that whatever becomes of it changes nothing for the reader."""

from math import inf

import anyio
import pytest
from msgspec import convert

from consumer.core.errors import Denied, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.mapping.contact import Contact
from consumer.core.mapping.kept import APART_S, CURE, Asked, Kept
from consumer.core.model import AccountId, UserKey
from consumer.resync.course import Course
from consumer.resync.sharing.rider import Rider
from consumer.resync.waits import Waits
from consumer.resync.ways.look_back import LookBack, tell_not_kept
from tests.clock import virtual
from tests.unit.telemetry.test_logs import Lines

ASKED = Asked(email="ann@example.com", before=None, lists=("7",), tags=("sesamy_a",))
BO = UserKey("v", "bo")


class Account:
    """One account, and what its contacts show."""

    def __init__(self, *, lists: list[str], burst: int = 99) -> None:
        self.shows: Contact | Exception = convert({"id": 1, "lists": lists, "tags": ["sesamy_a"]}, Contact)
        self.asked = 0
        self.gate, self.waits = Gate(rate_per_s=0.1, burst=burst, run_calls=1), Waits()
        self.kept = Kept(AccountId("1"))
        self.look_back = LookBack(self.kept, self._read, hides_left=False)

    async def _read(self, asked: Asked) -> Contact | None:
        assert asked is ASKED
        self.asked += 1
        if isinstance(self.shows, Exception):
            raise self.shows
        return self.shows

    def rider(self, user: str, *, is_probe: bool = False, cut: bool = False) -> Rider:
        course = Course(self.waits, lambda: inf, self.gate, anyio.current_time(), cut=cut)
        return Rider(UserKey("v", user), self.gate, course, is_probe=is_probe, again_s=0.0, step_aside=lambda: None)

    async def write(self, user: str, *, is_probe: bool = False, cut: bool = False) -> None:
        rider = self.rider(user, is_probe=is_probe, cut=cut)
        if self.look_back.is_due(ASKED, rider):
            await self.look_back.look(ASKED, rider)

    async def thrice(self) -> tuple[str, ...]:
        for user in "abc":
            await self.write(user)
            await anyio.sleep(APART_S)
        return self.kept.not_kept()


@virtual
async def test_three_readers_that_are_not_kept_are_told_and_each_look_takes_its_permit() -> None:
    there = Account(lists=[], burst=1)
    await there.write("a")
    assert there.gate.pace.wait_s(1, now=anyio.current_time()) == pytest.approx(10)
    await anyio.sleep(APART_S)
    assert await there.thrice() == ("lists",)
    assert there.asked == 4


@virtual
async def test_an_account_that_keeps_all_is_asked_once() -> None:
    there = Account(lists=["7"])
    assert (await there.thrice(), there.asked) == ((), 1)


@virtual
async def test_no_look_takes_a_permit_that_is_not_there_or_is_anothers() -> None:
    there = Account(lists=[], burst=2)
    there.gate.enter(BO, now=anyio.current_time(), permits=2)
    await there.write("a")
    there.gate.leave(BO, now=anyio.current_time())
    there.gate.pace.reserve(2, now=anyio.current_time())
    await there.write("a")
    assert there.asked == 0
    await anyio.sleep(10)
    await there.write("a")
    assert there.asked == 1, "what was put off is done as soon as there is one"


@virtual
async def test_an_account_whose_gate_is_shut_is_asked_nothing_nor_is_one_that_is_probed_or_while_we_stop() -> None:
    there = Account(lists=[])
    await there.write("a", is_probe=True)
    await there.write("a", cut=True)
    there.waits.end()
    await there.write("a")
    there.waits.allow()
    there.gate.failed(BO, Denied("401", code="http-401"), now=anyio.current_time())
    await there.write("a")
    assert there.asked == 0


@virtual
async def test_a_look_that_fails_says_nothing_and_is_made_up_for_after_a_minute() -> None:
    for error in (Retryable("no answer", code="timeout"), Denied("401", code="http-401"), ZeroDivisionError()):
        there = Account(lists=[])
        there.shows = error
        assert await there.thrice() == ()
        assert (there.asked, there.gate.closed(now=anyio.current_time())) == (3, False)


@virtual
async def test_without_a_rider_or_a_write_nothing_is_due() -> None:
    there = Account(lists=[])
    assert not there.look_back.is_due(None, there.rider("a"))
    assert not there.look_back.is_due(ASKED, None)


@virtual
async def test_a_command_says_it_in_its_log_once() -> None:
    there = Account(lists=[])
    tell_not_kept(there.kept)
    with Lines(as_json=True) as lines:
        await there.thrice()
        await there.thrice()
        told = [one for one in lines.json() if one["level"] == "warning"]

    assert [(one["event"], one["upstream"], one["cause"], one["cure"]) for one in told] == [("writes not kept", "1", "lists", CURE)]
