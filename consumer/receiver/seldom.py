"""A line of the log for each kind of refusal, now and then: requests must not be able to fill the log."""

from collections.abc import Callable
from typing import Final

from ..telemetry.logs import log

_log = log(__name__)
_EVERY_S: Final = 10.0


class Seldom:
    """
    Says what is wrong, once in 10 s of each kind.

    It promises: the next line of a kind says how many were held back; kinds are the caller's own constants, so that few are kept.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the clock (s)."""
        self._clock = clock
        # By kind: when its last line was written, and how many were held back since.
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def warn(self, event: str, *, code: str, **fields: str | float | None) -> None:
        """Write a line, or hold it back; `code` is a constant of ours."""
        now = self._clock()
        last, held = self._said.get((event, code), (None, 0))
        if last is not None and now - last < _EVERY_S:
            self._said[event, code] = (last, held + 1)
            return
        self._said[event, code] = (now, 0)
        _log.warning(event, code=code, repeated=held or None, **fields)
