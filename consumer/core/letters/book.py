"""The open letters of users, as the dead-letter topic tells of them to a pod."""

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from ..model import AccountId, Addressee, Place, UserKey
from .headers import Mark, Named, Origin
from .kinds import Kinds, Unreadable
from .reconciled import Reconciles
from .record import OpenLetter, Record

_SPARE: Final = 1000
"""Closed letters that may stay in the order of age, beside as many as there are open ones."""

Closed = tuple[Place, OpenLetter]


class Change(Struct, frozen=True):
    """What a record changed."""

    wanted: Place | None = None
    """A letter that may be tried from now on."""
    closed: tuple[Closed, ...] = ()


class Letterbook:
    """
    The open letters of users.

    It promises: memory is O(open letters), a record O(1), what it closes, and the user's other letters; a letter is open until a `done`
    names it, or a newer letter that takes its place; the order of `done` and of what it names means nothing; a mark of a letter that
    is not known is let go; one that says the origin of its letter never means another at the same place.
    """

    def __init__(self) -> None:
        # By partition and offset, in ascending order.
        self._open: dict[int, OrderedDict[int, OpenLetter]] = {}
        self._size = 0
        self._by_user: dict[UserKey, tuple[Place, ...]] = {}
        self.kinds, self.unreadable, self.reconciles = Kinds(), Unreadable(), Reconciles()
        # A heap by the time of parking; closed ones leave it once they come to its top, or are the half of it.
        self._by_age: list[tuple[int, Place]] = []
        # Partition -> the newest offset read; and what was closed before it was read, by the origins that were said.
        self._read_to: dict[int, int] = {}
        self._closed_ahead: dict[Place, set[Origin | None]] = {}

    def __len__(self) -> int:
        return self._size

    def __contains__(self, place: Place) -> bool:
        return self.get(place) is not None

    def __getitem__(self, place: Place) -> OpenLetter:
        return self._open[place[0]][place[1]]

    def get(self, place: Place) -> OpenLetter | None:
        """Return the open letter at a place; None: there is none."""
        of_partition = self._open.get(place[0])
        return None if of_partition is None else of_partition.get(place[1])

    def items(self) -> Iterator[Closed]:
        """Give the open letters, the oldest of each partition first."""
        return ((Place(partition, offset), letter) for partition, some in self._open.items() for offset, letter in some.items())

    def oldest_parked_ms(self) -> int | None:
        """Return when the oldest open letter was parked (ms); None: there is none."""
        heap = self._by_age
        while heap and not self._is_live(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def of_user(self, user: UserKey) -> tuple[Place, ...]:
        """Return where a user's open letters are."""
        return self._by_user.get(user, ())

    def read(self, place: Place, record: Record) -> Change:
        """Take a record in."""
        self._read_to[place[0]] = place[1]
        if record.mark is not None:
            return self._mark(record.mark)
        if record.reconciled is not None:
            self.reconciles.read(record.reconciled)
        closed = tuple(gone for named in record.replaces if (gone := self._close(named)) is not None)
        letter, ahead = record.letter, self._closed_ahead.pop(place, ())
        if record.unreadable:
            self.unreadable.came(*place, record.unreadable, record.source)
        if letter is None or None in ahead or letter.origin in ahead:
            return Change(closed=closed)
        self._open.setdefault(place[0], OrderedDict())[place[1]] = letter
        self._size += 1
        same = self._same(letter)
        self.kinds.went(same)
        self.kinds.came([*same, letter])
        self._by_user[letter.user] = (*self.of_user(letter.user), place)
        heapq.heappush(self._by_age, (letter.parked_ms, place))
        return Change(place if letter.held else None, closed)

    def _mark(self, mark: Mark) -> Change:
        if mark.state == "done":
            gone = self._close(mark.named)
            return Change(closed=() if gone is None else (gone,))
        letter = self.get(mark.named.place)
        if letter is None or not mark.named.means(letter.origin):
            return Change()
        same = self._same(letter)
        self.kinds.went(same)
        letter.requeued = True
        self.kinds.came(same)
        return Change(mark.named.place)

    def _close(self, named: Named) -> Closed | None:
        """Take a letter out where it is open, or will be when it is read."""
        place, letter = named.place, self.get(named.place)
        if letter is not None:
            return self._take_out(place) if named.means(letter.origin) else None
        if place[1] > self._read_to.get(place[0], -1):
            self._closed_ahead.setdefault(place, set()).add(named.origin)
        return None

    def _take_out(self, place: Place) -> Closed:
        letter = self[place]
        same = self._same(letter)
        self.kinds.went(same)
        self.kinds.came([one for one in same if one is not letter])
        del self._open[place[0]][place[1]]
        self._size -= 1
        left = tuple(one for one in self._by_user[letter.user] if one != place)
        if left:
            self._by_user[letter.user] = left
        else:
            del self._by_user[letter.user]
        if len(self._by_age) > 2 * self._size + _SPARE:
            self._by_age = [one for one in self._by_age if self._is_live(one)]
            heapq.heapify(self._by_age)
        return place, letter

    def _same(self, letter: OpenLetter) -> list[OpenLetter]:
        """Return the open records of the user that say this very letter."""
        identity = letter.identity
        every = [self[place] for place in self.of_user(letter.user)]
        if identity is None:
            return [one for one in every if one is letter]
        return [one for one in every if one.offset == letter.offset and one.identity == identity]

    def _is_live(self, aged: tuple[int, Place]) -> bool:
        letter = self.get(aged[1])
        return letter is not None and letter.parked_ms == aged[0]

    def forget(self, partition: int) -> tuple[Closed, ...]:
        """Take out all of a partition, which begins anew: what comes has places of its own."""
        gone = self.forget_before(partition, self._read_to.pop(partition, -1) + 1)
        self._closed_ahead = {place: said for place, said in self._closed_ahead.items() if place[0] != partition}
        return gone

    def forget_before(self, partition: int, offset: int) -> tuple[Closed, ...]:
        """Take out what retention has taken from the topic."""
        self.unreadable.forget_before(partition, offset)
        gone: list[Closed] = []
        of_partition = self._open.get(partition, OrderedDict())
        while of_partition and (first := next(iter(of_partition))) < offset:
            gone.append(self._take_out(Place(partition, first)))
        return tuple(gone)


def account_of(vendor_accounts: Sequence[Addressee], account: str | None, lists: str) -> tuple[AccountId, ...]:
    """
    Return the accounts, among the vendor's, that a letter is about; none: the settings know it no longer.

    Where a user id has several keys, its lists tell which is meant.

    Args:
        account: Make's user id; None: all accounts.
        lists: by commas.
    """
    if account is None:
        return tuple(one.id for one in vendor_accounts)
    same = [one for one in vendor_accounts if one.user_id == account]
    if len(same) > 1:
        named = set(lists.split(","))
        same = [one for one in same if named & set(one.lists)]
    return tuple(one.id for one in same)
