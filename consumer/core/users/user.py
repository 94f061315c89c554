"""One dirty user: its tokens, its phase, what waits and what it owes, and where it stands."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from math import inf
from typing import Final

from msgspec import Struct

from ..model import SESAMY, AccountId, Letter, Reopened, Result, UserKey
from .case import Case, Newer, Phase
from .debts import Debt, Debts, Rules, Unpaid

_NO_DEBTS: Final = Debts()


class Standing(Enum):
    """Where a dirty user stands."""

    QUIET = "quiet"
    """Events have come, and more may: the end of the burst is waited for."""
    BACKOFF = "backoff"
    """A try has failed, and the next one's time has not come."""
    DUE = "due"
    """A run may begin, as far as the user is concerned."""
    RUNNING = "running"
    PARKING = "parking"


class User(Struct, order=True, gc=False):
    """
    One dirty user; small, since there may be 250,000. No cycle runs through it, so the collector may pass it by.

    It promises: a token is the oldest event not covered of its partition, and covers the newer ones there, but for those that came
    after the first look at a user that Sesamy does not know: the oldest of them has a token, too; a run that ends with nothing owed
    covers exactly the events before its start; what a letter alone asks for holds no token.
    """

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
    Its token: the oldest event not covered; offset -1: none. Then a partition is the one whose log has lost it: no pod could read
    of the user again (see `is_orphan`).
    """
    lane: tuple[AccountId, ...] | None = None
    own_case: Case | None = None
    """None: neither in a run nor in trouble."""

    @classmethod
    def reopened(cls, letter: Reopened) -> "User":
        """Return a user that only a letter asks for."""
        user = cls(inf, letter.user, inf, inf, letter.since_ms, letter.type, -1, -1)
        user.own_case = Case(source=letter)
        return user

    # ---- Where it stands ----

    @property
    def case(self) -> Case:
        """Return the user's case, made where there is none."""
        if self.own_case is None:
            self.own_case = Case()
        return self.own_case

    @property
    def phase(self) -> Phase:
        """Return what the user is in."""
        return Phase.WAITING if self.own_case is None else self.own_case.phase

    @property
    def debts(self) -> Mapping[AccountId, Debt]:
        """Return what it owes, to be looked at only."""
        return _NO_DEBTS if self.own_case is None else self.own_case.debts

    def standing(self, now: float) -> Standing:
        """Return the one name of where it stands."""
        if self.phase is not Phase.WAITING:
            return Standing.RUNNING if self.phase is Phase.RUNNING else Standing.PARKING
        if self.lane is not None:
            return Standing.DUE
        if self.wake_at == inf:
            return Standing.BACKOFF
        return Standing.DUE if self.due_at <= now else Standing.QUIET

    def events_are_due(self, now: float) -> bool:
        """Say whether events wait that are due: they have left the heap and no run has begun since."""
        return self.wake_at == inf and self.due_at <= now

    @property
    def is_by_letter(self) -> bool:
        """Say whether no event asks for the user, but a letter does."""
        return self.own_case is not None and self.own_case.source is not None

    @property
    def is_orphan(self) -> bool:
        """Say whether no record of any log holds the user any more, though something is owed to it."""
        return self.offset < 0 <= self.partition

    def due_accounts(self, every: tuple[AccountId, ...], *, now: float) -> tuple[AccountId, ...]:
        """Return the accounts, among `every` one of the vendor, that the user owes to and whose time has come."""
        is_asked = self.events_are_due(now)
        if self.own_case is None:
            return every if is_asked else ()
        return self.own_case.debts.due(every, is_asked=is_asked, now=now)

    def owed_since_ms(self, account: AccountId) -> int:
        """Return the time of the oldest event that an account has not had (ms)."""
        case = self.own_case
        if case is None or case.events_since_ms < 0 or account in case.debts:
            return self.since_ms
        return case.events_since_ms

    def tried_at(self, upstream: AccountId) -> float:
        """Return when the user was last tried at an account, or (SESAMY) fetched in vain; -inf: never."""
        debt = self.own_case.debts.get(upstream) if self.own_case is not None else None
        return debt.tried_at if debt is not None else -inf

    # ---- Tokens ----

    def tokens(self) -> Iterator[tuple[int, int]]:
        """Give (partition, offset) of the user's tokens."""
        if self.offset >= 0:
            yield self.partition, self.offset
        case = self.own_case
        if case is not None:
            yield from case.more.items()
            yield from ((partition, offset) for partition, offset in case.since_look.tokens.items() if offset >= 0)

    def is_split(self, partition: int) -> bool:
        """Say whether an event of the user is open on another partition than this one; of a run under way, newer ones count, too."""
        case = self.own_case
        newer = case.newer.tokens.items() if case is not None else ()
        return any(at >= 0 and one != partition for one, at in (*self.tokens(), *newer))

    def take_token(self, partition: int, offset: int) -> bool:
        """Let the user have a token on the partition; return whether it is new (else an older one covers the offset)."""
        if self.offset < 0:
            self.partition, self.offset = partition, offset
            return True
        if self.partition == partition:
            return False
        return self.case.more.setdefault(partition, offset) == offset

    def drop_token(self, partition: int) -> None:
        """Take the token on the partition away, where there is one."""
        more = self.own_case.more if self.own_case is not None else {}
        if self.partition != partition:
            more.pop(partition, None)
        elif more:
            self.partition, self.offset = more.popitem()
        else:
            self.partition, self.offset = -1, -1

    def lose_token(self, partition: int) -> None:
        """Take the token on the partition away, whose log no longer holds its record; without another the user is an orphan."""
        case = self.own_case
        if case is not None:
            case.newer.lose(partition)
            case.since_look.lose(partition)
        if self.partition == partition or (case is not None and partition in case.more):
            self.drop_token(partition)
            if self.offset < 0:
                self.partition = partition
                if case is not None and case.since_look.type:
                    self.join_looks()

    def cover(self, *, urgent: Collection[str]) -> tuple[tuple[int, int], ...]:
        """
        Sort the tokens out after a run or a parking; return those that are closed by it.

        With nothing owed the older ones go and the newer stay; else the older stay and cover the newer on their partition.
        """
        case = self.case
        owes = bool(case.debts.accounts)
        if owes or case.event_before:
            if case.absent_since == inf or (self.offset < 0 and case.newer.type):
                closed = (*self.join_looks(), *self._take_tokens(case.newer.tokens))
            else:
                closed = case.since_look.join(case.newer, urgent=urgent)
            if case.newer.type in urgent and self.type not in urgent:
                self.type = case.newer.type
            if not owes and case.events_since_ms >= 0:
                self.since_ms, case.events_since_ms = case.events_since_ms, -1
            elif not case.event_before:
                case.events_since_ms = case.newer.since_ms if case.newer.type else -1
        else:
            closed = tuple(self.tokens())
            case.due_since = inf
            self.partition, self.offset = -1, -1
            case.more.clear()
            case.since_look = Newer()
            case.begin_looks()
            self._take_tokens(case.newer.tokens)
            self.type, self.since_ms, case.events_since_ms = case.newer.type or self.type, case.newer.since_ms, -1
        if self.partition >= 0:
            case.source = None
        case.newer, case.event_before = Newer(), False
        return closed

    def _take_tokens(self, newer: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
        """Let the user have the tokens of newer events; return those that older ones cover."""
        held = [(partition, offset) for partition, offset in newer.items() if offset >= 0]
        if self.offset < 0 and not held:  # The log has lost them: (partition, -1).
            self.partition, self.offset = next(iter(newer.items()), (self.partition, -1))
        return tuple(place for place in held if not self.take_token(*place))

    # ---- Two looks at a user that Sesamy does not know ----

    def takes_since_look(self) -> bool:
        """Say whether an event that comes now is to have looks of its own: the first one at the older events is made."""
        if self.own_case is None or self.own_case.absent_since == inf:
            return False
        if self.offset >= 0:
            return True
        self.own_case.begin_looks()  # A letter alone asked for the look, or its events are lost: both wait for this one's.
        return False

    def end_looks(self) -> tuple[tuple[int, int], ...]:
        """Settle the events that were looked at twice; what came since the first look has had its first now: return the closed tokens."""
        case, since = self.case, self.case.since_look
        closed = tuple(place for place in self.tokens() if place not in since.tokens.items())
        self.partition, self.offset, case.due_since = -1, -1, inf
        case.more.clear()
        self.type, self.since_ms = since.type, since.since_ms
        case.debts.begin_anew()
        self.join_looks()
        return closed

    def join_looks(self) -> tuple[tuple[int, int], ...]:
        """Let what came since the first look, and what came before it, begin both looks anew; return the tokens that older ones cover."""
        if self.own_case is None:
            return ()
        since, self.own_case.since_look = self.own_case.since_look, Newer()
        self.own_case.begin_looks()
        return self._take_tokens(since.tokens)

    # ---- What becomes a letter ----

    def settle(self, upstream: AccountId, result: Result, rules: Rules, *, now: float, uniform: float) -> tuple[Letter, ...]:
        """Note what a run brought at one upstream; return letters, one for each code, where there is no other try."""
        case = self.case
        return self._letters(case.debts.settle(upstream, result, rules, absent_since=case.absent_since, now=now, uniform=uniform))

    def hold(self, gone: Collection[AccountId], every: Sequence[AccountId], *, now: float) -> tuple[Letter, ...]:
        """
        Turn what a due user owes to accounts that are out (none named: the vendor is) into letters.

        Args:
            every: all accounts of the vendor.
        """
        case = self.case
        if self.events_are_due(now):
            case.debts.owe(every, now=now)
            self.due_at = inf
        case.event_before = self.due_at != inf
        return self._letters(case.debts.hold(gone))

    def hold_all(self, every: Sequence[AccountId], *, now: float) -> tuple[Letter, ...]:
        """Turn all that a user owes, be it due or not, into letters."""
        debts = self.case.debts
        if self.due_at != inf:
            debts.owe(every, now=now)
            self.due_at = inf
        owed = debts.accounts
        return self._letters(debts.hold(owed if len(owed) < len(every) else ()))

    def _letters(self, unpaid: Iterable[Unpaid]) -> tuple[Letter, ...]:
        case = self.case
        key, source = case.key, case.source
        return tuple(
            Letter(
                code=one.code,
                stage="sesamy" if one.upstream == SESAMY else "makeas",
                partition=self.partition if source is None else source.partition,
                offset=self.offset if source is None else source.offset,
                user=self.key,
                type=self.type,
                account=None if one.upstream == SESAMY else one.upstream,
                lists=one.lists,
                attempts=one.attempts,
                key=key if source is None or key is not None else source.key,
                partitions=None if source is None else source.partitions,
            )
            for one in unpaid
        )
