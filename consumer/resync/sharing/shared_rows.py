"""The shared rows of one account: one call at a time, and what comes meanwhile goes with the next."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Final

import anyio

from ...core.errors import ConsumerError, Forbidden, Held, Refused, Retryable
from ...core.model import AccountId, UserKey
from ...core.sharing.apart import Apart
from ...core.sharing.load import Rows, load
from ...telemetry.fences import BUG, fenced
from ...telemetry.logs import log
from ...telemetry.metrics import Metrics
from ..course import TOO_OLD, stopping
from ..make_reader import Limit
from .rider import Rider

_log = log(__name__)
MAX_ROWS: Final = 1000
"""A bulk call takes no more."""
_KEPT: Final = 1024
"""Readers that are remembered to go alone."""
_LEFT: Final = "left"
"""The code of a call that was not made: somebody may not go any more, and the rest goes without."""

Send = Callable[[str, Sequence[object], Limit], Awaitable[None]]
"""Makes one call: the operation, its rows, how long it may last; raises one of our errors."""


class _Fare:
    """The rows of one reader for one call, and what became of them."""

    def __init__(self, op: str, rows: Rows, rider: Rider) -> None:
        self.op, self.rows, self.rider = op, rows, rider
        self.context: Context = copy_context()
        self.done = anyio.Event()
        self.error: ConsumerError | None = None
        self.is_gone = False
        """Whether its run has ended without it."""

    def end(self, error: ConsumerError | None = None) -> None:
        """Say what became of it; the first word counts."""
        if not self.done.is_set():
            self.error = error
            self.done.set()

    def limit_s(self) -> float | None:
        """Return for how long its rows may be written (s); None: not at all any more, and it is told why: no attempt is burnt."""
        if self.is_gone or self.done.is_set():
            return None
        try:
            return self.rider.limit_s()
        except Retryable as error:
            self.end(Held("the snapshot became too old behind other readers' calls", code=error.code))
        except ConsumerError as error:
            self.end(error)
        return None


def sharing(account: AccountId, metrics: Metrics) -> Callable[[Send], "SharedRows"]:
    """Return what makes an account's shared rows, whose calls are counted."""
    riders, apart = metrics.shared_riders.labels(account), metrics.shared_apart.labels(account)
    return partial(SharedRows, upstream=account, told=riders.inc, taken_apart=apart.inc)


