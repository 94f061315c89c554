"""The schedule of the dirty users: debounce, single flight, what is owed and its backoff."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from math import inf

from ..model import SESAMY, AccountId, Event, Job, Letter, Outcome, Reopened, Result, UserKey, Verdict
from .case import Case, Phase
from .debts import ABSENT_S, Rules
from .lanes import Doors
from .line import Line
from .splits import Splits
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
        self._line = line = Line(accounts, concurrency=rules.concurrency, urgent=urgent)
        self._users, self._lanes, self._timers, self._urgent = line.users, line.lanes, line.timers, line.urgent
        self._times = (-inf, -inf, -inf)
        self._busy = {Phase.RUNNING: 0, Phase.PARKING: 0}
        self.splits = Splits()

    # ---- Events ----

    def submit(self, event: Event, partition: int, offset: int, *, since_ms: int, now: float) -> bool:  # noqa: C901 - a call for each event
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
        if case is not None:
            if case.phase is not Phase.WAITING:
                if user.due_at == inf:
                    user.due_at, user.cap_at = due_at, cap_at
                else:
                    user.due_at = min(due_at, user.cap_at)
                opens = case.newer.take(event.type, partition, offset, since_ms=since_ms, urgent=self._urgent)
                self.splits.note(user, partition)
                return opens
            if user.is_by_letter:
                self._ask_by_event(user, event.type, since_ms)
        if user.due_at == inf:
            user.due_at, user.cap_at = due_at, cap_at
            user.case.events_since_ms = since_ms
            self._timers.arm(user)
        elif user.wake_at != inf:
            user.due_at = due_at if due_at < user.cap_at else user.cap_at  # noqa: FURB136 - a call for each event of a burst
        if event.type in self._urgent and user.type not in self._urgent:
            user.type = event.type
            self._line.rank_anew(user)
        if case is not None and user.takes_since_look():
            self.splits.note(user, partition)
            return case.since_look.take(event.type, partition, offset, since_ms=since_ms, urgent=self._urgent)
        is_plain = user.partition == partition and user.offset >= 0 and (case is None or not case.more)
        return not is_plain and self.splits.take_token(user, partition, offset)

    def keep_key(self, user: UserKey, key: bytes | None) -> None:
        """Remember the record's key of a dirty user, where it is none that can be made anew from the ids: for a letter."""
        self._users[user].case.key = key

    def reopen(self, letter: Reopened, *, now: float) -> bool:
        """Owe again what a letter says, after all due users; return False where the user is busy: ask again later."""
        user = self._users.get(letter.user)
        if user is None:
            user = self._users[letter.user] = User.reopened(letter)
        elif user.phase is not Phase.WAITING:
            return False
        if user.due_at == inf:  # Else the run to come covers it.
            user.case.debts.owe(letter.accounts, now=now, tried_at=letter.tried_at)
            self._line.place(user, now=now)
        return True

    def _ask_by_event(self, user: User, type_: str, since_ms: int) -> None:
        """Let a user that only a letter asked for be as any other."""
        user.case.source, user.type, user.since_ms = None, type_, since_ms
        self._line.rank_anew(user)

    # ---- Runs ----

    def next_at(self) -> float:
        """Return when a user becomes due next by time alone; inf: none does."""
        return self._timers.next_at()

    def take(self, doors: Doors, *, now: float) -> Job | None:
        """Start the run whose turn it is, where one may begin; `end_run`, `abandon` ends it."""
        self._line.wake(now)
        chosen = self._lanes.choose(doors, lambda key, upstream: self._users[key].tried_at(upstream), now=now)
        if chosen is None:
            return None
        user, accounts = self._users[chosen[0]], chosen[1]
        due_at = self._line.leave_lane(user)
        case = user.case
        case.due_since = min(case.due_since, due_at)
        if user.events_are_due(now):
            # An event makes all accounts owed again; those that can't join now stay owed.
            case.debts.owe((account for account in self._line.every(user) if account not in accounts), now=now)
            user.due_at = inf
        case.event_before = user.due_at != inf
        case.phase = Phase.RUNNING
        self._busy[Phase.RUNNING] += 1
        self._lanes.take_worker(user.key.vendor)
        return Job(user=user.key, accounts=accounts, started_at=now, since_ms={one: user.owed_since_ms(one) for one in accounts})

    def end_run(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], *, now: float, uniform: float) -> Outcome:
        """End a run: `accounts` has a result for each of the job's, where `sesamy` is DONE; `uniform`: a draw from [0, 1)."""
        user = self._users[job.user]
        case = self._free(user)
        letters: list[Letter] = []
        looked_twice = sesamy.verdict is Verdict.ABSENT and job.started_at >= case.absent_since + ABSENT_S
        absent_at, goes_on = case.looked_at if looked_twice else -inf, bool(case.since_look.tokens)
        settled = user.end_looks() if looked_twice and goes_on else ()
        if sesamy.verdict is Verdict.SKIPPED or (looked_twice and not goes_on):
            case.debts.clear()
            case.begin_looks()
        elif sesamy.verdict is Verdict.DONE:
            case.debts.pop(SESAMY, None)
            case.begin_looks()
            letters = [
                letter for account in job.accounts for letter in self._settle(user, account, accounts[account], now=now, uniform=uniform)
            ]
        else:
            if sesamy.verdict is Verdict.ABSENT:
                case.note_absent(looked_at=job.started_at, now=now)
            case.debts.owe(job.accounts, now=now)
            letters = list(self._settle(user, SESAMY, sesamy, now=now, uniform=uniform))
            if letters:
                case.debts.clear()
        if letters:
            return self._park(user, tuple(letters))
        return Outcome(owed=case.debts.accounts, closed=settled + self._rest(user, now=now), absent_at=absent_at)

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
        """Start parking up to `most` due users that owe to nothing but upstreams that are out; each `Outcome` is one user."""
        self._line.wake(now)
        chosen = [(self._users[key], gone) for key, gone in islice(self._lanes.held(vendor_out, account_out, doors, now=now), most)]
        for user, _ in chosen:
            if user.is_by_letter:  # It is let go: its letter is still open.
                self._line.drop(user)
        return [self._park(user, user.hold(gone, self._line.every(user), now=now)) for user, gone in chosen if user.lane is not None]

    def park_orphans(self, *, now: float) -> list[Outcome]:
        """
        Start parking, as held, users whose tokens went with a lost range: the next owner of their partition can read nothing of them.

        A user in a run is left alone. Each `Outcome` is one user.
        """
        chosen = [user for user in self._users.values() if user.is_orphan and user.phase is Phase.WAITING]
        if chosen:
            self._timers.keep(self._users.keys() - {user.key for user in chosen})
        return [self._park(user, user.hold_all(self._line.every(user), now=now)) for user in chosen]

    # ---- Rebalance ----

    def set_aside(
        self, partitions: Collection[int], *, now: float
    ) -> tuple[dict[int, Aside], tuple[tuple[int, int], ...], tuple[Outcome, ...]]:
        """
        Give partitions up, while no run goes; return what `restore` takes, tokens that older ones cover (to be closed first), and orphans.

        Orphans stay here, being parked and never run, until their letters are written.
        """
        aside: dict[int, Aside] = {partition: [] for partition in partitions}
        closed: list[tuple[int, int]] = []
        for user in list(self._users.values()):
            if user.phase is Phase.PARKING:
                closed += self._interrupt(user, now=now)
            if any(partition in aside for partition, _ in user.tokens()):
                closed += user.join_looks()
            lost = [(partition, offset) for partition, offset in user.tokens() if partition in aside]
            for partition, offset in lost:
                aside[partition].append((offset, user))
                user.drop_token(partition)
            if (lost or user.is_by_letter) and user.offset < 0:  # Else it has a token elsewhere, and stays.
                self._line.drop(user)
        self._timers.keep(self._users)
        return aside, tuple(closed), tuple(self.park_orphans(now=now))

    def restore(self, partition: int, aside: Aside, *, now: float) -> None:
        """Go on with a partition that came back as it was, with the times and attempts of its users."""
        for offset, saved in aside:
            user = self._users.get(saved.key)
            if user is not None and user.is_by_letter:  # It may ask for less than the events did.
                if user.phase is not Phase.WAITING:
                    user.case.newer.take(saved.type, partition, offset, since_ms=saved.since_ms, urgent=self._urgent)
                    user.due_at, user.cap_at = min(user.due_at, now), min(user.cap_at, now)
                    continue
                self._line.drop(user)
                user = None
            if user is None:
                user = self._users[saved.key] = saved
                if user.due_at == inf and not (user.own_case and user.own_case.debts.accounts):
                    user.due_at, user.cap_at = now, now  # It was finished through a token elsewhere, this one is still open.
                self._line.await_debts(user, user.debts, now=now)
                self._line.wait(user, now=now)
            user.take_token(partition, offset)

    def forget_tokens(self, partition: int) -> None:
        """Drop the tokens of a partition whose log no longer holds them; their users stay due."""
        for user in self._users.values():
            user.lose_token(partition)

    def _interrupt(self, user: User, *, now: float) -> list[tuple[int, int]]:
        user.case.debts.owe_again(self._unpark(user.case), self._line.every(user), now=now)
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

    def _free(self, user: User) -> Case:
        case = user.case
        case.phase = Phase.WAITING
        self._busy[Phase.RUNNING] -= 1
        self._lanes.free_worker(user.key.vendor)
        return case

    def _park(self, user: User, letters: tuple[Letter, ...]) -> Outcome:
        if user.lane is not None:
            self._line.leave_lane(user)
        case = user.case
        case.phase, case.letters = Phase.PARKING, letters
        self._busy[Phase.PARKING] += 1
        return Outcome(letters=letters, owed=case.debts.accounts, closed=user.join_looks())

    def _unpark(self, case: Case) -> tuple[Letter, ...]:
        letters, case.letters, case.phase = case.letters, (), Phase.WAITING
        self._busy[Phase.PARKING] -= 1
        return letters

    def _settle(self, user: User, account: AccountId, result: Result, *, now: float, uniform: float) -> tuple[Letter, ...]:
        last = user.settle(account, result, self._rules, now=now, uniform=uniform)
        self._line.await_debts(user, (account,), now=now)
        return last

    def _rest(self, user: User, *, now: float) -> tuple[tuple[int, int], ...]:
        """Sort the tokens out after a run or a parking, and let the user wait again or go; return the closed tokens."""
        closed = user.cover(urgent=self._urgent)
        case = user.case
        if not case.debts.accounts and user.due_at == inf:  # A failed fetch alone is no debt: no account waits for it.
            self._line.drop(user)
            return closed
        if not (case.debts or case.more or case.key) and case.absent_since == inf:
            user.own_case = None
        self._line.wait(user, now=now)
        return closed
