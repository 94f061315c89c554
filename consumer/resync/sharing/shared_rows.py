"""The shared rows of one account: one call at a time, and what comes meanwhile goes with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from ...core.errors import ConsumerError, Forbidden, Held, Refused, Torn
from ...core.gates.gate import Gate
from ...core.model import AccountId, UserKey
from ...core.sharing.alone import Alone
from ...core.sharing.apart import Apart
from ...core.sharing.load import Rows, load, union
from ...telemetry.fences import BUG, fenced, unfenced
from ...telemetry.logs import log
from ...telemetry.loop import loop_time
from ...telemetry.metrics import Metrics
from ..course import TOO_OLD, is_passing, stopping
from ..make_reader import Limit
from .fare import LEFT, Fare, limit_of
from .rider import Rider

_log = log(__name__)
MAX_ROWS: Final = 1000
"""A bulk call takes no more."""
_GIVES_WAY_S: Final = 2.0
"""For so long at most a call waits for a permit that is promised to nobody."""
_CURE: Final = "each reader's go alone for ten minutes; if it says so again, set makeas.rows_shared = false"

Send = Callable[[str, Sequence[object], Limit], Awaitable[None]]
"""Makes one call: the operation, its rows, how long it may last; raises one of our errors."""


def sharing(account: AccountId, metrics: Metrics) -> Callable[[Send], "SharedRows"]:
    """Return what makes an account's shared rows, whose calls are counted."""
    riders, apart = metrics.shared_riders.labels(account), metrics.shared_apart.labels(account)

    def again(code: str) -> None:
        metrics.retries.labels(upstream=account, code=code).inc()

    return partial(SharedRows, upstream=account, told=riders.inc, again=again, taken_apart=apart.inc)


