"""The look back: a contact that was just written is read once more, now and then, to see whether its account keeps what it takes."""

from collections.abc import Awaitable, Callable

from ...core.errors import ConsumerError
from ...core.mapping.contact import Contact
from ...core.mapping.kept import CURE, Asked, Kept, What
from ...telemetry.fences import fenced
from ...telemetry.logs import log
from ...telemetry.loop import loop_time
from ..sharing.rider import Rider

_log = log(__name__)

Read = Callable[[Asked], Awaitable[Contact | None]]
"""Reads the contact of an address, without a permit of its own."""


class LookBack:
    """
    Looks at one account.

    It promises: no look at the cost of a reader that is due, nor at an account whose gate is not open, nor while we stop; one that
    fails changes nothing, neither for the reader nor at the gate.
    """

    def __init__(self, kept: Kept, read: Read, *, hides_left: bool) -> None:
        """Take what says when a look is due, what reads a contact, and whether the account hides contacts that opted out."""
        self._kept, self._read, self._hides_left = kept, read, hides_left

    def is_due(self, asked: Asked | None, rider: Rider | None) -> bool:
        """Say whether to look once all of a reader is written; its place at the account is kept till then."""
        return asked is not None and rider is not None and not rider.is_probe and self._kept.is_due(asked, now=loop_time())

    async def look(self, asked: Asked, rider: Rider) -> None:
        """Read the contact, and note what it shows; where that can't be done at once, nothing is asked."""
        gate, now = rider.gate, loop_time()
        if rider.course.cut or rider.course.waits.ended or gate.closed(now=now) or not gate.admits(rider.user, now=now):
            return
        if gate.pace.wait_s(1, now=now) > 0:
            return
        self._kept.looks(now=now)
        gate.pace.reserve(1, now=now)
        try:
            with fenced("look back"):
                found = await self._read(asked)
        except ConsumerError as error:
            _log.info("a written contact could not be looked at", upstream=self._kept.account, code=error.code)
            return
        self._kept.learn(rider.user, asked, found, hides_left=self._hides_left, now=loop_time())


def tell_not_kept(kept: Kept) -> None:
    """Have the log say it, where no pod's watch does."""

    def told(what: frozenset[What]) -> None:
        if what:
            _log.warning("writes not kept", upstream=kept.account, cause=", ".join(sorted(what)), cure=CURE)

    kept.told = told
