"""One dirty user: what waits, what is owed to whom, and which tokens stand for it. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from math import inf
from typing import Final

from msgspec import Struct, field

from ..model import SESAMY, AccountId, Letter, Reopened, Result, UserKey, Verdict

ABSENT_S: Final = 30.0
"""A user unknown to Sesamy is looked up again so much later: the event may be ahead of the API."""


class Rules(Struct, frozen=True, kw_only=True):
    """The numbers of the schedule; times in seconds."""

    quiet_s: float
    max_wait_s: float
    concurrency: int
    max_attempts: int
    backoff_s: float
    backoff_max_s: float

    def delay_s(self, attempt: int, *, uniform: float) -> float:
        """Return the wait after failed try number `attempt`; `uniform`: a draw from [0, 1)."""
        return uniform * min(self.backoff_max_s, self.backoff_s * 2.0 ** min(attempt - 1, 64))


class Debt(Struct):
    """What one user owes to one account, or (SESAMY) to the fetch."""

    not_before: float
    attempts: int = 0
    tried_at: float = -inf
    code: str = ""


class Phase(Enum):
    """What a dirty user is in."""

    WAITING = 0
    RUNNING = 1
    PARKING = 2


class Rare(Struct):
    """What only a user in a run or in trouble needs."""

    phase: Phase = Phase.WAITING
    debts: dict[AccountId, Debt] = field(default_factory=dict)
    letters: tuple[Letter, ...] = ()
    """On their way to the dead-letter topic."""
    more: dict[int, int] = field(default_factory=dict)
    """Tokens on further partitions."""
    event_before: bool = False
    """Whether events waited for quiet when the run (of a debt) began: it does not cover them."""
    events_since_ms: int = -1
    """Time of the oldest event that waits, where an older one is owed to some accounts alone; -1: the user's `since_ms` is of all."""
    # Of the events that came during the run or the parking.
    newer: dict[int, int] = field(default_factory=dict)
    newer_type: str = ""
    newer_since_ms: int = 0
    absent_since: float = inf
    due_since: float = inf
    """When he first became due, of what is still owed: a retry does not join the end of the line."""
    key: bytes | None = None
    """The record's key, where it can't be made anew from the ids."""
    source: Reopened | None = None
    """The letter that asks for the run, and no event does; None: events do."""


class User(Struct, order=True, gc=False):
    """One dirty user; small, since there may be 250,000. No cycle runs through it, so the collector may pass it by."""

    # Its place in the debounce heap, which changes only when popped; inf: not in the heap.
    wake_at: float
    key: UserKey
    due_at: float
    """When the events that wait are due; inf: none waits. May be later than `wake_at`, never earlier."""
    cap_at: float
    since_ms: int
    """Time of the oldest event that some account has not had (ms); see `owed_since_ms`."""
    type: str
    """Of the most urgent event that waits."""
    partition: int
    offset: int
    """
    Its token: the oldest event not covered; offset -1: none. Then a partition is the one whose log has lost it: nobody could read
    of the user again (see `is_orphan`).
    """
    lane: tuple[AccountId, ...] | None = None
    rare: Rare | None = None


# ---- Tokens ----


def take_token(user: User, partition: int, offset: int) -> bool:
    """Let the user have a token on the partition; return whether it is new (else an older one covers the offset)."""
    if user.offset < 0:
        user.partition, user.offset = partition, offset
        return True
    if user.partition == partition:
        return False
    return rare_of(user).more.setdefault(partition, offset) == offset


def rare_of(user: User) -> Rare:
    """Return the user's rare part, made where there is none."""
    if user.rare is None:
        user.rare = Rare()
    return user.rare


def fired(user: User, now: float) -> bool:
    """Say whether events wait that are due: they have left the heap and no run has begun since."""
    return user.wake_at == inf and user.due_at <= now


def owed(rare: Rare) -> tuple[AccountId, ...]:
    """Return the accounts that something is owed to."""
    return tuple(account for account in rare.debts if account != SESAMY)


def tokens(user: User) -> Iterator[tuple[int, int]]:
    """Return (partition, offset) of the user's tokens."""
    if user.offset >= 0:
        yield user.partition, user.offset
    if user.rare is not None:
        yield from user.rare.more.items()


def drop_token(user: User, partition: int) -> None:
    """Take the user's token on the partition away, where there is one."""
    more = user.rare.more if user.rare is not None else {}
    if user.partition != partition:
        more.pop(partition, None)
    elif more:
        user.partition, user.offset = more.popitem()
    else:
        user.partition, user.offset = -1, -1


def lose_token(user: User, partition: int) -> None:
    """Take the user's token on the partition away, whose log no longer holds its record; without another he is an orphan."""
    if user.rare is not None and partition in user.rare.newer:
        user.rare.newer[partition] = -1
    if user.partition == partition or (user.rare is not None and partition in user.rare.more):
        drop_token(user, partition)
        if user.offset < 0:
            user.partition = partition


def is_orphan(user: User) -> bool:
    """Say whether no record of any log holds the user any more, though something is owed to him."""
    return user.offset < 0 <= user.partition


