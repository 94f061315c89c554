"""The calls that a run is expected to make at one upstream: as many as the last runs made."""

from typing import Final

_KEPT: Final = 31 / 32
"""What each run leaves of the weight of those before it."""
_PRIOR_RUNS: Final = 8


class Expected:
    """
    The mean number of calls of a run.

    It promises: never below one nor above the most; it begins at the most, and follows a change within some dozens of runs. So what is
    promised to a run is what it takes, and no rate is kept from others for calls that are not made.
    """

    def __init__(self, most: int) -> None:
        """Expect the most, until some runs have ended."""
        self._most = most
        self._runs, self._calls = float(_PRIOR_RUNS), float(_PRIOR_RUNS * most)

    @property
    def calls(self) -> float:
        """Return how many calls a run is expected to make."""
        return min(float(self._most), max(1.0, self._calls / self._runs))

    def called(self, calls: int = 1) -> None:
        """Note calls, of one run or of several together."""
        self._calls += calls

    def ended(self) -> None:
        """Note the end of a run."""
        self._runs = (self._runs + 1) * _KEPT
        self._calls *= _KEPT
