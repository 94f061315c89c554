"""The rows of one reader for one call."""

import anyio
import pytest

from consumer.core.errors import Held, Refused
from consumer.core.gates.gate import Gate
from consumer.core.model import UserKey
from consumer.resync.sharing.fare import LEFT, Fare, limit_of
from tests.clock import virtual
from tests.unit.resync.sharing.test_rider import rider


def fare(name: str = "ann", *, lease_s: float = 9.0, fetched_s: float = 0.0) -> Fare:
    made = rider(Gate(rate_per_s=1, burst=9, run_calls=4), user=UserKey("v", name), lease_s=lease_s)
    made.course.read_at -= fetched_s
    return Fare("products", {"a": 1}, made)


@virtual
async def test_the_first_word_of_what_became_of_it_counts() -> None:
    one = fare()
    no = Refused("no", code="http-422")
    one.end(no)
    one.end()
    assert (one.error, one.done.is_set(), one.limit_s()) == (no, True, None)


@virtual
async def test_one_whose_snapshot_became_too_old_is_held_and_has_not_failed() -> None:
    one = fare(fetched_s=31.0)
    assert one.limit_s() is None
    assert isinstance(one.error, Held)
    assert one.error.code == "snapshot-old"


@virtual
async def test_one_without_a_lease_is_told_so() -> None:
    one = fare(lease_s=0.0)
    assert one.limit_s() is None
    assert isinstance(one.error, Held)
    assert one.error.code == "lease"


@virtual
async def test_one_whose_run_has_ended_may_not_go_and_is_told_nothing() -> None:
    one = fare()
    one.is_gone = True
    assert (one.limit_s(), one.done.is_set()) == (None, False)


@virtual
async def test_a_call_lasts_as_long_as_the_shortest_and_is_not_made_where_one_may_not_go() -> None:
    await anyio.sleep(100)
    some = [fare("ann", lease_s=9.0), fare("bo", lease_s=4.0)]
    limit_s = limit_of(some)
    assert limit_s() == 4.0
    some[0].is_gone = True
    with pytest.raises(Held) as held:
        limit_s()
    assert held.value.code == LEFT