def cover(user: User, *, urgent: Collection[str]) -> tuple[tuple[int, int], ...]:
    """
    Sort the tokens out after a run or a parking; return those that are closed by it.

    With nothing owed the older ones go and the newer stay; else the older stay and cover the newer on their partition.
    """
    rare = rare_of(user)
    if owed(rare) or rare.event_before:
        closed = _take_tokens(user, rare.newer)
        if rare.newer_type in urgent and user.type not in urgent:
            user.type = rare.newer_type
        if not owed(rare) and rare.events_since_ms >= 0:
            user.since_ms, rare.events_since_ms = rare.events_since_ms, -1
        elif not rare.event_before:
            rare.events_since_ms = rare.newer_since_ms if rare.newer_type else -1
    else:
        closed = tuple(tokens(user))
        rare.due_since = inf
        user.partition, user.offset = -1, -1
        rare.more.clear()
        _take_tokens(user, rare.newer)
        user.type, user.since_ms, rare.events_since_ms = rare.newer_type or user.type, rare.newer_since_ms, -1
    if user.partition >= 0:
        rare.source = None
    rare.newer.clear()
    rare.newer_type, rare.event_before = "", False
    return closed


def _take_tokens(user: User, newer: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    """Let the user have the tokens of newer events; return those that older ones cover."""
    held = [(partition, offset) for partition, offset in newer.items() if offset >= 0]
    if user.offset < 0 and not held:  # The log has lost them: (partition, -1).
        user.partition, user.offset = next(iter(newer.items()), (user.partition, -1))
    return tuple(place for place in held if not take_token(user, *place))


def take_newer(rare: Rare, type_: str, partition: int, offset: int, *, since_ms: int, urgent: Collection[str]) -> bool:
    """Note an event during a run or a parking; return whether a token opens for it at once."""
    if not rare.newer_type:
        rare.newer_since_ms = since_ms
    if not rare.newer_type or (type_ in urgent and rare.newer_type not in urgent):
        rare.newer_type = type_
    if rare.newer.get(partition, -1) < 0:
        rare.newer[partition] = offset
        return True
    return False


def reopened(letter: Reopened) -> User:
    """Return a user that only a letter asks for."""
    user = User(inf, letter.user, inf, inf, letter.since_ms, letter.type, -1, -1)
    user.rare = Rare(source=letter)
    return user


def only_by_letter(user: User) -> bool:
    """Say whether no event asks for the user."""
    return user.rare is not None and user.rare.source is not None


# ---- Debts ----


def due_accounts(user: User, every: tuple[AccountId, ...], *, now: float) -> tuple[AccountId, ...]:
    """Return the accounts, among `every` one of the vendor, that the user owes to and whose time has come."""
    event = fired(user, now)
    if user.rare is None:
        return every if event else ()
    debts = user.rare.debts
    if SESAMY in debts and debts[SESAMY].not_before > now:
        return ()
    return tuple(account for account in every if (debts[account].not_before <= now if account in debts else event))


def owed_since_ms(user: User, account: AccountId) -> int:
    """Return the time of the oldest event that an account has not had (ms)."""
    rare = user.rare
    if rare is None or rare.events_since_ms < 0 or account in rare.debts:
        return user.since_ms
    return rare.events_since_ms


def tried_at(user: User, upstream: AccountId) -> float:
    """Return when the user was last tried at an account, or (SESAMY) fetched in vain; -inf: never."""
    debt = user.rare.debts.get(upstream) if user.rare is not None else None
    return debt.tried_at if debt is not None else -inf


def owe(rare: Rare, accounts: Iterable[AccountId], *, now: float, tried_at: float = -inf) -> None:
    """Owe to `accounts` from now on; what is owed already keeps its time and attempts."""
    for account in accounts:
        rare.debts.setdefault(account, Debt(now, tried_at=tried_at))


def settle(user: User, account: AccountId, result: Result, rules: Rules, *, now: float, uniform: float) -> tuple[Letter, ...]:
    """Note what a run brought at one upstream; return letters, one for each code, where the schedule makes no other try."""
    rare = rare_of(user)
    if result.verdict is Verdict.DONE:
        rare.debts.pop(account, None)
        return ()
    debt = rare.debts.setdefault(account, Debt(now))
    debt.not_before, debt.code = now, result.code
    if result.tried:
        debt.tried_at = now
    if result.verdict is Verdict.HELD:
        return ()
    if result.verdict is Verdict.ABSENT:
        rare.absent_since = min(rare.absent_since, now)
        debt.not_before = rare.absent_since + ABSENT_S
        return ()
    debt.attempts += 1
    if result.verdict is Verdict.REFUSED or debt.attempts >= rules.max_attempts:
        del rare.debts[account]
        return _letters(user, account, result, debt.attempts)
    debt.not_before = now + max(result.delay_s, rules.delay_s(debt.attempts, uniform=uniform))
    return ()


def _letters(user: User, account: AccountId, result: Result, attempts: int) -> tuple[Letter, ...]:
    """Write one letter, or where some lists are owed one for each code: what is held heals, what is refused must not be tried with it."""
    lists: dict[str, list[str]] = {}
    for one, code in result.lists.items():
        lists.setdefault(code, []).append(one)
    about = {code: tuple(some) for code, some in lists.items()} or {result.code: ()}
    return tuple(letter(user, account, code, attempts, lists=some) for code, some in about.items())


def letter(user: User, account: AccountId, code: str, attempts: int, *, lists: tuple[str, ...] = ()) -> Letter:
    """Write what is owed to one account (SESAMY: to all), or to some of its lists, as a letter."""
    source = user.rare.source if user.rare is not None else None
    key = user.rare.key if user.rare is not None else None
    return Letter(
        code=code,
        stage="sesamy" if account == SESAMY else "makeas",
        partition=user.partition if source is None else source.partition,
        offset=user.offset if source is None else source.offset,
        user=user.key,
        type=user.type,
        account=None if account == SESAMY else account,
        lists=lists,
        attempts=attempts,
        key=key if source is None or key is not None else source.key,
        partitions=None if source is None else source.partitions,
    )