class SharedRows:
    """
    The rows of one account, of all readers that come.

    It promises: one call is in flight, which takes its own permit, and what comes meanwhile goes with the next; nobody waits when none
    is, but for two seconds at most where there is no permit beside those promised to others; a call goes only with rows whose run
    still lives, and whose lease and snapshot allow it, and lasts no longer than they do;
    a run that is cut off takes its waiting rows along, and ends a call only where nobody else rides in it; of a refused call those alone
    fail that were refused alone, and where of five none is taken it is the account that fails, and none of its readers; what was refused,
    rode in a call that failed in passing for good, or waited in vain until its snapshot was too old, goes alone until it is taken.
    """

    def __init__(
        self,
        send: Send,
        *,
        upstream: str,
        told: Callable[[int], None] = lambda _readers: None,
        again: Callable[[str], None] = lambda _code: None,
        taken_apart: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Take what makes a call.

        Args:
            told: told of each call how many readers ride in it.
            again: told the code of each that failed in passing and is made once more.
            taken_apart: told of each that was refused and is asked again in parts.
        """
        self._send, self._upstream = send, upstream
        self._told, self._again, self._taken_apart = told, again, taken_apart
        self._waiting: list[Fare] = []
        self._riding: list[Fare] = []
        self._task: asyncio.Task[None] | None = None
        self._torn: Torn | None = None
        self._alone = Alone()

    def goes_alone(self, op: str, user: UserKey, rows: Rows, *, is_probe: bool) -> bool:
        """Say whether the rows of a reader are not to be shared."""
        return is_probe or len(rows) > MAX_ROWS or self._alone.has((user, op), now=loop_time())

    def went_alone(self, op: str, user: UserKey) -> None:
        """Note that the rows of a reader were taken alone: they may be shared again."""
        self._alone.remove((user, op))

    async def write(self, op: str, rows: Rows, rider: Rider) -> None:
        """
        Write rows, beside those of others.

        Raises:
            ConsumerError: what became of them; a second try in the run would not help.
            Torn: of any call of the account, this or one before.
        """
        if self._torn is not None:
            raise self._torn
        fare = Fare(op, rows, rider)
        self._waiting.append(fare)
        self._start()
        try:
            await fare.done.wait()
        finally:
            self._left(fare)
        if fare.error is not None:
            if isinstance(fare.error, ConsumerError):
                if fare.error.code == TOO_OLD and not fare.has_ridden:
                    self._alone.add([fare.place])  # Else it might wait in vain for ever, for no attempt is burnt.
                fare.error.is_final = True
            raise fare.error.with_traceback(None)  # Several raise the same.

    # ---- Going ----

    def _start(self) -> None:
        """Let the next call go, unless one is in flight."""
        if self._task is None and self._waiting and self._torn is None:
            # No task of a run's: its end must not end the others'.
            self._task = asyncio.get_running_loop().create_task(self._go(), context=self._waiting[0].context)
            self._task.add_done_callback(self._ended)

    def _left(self, fare: Fare) -> None:
        """Note that a run has gone on, or was cut off."""
        fare.is_gone = True
        if fare in self._waiting:
            self._waiting.remove(fare)
        riding = self._riding or self._waiting
        if self._task is not None and all(one.is_gone for one in riding):
            self._task.cancel()

    async def _go(self) -> None:
        try:
            with fenced("shared rows"):
                await self._give_way()
                await self._paid(lambda: self._waiting)
                self._board()
                await self._judge(self._riding)
        except ConsumerError as error:
            self._end_all(self._riding or self._waiting, error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Go on after a call, however it ended: one that is cut off before its first step runs no line of its own."""
        if not task.cancelled() and isinstance(torn := task.exception(), Torn):
            self._torn = torn
            self._end_all([*self._riding, *self._waiting], torn)
        self._end_all(self._riding, Held("the call was cut off", code="gate"))  # All that are still there.
        self._task, self._riding = None, []
        self._start()

    async def _give_way(self) -> None:
        """Let those go first that permits are promised to, for a while: what comes meanwhile rides along, so the rate takes more."""
        wait_s = self._waiting[0].rider.gate.pace.wait_s(1, now=loop_time())
        await self._waited(lambda: self._waiting, min(_GIVES_WAY_S, wait_s))

    def _board(self) -> None:
        """Let those go that go together, the first that waits first."""
        waiting = [one for one in self._waiting if not one.done.is_set()]
        self._riding = load((one for one in waiting if one.op == waiting[0].op), lambda one: one.rows, most=MAX_ROWS)
        self._waiting = [one for one in waiting if one not in self._riding]

    async def _judge(self, riding: list[Fare]) -> None:
        """Make a call, once more where it failed in passing, and tell each rider what came of it; its permit is there."""
        went, error = await self._call(riding)
        if error is not None and is_passing(error) and not went[0].rider.gate.closed(now=loop_time()):
            self._again(error.code)
            await self._waited(lambda: went, went[0].rider.again_s)
            went, again = await self._call(await self._paid(lambda: went))
            error = again if went else None
        if error is None:
            self._end_all(went)
        elif len(went) > 1 and _is_of_rows(error):
            await self._take_apart(went)
        else:
            self._failed(went, error)

    async def _call(self, riding: list[Fare]) -> tuple[list[Fare], ConsumerError | None]:
        """Make one call, which is paid for, with those that may go; return those that went, and how it failed."""
        gate = riding[0].rider.gate if riding else None
        while riding := [one for one in riding if one.limit_s() is not None]:
            rows = union(one.rows for one in riding)
            try:
                with fenced("exchange"):
                    await self._send(riding[0].op, list(rows.values()), limit_of(riding))
            except ConsumerError as error:
                if error.code == LEFT:
                    continue
                if not _is_of_rows(error):
                    self._warn(riding, error)
                return self._went(riding), error
            if len(riding) > 1:
                self._alone.taken_together()
            return self._went(riding), None
        if gate is not None:
            _take(gate, -1)
        return [], None

    def _went(self, riding: list[Fare]) -> list[Fare]:
        self._told(len(riding))
        for one in riding:
            one.has_ridden = True
        return riding

    async def _take_apart(self, refused: list[Fare]) -> None:
        """Ask until those that are at fault stand alone."""
        self._taken_apart()
        apart, calls = Apart(refused), 0
        while (group := apart.next()) is not None:
            went, error = await self._call(await self._paid(partial(list, group)))
            calls += 1
            if error is not None and not _is_of_rows(error):
                self._failed(went, error)
                break
            apart.note(went, error)
            if error is None:
                self._end_all(went)
        _log.warning("a shared call was taken apart", upstream=self._upstream, op=refused[0].op, count=calls, users=len(apart.bad))
        self._alone.add(one.place for one, _ in apart.bad)
        if apart.is_of_nobody and self._alone.refused_whole(now=loop_time()):
            _log.warning("rows of several readers are not taken together", upstream=self._upstream, op=refused[0].op, cure=_CURE)
        if apart.is_of_account and isinstance(apart.bad[0][1], Refused):
            self._warn(refused, apart.bad[0][1])
            self._end_all(refused, Held("the account refuses everybody", code="gate"))
        for one, error in apart.bad:
            one.end(error)
        self._end_all(refused, Held("others of the call were at fault", code="apart"))

    @staticmethod
    def _warn(riding: Sequence[Fare], error: ConsumerError) -> None:
        """Let the account's gate know at once, before the next call goes."""
        rider = riding[0].rider
        with unfenced():
            rider.gate.warned(rider.user, error, now=loop_time())

    def _failed(self, went: Sequence[Fare], error: ConsumerError) -> None:
        """Note that a call failed, and is not made again: if one of several brings that about, it costs the others no second try."""
        if len(went) > 1 and is_passing(error):
            self._alone.add(one.place for one in went)
        self._end_all(went, error)

    @staticmethod
    def _end_all(fares: Sequence[Fare], error: ConsumerError | Torn | None = None) -> None:
        for one in fares:
            one.end(error)

    # ---- Waiting ----

    async def _paid(self, riders: Callable[[], list[Fare]]) -> list[Fare]:
        """Take a permit for one call; return those of `riders` that are there once it is: where none is, the permit goes back."""
        if not (some := riders()):
            return []
        gate, left = some[0].rider.gate, list[Fare]()
        wait_s = _take(gate, 1)
        try:
            left = await self._waited(riders, wait_s)
        finally:
            if not left:
                _take(gate, -1)
        return left

    async def _waited(self, riders: Callable[[], list[Fare]], wait_s: float) -> list[Fare]:
        """Wait; return those that are there then: while we stop, those alone that have begun to write."""
        until = loop_time() + wait_s

        def there() -> list[Fare]:
            return [one for one in riders() if not one.is_gone and not one.done.is_set()]

        while (some := there()) and (left_s := until - loop_time()) > 0:
            waits = next((one for one in some if not one.rider.course.begun), some[0])
            if await waits.rider.course.wait(left_s):
                break
            for one in there():
                if not one.rider.course.begun:
                    one.rider.course.cut = True
                    one.end(stopping())
        return there()


def _take(gate: Gate, permits: int) -> float:
    """Take a permit for a call of several, or (-1) give it back; return how long to wait for it (s)."""
    with unfenced():
        gate.expected.called(permits)
        return gate.pace.reserve(permits, now=loop_time())


def _is_of_rows(error: ConsumerError) -> bool:
    """Say whether some of the rows may be behind it: a refusal, a 403, which says nothing of the key yet, or what we can't even send."""
    return isinstance(error, Refused | Forbidden) or error.code == BUG
