"""Whole lives of several pods on the virtual clock, against the referee; a seed again: `python -m tests.simulation SEED`."""

import os
from collections.abc import Iterable

import pytest

from consumer.core.lease import Lease
from consumer.core.ledger import Progress
from tests.history.invariants import NoOlderStateOverANewerOne, NothingLost
from tests.history.operations import Committed, Left, Looked, Outcome, Owned, Parked, Proved, Stopping, Turned, Wrote
from tests.simulation.run import freshness_s, simulate
from tests.simulation.world import Broken

_SEEDS = int(os.environ.get("SIMULATION_SEEDS", "200"))
_FRESH = int(os.environ.get("SIMULATION_FRESH", "20"))
_FRESH_FROM = int(os.environ["SIMULATION_FRESH_FROM"])  # Drawn anew by conftest.py for each run, and printed.
_BLOCK = 5

pytestmark = pytest.mark.timeout(120)  # A life that hangs is ended, and seen.


@pytest.mark.parametrize("first", range(0, _SEEDS, _BLOCK))
def test_no_invariant_breaks(first: int) -> None:
    """Whatever happens, nothing is lost, nothing older is written over newer, and all ends up written or parked."""
    for seed in range(first, min(first + _BLOCK, _SEEDS)):
        _live(seed)


@pytest.mark.parametrize("seed", range(_FRESH_FROM, _FRESH_FROM + _FRESH))
def test_no_invariant_breaks_with_a_seed_that_nobody_has_seen(seed: int) -> None:
    _live(seed)


def test_a_life_is_full_of_what_the_promises_are_about() -> None:
    """What never happens can't break: in a few seeds there is all that an invariant looks at."""
    seen = {type(op) for seed in range(6) for op in simulate(seed).history}

    assert {Committed, Outcome, Left, Looked, Owned, Parked, Proved, Stopping, Turned, Wrote} <= seen


def test_trouble_at_one_account_leaves_the_others_as_fresh_as_without() -> None:
    for seed in range(3):
        calm_s = freshness_s(simulate(seed, "calm"))
        assert calm_s > 0
        simulate(seed, "one account", calm_s=calm_s)


# ---- The referee is awake: each of these rules, broken, is noticed within twenty seeds ----


def test_committing_the_newest_offset_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "watermark", property(lambda progress: progress.next_offset))

    assert _noticed(NothingLost.name, range(20))


def test_writing_without_any_lease_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "left_s", lambda _self, *, now: 1e6 + 0 * now)

    assert _noticed(NoOlderStateOverANewerOne.name, range(20))


def _live(seed: int) -> None:
    world = simulate(seed)
    assert world.writes > 0, f"seed {seed} wrote nothing"


def _noticed(invariant: str, seeds: Iterable[int]) -> bool:
    """Say whether the referee finds this invariant broken in one of some seeds."""
    for seed in seeds:
        try:
            simulate(seed)
        except (Broken, BaseExceptionGroup) as error:
            if invariant in _texts(error):
                return True
    return False


def _texts(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(_texts(one) for one in error.exceptions)
    return str(error)
