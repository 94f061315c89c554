"""Lanes: which due user comes next: of the vendor with the fewest runs, urgent ones first, and none before a shut gate."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from math import inf
from typing import Final, Protocol

from ..model import SESAMY, AccountId, Door, UserKey

_LONGEST_DUE_EVERY: Final = 4
"""So often comes the user that is the longest due of those that events ask for …"""
_LONGEST_DUE_OF_ALL_EVERY: Final = 8
"""… and so often, instead, the one that is the longest due of all: a vendor that is always at its rate must not keep letters for ever."""

_KEPT: Final = 8
"""One in so many workers is kept from a busy vendor, for the others: their users must not wait until a run of its ends."""

TriedAt = Callable[[UserKey, AccountId], float]


class Doors(Protocol):
    """What the schedule asks of the gates."""

    def vendor(self, vendor: str, *, now: float) -> Door:
        """Say whether a fetch for the vendor may begin."""

    def account(self, account: AccountId, *, now: float) -> Door:
        """Say whether a conversation with the account may begin."""

    def want(self, vendor: str, *, urgent: bool, now: float) -> None:
        """Note that a due user found the vendor's door shut, though it may enter at an account."""


class Rank(Enum):
    """Which user goes first."""

    URGENT = 0
    ROUTINE = 1
    LETTER = 2


class Lane:
    """The due users of a vendor that owe to the same accounts, with the time each became due; the first is the longest due."""

    __slots__ = ("accounts", "by_letter", "routine", "urgent")

    def __init__(self, accounts: tuple[AccountId, ...]) -> None:
        self.accounts = accounts
        self.urgent: OrderedDict[UserKey, float] = OrderedDict()
        self.routine: OrderedDict[UserKey, float] = OrderedDict()
        self.by_letter: OrderedDict[UserKey, float] = OrderedDict()
        """A user that only letters ask for."""

    def __len__(self) -> int:
        return len(self.urgent) + len(self.routine) + len(self.by_letter)

    def __iter__(self) -> Iterator[UserKey]:
        yield from self.urgent
        yield from self.routine
        yield from self.by_letter

    def of(self, rank: Rank) -> OrderedDict[UserKey, float]:
        """Return the users of a rank."""
        return self.urgent if rank is Rank.URGENT else self.routine if rank is Rank.ROUTINE else self.by_letter


