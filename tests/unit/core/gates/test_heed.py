"""What a gate makes of the limits that answers tell: when it is shut for them, and for whom."""

from math import inf

import pytest

from consumer.core.gates.gate import Gate
from consumer.core.gates.window import Said
from consumer.core.model import Door
from tests.unit.core.gates.test_gate import ANN

NONE_LEFT = Said(limit=100, remaining=0, reset=1060, ends_in_s=60)


def gate(*, uses_told_limit: bool = False, part: float = 1.0) -> Gate:
    return Gate(rate_per_s=100 / 60 * part, burst=200 * part, run_calls=3, tries=8, hold_s=10.0, uses_told_limit=uses_told_limit, part=part)


def test_where_nothing_is_left_the_gate_waits_for_the_window_and_calls_nobody_out() -> None:
    """None is parked for it, no breaker is thrown, and it is no trouble: the gate is open, and lets users in again by itself."""
    made = gate()
    made.enter(ANN, now=0.0, permits=3)
    assert made.admits(ANN, now=0.0)
    made.heed.note(NONE_LEFT, in_flight=0, now=0.0)

    assert (made.door(now=0.0, permits=3), made.door(now=59.9, permits=3), made.door(now=60.0, permits=3)) == (
        Door.SHUT,
        Door.SHUT,
        Door.OPEN,
    )
    assert (made.admits(ANN, now=59.9), made.admits(ANN, now=60.0)) == (False, True)
    assert (made.away_s(now=10.0), made.next_change(now=10.0, permits=3)) == (50.0, 60.0)
    assert not made.closed(now=30.0)
    assert not made.expired(now=30.0)
    assert not made.out_for_long(now=30.0)
    assert (made.state(now=30.0).state, made.state(now=30.0).cause) == ("open", "")
    assert made.next_change(now=60.0, permits=3) == inf


def test_a_run_that_has_paid_goes_on_though_less_is_left_than_another_needs() -> None:
    made = gate()
    made.enter(ANN, now=0.0, permits=3)
    made.heed.note(Said(remaining=4, reset=1060, ends_in_s=60), in_flight=0, now=0.0)
    assert made.door(now=0.0, permits=3) is Door.SHUT
    assert made.admits(ANN, now=0.0)


def test_no_more_are_let_in_than_the_upstream_says_is_left() -> None:
    """Another client of the same credentials is felt before a 429."""
    made = gate()
    made.heed.note(Said(remaining=7, reset=1060, ends_in_s=60), in_flight=0, now=0.0)
    assert [made.door(now=0.0, permits=number) for number in (7, 8)] == [Door.OPEN, Door.SHUT]


@pytest.mark.parametrize("part", [1.0, 0.25])
def test_the_limit_that_is_followed_is_shared_as_the_settings_is(part: float) -> None:
    made, other = gate(uses_told_limit=True, part=part), gate(part=part)
    changes = []
    for one in (made, other):
        one.pace.set_share(0.5, now=0.0)
        for reset, limit in ((1060, 300), (1120, 300), (1120, 300), (1180, 50)):
            said = Said(limit=limit, remaining=50, reset=reset, ends_in_s=60)
            changes.append(one.heed.note(said, in_flight=0, now=reset - 1060))
    assert changes == [False, True, False, True] + [False] * 4
    assert made.pace.rate_per_s == pytest.approx(50 / 60 * part * 0.5)
    assert [made.heed.per_minute, other.heed.per_minute] == pytest.approx([50.0, 100.0])
    assert (made.heed.said, other.heed.said) == (50, 50)


def test_what_gathered_at_the_old_rate_does_not_grow_with_the_new() -> None:
    made = gate(uses_told_limit=True)
    made.pace.reserve(200, now=0.0)
    for reset in (1060.0, 1120.0):
        made.heed.note(Said(limit=1000, reset=reset, ends_in_s=60), in_flight=0, now=6.0)
    assert [made.door(now=6.0, permits=number) for number in (10, 11)] == [Door.OPEN, Door.SHUT]
