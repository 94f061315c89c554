"""The registers of one account: which contacts left its lists, read at the pace its gate allows."""

from collections.abc import Callable, Collection
from math import inf
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from ...core.errors import ConsumerError, Denied, Refused, Retryable
from ...core.gates.gate import Gate
from ...core.mapping.consent import STALE_S, Consent, Register, Row, Walk
from ...core.model import AccountId, Door, UserKey
from ...telemetry.fences import BUG, fenced
from ...telemetry.logs import log
from .list_rows import ListRows, Page, ServerClock, Status, is_before

_log = log(__name__)
_REFRESH_S: Final = 60.0
_WHOLE_S: Final = 86_400.0
_REFUSED_S: Final = 3600.0
"""A refusal may be about a right that is granted soon."""
OVERLAP_S: Final = 300.0
"""So much of what was read before is read again: the server's parts may not agree on the time."""
_PART, _PART_WHILE_HELD = 0.1, 0.5
"""Of the account's rate; the larger one while users wait for the answer."""
_WAIT_FIRST_S, _WAIT_MAX_S = 1.0, 60.0
_SHUT_S: Final = 1.0
_TOGETHER_S: Final = 10.0
_ACTIVE_PAGES: Final = 10
"""Of those that came back no more is read at once: one that is overlooked stays in the register, till the whole is read again."""
_UNUSABLE: Final = frozenset({"not-json", "wrong-shape", "too-large", "encoded", "redirect", BUG})
_UNUSABLE_TRIES: Final = 5
LEFT: Final[tuple[Status, ...]] = ("unsubscribed", "bounce")


class Source(Struct, frozen=True):
    """Where one account's registers are read from."""

    consent: Consent
    rows: ListRows
    gate: Gate
    expire_key: Callable[[], None]
    """Is called where the key was refused."""


class _List:
    """One list: its register, and when it is to be read again."""

    def __init__(self, list_id: str, register: Register) -> None:
        self.id, self.register = list_id, register
        self.whole_at = -inf
        """When the whole was last read, or refused."""
        self.tried_at = -inf
        self.answered_at = -inf
        self.busy: set[Literal["whole", "changes"]] = set()
        self.no_changes_until = -inf
        """Until when changes are not asked for: they were refused."""
        self.tells_changes = True
        """Whether a question for changes was never answered with old rows."""

    def next(self, *, wanted_at: float, now: float) -> Literal["whole", "changes"] | None:
        """Return what is to be read now."""
        state = self.register.state
        # A question for changes that gets no answer must not keep the account shut for a day.
        is_stuck = "changes" in self.busy and now - self.tried_at >= _REFRESH_S and now - self.register.read_at >= STALE_S
        whole_s = STALE_S / 2 if state == "whole" and (self.register.since is None or is_stuck) else _WHOLE_S
        if now - self.whole_at >= whole_s and "whole" not in self.busy and wanted_at > self.whole_at:
            return "whole"
        changes = state == "whole" and self.register.since is not None and now - self.tried_at >= _REFRESH_S and wanted_at > self.tried_at
        return "changes" if changes and "changes" not in self.busy else None


