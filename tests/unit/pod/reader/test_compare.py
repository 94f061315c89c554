"""What a comparison asks, and in what order: the rest of it is tested with `diff`."""

from consumer.core.model import UserKey
from consumer.pod.reader.compare import compared
from tests.clock import virtual
from tests.fakes.sides import Sides


@virtual
async def test_sesamy_is_asked_before_make_and_each_account_once() -> None:
    sides = Sides()
    sides.morning.add("ann@x.no", "ann", firstname="Canaria", lists=["1466", "1467"])
    found = await compared(sides.up(), UserKey("v", "ann"))

    assert [(of.account, any(change.is_drift for change in of.changes)) for of in found.accounts] == [("1001", False), ("2001", True)]
    assert (found.outcome, sides.asked, sides.morning.asked, sides.evening.asked) == ("drift", ["ann"], ["ann@x.no"], ["ann@x.no"])


@virtual
async def test_a_guest_is_asked_for_nowhere() -> None:
    sides = Sides()
    found = await compared(sides.up(), UserKey("v", "guest|1"))

    assert (found.outcome, found.reason, sides.asked) == ("skipped", "guest", [])
