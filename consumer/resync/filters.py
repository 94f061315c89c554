"""The filters of vendors: each is asked whether it heeds which user's rows it is asked for; one that does not is shut out."""

import random
import time
from collections.abc import Callable, Mapping
from math import inf
from shlex import quote
from typing import Final, get_args

import anyio
from msgspec import Struct

from ..core.answers.owners import Owners
from ..core.answers.snapshot import Snapshot
from ..core.errors import ConsumerError, Denied, Forbidden, Retryable
from ..core.gates.gate import Gate
from ..core.mapping.documents import has_foreign_rows
from ..core.model import Job, UserKey
from ..core.text import utc
from ..telemetry.fences import fenced, unfenced
from ..telemetry.logs import log
from .sesamy import Resource, Sesamy, nobody

_log = log(__name__)
EVERY_S: Final = 3600.0
_EARLIER: Final = 0.1
"""Each question comes earlier by a random part of this, so that pods which began together do not ask together."""
_WAIT_FIRST_S, _WAIT_MAX_S = 5.0, 60.0
_SUSPECT_S: Final = 60.0
"""Ids may be shared for a good reason: no more often is the filter asked because of them."""
_HEED_S: Final = 10.0
"""So long does a run wait for the answer."""
_SHUT_S: Final = 1.0
_CALLERS: Final = 5
"""Our failures come in so many names: five in a row are about all, not about one."""
_FINDINGS: Final = 5
RESOURCES: Final[tuple[Resource, ...]] = get_args(Resource)


class Finding(Struct, kw_only=True):
    """One time that a vendor ignored its filter."""

    vendor: str
    resource: Resource
    since: float
    """Wall time (s): what was written from then on may be wrong. The last good verdict, or the oldest event that was resynced after it."""
    found_at: float
    obeyed_at: float | None = None
    """When it obeyed again; None: not yet."""

    @property
    def replay(self) -> str:
        """Return the command that makes good for it, once the filter is obeyed."""
        since = utc(self.since)
        return f"sesamy-makeas replay --vendor {quote(self.vendor)} --from-time {since}"