class AccountRegisters:
    """One account's lists, and the pace of its calls."""

    def __init__(self, account: AccountId, source: Source) -> None:
        self.id, self.consent = account, source.consent
        self.rows, self._gate, self._expire_key = source.rows, source.gate, source.expire_key
        self._lists = [_List(list_id, register) for list_id, register in source.consent.registers.items()]
        self._wanted_at = -inf
        self._free_at = -inf
        self._asked = 0
        self._was_ready = False
        self._held_since = inf

    def want(self, *, now: float, due: bool) -> None:
        """Note whether there is something to write, or was since the last look."""
        if due or self.consent.asked:
            self._wanted_at, self.consent.asked = now, False
        # A small share of a small rate must not make them stale that are read one after the other.
        round_s = len(self._lists) * (len(LEFT) + 1) / (self._gate.pace.rate_per_s * _PART)
        self.consent.stale_s = max(STALE_S, 3 * round_s)
        ready = self.consent.ready(now=now)
        self._was_ready = self._was_ready and ready
        self._held_since = inf if ready else min(self._held_since, now) if due else self._held_since

    def soon(self, *, now: float) -> bool:
        """Say whether users wait for it that have not waited long, and nothing else stands before it."""
        waits_s = now - self._held_since
        return 0 <= waits_s < _TOGETHER_S and not self.consent.ready(now=now) and not self._gate.closed(now=now)

    def silent_s(self, *, now: float, since: float | None = None) -> float:
        """Return for how long users, or a look that began at `since`, have waited for the list that has not answered for longest (s)."""
        began = self._held_since if since is None else since
        return max((now - max(began, one.answered_at) for one in self._lists), default=0.0)

    def start(self, tasks: TaskGroup, ring: Callable[[], None], *, now: float) -> None:
        """Begin to read what is to be read now."""
        for one in self._lists:
            what = one.next(wanted_at=self._wanted_at, now=now)
            if what is not None:
                one.busy.add(what)
                tasks.start_soon(self._read, one, what, ring)

    async def _read(self, one: _List, what: Literal["whole", "changes"], ring: Callable[[], None]) -> None:
        before = one.register.state
        try:
            await (self._whole(one) if what == "whole" else self._changes(one))
        except Refused as error:
            if what == "whole":
                one.register.refuse(error.code)
                one.whole_at = anyio.current_time() - _WHOLE_S + _REFUSED_S
            else:
                one.register.since, one.no_changes_until = None, anyio.current_time() + _REFUSED_S
                _log.warning("who left a list lately can't be read: the whole is, again", account=self.id, list=one.id, code=error.code)
        finally:
            one.busy.discard(what)
        register = one.register
        if register.state == "none" and before != "none":
            _log.warning(
                "who left this list can't be read: consent hangs on email_status", account=self.id, list=one.id, code=register.code
            )
        elif what == "whole":
            _log.info("who left this list is read", account=self.id, list=one.id, count=len(register))
        if not self._was_ready and self.consent.ready(now=anyio.current_time()):
            self._was_ready = True
            ring()

    # ---- Reading ----

    async def _whole(self, one: _List) -> None:
        began, clock = anyio.current_time(), ServerClock()
        one.register.begin()
        for status in LEFT:
            if (await self._walk(one, status, one.register.take, clock)).stuck:
                one.register.doubt("paging")
        one.register.complete(read_at=began)
        one.whole_at = one.tried_at = began
        one.register.since = clock.later_than(one.register.since) if began >= one.no_changes_until else None

    async def _changes(self, one: _List) -> None:
        """Read which contacts left and which came back since."""
        assert one.register.since is not None
        one.tried_at = began = anyio.current_time()
        clock, after = ServerClock(), one.register.since - OVERLAP_S
        for status in LEFT:
            await self._walk(one, status, one.register.left, clock, updated_after=after)
        walk = Walk()
        while one.tells_changes and walk.page <= _ACTIVE_PAGES:
            page = await self._ask(one, "active", page=walk.page, updated_after=after)
            one.register.returned(page.rows)
            one.tells_changes = not any(is_before(row, after) for row in page.rows)
            if not walk.goes_on(page.rows):
                break
        one.register.read_at = max(one.register.read_at, began)
        one.register.since = clock.later_than(one.register.since)

    async def _walk(
        self, one: _List, status: Status, take: Callable[[Collection[Row]], None], clock: ServerClock, *, updated_after: float | None = None
    ) -> Walk:
        """Read all pages of a status; return how that went."""
        walk = Walk()
        while True:
            page = clock.noted(await self._ask(one, status, page=walk.page, updated_after=updated_after))
            take(page.rows)
            if not walk.goes_on(page.rows):
                return walk

    # ---- One call ----

    async def _ask(self, one: _List, status: Status, *, page: int, updated_after: float | None = None) -> Page:
        """
        Ask until there is an answer.

        Raises:
            Refused: the call can't be had, or is never answered as it should be.
        """
        wait_s, unusable = _WAIT_FIRST_S, 0
        while True:
            self._asked += 1
            caller = UserKey("", f"register {self._asked}")  # Five failures in a row are about all, and each may be a probe beside another.
            probes = await self._enter(caller)
            try:
                with fenced("leavers"):
                    answer = await self.rows.page(one.id, status, page=page, updated_after=updated_after)
            except Refused:
                if probes:
                    self._gate.succeeded(caller, now=anyio.current_time())  # It says no to this call: so it is there, and our key is good.
                raise
            except ConsumerError as error:
                unusable += self._failed(caller, error, one)
            else:
                one.answered_at = anyio.current_time()
                if probes:
                    self._gate.succeeded(caller, now=one.answered_at)
                return answer
            finally:
                if probes:
                    self._gate.leave(caller, now=anyio.current_time())
            if unusable >= _UNUSABLE_TRIES:
                raise Refused("leavers: never answered as it should be", code="unusable")
            await anyio.sleep(wait_s)
            wait_s = min(_WAIT_MAX_S, wait_s * 2)

    async def _enter(self, caller: UserKey) -> bool:
        """Wait for our turn, for the gate and a permit of its; return whether we are the gate's probe, and must leave it."""
        await self._pace()
        while True:
            now = anyio.current_time()
            if not self._gate.closed(now=now):
                await anyio.sleep(self._gate.pace.reserve(1, now=now))
                if not self._gate.closed(now=anyio.current_time()):
                    return False
            # Where users may be written, one of them is the probe.
            elif not self.consent.ready(now=now) and self._gate.door(now=now, permits=1) is Door.PROBE:
                self._gate.enter(caller, now=now, permits=1)
                self._gate.pay(caller, now=now)
                return True
            await anyio.sleep(_SHUT_S)

    async def _pace(self) -> None:
        now = anyio.current_time()
        part = _PART if self.consent.ready(now=now) else _PART_WHILE_HELD
        at = max(now, self._free_at)
        self._free_at = at + 1 / (self._gate.pace.rate_per_s * part)
        await anyio.sleep(at - now)

    def _failed(self, caller: UserKey, error: ConsumerError, one: _List) -> bool:
        """Tell the gate what concerns others, too; return whether the answer was unusable."""
        now = anyio.current_time()
        _log.info("who left could not be read", account=self.id, list=one.id, code=error.code)
        if isinstance(error, Denied):
            self._expire_key()
        shuts = isinstance(error, Denied) or (isinstance(error, Retryable) and error.retry_after_s is not None)
        # While users are written beside it, they show whether the upstream is well.
        if shuts or not self.consent.ready(now=now):
            self._gate.failed(caller, error, now=now)
        return error.code in _UNUSABLE
