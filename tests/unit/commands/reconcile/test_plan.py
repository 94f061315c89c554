"""What of the settings is looked at, and what that costs."""

from typing import Final

import pytest
from msgspec import structs

from consumer.commands.reconcile.plan import Asked, Scope, read_loads, scope
from consumer.core.model import AccountId
from consumer.settings.model import Settings, VendorSettings
from tests.simulation.settings import SETTINGS

ONE, TWO = AccountId("1"), AccountId("2")
LIST: Final = SETTINGS.vendors[0].makeas[0]


def settings(*vendors: VendorSettings) -> Settings:
    return structs.replace(SETTINGS, vendors=vendors)


def vendor(name: str, *lists: tuple[str, str], paused: bool = False, paused_lists: tuple[str, ...] = ()) -> VendorSettings:
    """Return a vendor; `lists`: account and list of each."""
    makeas = tuple(structs.replace(LIST, user_id=of, list_id=one, paused=one in paused_lists) for of, one in lists)
    return structs.replace(SETTINGS.vendors[0], id=name, makeas=makeas, paused=paused)


V = (("1", "10"), ("1", "11"))
W = vendor("w", ("1", "11"), ("1", "12"), ("2", "20"))
BOTH: Final = (vendor("v", *V), W)
WITHOUT_V: Final = (vendor("v", *V, paused=True), W)


def test_all_is_looked_at_that_is_not_paused() -> None:
    assert scope(settings(*BOTH), Asked()) == Scope(
        accounts={ONE: {"10": ("v",), "11": ("v", "w"), "12": ("w",)}, TWO: {"20": ("w",)}},
        vendors=("v", "w"),
        left_out=(),
        shared=frozenset(),
    )


def test_a_paused_vendor_is_left_out_and_said_and_its_contacts_at_a_shared_account_may_be_strangers() -> None:
    found = scope(settings(*WITHOUT_V), Asked())
    assert (found.vendors, found.left_out, found.shared) == (("w",), ("vendor v is paused",), frozenset({ONE}))
    assert found.accounts == {ONE: {"11": ("w",), "12": ("w",)}, TWO: {"20": ("w",)}}


def test_a_paused_list_is_left_out_and_said() -> None:
    found = scope(settings(vendor("v", *V, paused_lists=("11",))), Asked())
    assert (found.accounts, found.left_out) == ({ONE: {"10": ("v",)}}, ("list 11 of v is paused",))


def test_only_what_is_asked_for_is_looked_at() -> None:
    of_one = scope(settings(*BOTH), Asked(vendors=("v",)))
    assert (of_one.accounts, of_one.vendors, of_one.shared) == ({ONE: {"10": ("v",), "11": ("v",)}}, ("v",), frozenset({ONE}))
    of_list = scope(settings(*BOTH), Asked(lists=("20",)))
    assert (of_list.accounts, of_list.vendors, of_list.shared) == ({TWO: {"20": ("w",)}}, ("w",), frozenset())


def test_of_what_is_not_asked_for_no_pause_is_said() -> None:
    found = scope(settings(*WITHOUT_V), Asked(vendors=("w",), lists=("20",)))
    assert (found.accounts, found.left_out) == ({TWO: {"20": ("w",)}}, ())


def test_reading_costs_what_is_left_at_sesamy_and_at_makeas_a_call_for_each_thousand_contacts_beside_four_a_list() -> None:
    some = settings(*BOTH)
    found = list(read_loads(some, scope(some, Asked()), {"v": 250, "w": 100}, {"v": 1500, "w": 400}, rate_share=0.25))
    assert [(one.upstream, one.calls) for one in found] == [
        ("sesamy:v", 250),
        ("sesamy:w", 100),
        ("1", 6 + 6 + 5),  # 1,500, 1,900 and 400 contacts
        ("2", 5),
    ]
    per_minute = found[0].limit_per_minute
    assert found[0].takes_s == pytest.approx((250 - some.sesamy.burst * 0.25) / (per_minute * 0.25) * 60, abs=0.01)
    assert "with a limit of" in found[0].said(0.25)
