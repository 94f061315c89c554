"""All gates of a process."""

import pytest

from consumer.core.gates.gates import Gates
from consumer.core.model import AccountId, Door, UserKey
from tests.unit.core.gates.test_gate import ANN, broken, gate
from tests.unit.core.gates.test_gate_times import BO


def test_a_user_is_out_everywhere_and_takes_its_promises_along() -> None:
    one, other = AccountId("1"), AccountId("2")
    gates = Gates({"v": gate(places=1)}, {one: gate(places=1), other: gate(places=1)})
    gates.enter(ANN, [one, other], now=0)
    assert [gates.vendor("v", now=0), *(gates.account(account, now=0) for account in (one, other))] == [Door.SHUT] * 3
    gates.leave(ANN, [one, other], now=0)
    assert [gates.vendor("v", now=0), *(gates.account(account, now=0) for account in (one, other))] == [Door.OPEN] * 3


def test_a_run_waits_before_its_fetch_for_the_slowest_of_its_upstreams() -> None:
    one, other = AccountId("1"), AccountId("2")
    slow = gate(rate=0.4, burst=4)
    gates = Gates({"v": gate()}, {one: slow, other: gate()})
    assert gates.enter(ANN, [one, other], now=0) == 0.0
    assert [gates.account(account, now=0) for account in (one, other)] == [Door.OPEN, Door.OPEN], "within ten seconds"
    assert gates.enter(BO, [one, other], now=0) == 5.0
    assert gates.account(one, now=0) is Door.SHUT


def test_a_run_is_promised_as_many_calls_at_an_account_as_the_last_ones_made() -> None:
    """Else calls that nobody makes would be waited for by those behind."""
    one = AccountId("1")
    account = gate(rate=1.0, burst=3)
    gates = Gates({"v": gate()}, {one: account})
    for second in range(200):
        gates.enter(ANN, [one], now=second * 10)
        account.pay(ANN, now=second * 10)
        gates.leave(ANN, [one], now=second * 10)
    waits = [gates.enter(UserKey("v", f"u{number}"), [one], now=2000) for number in range(6)]
    assert waits[:3] == [0.0, 0.0, pytest.approx(0.0, abs=0.2)]
    assert waits[5] == pytest.approx(3.0, abs=0.2)


def test_a_pods_part_is_of_every_limit() -> None:
    vendor, account = gate(), gate()
    Gates({"v": vendor}, {AccountId("1"): account}).set_share(0.25, now=0)
    assert (vendor.pace.rate_per_s, account.pace.rate_per_s) == (2.5, 2.5)


def test_who_has_no_users_any_more_begins_anew_at_every_gate() -> None:
    vendor, account = broken(), broken()
    Gates({"v": vendor}, {AccountId("1"): account}).forget()
    assert (vendor.door(now=0), account.door(now=0)) == (Door.OPEN, Door.OPEN)


def test_an_account_of_which_nobody_knows_who_left_lets_nobody_in_and_holds_users_no_longer_than_it_may() -> None:
    account, ready, late = AccountId("1"), set[AccountId](), set[AccountId]()
    gates = Gates({}, {account: gate()})
    gates.ready, gates.late = lambda one, _: one in ready, lambda one, _: one in late
    assert (gates.account(account, now=0), gates.account_expired(account, now=0)) == (Door.SHUT, False)
    late.add(account)
    assert gates.account_expired(account, now=0)
    ready.add(account)
    assert gates.account(account, now=0) is Door.OPEN


def test_the_gates_of_a_process_answer_by_name() -> None:
    vendor, account = gate(rate=1, burst=3), gate(places=1)
    gates = Gates({"v": vendor}, {AccountId("1"): account})
    assert gates.enter(ANN, [AccountId("1")], now=0) == 0

    assert (gates.vendor("v", now=0), gates.account(AccountId("1"), now=0)) == (Door.SHUT, Door.SHUT)
    assert gates.next_change(now=0) == 3.0
    gates.leave(ANN, [AccountId("1")], now=0)
    assert (gates.vendor("v", now=0), gates.account(AccountId("1"), now=0)) == (Door.OPEN, Door.OPEN)
    assert (gates.vendor_expired("v", now=0), gates.account_expired(AccountId("1"), now=0)) == (False, False)
    gates.set_share(0.5, now=0)
    assert vendor.state(now=0).share == 0.5
