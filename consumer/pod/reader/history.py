"""The history of the last users of a pod, kept in memory: what came, what was written, what failed."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Literal

from ...core.model import AccountId, Job, Letter, Place, Result, UserKey, Verdict
from ...resync.tally import served
from .facts import HistoryEntry

USERS: Final = 20_000
ENTRIES: Final = 8
_SHARED: Final = 1000
Times = dict[tuple[AccountId, str], float]
"""By account and list: wall time (s)."""
Run = Callable[[Job], Awaitable[tuple[Result, Mapping[AccountId, Result]]]]


class History:
    """
    What happened to the users of the last runs and letters.

    It promises: at most 20,000 users and of each the last eight things, and of each of its lists the last write, however many things
    came since; the user that was touched longest ago gives way; ids, codes and times only; a record that comes costs nothing, since
    an event is noted when its run begins. That a user is not in here says nothing of it.
    """

    def __init__(
        self,
        lists: Mapping[tuple[str, AccountId], Sequence[str]],
        *,
        types: Callable[[UserKey], str],
        users: int = USERS,
        is_dry: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Begin with nothing.

        Args:
            lists: by vendor and account.
            types: gives the type of the event for which a user runs; empty: not known.
            users: how many are kept.
            is_dry: whether runs write nothing.
            wall_clock: seconds.
        """
        self._lists, self._types, self._most, self._is_dry, self._wall_clock = lists, types, users, is_dry, wall_clock
        self._parking: Literal["parked", "would-park"] = "would-park" if is_dry else "parked"
        self.since = wall_clock()
        """Since when it is kept; wall time (s)."""
        self._users: dict[UserKey, list[HistoryEntry]] = {}
        # Of the same users alone: when each list was written last, and when the user was last kept off it.
        self._written: dict[UserKey, Times] = {}
        self._kept_off: dict[UserKey, Times] = {}
        # One object for all that name the same list, and for all entries with the same lists.
        self._places: dict[tuple[AccountId, str], tuple[AccountId, str]] = {}
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._users)

    def of(self, user: UserKey) -> tuple[HistoryEntry, ...]:
        """Return what is known of a user, the oldest first."""
        return tuple(self._users.get(user, ()))

    def written(self, user: UserKey) -> Times:
        """Return when each list was last written for a user; wall time (s)."""
        return self._written.get(user, {})

    def kept_off(self, user: UserKey) -> Times:
        """Return when a user was last kept off each list that it was kept off; wall time (s)."""
        return self._kept_off.get(user, {})

    def running(self, run: Run) -> Run:
        """Return what makes a run and remembers it."""

        async def remembered(job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
            self._begin(job)
            ended = None
            try:
                ended = await run(job)
            finally:
                self._end(job.user, ended)
            return ended

        return remembered

    def parked(self, letters: Sequence[Letter]) -> None:
        """Note that letters are written, or would be; one of no user is passed over."""
        at, what = self._wall_clock(), self._parking
        for letter in letters:
            if letter.user is not None:
                lists = self._one_object(letter.lists)
                self._put(letter.user, (HistoryEntry(at=at, what=what, code=letter.code, account=letter.account or "", lists=lists),))

    def healed(self, user: UserKey, places: Collection[Place]) -> None:
        """Note that letters of a user are dealt with."""
        at = self._wall_clock()
        self._put(user, [HistoryEntry(at=at, what="healed", place=str(place)) for place in places])

    def _begin(self, job: Job) -> None:
        at, of = self._wall_clock(), self.of(job.user)
        event_at = min(job.since_ms.values(), default=int(at * 1000)) / 1000
        # A user that is tried again, or runs for a letter, has no new event.
        is_new = not any(one.what == "event" and one.at == event_at for one in of)
        came = [HistoryEntry(at=event_at, what="event", code=self._types(job.user))] if is_new else []
        self._put(job.user, [*came, HistoryEntry(at=at, what="began")])

    def _end(self, user: UserKey, ended: tuple[Result, Mapping[AccountId, Result]] | None) -> None:
        entries = self._users.get(user)
        if entries and entries[-1].what == "began":
            entries.pop()  # Its end says so, too.
        self._put(user, [HistoryEntry(at=self._wall_clock(), what="cut-off")] if ended is None else [*self._ends(user, *ended)])

    def _ends(self, user: UserKey, sesamy: Result, accounts: Mapping[AccountId, Result]) -> Iterator[HistoryEntry]:
        at = self._wall_clock()
        if sesamy.verdict in {Verdict.SKIPPED, Verdict.ABSENT}:
            yield HistoryEntry(at=at, what="skipped", code=sesamy.code)
        elif sesamy.verdict is not Verdict.DONE:
            yield HistoryEntry(at=at, what="failed", code=sesamy.code, account="sesamy")
        had = [
            ((account, one), one in result.kept_off)
            for account, result in accounts.items()
            for one in served(self._lists.get((user.vendor, account), ()), result)
        ]
        self._note(user, had, at)
        if off := tuple(dict.fromkeys(one for (_, one), is_off in had if is_off)):
            yield HistoryEntry(at=at, what="kept-off", lists=self._one_object(off))
        if written := tuple(dict.fromkeys(one for (_, one), is_off in had if not is_off)):
            yield HistoryEntry(at=at, what="would-write" if self._is_dry else "written", lists=self._one_object(written))
        for account, result in accounts.items():
            if result.verdict is not Verdict.DONE:
                yield HistoryEntry(at=at, what="failed", code=result.code, account=account, lists=self._one_object(tuple(result.lists)))

    def _note(self, user: UserKey, had: Sequence[tuple[tuple[AccountId, str], bool]], at: float) -> None:
        """Note the time of what became of each list; a dry run writes none."""
        for one, is_off in had:
            place = self._places.setdefault(one, one)
            if is_off:
                self._kept_off.setdefault(user, {})[place] = at
            elif not self._is_dry:
                self._written.setdefault(user, {})[place] = at

    def _put(self, user: UserKey, entries: Sequence[HistoryEntry]) -> None:
        """Note something, and let the user be the one that was touched last."""
        of = self._users.pop(user, None)
        of = [] if of is None else of
        of.extend(entries)
        del of[:-ENTRIES]
        self._users[user] = of
        if len(self._users) > self._most:
            gone = next(iter(self._users))
            del self._users[gone]
            self._written.pop(gone, None)
            self._kept_off.pop(gone, None)

    def _one_object(self, lists: tuple[str, ...]) -> tuple[str, ...]:
        if len(self._shared) >= _SHARED:
            self._shared.clear()
        return self._shared.setdefault(lists, lists)
