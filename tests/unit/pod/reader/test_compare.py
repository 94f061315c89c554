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
async def test_a_paused_list_is_compared_and_shown_and_is_no_drift() -> None:
    sides = Sides(paused=["1467"])
    for side, lists in ((sides.morning, ["1466"]), (sides.evening, ["2466"])):
        side.add("ann@x.no", "ann", firstname="Canaria", lists=lists)
    found = await compared(sides.up(), UserKey("v", "ann"))

    assert (found.outcome, [of.paused for of in found.accounts]) == ("same", [("1467",), ()])
    rows = {change.wanted: change.action for change in found.accounts[0].changes if change.field == "list"}
    assert rows == {"1466": "same", "1467": "paused"}

    sides.morning.contacts.clear()
    assert (await compared(sides.up(), UserKey("v", "ann"))).outcome == "drift"


@virtual
async def test_an_account_all_of_whose_lists_are_paused_is_not_asked_nor_is_a_paused_vendor() -> None:
    sides = Sides(paused=["1466", "1467"])
    sides.evening.add("ann@x.no", "ann", firstname="Canaria", lists=["2466"])
    found = await compared(sides.up(), UserKey("v", "ann"))
    assert (found.outcome, [(of.paused, of.failed) for of in found.accounts]) == ("same", [(("1466", "1467"), ""), ((), "")])
    assert (sides.morning.asked, sides.evening.asked) == ([], ["ann@x.no"])

    for paused in (Sides(paused=["1466", "1467", "2466"]), Sides(vendor_paused=True)):
        found = await compared(paused.up(), UserKey("v", "ann"))
        assert (found.outcome, paused.morning.asked, paused.evening.asked) == ("paused", [], [])


@virtual
async def test_a_guest_is_asked_for_nowhere() -> None:
    sides = Sides()
    found = await compared(sides.up(), UserKey("v", "guest|1"))

    assert (found.outcome, found.reason, sides.asked) == ("skipped", "guest", [])
