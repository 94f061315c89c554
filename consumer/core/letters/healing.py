"""Healing: which open letters are tried again, what was held by itself, the rest when asked; and when one is done."""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, zip_longest
from math import inf
from typing import Final

from msgspec import Struct, field

from ..gates.gates import Gates
from ..model import SESAMY, AccountId, Addressee, Door, Job, Letter, Outcome, Place, Reopened, Result, Verdict
from ..users.counts import Waiting
from ..users.schedule import Schedule
from .book import Closed, Letterbook, account_of
from .headers import Named
from .record import OpenLetter, Record

_AT_ONCE: Final = 50
"""Letters of one upstream that are in the schedule at once; the rest wait in the topic's book."""
_LOOKED_AT: Final = 500
"""Letters of one upstream that are looked at in one round."""
_SORTED: Final = 2000
"""Letters that are sorted by partition in one round: all of them are anew when the topic has got more."""

Upstream = tuple[str, AccountId, tuple[str, ...]]
"""Vendor, account or SESAMY, and the lists of the account that it is about; none: all of them."""
_Queue = OrderedDict[Place, None]


class _Progress(Struct):
    """How far a letter is that some run was about."""

    left: set[AccountId]
    """The accounts that have not had what is asked for."""
    tried_at: float = -inf
    """When a run was last made for it: the probe of a gate is the user that was tried longest ago."""
    all_but_some_lists: set[AccountId] = field(default_factory=set)
    """Accounts that the last run wrote, but for the lists that its letters name."""


