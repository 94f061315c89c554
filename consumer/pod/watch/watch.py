"""The part of a pod that looks at its own status, writes what begins and ends into the log, and hands it on to be sent."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anyio

from ...core.errors import ConsumerError
from ...telemetry.fences import fenced
from ...telemetry.logs import log
from ..status.tree import Status
from .conditions import Conditions, Notice
from .standing import Kind, named

_log = log(__name__)
_LOOK_S: Final = 1.0
_REST: Final = 50
"""A look is followed by at least so many times its length without one: with very many lists it takes at most 2 % of the time."""

_LINES: Final[dict[Kind, tuple[str, str]]] = {
    "gate": ("gate shut", "gate open again"),
    "list": ("list left out", "list taken back"),
    "partition": ("partition stands still", "partition moves again"),
    "group": ("no member of the group", "member of the group again"),
    "topic": ("topic missing", "topic there again"),
    "writing": ("dead-letter topic not writable", "dead-letter topic writable again"),
    "reading": ("dead-letter topic not readable", "dead-letter topic readable again"),
    "letters": ("letters need a person", "no letter needs a person any more"),
    "unreadable": ("letters of records that can't be read", "no letter of a record that can't be read"),
    "kept": ("writes not kept", "writes kept again"),
}


class Watch:
    """Looks each second; a fault of ours here is logged, and costs one look."""

    def __init__(
        self,
        status: Callable[[], Status],
        conditions: Conditions,
        *,
        put: Callable[[Notice], None] | None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """
        Take what to look at.

        Args:
            put: takes what is to be sent, and never waits; None: nothing is.
            stopwatch: the seconds that a look takes are measured by it.
        """
        self._status, self._conditions, self._put, self._stopwatch = status, conditions, put, stopwatch
        self._has_looked = False

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            began = self._stopwatch()
            with suppress(ConsumerError), fenced("watch"):
                self.look()
            await anyio.sleep(max(_LOOK_S, (self._stopwatch() - began) * _REST))

    def look(self) -> None:
        """Tell what has begun and ended since the last look; of the first one with partitions also how much that is."""
        status = self._status()
        notices = self._conditions.changed(status, anyio.current_time())
        for notice in notices:
            if notice.is_news:
                tell(notice)
            if self._put is not None and notice.is_sent:
                self._put(notice)
        if not self._has_looked and status.state == "consuming":
            self._has_looked = True
            _log.info(
                "consuming",
                partitions=len(status.partitions),
                count=self._conditions.standing,
                cause=self._conditions.kinds or "all is well",
            )


def tell(notice: Notice) -> None:
    """Write a notice into the log: a warning where something begins, else a line of information."""
    begins, ends = _LINES[notice.kind]
    fields = {
        {"gate": "upstream", "partition": "partition", "list": "list", "kept": "upstream"}.get(notice.kind, "subject"): notice.subject,
        "cause": notice.cause,
        "lists": named(notice.lists),
        "users": notice.users,
    }
    if notice.begins:
        _log.warning(begins, **fields, text=notice.text, cure=notice.cure)
    else:
        _log.info(ends, **fields, closed_s=notice.lasted_s)