class Filters:
    """
    The filters of all vendors.

    It promises: a vendor is asked at the start and hourly, for contracts and for entitlements, with an id that no reader has, and at once
    where one id appears for two users, or a row names another; until its first verdict, and while it gives rows, its gate is shut, and
    then it is asked after 5 s, doubling to 60 s; no answer holds nothing that had a verdict. Nothing is asked while the vendor has us
    wait. Where no user may ask, our failures count as users' would, so that an outage holds users for no longer than any other;
    where users may, they show how the vendor is, and a good verdict never opens what they have shut.
    """

    def __init__(
        self,
        vendors: Mapping[str, Sesamy] | None = None,
        gates: Mapping[str, Gate] | None = None,
        *,
        chance: random.Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Take the vendors and their gates; none: nothing is asked.

        Args:
            chance: draws ids and times; None: the system's.
            wall: the time of day (s).
        """
        chance = random.SystemRandom() if chance is None else chance
        self._vendors = {name: _Vendor(name, sesamy, (gates or {})[name], chance, wall) for name, sesamy in (vendors or {}).items()}
        self._owners: dict[Resource, Owners] = {resource: Owners() for resource in RESOURCES}

    def await_verdicts(self, *, now: float) -> None:
        """Let no user be fetched before the first verdict on its vendor."""
        for one in self._vendors.values():
            one.gate.stops.await_verdict(now=now)

    def findings(self) -> tuple[Finding, ...]:
        """Return when filters were ignored since the start; of each vendor the last few."""
        return tuple(finding for one in self._vendors.values() for finding in one.findings)

    async def run(self, ring: Callable[[], None]) -> None:
        """
        Ask what is to be asked, for ever.

        Args:
            ring: is called at each good verdict.
        """
        if not self._vendors:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            for one in self._vendors.values():
                tasks.start_soon(one.keep, ring)

    async def heed(self, job: Job, snapshot: Snapshot) -> None:
        """Note whose rows these are; where one is or was another's, have the filter asked now, and wait a little for the answer."""
        one = self._vendors.get(job.user.vendor)
        if one is None:
            return
        one.oldest_at = min(one.oldest_at, *(since_ms / 1000 for since_ms in job.since_ms.values() if since_ms > 0), inf)
        are_shared = self._owners["contracts"].note(job.user, [contract.id for contract in snapshot.contracts])
        are_shared |= self._owners["entitlements"].note(job.user, [entitlement.id for entitlement in snapshot.entitlements])
        if are_shared or has_foreign_rows(snapshot):
            await one.suspect()


class _Vendor:
    """One vendor's verdict, and how it is asked for."""

    def __init__(self, name: str, sesamy: Sesamy, gate: Gate, chance: random.Random, wall: Callable[[], float]) -> None:
        self.gate, self.findings = gate, list[Finding]()
        self.oldest_at = inf
        """Wall time (s) of the oldest event resynced since the last good verdict."""
        self._name, self._sesamy, self._chance, self._wall = name, sesamy, chance, wall
        # The pod before us has asked hourly.
        self._good_at = wall() - EVERY_S
        self._is_proven = self._is_ignored = False
        self._tries = 0
        self._asks, self._suspected_at = False, -inf
        self._bell = self._answered = anyio.Event()

    @property
    def _stands_in(self) -> bool:
        """Say whether no user may ask: then we show how the vendor is."""
        return self._is_ignored or not self._is_proven

    async def keep(self, ring: Callable[[], None]) -> None:
        """Ask for ever."""
        pending, wait_s, began_at = RESOURCES, _WAIT_FIRST_S, self._wall()
        while True:
            if pending == RESOURCES:
                began_at = self._wall()
            pending = await self._look(pending)
            if not pending:
                self._obeyed(began_at)
                ring()
            self._answered.set()
            self._bell, self._answered = anyio.Event(), anyio.Event()
            with anyio.move_on_after(wait_s if pending else EVERY_S * (1 - _EARLIER * self._chance.random())):
                await self._bell.wait()
            wait_s = min(_WAIT_MAX_S, wait_s * 2) if pending else _WAIT_FIRST_S
            pending = pending or RESOURCES

    async def suspect(self) -> None:
        """Have it asked now, unless it was for such a cause within the last minute, and wait a little for the answer."""
        now = anyio.current_time()
        if not (self._asks or self._bell.is_set()):
            if now - self._suspected_at < _SUSPECT_S:
                return
            self._suspected_at = now
            self._bell.set()
        with anyio.move_on_after(_HEED_S):
            await self._answered.wait()

    async def _look(self, pending: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """Ask for each; return what is to be asked again soon: what gave no answer; all where one gave rows."""
        self._asks = True
        silent: list[Resource] = []
        try:
            for place, resource in enumerate(pending):
                try:
                    obeys = await self._ask(resource)
                except Denied:
                    return (*silent, *pending[place:])
                except ConsumerError:
                    silent.append(resource)
                    continue
                if not obeys:
                    self._ignored(resource)
                    return RESOURCES
        finally:
            self._asks = False
        return tuple(silent)

    async def _ask(self, resource: Resource) -> bool:
        self._tries += 1
        caller, gate = UserKey(self._name, f"filter {self._tries % _CALLERS}"), self.gate
        stands_in = self._stands_in
        if stands_in:
            gate.enter(caller, now=anyio.current_time())
        try:
            with fenced("filter"):
                return await self._sesamy.obeys_filter(resource, nobody(self._chance.getrandbits(128)), permit=self._permit)
        except ConsumerError as error:
            _log.info("the filter could not be asked about", vendor=self._name, op=resource, code=error.code)
            self._tell(caller, error)
            raise
        finally:
            # Without a success: that would speak for the profiles, too, which were not asked for.
            if stands_in:
                gate.leave(caller, now=anyio.current_time())

    async def _permit(self) -> None:
        """Wait for the gate, and a permit of its."""
        while True:
            while (wait_s := self._shut_s()) > 0:
                await anyio.sleep(wait_s)
            with unfenced():
                wait_s = self.gate.pace.reserve(1, now=anyio.current_time())
            await anyio.sleep(wait_s)
            if self._shut_s() <= 0:
                return
            with unfenced():
                self.gate.pace.reserve(-1, now=anyio.current_time())  # Nothing is asked.

    def _shut_s(self) -> float:
        """Return for how long at least we may not ask (s)."""
        now = anyio.current_time()
        return self.gate.away_s(now=now) or (_SHUT_S if not self._stands_in and self.gate.closed(now=now) else 0.0)

    def _tell(self, caller: UserKey, error: ConsumerError) -> None:
        """Tell the gate what concerns others, too."""
        shuts = isinstance(error, Denied) or (isinstance(error, Retryable) and error.retry_after_s is not None)
        if shuts or self._stands_in:
            self.gate.failed(caller, error, now=anyio.current_time())
            if isinstance(error, Forbidden) and self.gate.refuses_key:
                self._sesamy.renew()

    def _ignored(self, resource: Resource) -> None:
        self.gate.stop("filter", now=anyio.current_time())
        if self._is_ignored:
            return
        self._is_ignored = True
        found = Finding(vendor=self._name, resource=resource, since=min(self._good_at, self.oldest_at), found_at=self._wall())
        self.findings = [*self.findings, found][-_FINDINGS:]
        _log.error("sesamy ignores whose rows it is asked for: nothing is written", vendor=self._name, op=resource, replay=found.replay)

    def _obeyed(self, began_at: float) -> None:
        self.gate.release("filter", now=anyio.current_time())
        if self._is_ignored:
            self.findings[-1].obeyed_at = self._wall()
            _log.warning("sesamy heeds again whose rows it is asked for", vendor=self._name, replay=self.findings[-1].replay)
        elif not self._is_proven:
            _log.info("sesamy heeds whose rows it is asked for", vendor=self._name)
        self._is_proven, self._is_ignored = True, False
        self._good_at, self.oldest_at = began_at, inf
