"""Who is due, and when: debounce, single flight, what is owed and its backoff. No I/O, no clock, no chance of its own."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from math import inf

from ..model import SESAMY, AccountId, Event, Job, Letter, Outcome, Reopened, Result, UserKey, Verdict
from .case import Case, Phase
from .debts import ABSENT_S, Rules
from .lanes import Doors, Lanes, Rank
from .timers import Timers
from .user import User

Aside = list[tuple[int, User]]
"""Of a revoked partition: each token's offset and its user, with times and attempts."""


class Schedule:
    """
    The dirty users.

    It promises: a burst of one user is one run, due `quiet_s` after its last event and at most `max_wait_s` after its
    first; never two runs of one user; an event during a run or a parking makes one more run follow, and its token
    opens at its own offset; a run that ends with nothing owed closes exactly the tokens opened before its start, one
    that ends owing keeps them; a retry is neither brought forward nor put off by events; only a success or a letter
    sets the attempts back. Memory is O(dirty users).
    """

    def __init__(self, rules: Rules, accounts: Mapping[str, tuple[AccountId, ...]], *, urgent: Collection[str]) -> None:
        """Take each vendor's accounts, and the event types that come first."""
        self._rules = rules
        self._accounts = accounts
        self._urgent = frozenset(urgent)
        self._users: dict[UserKey, User] = {}
        self._lanes = Lanes(accounts, concurrency=rules.concurrency)
        self._timers = Timers()
        self._times = (-inf, -inf, -inf)
        self._busy = {Phase.RUNNING: 0, Phase.PARKING: 0}

    # ---- Events ----

    def submit(self, event: Event, partition: int, offset: int, *, since_ms: int, now: float) -> bool:
        """Make the user dirty; return whether a token opens at `offset` (else an open one of the user covers it)."""
        if now != self._times[0]:  # The users of a batch share their times: that is a tenth of their memory.
            self._times = now, now + self._rules.quiet_s, now + self._rules.max_wait_s
        _, due_at, cap_at = self._times
        user = self._users.get(event.user)
        if user is None:
            user = User(due_at, event.user, due_at, cap_at, since_ms, event.type, partition, offset)
            self._users[event.user] = user
            self._timers.add(user)
            return True
        case = user.own_case
        busy = case is not None and case.phase is not Phase.WAITING
        if user.is_by_letter and not busy:
            self._ask_by_event(user, event.type, since_ms)
        if user.due_at == inf:
            user.due_at, user.cap_at = due_at, cap_at
            if not busy:
                user.case.events_since_ms = since_ms
                self._timers.arm(user)
        elif user.wake_at != inf or busy:
            user.due_at = min(due_at, user.cap_at)
        if case is not None and busy:
            return case.take_newer(event.type, partition, offset, since_ms=since_ms, urgent=self._urgent)
        if event.type in self._urgent and user.type not in self._urgent:
            user.type = event.type
            if user.lane is not None:
                self._line_up(user, user.lane, due_at=self._leave_lane(user))
        return user.take_token(partition, offset)

    def keep_key(self, user: UserKey, key: bytes | None) -> None:
        """Remember the record's key of a dirty user, where it is none that can be made anew from the ids: for a letter."""
        self._users[user].case.key = key

    def reopen(self, letter: Reopened, *, now: float) -> bool:
        """Owe again what a letter says, after all who are due; return False where the user is busy: ask again later."""
        user = self._users.get(letter.user)
        if user is None:
            user = self._users[letter.user] = User.reopened(letter)
        elif user.phase is not Phase.WAITING:
            return False
        if user.due_at == inf:  # Else the run to come covers it.
            user.case.debts.owe(letter.accounts, now=now, tried_at=letter.tried_at)
            self._place(user, now=now)
        return True

    def _ask_by_event(self, user: User, type_: str, since_ms: int) -> None:
        """Let a user whom only a letter asked for be as any other."""
        user.case.source, user.type, user.since_ms = None, type_, since_ms
        if user.lane is not None:
            self._line_up(user, user.lane, due_at=self._leave_lane(user))

    # ---- Runs ----

    def next_at(self) -> float:
        """Return when somebody becomes due next by time alone; inf: nobody."""
        return self._timers.next_at()

    def take(self, doors: Doors, *, now: float) -> Job | None:
        """Start the run whose turn it is, where one may begin; `end_run`, `abandon` ends it."""
        self._wake(now)
        chosen = self._lanes.choose(doors, lambda key, upstream: self._users[key].tried_at(upstream), now=now)
        if chosen is None:
            return None
        user, accounts = self._users[chosen[0]], chosen[1]
        due_at = self._leave_lane(user)
        case = user.case
        case.due_since = min(case.due_since, due_at)
        if user.events_are_due(now):
            # An event makes all accounts owed again; those that can't join now stay owed.
            case.debts.owe((account for account in self._accounts[user.key.vendor] if account not in accounts), now=now)
            user.due_at = inf
        case.event_before = user.due_at != inf
        case.phase = Phase.RUNNING
        self._busy[Phase.RUNNING] += 1
        self._lanes.take_worker(user.key.vendor)
        return Job(user=user.key, accounts=accounts, started_at=now, since_ms={one: user.owed_since_ms(one) for one in accounts})

    def end_run(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], *, now: float, uniform: float) -> Outcome:
        """
        End a run: `accounts` has a result for each of the job's, where `sesamy` is DONE.

        Args:
            uniform: a draw from [0, 1), for the backoff.
        """
        user = self._users[job.user]
        case = self._free(user)
        letters: list[Letter] = []
        if sesamy.verdict is Verdict.SKIPPED or (sesamy.verdict is Verdict.ABSENT and job.started_at >= case.absent_since + ABSENT_S):
            case.debts.clear()
            case.absent_since = inf
        elif sesamy.verdict is Verdict.DONE:
            case.debts.pop(SESAMY, None)
            case.absent_since = inf
            letters = [
                letter for account in job.accounts for letter in self._settle(user, account, accounts[account], now=now, uniform=uniform)
            ]
        else:
            case.debts.owe(job.accounts, now=now)
            letters = list(self._settle(user, SESAMY, sesamy, now=now, uniform=uniform))
            if letters:
                case.debts.clear()
        if letters:
            return self._park(user, tuple(letters))
        return Outcome(owed=case.debts.accounts, closed=self._rest(user, now=now))

    def abandon(self, job: Job, *, now: float) -> Outcome:
        """End a run that was cut off: what it was to write is owed as before, and due at once."""
        user = self._users[job.user]
        self._free(user).debts.owe(job.accounts, now=now)
        return Outcome(closed=self._rest(user, now=now))

    def parked(self, key: UserKey, *, now: float) -> Outcome:
        """Note that the user's letters are written: what they say is no longer owed."""
        self._unpark(self._users[key].case)
        return Outcome(closed=self._rest(self._users[key], now=now))

    def park_held(
        self, vendor_out: Callable[[str], bool], account_out: Callable[[AccountId], bool], doors: Doors, *, now: float, most: int
    ) -> list[Outcome]:
        """
        Start parking up to `most` due users that owe to nothing but upstreams that are out; each `Outcome` is one user.

        Whom only a letter asks for, he is let go: his letter is still open.
        """
        self._wake(now)
        chosen = [(self._users[key], gone) for key, gone in islice(self._lanes.held(vendor_out, account_out, doors, now=now), most)]
        for user, _ in chosen:
            if user.is_by_letter:
                self._drop(user)
        return [
            self._park(user, user.hold(gone, self._accounts[user.key.vendor], now=now)) for user, gone in chosen if user.lane is not None
        ]

    def park_orphans(self, *, now: float) -> list[Outcome]:
        """
        Start parking, as held, those whose tokens went with a lost range: who owns their partition next can read nothing of them.

        Who runs is left alone. Each `Outcome` is one user.
        """
        chosen = [user for user in self._users.values() if user.is_orphan and user.phase is Phase.WAITING]
        if chosen:
            self._timers.keep(self._users.keys() - {user.key for user in chosen})
        return [self._park(user, user.hold_all(self._accounts[user.key.vendor], now=now)) for user in chosen]

    # ---- Rebalance ----

    def set_aside(
        self, partitions: Collection[int], *, now: float
    ) -> tuple[dict[int, Aside], tuple[tuple[int, int], ...], tuple[Outcome, ...]]:
        """
        Give partitions up, while no run goes.

        Returns what `restore` takes, tokens that older ones cover (to be closed first), and orphans: they stay here, being parked
        and never run, until their letters are written.
        """
        aside: dict[int, Aside] = {partition: [] for partition in partitions}
        closed: list[tuple[int, int]] = []
        for user in list(self._users.values()):
            if user.phase is Phase.PARKING:
                closed += self._interrupt(user, now=now)
            lost = [(partition, offset) for partition, offset in user.tokens() if partition in aside]
            for partition, offset in lost:
                aside[partition].append((offset, user))
                user.drop_token(partition)
            if (lost or user.is_by_letter) and user.offset < 0:  # Else he has a token elsewhere, and stays.
                self._drop(user)
        self._timers.keep(self._users)
        return aside, tuple(closed), tuple(self.park_orphans(now=now))

    def restore(self, partition: int, aside: Aside, *, now: float) -> None:
        """Go on with a partition that came back as it was, with the times and attempts of its users."""
        for offset, saved in aside:
            user = self._users.get(saved.key)
            if user is not None and user.is_by_letter:  # It may ask for less than the events did.
                if user.phase is not Phase.WAITING:
                    user.case.take_newer(saved.type, partition, offset, since_ms=saved.since_ms, urgent=self._urgent)
                    user.due_at, user.cap_at = min(user.due_at, now), min(user.cap_at, now)
                    continue
                self._drop(user)
                user = None
            if user is None:
                user = self._users[saved.key] = saved
                if user.due_at == inf and not (user.own_case and user.own_case.debts.accounts):
                    user.due_at, user.cap_at = now, now  # It was finished through a token elsewhere, this one is still open.
                for account in user.debts:
                    self._await_debt(user, account, now=now)
                if user.due_at > now:
                    self._timers.arm(user)
                self._place(user, now=now)
            user.take_token(partition, offset)

    def forget_tokens(self, partition: int) -> None:
        """Drop the tokens of a partition whose log no longer holds them; their users stay due."""
        for user in self._users.values():
            user.lose_token(partition)

    def _interrupt(self, user: User, *, now: float) -> list[tuple[int, int]]:
        user.case.debts.owe_again(self._unpark(user.case), self._accounts[user.key.vendor], now=now)
        return list(self._rest(user, now=now))

    def __len__(self) -> int:
        return len(self._users)

    def __contains__(self, key: UserKey) -> bool:
        return key in self._users

    def counts(self) -> dict[str, int]:
        """Return how many users wait (for quiet or a backoff), are due, run, are being parked."""
        due, running, parking = len(self._lanes), self._busy[Phase.RUNNING], self._busy[Phase.PARKING]
        return {"waiting": len(self._users) - due - running - parking, "due": due, "running": running, "parking": parking}

    def due_by_account(self) -> Counter[tuple[str, AccountId]]:
        """Return, by vendor and account (SESAMY: any), how many due users would write there now; O(lanes)."""
        return self._lanes.by_account()

    @property
    def users(self) -> Mapping[UserKey, User]:
        """Return the dirty users, to be looked at only."""
        return self._users

    # ---- Inside ----

    def _wake(self, now: float) -> None:
        for user in self._timers.quiet(now):
            self._place(user, now=now)
        for key in self._timers.reminded(now):
            if key in self._users:  # Its debt may be paid already.
                self._place(self._users[key], now=now)

    def _place(self, user: User, *, now: float) -> None:
        """Line the user up for the accounts whose time has come."""
        if user.phase is not Phase.WAITING:
            return
        accounts = user.due_accounts(self._accounts[user.key.vendor], now=now)
        if accounts == (user.lane or ()):
            return
        if user.lane is not None:
            due_at = self._leave_lane(user)
        else:
            due_at = min(user.due_at, now, user.own_case.due_since if user.own_case else now)
        if accounts:
            self._line_up(user, accounts, due_at=due_at)

    def _line_up(self, user: User, accounts: tuple[AccountId, ...], *, due_at: float) -> None:
        user.lane = accounts
        rank = Rank.LETTER if user.is_by_letter else Rank.URGENT if user.type in self._urgent else Rank.ROUTINE
        self._lanes.put(user.key, accounts, rank=rank, due_at=due_at)

    def _leave_lane(self, user: User) -> float:
        assert user.lane is not None
        due_at = self._lanes.remove(user.key, user.lane)
        user.lane = None
        return due_at

    def _drop(self, user: User) -> None:
        if user.lane is not None:
            self._leave_lane(user)
        del self._users[user.key]

    def _free(self, user: User) -> Case:
        case = user.case
        case.phase = Phase.WAITING
        self._busy[Phase.RUNNING] -= 1
        self._lanes.free_worker(user.key.vendor)
        return case

    def _park(self, user: User, letters: tuple[Letter, ...]) -> Outcome:
        if user.lane is not None:
            self._leave_lane(user)
        case = user.case
        case.phase, case.letters = Phase.PARKING, letters
        self._busy[Phase.PARKING] += 1
        return Outcome(letters=letters, owed=case.debts.accounts)

    def _unpark(self, case: Case) -> tuple[Letter, ...]:
        letters, case.letters, case.phase = case.letters, (), Phase.WAITING
        self._busy[Phase.PARKING] -= 1
        return letters

    def _settle(self, user: User, account: AccountId, result: Result, *, now: float, uniform: float) -> tuple[Letter, ...]:
        last = user.settle(account, result, self._rules, now=now, uniform=uniform)
        self._await_debt(user, account, now=now)
        return last

    def _await_debt(self, user: User, account: AccountId, *, now: float) -> None:
        debt = user.debts.get(account)
        if debt is not None and debt.not_before > now:
            self._timers.remind(debt.not_before, user.key, account)

    def _rest(self, user: User, *, now: float) -> tuple[tuple[int, int], ...]:
        """Sort the tokens out after a run or a parking, and let the user wait again or go; return the closed tokens."""
        closed = user.cover(urgent=self._urgent)
        case = user.case
        if not case.debts.accounts and user.due_at == inf:  # A failed fetch alone is no debt: nobody waits for it.
            del self._users[user.key]
            return closed
        if not (case.debts or case.more or case.key) and case.absent_since == inf:
            user.own_case = None
        if user.due_at > now:
            self._timers.arm(user)
        self._place(user, now=now)
        return closed
