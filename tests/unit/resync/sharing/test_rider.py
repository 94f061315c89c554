"""A run, as a shared call must know it."""

from math import inf

import anyio
import pytest

from consumer.core.errors import Denied, Held
from consumer.core.gates.gate import Gate
from consumer.core.model import UserKey
from consumer.resync.course import Course
from consumer.resync.sharing.rider import Rider
from consumer.resync.waits import Waits
from tests.clock import virtual

ANN = UserKey("v", "ann")


def rider(gate: Gate, *, user: UserKey = ANN, lease_s: float = inf) -> Rider:
    gate.enter(user, now=anyio.current_time())
    source = Gate(rate_per_s=1, burst=9, run_calls=3)
    course = Course(Waits(), lambda: lease_s, source, anyio.current_time())
    return Rider(user, gate, course, is_probe=False, again_s=0.25, step_aside=lambda: gate.step_aside(user))


@virtual
async def test_its_rows_may_be_written_as_long_as_its_lease_says_and_then_it_has_begun() -> None:
    one = rider(Gate(rate_per_s=1, burst=9, run_calls=4), lease_s=7.5)
    assert not one.course.begun
    assert one.limit_s() == 7.5
    assert one.course.begun


@virtual
async def test_none_is_written_without_a_lease_nor_before_a_gate_that_is_shut() -> None:
    gate = Gate(rate_per_s=1, burst=9, run_calls=4)
    with pytest.raises(Held) as held:
        rider(gate, lease_s=0.0).limit_s()
    assert held.value.code == "lease"
    one = rider(gate, user=UserKey("v", "bo"))
    gate.failed(ANN, Denied("401", code="http-401"), now=anyio.current_time())
    with pytest.raises(Held) as held:
        one.limit_s()
    assert (held.value.code, one.course.begun) == ("gate", False)
