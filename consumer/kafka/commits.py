"""The committer: it commits what the ledger says, and so proves again and again that the partitions are still ours."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import anyio
from aiokafka.errors import CommitFailedError, IllegalGenerationError, IllegalStateError, KafkaError, UnknownMemberIdError

from ..core.lease import Lease
from ..core.ledger import Ledger
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from .client.words import said

_log = log(__name__)
_EVERY_S: Final = 5.0
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_clock() -> float:
    """Return seconds on a clock that runs while the machine is suspended, where there is one."""
    return time.clock_gettime(_CLOCK)


class Committing(Protocol):
    """A member of the group, as far as it commits."""

    @property
    def generation(self) -> int:
        """Return the group's generation as it knows it."""

    async def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """Commit partition -> offset."""


class Commits:
    """
    The committer.

    It promises: nothing but the ledger's watermarks is committed; at least every third of the session's timeout a
    commit is sent, also when nothing moved; a success with one generation above 0 before and after prolongs the lease
    from the moment it was sent; a refusal for membership ends the lease at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        *,
        session_timeout_s: float,
        on_loss: Callable[[], None],
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        """
        Take what it works on.

        Args:
            on_loss: called when the lease was ended.
            clock: the lease's (s).
        """
        self._ledger, self._lease = ledger, lease
        self._every_s = min(_EVERY_S, session_timeout_s / 3)
        self._on_loss, self._clock, self._metrics = on_loss, clock, metrics
        self.member: Committing | None = None
        """The member that commits; None: there is none in the group."""
        self.tried_at = anyio.current_time()
        """When a commit was last due (loop's clock), be there anything to commit or not."""
        self.committed: dict[int, int] = {}
        """What the broker has last taken from us, per partition that is ours."""

    @property
    def generation(self) -> int:
        """Return the group's generation as our member knows it; 0 or less: not a member."""
        return -1 if self.member is None else self.member.generation

    async def run(self) -> None:
        """Commit for ever, every few seconds, however long a commit takes."""
        due_at = anyio.current_time() + self._every_s
        while True:
            await anyio.sleep_until(due_at)
            self.tried_at = anyio.current_time()
            due_at = self.tried_at + self._every_s
            await self.commit(limit_s=self._every_s * 2)

    async def commit(self, *, limit_s: float) -> bool:
        """Commit now; return whether it succeeded and proved our membership."""
        offsets = self._ledger.watermarks()
        if not offsets:
            return False
        before, sent_at = self.generation, self._clock()
        result = "failed"
        try:
            with anyio.fail_after(limit_s):
                await self._commit(offsets)
            result = "ok"
        except CommitFailedError as error:
            result = "refused"
            if isinstance(error.__cause__, UnknownMemberIdError | IllegalGenerationError):
                self._lose()
        except IllegalStateError:  # The assignment has just changed: nothing is proved, nothing is lost.
            result = "refused"
        except (KafkaError, TimeoutError) as error:
            _log.warning("commit failed", error=said(error))
        self._metrics.commits.labels(result=result).inc()
        if result != "ok":
            return False
        self.committed.update({p: offset for p, offset in offsets.items() if p in self._ledger.partitions})
        if before > 0 and before == self.generation:
            self._lease.prove(sent_at=sent_at)
            return True
        return False

    async def _commit(self, offsets: Mapping[int, int]) -> None:
        if self.member is None:
            raise KafkaError("no consumer")
        await self.member.commit_offsets(offsets)

    def _lose(self) -> None:
        _log.warning("commit refused: membership lost")
        self._lease.end(now=self._clock())
        self._on_loss()
