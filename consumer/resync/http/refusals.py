"""Refusals: what an answer means that says no: not to this user, not with this key, not now, and when to come again."""

from collections.abc import Callable, Collection
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec
from msgspec import Struct

from ...core.answers.shapes import number
from ...core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from .answers import Answer

_DENIED: Final = 401
_FORBIDDEN: Final = 403
_ASKS_FOR_PATIENCE: Final = frozenset({429, 503})
"""For all users; a Retry-After beside another status is about this one call."""
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 1.0, 3600.0


def refusal(answer: Answer, what: str, *, refuses: Collection[int], wall_clock: Callable[[], float]) -> ConsumerError:
    """
    Return what an answer means that is none of those which were hoped for.

    Args:
        what: stands before the status in the text.
        refuses: the statuses that say no to this one user; others of the 4xx are unusable answers.
        wall_clock: seconds, for a Retry-After that is a date, in an answer without its own.
    """
    error = _meaning(answer, what, refuses=refuses, wall_clock=wall_clock)
    error.said = answer.said
    return error


def _meaning(answer: Answer, what: str, *, refuses: Collection[int], wall_clock: Callable[[], float]) -> ConsumerError:
    status = answer.status
    text, code = f"{what}: status {status}", f"http-{status}"
    if status == _DENIED:
        return Denied(text, code=code)
    if status == _FORBIDDEN:
        return Forbidden(text, code=code)
    if status in refuses:
        return Refused(text, code=code)
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        return Retryable(text, code="redirect")
    wait_s = retry_after(answer.retry_after, now=answered_at(answer, wall_clock))
    if wait_s is None:
        wait_s = _patience_in(answer.body)
    if status in _ASKS_FOR_PATIENCE:
        return Retryable(text, code=code, retry_after_s=wait_s)
    return Retryable(text, code=code, delay_s=wait_s)


def answered_at(answer: Answer, wall_clock: Callable[[], float]) -> float:
    """Return the wall time (s) by the clock that its times go by: the upstream's own, where it shows it; ours may be wrong."""
    try:
        return wall_clock() if answer.date is None else _at(answer.date)
    except (ValueError, OverflowError, TypeError):
        return wall_clock()


def retry_after(text: str | None, *, now: float) -> float | None:
    """
    Return a Retry-After (seconds or an HTTP date) in seconds, clamped to 1 s - 1 h; None where there is none to be read.

    A date is in UTC where it names no zone that is known.
    """
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().replace(".", "", 1).isdigit() else _at(text) - now
    except (ValueError, OverflowError, TypeError):
        return None
    return min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, seconds))


def _at(date: str) -> float:
    """Return a date as wall time (s); without a zone Python would take it for local time."""
    at = parsedate_to_datetime(date)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _patience_in(body: bytes) -> float | None:
    """Sesamy says in the body of a 429, too, how long to wait: `{"error": {"retry_after": 60}}`."""
    try:
        seconds = number(msgspec.json.decode(body, type=_Patience).error.retry_after)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if seconds is None else min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, seconds))


class _PatienceError(Struct):
    retry_after: object = None


class _Patience(Struct):
    error: _PatienceError
