"""The limits that an upstream's answers name, told to its gate."""

import time
from collections.abc import Callable
from typing import Final

import anyio

from ...core.answers.shapes import number
from ...core.gates import window
from ...core.gates.gate import Gate
from ...telemetry.logs import log
from .answers import Answer
from .exchange import Heed
from .refusals import answered_at

_log = log(__name__)
_ODD: Final = {"past": "it lies in the past", "far": "it lies more than 120 s ahead", "unreadable": "it is no number"}


def heeding(upstream: str, gate: Gate, *, wall_clock: Callable[[], float] = time.time) -> Heed:
    """
    Return what tells a gate the limits that an answer names, and logs once what is absurd about them.

    Args:
        wall_clock: seconds, for an answer without its own.
    """
    told: set[str] = set()

    def heed(answer: Answer, under_way: int) -> None:
        if answer.rate[2] is None:
            return
        limit, remaining, reset = map(number, answer.rate)
        said, odd = window.read(limit, remaining, reset, answered_at=answered_at(answer, wall_clock))
        if odd and odd not in told:
            told.add(odd)
            _log.warning("a rate limit's reset is not heeded", upstream=upstream, reason=_ODD[odd])
        if said is not None and gate.heed.note(said, in_flight=under_way, now=anyio.current_time()):
            _log.info("another number of requests a minute is in use", upstream=upstream, count=round(gate.heed.per_minute, 1))

    return heed
