"""Whole lives of several pods on the virtual clock, against the referee; a seed again: `python -m tests.simulation SEED`."""

import os

import pytest

from consumer.ledger import Page
from tests.simulation.run import simulate
from tests.simulation.world import Broken

_SEEDS = int(os.environ.get("SIMULATION_SEEDS", "200"))
_BLOCK = 10


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(0, _SEEDS, _BLOCK))
def test_no_invariant_breaks(first: int) -> None:
    """Whatever happens, nothing is lost, nothing older is written over newer, and all ends up written or parked."""
    for seed in range(first, first + _BLOCK):
        world = simulate(seed)
        assert world.writes > 0, f"seed {seed} wrote nothing"


@pytest.mark.timeout(1200)
def test_committing_the_newest_offset_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The referee is awake: with a broken rule some early seed fails."""
    monkeypatch.setattr(Page, "watermark", property(lambda page: page.next_offset))

    with pytest.raises((Broken, BaseExceptionGroup)) as caught:
        _simulate_all(range(10))

    assert "I1" in _texts(caught.value)


def _simulate_all(seeds: range) -> None:
    for seed in seeds:
        simulate(seed)


def _texts(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(_texts(one) for one in error.exceptions)
    return str(error)
