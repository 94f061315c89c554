"""Whatever headers come, a gate keeps its pace and is not shut for longer than they may shut it."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.gates.gate import Gate
from consumer.core.gates.window import LONGEST_S, read
from consumer.core.model import Door

BURST: Final = 12
NUMBERS: Final = st.one_of(st.none(), st.integers(-5, 20), st.sampled_from([100, 300, 5000]), st.floats(0, 1e12))
RESETS: Final = st.one_of(st.none(), st.integers(-10, 130), st.sampled_from([-1e9, 1e9]), st.floats(-200, 300))
STEPS: Final = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0, 17.0, 60.0]), NUMBERS, NUMBERS, RESETS, st.integers(0, 3)), max_size=60)


@given(steps=STEPS, uses_told_limit=st.booleans())
def test_no_headers_speed_it_beyond_what_is_allowed_or_shut_it_for_longer_than_120_s(
    steps: list[tuple[float, float | None, float | None, float | None, int]], uses_told_limit: bool
) -> None:
    gate = Gate(rate_per_s=100 / 60, burst=BURST, run_calls=3, uses_told_limit=uses_told_limit)
    now, allowed, taken, shut_until = 0.0, float(BURST), 0, None
    for step_s, limit, remaining, ahead_s, in_flight in steps:
        now += step_s
        allowed += step_s * gate.heed.per_minute / 60
        while gate.door(now=now, permits=3) is Door.OPEN:
            gate.pace.reserve(3, now=now)
            taken += 3
        assert taken <= allowed + 1e-6
        if gate.away_s(now=now) <= 0:
            shut_until = None
        said, _ = read(limit, remaining, None if ahead_s is None else 1000 + now + ahead_s, answered_at=1000 + now)
        if said is not None:
            gate.heed.note(said, in_flight=in_flight, now=now)
        if gate.away_s(now=now) > 0:
            shut_until = now + LONGEST_S if shut_until is None else shut_until
            assert now + gate.away_s(now=now) <= shut_until + 1e-6
        assert 1 <= gate.heed.per_minute <= 1000.001
        assert uses_told_limit or abs(gate.heed.per_minute - 100) < 1e-6
        assert not gate.closed(now=now)
    assert gate.door(now=now + LONGEST_S + 3 * 60, permits=3) is Door.OPEN