class Healing:
    """
    The letters of a pod.

    It promises: of the open letters that are ours, by the source partition whose owner tries them (`OpenLetter.home`), a
    held one is tried again once its gate, and a door of the lists it names, is open, any other once an operator asks; after
    due users, at most 50 of one upstream, or of the same lists of one, at once, and never beyond the limits; a letter is done
    when runs that began after the letter was read have done what it asks for, whatever asked for those runs. What is lost by
    a crash or a rebalance is in the topic still. A round with nothing new is O(letters in the schedule), whatever waits.
    """

    def __init__(self, schedule: Schedule, gates: Gates, accounts: Mapping[str, Sequence[Addressee]]) -> None:
        """Take what it works with, and the accounts of each vendor that the settings know."""
        self._schedule, self._gates = schedule, gates
        self._named = lru_cache(1024)(lambda vendor, account, lists: account_of(accounts.get(vendor, ()), account, lists))
        self._some_lists = lru_cache(1024)(lambda vendor, account, lists: _some_of(accounts[vendor], account, lists))
        self._lists = {(vendor, one.id): one.lists for vendor, of in accounts.items() for one in of}
        self.book = Letterbook()
        self.unknown_accounts = 0
        """Letters asked for, of a vendor or account that the settings don't know."""
        # What may be tried, in order: not sorted yet; by upstream and home; and what has been given to the schedule.
        self._unsorted: _Queue = OrderedDict()
        self._waiting: dict[Upstream, dict[int, _Queue]] = {}
        self._taken: dict[Place, Upstream] = {}
        self._taken_of: Counter[Upstream] = Counter()
        self._sorted_for = 0
        self._progress: dict[Place, _Progress] = {}
        # What is being closed: `done`, or the letter that takes its place, is on its way to the topic and back to us.
        self._closing: set[Place] = set()

    def waiting(self, owned: Collection[int]) -> Iterator[Waiting]:
        """Give the letters of `owned` source partitions that will be tried again, of users that are not dirty; O(those)."""
        queues = ((queue, of) for of, by_home in self._waiting.items() for home, queue in by_home.items() if home in owned)
        waiting = ((place, of) for queue, of in queues for place in queue)
        for place, (_, _, lists) in chain(waiting, self._taken.items()):
            letter = self.book[place]
            if letter.user not in self._schedule and place not in self._closing:
                yield Waiting(letter.user.vendor, self._left(place), letter.parked_ms, lists)

    def due_by_account(self, owned: Collection[int]) -> Iterator[tuple[str, AccountId]]:
        """
        Give, by vendor and account, where letters of `owned` source partitions wait to be written; O(upstreams).

        They are in no schedule yet: what they need must be known before they are offered.
        """
        for (vendor, account, _), by_home in self._waiting.items():
            if any(queue and home in owned for home, queue in by_home.items()):
                yield from ((vendor, one) for one in ((account,) if account != SESAMY else self._named(vendor, None, "")))

    # ---- The topic ----

    def read(self, place: Place, record: Record) -> bool:
        """Take one record in; return False where it asks for what the settings don't know."""
        change = self.book.read(place, record)
        self._let_go(change.closed)
        wanted = change.wanted
        if wanted is None or wanted in self._taken:
            return True
        if self._upstream(self.book[wanted]) is None:
            self.unknown_accounts += 1
            return False
        self._unsorted[wanted] = None
        return True

    def forget(self, partition: int) -> None:
        """Forget the letters of a partition that was made anew: their places are others' now."""
        self._let_go(self.book.forget(partition))

    def forget_before(self, partition: int, offset: int) -> None:
        """Forget what retention has taken from the topic."""
        self._let_go(self.book.forget_before(partition, offset))

    def _let_go(self, closed: Collection[Closed]) -> None:
        for place, letter in closed:
            self._closing.discard(place)
            self._progress.pop(place, None)
            self._unsorted.pop(place, None)
            if place in self._taken:
                self._taken_of[self._taken.pop(place)] -= 1
            upstream = self._upstream(letter)
            if upstream in self._waiting:
                self._waiting[upstream].get(letter.home(self._sorted_for), _Queue()).pop(place, None)

    # ---- The schedule ----

    def interrupted(self) -> None:
        """Note that what was to be written may never be: partitions go."""
        self._closing.clear()

    def offer(self, owned: Collection[int], *, of_topic: int, now: float) -> bool:
        """
        Give letters to the schedule where there is room for them; return whether some were.

        Args:
            owned: the source partitions that are ours.
            of_topic: how many the source topic has; 0: not known yet.
        """
        for place, upstream in list(self._taken.items()):
            if place not in self._closing and self.book[place].user not in self._schedule:
                del self._taken[place]
                self._taken_of[upstream] -= 1
                self._unsorted[place] = None
        self._sort(of_topic)
        before = len(self._taken)
        for upstream, by_home in self._waiting.items():
            queues = [queue for home, queue in by_home.items() if queue and home in owned]
            if queues:
                self._offer_of(upstream, queues, now)
        return len(self._taken) > before

    def _sort(self, of_topic: int) -> None:
        """Sort what may be tried by the partition whose owner does it, some in each round."""
        if self._sorted_for != of_topic:
            self._sorted_for = of_topic
            for by_home in self._waiting.values():
                for queue in by_home.values():
                    self._unsorted.update(queue)
            self._waiting.clear()
        for _ in range(min(len(self._unsorted), _SORTED) if self._sorted_for else 0):
            place, _ = self._unsorted.popitem(last=False)
            letter = self.book[place]
            upstream = self._upstream(letter)
            if upstream is not None and place not in self._taken:
                self._waiting.setdefault(upstream, {}).setdefault(letter.home(self._sorted_for), _Queue())[place] = None

    def _offer_of(self, upstream: Upstream, queues: Sequence[_Queue], now: float) -> None:
        if upstream[2] and any(self._is_held(next(iter(queue))) for queue in queues):
            self._gates.lists.doubt(upstream[1], upstream[2], now=now)
        room = self._room(upstream, now)
        found = _in_turn(queues) if room > 0 else iter(())
        # One letter is a probe, or the last that has room: whose turn it is must not be the same one's each time.
        for queue, place in sorted(found, key=lambda one: self._last_at(one[1])) if room == 1 else found:
            if room <= 0:
                return
            if place not in self._closing and self._may_end(place, now) and self._schedule.reopen(self._reopened(place), now=now):
                del queue[place]
                self._taken[place] = upstream
                self._taken_of[upstream] += 1
                room -= 1
            else:
                queue.move_to_end(place)

    def _room(self, upstream: Upstream, now: float) -> int:
        """Return how many letters of an upstream may join: many where it is open, one to probe it, none where it is shut."""
        vendor, account, lists = upstream
        doors = [self._gates.vendor(vendor, now=now)]
        if account != SESAMY:
            doors.append(self._gates.account(account, now=now))
            doors.append(self._gates.lists.door(account, lists, now=now, of=self._lists[vendor, account]))
        return 0 if Door.SHUT in doors else (1 if Door.PROBE in doors else _AT_ONCE) - self._taken_of[upstream]

    def _may_end(self, place: Place, now: float) -> bool:
        """Say whether one of the accounts that are still owed lets a user in."""
        vendor = self.book[place].user.vendor
        open_ones = (one for one in self._left(place) if self._gates.account(one, now=now) is not Door.SHUT)
        return any(self._gates.lists.door(one, (), now=now, of=self._lists[vendor, one]) is not Door.SHUT for one in open_ones)

    def _reopened(self, place: Place) -> Reopened:
        letter = self.book[place]
        return Reopened(
            user=letter.user,
            type=letter.type,
            accounts=tuple(self._left(place)),
            partition=letter.partition,
            offset=letter.offset,
            partitions=letter.partitions,
            key=letter.key,
            since_ms=letter.parked_ms,
            tried_at=self._tried_at(place),
        )

    def _last_at(self, place: Place) -> float:
        """Return when a letter was last tried, or written anew, as one is that a list refuses: it was tried just before."""
        return max(self._tried_at(place), self.book[place].read_at)

    def _tried_at(self, place: Place) -> float:
        progress = self._progress.get(place)
        return -inf if progress is None else progress.tried_at

    # ---- What comes of it ----

    def note_run(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], outcome: Outcome) -> list[Named]:
        """Note a run; return the letters that are done: it did the last of what each asked for."""
        done = {account for account, result in accounts.items() if result.verdict is Verdict.DONE}
        but_lists = {letter.account for letter in outcome.letters if letter.account is not None and letter.lists}
        skipped = sesamy.verdict is Verdict.SKIPPED
        closed: list[Named] = []
        for place in self.book.of_user(job.user):
            letter = self.book[place]
            if not self._asked(letter):
                continue
            progress = self._progress.setdefault(place, _Progress(set(self._left(place))))
            progress.tried_at = job.started_at
            if letter.read_at > job.started_at:
                continue
            progress.left -= progress.left if skipped or letter.read_at <= outcome.absent_at else done
            progress.all_but_some_lists = but_lists
            if not progress.left:
                self._closing.add(place)
                closed.append(Named(place, letter.origin))
        return closed

    def replaced(self, letters: Sequence[Letter]) -> tuple[Named, ...]:
        """Return the open letters whose place a user's new ones take: those that ask for no more."""
        user = letters[0].user
        if user is None:
            return ()
        found = [place for place in self.book.of_user(user) if self._is_covered(place, letters)]
        self._closing.update(found)
        return tuple(Named(place, self.book[place].origin) for place in found)

    def _is_covered(self, place: Place, letters: Sequence[Letter]) -> bool:
        """Say whether `letters` ask for all that is left of an open one."""
        old, progress = self.book[place], self._progress.get(place)
        written = progress.all_but_some_lists if progress is not None else ()
        if not self._asked(old):
            return False
        if any(one.account is None for one in letters):
            return True
        new = {one.account for one in letters if not one.lists or one.account in written or set(old.lists.split(",")) <= set(one.lists)}
        return all(account in new for account in self._left(place))

    # ---- Inside ----

    def _asked(self, letter: OpenLetter) -> tuple[AccountId, ...]:
        """Return the accounts that a letter is about; none: the settings know none of them."""
        return self._named(letter.user.vendor, letter.account, letter.lists)

    def _upstream(self, letter: OpenLetter) -> Upstream | None:
        asked, vendor = self._asked(letter), letter.user.vendor
        if not asked or letter.account is None:
            return (vendor, SESAMY, ()) if asked else None
        return vendor, asked[0], self._some_lists(vendor, asked[0], letter.lists) if len(asked) == 1 else ()

    def _is_held(self, place: Place) -> bool:
        """Say whether a letter is tried again by itself."""
        letter = self.book[place]
        return letter.held and not letter.requeued

    def _left(self, place: Place) -> Collection[AccountId]:
        """Return the accounts that have not had what a letter asks for."""
        progress = self._progress.get(place)
        return self._asked(self.book[place]) if progress is None else progress.left


def _some_of(accounts: Sequence[Addressee], account: AccountId, lists: str) -> tuple[str, ...]:
    """Return the lists of an account that a letter names, where those are some of them; else none: it is about the account."""
    every, named = next(one.lists for one in accounts if one.id == account), set(lists.split(","))
    some = tuple(one for one in every if one in named)
    return some if len(some) < len(every) else ()


def _in_turn(queues: Sequence[_Queue]) -> Iterator[tuple[_Queue, Place]]:
    """Give the first of each queue, then the second of each: no partition waits for another."""
    each = max(1, _LOOKED_AT // len(queues))
    heads = [[(queue, place) for place in islice(queue, each)] for queue in queues]
    return (one for row in zip_longest(*heads) for one in row if one is not None)