class Lanes:
    """
    All users that are due.

    It promises: the vendor with the fewest runs goes first, and among equals the one that was served longest ago, so that
    those that are busy at once come to equal parts as runs end; where there are several vendors an eighth of the workers,
    one at least, is kept from each for the others, and of eight workers or more the last is for a vendor that runs nobody;
    within a vendor urgent users come first, but every fourth pick is the longest due, and those that only letters ask for come where
    no other could, but every eighth pick is the longest due of all ranks; a user is chosen only where its
    vendor's gate and one of the accounts it owes to let it; a probe is the user whose last try there is longest
    ago, never tried before all. Choosing costs O(lanes) and a sort of the vendors in line, a probe O(users tried there),
    however many users wait.
    """

    def __init__(self, accounts: Mapping[str, tuple[AccountId, ...]], *, concurrency: int) -> None:
        """Take the accounts of each vendor and the number of workers."""
        self._accounts = accounts
        is_shared = len(accounts) > 1
        self._most = max(1, concurrency - max(1, concurrency // _KEPT)) if is_shared else concurrency
        self._keeps_last = is_shared and concurrency >= _KEPT
        self._free = concurrency
        # No lane is empty.
        self._lanes: dict[str, dict[tuple[AccountId, ...], Lane]] = {vendor: {} for vendor in accounts}
        self._picks = dict.fromkeys(accounts, 0)
        # The one that was served longest ago is the first.
        self._running = OrderedDict.fromkeys(accounts, 0)

    def __len__(self) -> int:
        return sum(len(lane) for lanes in self._lanes.values() for lane in lanes.values())

    def of(self, vendor: str) -> Iterator[Lane]:
        """Return the vendor's lanes; users may be taken out only after the iteration."""
        return iter(self._lanes[vendor].values())

    def by_account(self) -> Counter[tuple[str, AccountId]]:
        """Return, by vendor and account (SESAMY: any), how many users wait to be chosen."""
        waiting: Counter[tuple[str, AccountId]] = Counter()
        for vendor, lanes in self._lanes.items():
            for accounts, lane in lanes.items():
                waiting.update({(vendor, account): len(lane) for account in (SESAMY, *accounts)})
        return waiting

    def put(self, key: UserKey, accounts: tuple[AccountId, ...], *, rank: Rank, due_at: float) -> None:
        """Line a due user up behind those that owe to the same accounts; before them, where it became due before the first."""
        lanes = self._lanes[key.vendor]
        lane = lanes.get(accounts)
        if lane is None:
            lane = lanes[accounts] = Lane(accounts)
        users = lane.of(rank)
        is_first = bool(users) and due_at < next(iter(users.values()))
        users[key] = due_at
        if is_first:
            users.move_to_end(key, last=False)

    def remove(self, key: UserKey, accounts: tuple[AccountId, ...]) -> float:
        """Take a user out of the lane of `accounts`; return when it became due."""
        lane = self._lanes[key.vendor][accounts]
        due_at = next(users.pop(key) for users in (lane.urgent, lane.routine, lane.by_letter) if key in users)
        if not lane:
            del self._lanes[key.vendor][accounts]
        return due_at

    def held(
        self, vendor_out: Callable[[str], bool], account_out: Callable[[AccountId], bool], doors: Doors, *, now: float
    ) -> Iterator[tuple[UserKey, tuple[AccountId, ...]]]:
        """Return the users that wait for nothing but upstreams that are out, each with those accounts; (): the vendor is."""
        for vendor, accounts in self._accounts.items():
            if vendor_out(vendor):
                yield from ((key, ()) for lane in self.of(vendor) for key in lane)
                continue
            out = {account for account in accounts if account_out(account)}
            for lane in self.of(vendor) if out else ():
                gone = _among(lane.accounts, out)
                if gone and all(doors.account(account, now=now) is Door.SHUT for account in lane.accounts):
                    yield from ((key, gone) for key in lane)

    def take_worker(self, vendor: str) -> None:
        """Note that one of the vendor's users has a worker."""
        self._running[vendor] += 1
        self._running.move_to_end(vendor)
        self._free -= 1

    def free_worker(self, vendor: str) -> None:
        """Note that a worker is free again."""
        self._running[vendor] -= 1
        self._free += 1

    def choose(self, doors: Doors, tried_at: TriedAt, *, now: float) -> tuple[UserKey, tuple[AccountId, ...]] | None:
        """
        Return the next user and the accounts to write; the user stays in the lane until `remove`.

        Args:
            tried_at: when a user was last tried at an account (or SESAMY); -inf: never.
        """
        running = self._running
        last_is_kept = self._keeps_last and 0 in running.values()
        able = [vendor for vendor in running if self._lanes[vendor] and self._has_room(vendor, last_is_kept=last_is_kept)]
        for vendor in sorted(able, key=running.__getitem__):  # Among equals the order stays.
            chosen = self._choose_of(vendor, doors, tried_at, now=now)
            if chosen is not None:
                return chosen
        return None

    def _has_room(self, vendor: str, *, last_is_kept: bool) -> bool:
        """Say whether a worker is free for the vendor."""
        running = self._running[vendor]
        return running < self._most and self._free > int(last_is_kept and running > 0)

    def _choose_of(self, vendor: str, doors: Doors, tried_at: TriedAt, *, now: float) -> tuple[UserKey, tuple[AccountId, ...]] | None:
        door = doors.vendor(vendor, now=now)
        by_account = {account: doors.account(account, now=now) for account in self._accounts[vendor]}
        opened = {account for account, at in by_account.items() if at is Door.OPEN}
        if door is Door.SHUT:
            urgent = _first(self.of(vendor), opened, Rank.URGENT) is not None
            if urgent or any(not opened.isdisjoint(lane.accounts) for lane in self.of(vendor)):
                doors.want(vendor, urgent=urgent, now=now)
            return None
        probed = {account for account, at in by_account.items() if at is Door.PROBE}
        if door is Door.PROBE:
            for accounts in (opened, probed):  # Those that owe only to a shut account may be all there are.
                lane, key = self._longest_ago(vendor, accounts, SESAMY, tried_at)
                if key is not None:
                    return key, _among(lane, accounts)
            return None
        for upstream in by_account:
            if upstream in probed:
                lane, key = self._longest_ago(vendor, {upstream}, upstream, tried_at)
                if key is not None:
                    return key, _among(lane, opened | {upstream})
        lane, key = self._pick(vendor, opened)
        return None if key is None else (key, _among(lane, opened))

    def _pick(self, vendor: str, opened: set[AccountId]) -> tuple[tuple[AccountId, ...], UserKey | None]:
        firsts = {rank: first for rank in Rank if (first := _first(self.of(vendor), opened, rank)) is not None}
        if not firsts:
            return (), None
        asked_by_event = [rank for rank in firsts if rank is not Rank.LETTER]
        self._picks[vendor] += bool(asked_by_event)
        if self._picks[vendor] % _LONGEST_DUE_OF_ALL_EVERY == 0:
            rank = min(firsts, key=lambda rank: firsts[rank][1])
        elif self._picks[vendor] % _LONGEST_DUE_EVERY == 0:
            rank = min(asked_by_event or firsts, key=lambda rank: firsts[rank][1])
        else:
            rank = next(iter(firsts))
        lane = firsts[rank][0]
        return lane.accounts, next(iter(lane.of(rank)))

    def _longest_ago(
        self, vendor: str, accounts: set[AccountId], upstream: AccountId, tried_at: TriedAt
    ) -> tuple[tuple[AccountId, ...], UserKey | None]:
        best: tuple[tuple[AccountId, ...], UserKey | None] = ((), None)
        best_at = inf
        for lane in self.of(vendor):
            if accounts.isdisjoint(lane.accounts):
                continue
            for key in lane:
                at = tried_at(key, upstream)
                if at < best_at:
                    best, best_at = (lane.accounts, key), at
                if at == -inf:
                    return best
        return best


def _first(lanes: Iterator[Lane], opened: set[AccountId], rank: Rank) -> tuple[Lane, float] | None:
    """Return the lane whose first user of the rank is the longest due of all that may enter, and since when; None: there is none."""
    best: tuple[Lane, float] | None = None
    for lane in lanes:
        users = lane.of(rank)
        if users and not opened.isdisjoint(lane.accounts):
            at = next(iter(users.values()))
            if best is None or at < best[1]:
                best = lane, at
    return best


def _among(lane: tuple[AccountId, ...], allowed: set[AccountId]) -> tuple[AccountId, ...]:
    return tuple(account for account in lane if account in allowed)