class SharedRows:
    """
    The rows of one account, of all readers that come.

    It promises: one call is in flight, which takes its own permit, and what comes meanwhile goes with the next; nobody waits when none
    is; a call goes only with rows whose run still lives, and whose lease and snapshot allow it, and lasts no longer than they do;
    a run that is cut off takes its waiting rows along, and ends a call only where nobody else rides in it; of a refused call those alone
    fail who were refused alone, and where of five none is taken it is the account that fails, and none of its readers; who was refused,
    or rode in a call that failed twice, goes alone until it is taken.
    """

    def __init__(
        self,
        send: Send,
        *,
        upstream: str,
        told: Callable[[int], None] = lambda _readers: None,
        taken_apart: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Take what makes a call.

        Args:
            told: told of each call how many readers ride in it.
            taken_apart: told of each that was refused and is asked again in parts.
        """
        self._send, self._upstream, self._told, self._taken_apart = send, upstream, told, taken_apart
        self._waiting: list[_Fare] = []
        self._riding: list[_Fare] = []
        self._task: asyncio.Task[None] | None = None
        self._alone: OrderedDict[tuple[UserKey, str], None] = OrderedDict()

    def goes_alone(self, op: str, user: UserKey, rows: Rows, *, is_probe: bool) -> bool:
        """Say whether the rows of a reader are not to be shared."""
        return is_probe or len(rows) > MAX_ROWS or (user, op) in self._alone

    def went_alone(self, op: str, user: UserKey) -> None:
        """Note that the rows of a reader were taken alone: they may be shared again."""
        self._alone.pop((user, op), None)

    async def write(self, op: str, rows: Rows, rider: Rider) -> None:
        """
        Write rows, beside those of others.

        Raises:
            ConsumerError: what became of them; a second try in the run would not help.
        """
        fare = _Fare(op, rows, rider)
        self._waiting.append(fare)
        self._start()
        try:
            await fare.done.wait()
        finally:
            self._left(fare)
        if fare.error is not None:
            fare.error.is_final = True
            raise fare.error.with_traceback(None)  # Several raise the same.

    # ---- Going ----

    def _start(self) -> None:
        """Let the next call go, unless one is in flight."""
        if self._task is None and self._waiting:
            first = self._waiting[0]
            self._riding, _ = load((one for one in self._waiting if one.op == first.op), lambda one: one.rows, most=MAX_ROWS)
            self._waiting = [one for one in self._waiting if one not in self._riding]
            # No task of a run's: its end must not end the others'.
            self._task = asyncio.get_running_loop().create_task(self._ride(self._riding), context=first.context)

    def _left(self, fare: _Fare) -> None:
        """Note that a run has gone on, or was cut off."""
        fare.is_gone = True
        if fare in self._waiting:
            self._waiting.remove(fare)
        elif self._task is not None and fare in self._riding and all(one.is_gone for one in self._riding):
            self._task.cancel()

    async def _ride(self, riding: list[_Fare]) -> None:
        try:
            with fenced("shared rows"):
                await self._judge(riding)
        except ConsumerError as error:
            self._end_all(riding, error)
        finally:
            self._task = None
            self._end_all(riding, Held("the call was cut off", code="gate"))  # Whoever is still there.
            self._start()

    async def _judge(self, riding: list[_Fare]) -> None:
        """Make a call, once more where it failed in passing, and tell each rider what came of it."""
        went, error = await self._call(await self._paid(riding))
        if error is not None and _is_passing(error) and not went[0].rider.gate.closed(now=anyio.current_time()):
            went = await self._waited(went, went[0].rider.again_s)
            went, again = await self._call(await self._paid(went))
            error = again if went else None
        if error is None:
            self._end_all(went)
        elif len(went) > 1 and _is_of_rows(error):
            await self._take_apart(went)
        else:
            if len(went) > 1 and _is_passing(error):
                self._remember(went)
            self._end_all(went, error)

    async def _call(self, riding: list[_Fare]) -> tuple[list[_Fare], ConsumerError | None]:
        """Make one call with those that may go; return who went, and how it failed."""
        while riding := [one for one in riding if one.limit_s() is not None]:
            rows: dict[str, object] = {}
            for one in riding:
                rows.update(one.rows)
            try:
                with fenced("exchange"):
                    self._told(len(riding))
                    await self._send(riding[0].op, list(rows.values()), _limit_of(riding))
            except ConsumerError as error:
                if error.code == _LEFT:
                    continue
                return riding, error
            return riding, None
        return [], None

    async def _take_apart(self, refused: list[_Fare]) -> None:
        """Ask until those that are at fault stand alone."""
        self._taken_apart()
        apart, calls = Apart(refused), 0
        while (group := apart.next()) is not None:
            went, error = await self._call(await self._paid(group))
            calls += 1
            if error is not None and not _is_of_rows(error):
                self._end_all(went, error)
                break
            apart.note(went, error)
            if error is None:
                self._end_all(went)
        now = anyio.current_time()
        _log.warning("a shared call was taken apart", upstream=self._upstream, op=refused[0].op, count=calls, users=len(apart.bad))
        self._remember([one for one, _ in apart.bad])
        if apart.is_of_account and not any(isinstance(error, Forbidden) for _, error in apart.bad):
            refused[0].rider.gate.broke(now=now)
            self._end_all(refused, Held("the account refuses everybody", code="gate"))
        for one, error in apart.bad:
            one.end(error)
        self._end_all(refused, Held("others of the call were at fault", code="apart"))

    def _remember(self, fares: Sequence[_Fare]) -> None:
        """Let readers go alone from now on."""
        for one in fares:
            self._alone[one.rider.user, one.op] = None
        while len(self._alone) > _KEPT:
            self._alone.popitem(last=False)

    @staticmethod
    def _end_all(fares: Sequence[_Fare], error: ConsumerError | None = None) -> None:
        for one in fares:
            one.end(error)

    # ---- Waiting ----

    async def _paid(self, riding: list[_Fare]) -> list[_Fare]:
        """Take a permit for one call; return who still rides once it is there."""
        if not riding:
            return []
        gate = riding[0].rider.gate
        left = await self._waited(riding, gate.reserve(now=anyio.current_time()))
        if not left:
            gate.reserve(-1, now=anyio.current_time())  # Nothing is asked.
        return left

    async def _waited(self, riding: list[_Fare], wait_s: float) -> list[_Fare]:
        """Wait; return who still rides: while we stop, those alone that have begun to write."""
        until = anyio.current_time() + wait_s
        while riding and (wait_s := until - anyio.current_time()) > 0:
            waits = next((one for one in riding if one.rider.course.begun), riding[0])
            if await waits.rider.course.wait(wait_s):
                break
            for one in riding:
                if not one.rider.course.begun:
                    one.rider.course.cut = True
                    one.end(stopping())
            riding = [one for one in riding if not one.done.is_set()]
        return riding


def _is_passing(error: ConsumerError) -> bool:
    """Say whether another try, at once, may go well."""
    asks_to_wait = isinstance(error, Retryable) and (error.retry_after_s is not None or error.delay_s is not None)
    return isinstance(error, Retryable) and not asks_to_wait and error.code not in {TOO_OLD, BUG}


def _is_of_rows(error: ConsumerError) -> bool:
    """Say whether some of the rows may be behind it: a refusal, a 403, which says nothing of the key yet, or what we can't even send."""
    return isinstance(error, Refused | Forbidden) or error.code == BUG


def _limit_of(riding: Sequence[_Fare]) -> Limit:
    """Return what is asked before each try: as long as each of the riders may write."""

    def limit_s() -> float:
        limits_s = [left_s for one in riding if (left_s := one.limit_s()) is not None]
        if len(limits_s) < len(riding):
            raise Held("not everybody may go any more", code=_LEFT)
        return min(limits_s)

    return limit_s
