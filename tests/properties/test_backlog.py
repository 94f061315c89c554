"""Backlog and lease together, against a model so plain that it can be read: every event is kept, by name, until it is covered."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from consumer.core.backlog import Backlog, Kept
from consumer.core.lease import Lease
from consumer.core.letters.healing import Healing
from consumer.core.model import SESAMY, AccountId, Door, Event, Job, Letter, Reopened, Result, UserKey, Verdict
from consumer.core.model import Place as CorePlace
from consumer.core.users.schedule import Schedule
from tests.fakes.doors import Doors
from tests.fakes.rules import rules

RULES: Final = rules(quiet_s=2, max_wait_s=8, concurrency=3, max_attempts=3, backoff_max_s=4)
A, B, C = AccountId("1001"), AccountId("1002"), AccountId("2001")
ACCOUNTS: Final = {"north": (A, B), "south": (C,)}
USERS: Final = tuple(UserKey(vendor, name) for vendor in ACCOUNTS for name in ("ann", "bo", "cy"))
PARTITIONS: Final = (0, 1)
URGENT, ROUTINE = "contract.1#purchased", "contract.1#update"
LEASE_S: Final = 5.0
ABSENT_S: Final = 30.0
MOST: Final = 2
"""Of three workers one is kept for the other vendor."""

Place = tuple[int, int]


SHUT: Final = Doors(dict.fromkeys((*ACCOUNTS, A, B, C), Door.SHUT))


@dataclass
class Dirty:
    """What is true of one dirty user."""

    uncovered: set[Place] = field(default_factory=set)
    lost: set[Place] = field(default_factory=set)
    """Not covered either, but no log holds them any more."""
    due_at: float = inf
    cap_at: float = inf
    fired: bool = False
    phase: str = "waiting"
    debts: dict[AccountId, list[float]] = field(default_factory=dict)
    """Not before, attempts."""
    absent_since: float = inf
    since_look: set[Place] = field(default_factory=set)
    """What came after the first look began that did not find the user: it has looks of its own."""
    covers: set[Place] = field(default_factory=set)
    """What the run or the parking that is going covers, if nothing stays owed."""
    waited: bool = False
    """Whether an event waited for quiet while that began."""
    unsent: tuple[Letter, ...] = ()
    by_letter: bool = False
    """Whether no event asks for the user, but a letter does."""

    @property
    def owed(self) -> set[AccountId]:
        return self.debts.keys() - {SESAMY}

    def may(self, vendor: str, now: float) -> set[AccountId]:
        """Return the accounts whose time has come."""
        if self.phase != "waiting" or self.debts.get(SESAMY, [0])[0] > now:
            return set()
        return {account for account in ACCOUNTS[vendor] if (self.debts[account][0] <= now if account in self.debts else self.fired)}

    def begin(self, phase: str) -> None:
        self.phase, self.covers, self.waited = phase, self.uncovered | self.lost, self.due_at != inf
        if phase == "parking":
            self.begin_looks()

    def begin_looks(self) -> None:
        self.absent_since, self.since_look = inf, set()

    @property
    def has_older(self) -> bool:
        """Say whether an event that is no newer than the first look, or than the run that goes, is in a log."""
        newer = set() if self.phase == "waiting" else self.uncovered - self.covers
        return bool(self.uncovered - self.since_look - newer)


class Machine(RuleBasedStateMachine):
    """Every rule does the same to both; each step is compared."""

    @initialize()
    def start(self) -> None:
        """Begin with two partitions, nothing in them, and a lease not yet proved."""
        self.now = 0.0
        self.schedule, self.doors = Schedule(RULES, ACCOUNTS, urgent={URGENT}), Doors()
        gates: Any = self.doors
        self.backlog = Backlog(self.schedule, Healing(self.schedule, gates, {}))
        self.ledger, self.to_park = self.backlog.ledger, self.backlog.to_park
        self.lease = Lease(LEASE_S)
        self.men: dict[UserKey, Dirty] = {}
        self.unread: set[Place] = set()
        """Records that can't be read, whose letters are not written."""
        self.jobs: list[Job] = []
        self.log: dict[int, list[Event | None]] = {partition: [] for partition in PARTITIONS}
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.aside: dict[int, tuple[Kept, list[tuple[Dirty, UserKey, set[Place]]], set[Place]]] = {}
        self.sent: list[float] = []
        self.proofs: list[float] = []
        self.refused_at = -inf
        self.names = 0
        for partition in PARTITIONS:
            self.backlog.begin(partition, 0)

    # ---- Time and events ----

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Let time go by; who is due leaves the debounce at once."""
        self.now += seconds
        assert self.backlog.take(SHUT, now=self.now) is None
        for man in self.men.values():
            man.fired = man.fired or (man.phase == "waiting" and man.due_at <= self.now)

    @rule(user=st.sampled_from(USERS), partition=st.sampled_from(PARTITIONS), type_=st.sampled_from([URGENT, ROUTINE]))
    def publish(self, user: UserKey, partition: int, type_: str) -> None:
        """Append an event to a partition, and read it where the partition is ours."""
        self.log[partition].append(Event(user, type_))
        if partition in self.ledger.partitions:
            self._read(partition, len(self.log[partition]) - 1)

    @rule(partition=st.sampled_from(PARTITIONS))
    def publish_nonsense(self, partition: int) -> None:
        """Append a record that can't be read."""
        self.log[partition].append(None)
        if partition in self.ledger.partitions:
            self._read(partition, len(self.log[partition]) - 1)

    def _read(self, partition: int, offset: int) -> None:
        event = self.log[partition][offset]
        if event is None:
            self.backlog.park_record(Letter(code="not-json", stage="intake", partition=partition, offset=offset), since_ms=offset)
            self.backlog.read_to(partition, offset + 1)
            self.unread.add((partition, offset))
            return
        self.schedule.splits.events.clear()
        self.backlog.submit(event, partition, offset, since_ms=offset, now=self.now)
        self.backlog.read_to(partition, offset + 1)
        man = self.men.setdefault(event.user, Dirty())
        man.by_letter = False
        is_split = any(other != partition for other, _ in man.uncovered)
        assert self.schedule.splits.events == ({event.user.vendor: 1} if is_split else {})
        if man.phase == "waiting" and man.absent_since != inf:
            if man.has_older:
                man.since_look.add((partition, offset))
            else:
                man.begin_looks()
        man.uncovered.add((partition, offset))
        if man.due_at == inf:
            man.due_at, man.cap_at = self.now + RULES.quiet_s, self.now + RULES.max_wait_s
        elif not man.fired:
            man.due_at = min(self.now + RULES.quiet_s, man.cap_at)

    # ---- Runs ----

    @rule(upstream=st.sampled_from([*ACCOUNTS, A, B, C]), door=st.sampled_from(Door))
    def turn(self, upstream: str, door: Door) -> None:
        """Open or shut a gate, and open all others: with several shut little happens."""
        self.doors.states = {upstream: door}

    @precondition(lambda self: self.men)
    @rule()
    def wait_and_take(self) -> None:
        """Let time go by until the next is due, and begin its run."""
        if self.schedule.next_at() != inf:
            self.wait(max(0.0, self.schedule.next_at() - self.now))
        self.take()

    @precondition(lambda self: self.men and not self.jobs)
    @rule(user=st.sampled_from(USERS), partition=st.sampled_from(PARTITIONS), comes=st.sampled_from(["", "before", "during"]))
    def look_in_vain(self, user: UserKey, partition: int, comes: str) -> None:
        """Let Sesamy not know the next who is due, and an event come shortly before the look, or during it."""
        self.doors.states.clear()
        if comes == "before":
            self.publish(user, partition, ROUTINE)
        self.wait_and_take()
        if comes == "during":
            self.publish(self.jobs[0].user if self.jobs else user, partition, ROUTINE)
        if self.jobs:
            self._end(self.jobs.pop(), Result(Verdict.ABSENT, "code"), {}, 0.5)

    @precondition(lambda self: self.men)
    @rule()
    def take(self) -> None:
        """Begin a run: of somebody who may, exactly where there is one, for all accounts that are open."""
        able = {key: accounts for key in self.men if (accounts := self._enterable(key))}
        running = [job.user.vendor for job in self.jobs]
        is_full = len(running) == RULES.concurrency
        able = {key: accounts for key, accounts in able.items() if not is_full and running.count(key.vendor) < MOST}
        job = self.backlog.take(self.doors, now=self.now)
        if job is None:
            assert not able
            return
        man, chosen = self.men[job.user], set(job.accounts)
        opened = {account for account in able[job.user] if self.doors.account(account, now=self.now) is Door.OPEN}
        assert opened <= chosen <= able[job.user]
        assert chosen
        assert running.count(job.user.vendor) == min(running.count(key.vendor) for key in able)
        self.jobs.append(job)
        if man.fired:
            for account in set(ACCOUNTS[job.user.vendor]) - chosen:
                man.debts.setdefault(account, [self.now, 0])
            man.due_at, man.fired = inf, False
        man.begin("running")

    def _enterable(self, key: UserKey) -> set[AccountId]:
        if self.doors.vendor(key.vendor, now=self.now) is Door.SHUT:
            return set()
        may = self.men[key].may(key.vendor, self.now)
        return {account for account in may if self.doors.account(account, now=self.now) is not Door.SHUT}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), sesamy=st.sampled_from(Verdict), uniform=st.sampled_from([0.0, 0.5, 0.99]))
    def end(self, data: st.DataObject, sesamy: Verdict, uniform: float) -> None:
        """End a run, with any verdict of Sesamy and, where that is DONE, of each account."""
        job = self.jobs.pop(data.draw(st.integers(0, len(self.jobs) - 1)))
        verdicts = st.sampled_from([Verdict.DONE, Verdict.RETRY, Verdict.HELD, Verdict.REFUSED])
        results = {account: Result(data.draw(verdicts), "code") for account in job.accounts} if sesamy is Verdict.DONE else {}
        self._end(job, Result(sesamy, "code"), results, uniform)

    def _end(self, job: Job, sesamy: Result, results: dict[AccountId, Result], uniform: float) -> None:
        man = self.men[job.user]
        ended = self.backlog.end_run(job, sesamy, results, now=self.now, uniform=uniform)
        letters: dict[AccountId, float] = {}
        looked_twice = sesamy.verdict is Verdict.ABSENT and job.started_at >= man.absent_since + ABSENT_S
        if looked_twice and man.since_look:
            older = man.covers - man.since_look
            man.uncovered, man.lost = man.uncovered - older, man.lost - older
            for debt in man.debts.values():
                debt[1] = 0
            looked_twice = False
            man.begin_looks()
        if sesamy.verdict is Verdict.DONE:
            man.debts.pop(SESAMY, None)
            man.begin_looks()
            for account, result in results.items():
                self._settle(man, account, result, uniform, letters)
        elif sesamy.verdict is Verdict.SKIPPED or looked_twice:
            man.debts.clear()
            man.begin_looks()
        else:
            for account in job.accounts:
                man.debts.setdefault(account, [self.now, 0])
            self._settle(man, SESAMY, sesamy, uniform, letters)
            if letters:
                man.debts.clear()
        assert {letter.account or SESAMY: letter.attempts for letter in ended.letters} == letters
        assert set(ended.owed) == man.owed
        if letters:
            man.phase, man.unsent = "parking", ended.letters
            man.begin_looks()
        else:
            self._rest(job.user)

    def _settle(self, man: Dirty, account: AccountId, result: Result, uniform: float, letters: dict[AccountId, float]) -> None:
        if result.verdict is Verdict.DONE:
            man.debts.pop(account, None)
            return
        debt = man.debts.setdefault(account, [self.now, 0])
        debt[0] = self.now
        if result.verdict is Verdict.ABSENT:
            man.absent_since = min(man.absent_since, self.now)
            debt[0] = man.absent_since + ABSENT_S
        elif result.verdict is not Verdict.HELD:
            debt[1] += 1
            if result.verdict is Verdict.REFUSED or debt[1] == RULES.max_attempts:
                letters[account] = man.debts.pop(account)[1]
            else:
                debt[0] = self.now + uniform * min(RULES.backoff_max_s, RULES.backoff_s * 2 ** (debt[1] - 1))

    def _rest(self, key: UserKey) -> None:
        """After a run or a parking: with nothing owed, what it covers is covered, and nothing else is."""
        man = self.men[key]
        if man.absent_since != inf:
            if man.has_older:
                man.since_look |= man.uncovered - man.covers
            elif man.uncovered:
                man.begin_looks()
        man.phase = "waiting"
        if not man.owed and not man.waited:
            man.uncovered -= man.covers
            man.lost -= man.covers
            man.begin_looks()
        man.covers, man.unsent = set(), ()
        if not man.owed and man.due_at == inf:
            del self.men[key]
        man.fired = man.due_at <= self.now

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), verdict=st.sampled_from([Verdict.DONE, Verdict.RETRY, Verdict.REFUSED]))
    def end_at_make(self, data: st.DataObject, verdict: Verdict) -> None:
        """End a run whose fetch went well, at some accounts, in one way, at the others well."""
        job = self.jobs.pop()
        failed = data.draw(st.sets(st.sampled_from(job.accounts)))
        results = {account: Result(verdict if account in failed else Verdict.DONE, "code") for account in job.accounts}
        self._end(job, Result(Verdict.DONE), results, 0.5)

    @precondition(lambda self: self.jobs)
    @rule()
    def cut_off(self) -> None:
        """Cancel a run: all that it was to write is owed."""
        self._abandon(self.jobs.pop())

    def _abandon(self, job: Job) -> None:
        for account in job.accounts:
            self.men[job.user].debts.setdefault(account, [self.now, 0])
        self.backlog.abandon(job, now=self.now)
        self._rest(job.user)

    # ---- Letters ----

    @rule(user=st.sampled_from(USERS), data=st.data())
    def reopen(self, user: UserKey, data: st.DataObject) -> None:
        """Owe again what a letter says; a user who is busy is asked later."""
        accounts = tuple(data.draw(st.sets(st.sampled_from(ACCOUNTS[user.vendor]), min_size=1)))
        letter = Reopened(user=user, type=ROUTINE, accounts=accounts, partition=0, offset=7, since_ms=0, tried_at=-inf)
        man = self.men.get(user)
        assert self.schedule.reopen(letter, now=self.now) == (man is None or man.phase == "waiting")
        if man is None:
            man = self.men[user] = Dirty(by_letter=True)
        if man.phase == "waiting" and man.due_at == inf:
            for account in accounts:
                man.debts.setdefault(account, [self.now, 0])

    # ---- Parking ----

    @precondition(lambda self: any(man.phase == "parking" for man in self.men.values()))
    @rule()
    def parked(self) -> None:
        """Note that a user's letters are written."""
        key, man = next((key, man) for key, man in self.men.items() if man.phase == "parking")
        older = (replace(man.unsent[0], code="older"), *man.unsent[1:])
        assert not self.backlog.user_parked(key, older, now=self.now), "they are no longer what is to be written"
        assert self.backlog.user_parked(key, self.to_park.users[key], now=self.now)
        self._rest(key)

    @precondition(lambda self: self.unread)
    @rule()
    def record_parked(self) -> None:
        """Note that the letter of a record that can't be read is written; once."""
        place = min(self.unread)
        letter = self.to_park.records[CorePlace(*place)]
        assert self.backlog.record_parked(CorePlace(*place), letter)
        assert not self.backlog.record_parked(CorePlace(*place), letter)
        self.unread.remove(place)

    @rule(out=st.sampled_from([*ACCOUNTS, A, B, C]), most=st.integers(1, 3))
    def hold(self, out: str, most: int) -> None:
        """Park some of those who wait for nothing but an upstream that is out."""
        self.doors.states[out] = Door.SHUT
        waiting = {key for key, man in self.men.items() if (may := man.may(key.vendor, self.now)) and self._stuck(key, may, out)}
        ended = self.backlog.park_held(lambda vendor: vendor == out, lambda account: account == out, self.doors, now=self.now, most=most)
        let_go = {key for key in waiting if self.men[key].by_letter and key not in self.schedule}
        for key in let_go:
            del self.men[key]
        assert len(ended) + len(let_go) == min(most, len(waiting))
        for one in ended:
            parked = one.letters[0].user
            assert parked in waiting
            man = self.men[parked]
            if man.fired:
                for account in ACCOUNTS[parked.vendor]:
                    man.debts.setdefault(account, [self.now, 0])
                man.due_at, man.fired = inf, False
            if out in ACCOUNTS:
                man.debts.clear()
            else:
                assert one.letters[0].attempts == man.debts.pop(AccountId(out))[1]
            assert set(one.owed) == man.owed
            man.begin("parking")
            man.unsent = one.letters

    def _stuck(self, key: UserKey, may: set[AccountId], out: str) -> bool:
        return key.vendor == out or (out in may and all(self.doors.account(account, now=self.now) is Door.SHUT for account in may))

    # ---- The group ----

    @precondition(lambda self: len(list(self.ledger.partitions)) > 0)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """Give partitions up: runs are over, letters that are not yet written are owed again, the rest is set aside."""
        mine = sorted(self.ledger.partitions)
        gone = data.draw(st.sets(st.sampled_from(mine), min_size=1))
        while self.jobs:
            self._abandon(self.jobs.pop())
        aside = self.backlog.set_aside(gone, now=self.now)
        for man in self.men.values():
            if man.phase == "parking":
                for letter in man.unsent:
                    for account in (letter.account,) if letter.account else ACCOUNTS[self._vendor_of(man)]:
                        man.debts[account] = [self.now, max(0, letter.attempts - 1)]
                man.phase, man.covers, man.unsent = "waiting", set(), ()
                man.fired = man.due_at <= self.now
        for partition in gone:
            kept = [
                (man, key, places)
                for key, man in self.men.items()
                if (places := {place for place in man.uncovered if place[0] == partition})
            ]
            unread = {place for place in self.unread if place[0] == partition}
            self.aside[partition] = aside[partition], kept, unread
            self.unread -= unread
            for man, key, places in kept:
                man.begin_looks()
                man.uncovered -= places
                if not man.uncovered:
                    del self.men[key]
                    man.fired = False
        self.men = {key: man for key, man in self.men.items() if not man.by_letter}
        self._hold_orphans(dict(self.to_park.users))

    @rule()
    def hold_orphans(self) -> None:
        """Park, before partitions go, users that no log holds any more."""
        ended = self.backlog.park_orphans(now=self.now)
        self._hold_orphans({user: one.letters for one in ended if (user := one.letters[0].user) is not None})

    def _hold_orphans(self, letters: Mapping[UserKey, tuple[Letter, ...]]) -> None:
        assert letters.keys() == {key for key, man in self.men.items() if man.lost and not man.uncovered and man.phase == "waiting"}
        for key, parked in letters.items():
            man, every = self.men[key], set(ACCOUNTS[key.vendor])
            whole = man.due_at != inf or man.owed == every
            assert {letter.account for letter in parked} == ({None} if whole else man.owed)
            for letter in parked:
                assert (letter.code, letter.offset) == ("held", -1)
                assert letter.partition in {partition for partition, _ in man.lost}
            man.debts, man.due_at, man.fired = {}, inf, False
            man.begin("parking")
            man.unsent = parked

    def _vendor_of(self, man: Dirty) -> str:
        return next(key.vendor for key, other in self.men.items() if other is man)

    @precondition(lambda self: self.aside)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """Take a partition up again that nobody else has touched: all is as it was."""
        partition = data.draw(st.sampled_from(sorted(self.aside)))
        aside, kept, unread = self.aside.pop(partition)
        self.backlog.resume(partition, aside, now=self.now)
        self.unread |= unread
        for man, key, places in kept:
            here = self.men.get(key)
            if here is None or (here.by_letter and here.phase == "waiting"):
                here = self.men[key] = man
                if man.due_at == inf and not man.owed:
                    man.due_at = man.cap_at = self.now
                man.fired = man.due_at <= self.now
            elif here.by_letter:  # What it asks for may be less than the events did.
                here.by_letter, here.due_at, here.cap_at = False, min(here.due_at, self.now), min(here.cap_at, self.now)
            elif here.phase != "waiting":  # It began later than those events came.
                here.covers |= places
            here.uncovered |= places
        self._catch_up(partition)

    @precondition(lambda self: self.aside)
    @rule(data=st.data())
    def start_over(self, data: st.DataObject) -> None:
        """Take a partition up that another member had, or a crash left: all from the committed offset is read again."""
        partition = data.draw(st.sampled_from(sorted(self.aside)))
        del self.aside[partition]
        self.backlog.begin(partition, self.committed[partition])
        self._catch_up(partition)

    def _catch_up(self, partition: int) -> None:
        for offset in range(self.ledger.next_offset(partition), len(self.log[partition])):
            self._read(partition, offset)

    @rule(partition=st.sampled_from(PARTITIONS))
    def lose_log(self, partition: int) -> None:
        """Forget a partition's tokens, its records are gone: the users stay due, until the partition goes."""
        if partition in self.ledger.partitions:
            self.backlog.restart(partition, len(self.log[partition]))
            self.unread = {place for place in self.unread if place[0] != partition}
            for man in self.men.values():
                gone = {place for place in man.uncovered if place[0] == partition}
                for place in gone:  # Its name may be another's, once the partition begins anew.
                    self.names -= 1
                    name = partition, self.names
                    man.uncovered.remove(place)
                    man.lost.add(name)
                    if place in man.covers:
                        man.covers = man.covers - {place} | {name}
                    if place in man.since_look:
                        man.since_look = man.since_look - {place} | {name}
                if man.since_look and not man.has_older:
                    man.begin_looks()

    @rule()
    def send_commit(self) -> None:
        """Commit what is safe; the answer may come after another one's."""
        self.sent.append(self.now)
        self.committed.update(self.ledger.watermarks())

    @precondition(lambda self: self.sent)
    @rule(refused=st.booleans())
    def answer_commit(self, refused: bool) -> None:
        """Answer the latest commit that waits for it."""
        sent_at = self.sent.pop()
        if refused:
            self.lease.end(now=self.now)
            self.proofs.clear()
            self.refused_at = self.now
        else:
            self.lease.prove(sent_at=sent_at)
            self.proofs.append(sent_at)

    # ---- What must hold ----

    @invariant()
    def nothing_uncovered_is_passed(self) -> None:
        """The offset to commit is the oldest event that is not covered, no more and no less."""
        open_places = defaultdict(set)
        for man in self.men.values():
            for partition, offset in man.uncovered:
                open_places[partition].add(offset)
        for partition, offset in self.unread:
            open_places[partition].add(offset)
        for partition, watermark in self.ledger.watermarks().items():
            assert watermark == min(open_places[partition], default=len(self.log[partition]))

    @invariant()
    def one_token_a_user_and_partition(self) -> None:
        """Memory is one token a user and partition, however many events wait; one more between two looks, and in a run."""
        for partition in self.ledger.partitions:
            holders = sum(any(place[0] == partition for place in man.uncovered) for man in self.men.values())
            busy = sum(man.phase != "waiting" for man in self.men.values())
            looked = sum(any(place[0] == partition for place in man.since_look) for man in self.men.values())
            unread = sum(place[0] == partition for place in self.unread)
            assert self.ledger.open_count(partition) <= holders + busy + looked + unread

    @invariant()
    def the_same_users_are_dirty(self) -> None:
        """Who is dirty, who runs and who is being parked is the same on both sides."""
        assert {key for key in USERS if key in self.schedule} == set(self.men)
        counts = self.schedule.counts()
        assert sum(counts.values()) == len(self.schedule) == len(self.men)
        for phase in ("running", "parking"):
            assert counts[phase] == sum(man.phase == phase for man in self.men.values())

    @invariant()
    def what_is_to_be_written_is_there(self) -> None:
        """The letters of exactly those that are being parked, and of exactly those records that can't be read."""
        assert self.to_park.users == {key: man.unsent for key, man in self.men.items() if man.phase == "parking"}
        assert {*self.to_park.records} == self.unread
        assert self.backlog.load == len(self.men) + len(self.unread)

    @invariant()
    def nobody_is_late(self) -> None:
        """The schedule wakes up no later than the first who becomes due."""
        waiting = [man for man in self.men.values() if man.phase == "waiting"]
        times = [man.due_at for man in waiting if not man.fired]
        times += [debt[0] for man in waiting for debt in man.debts.values() if debt[0] > self.now]
        assert self.schedule.next_at() <= min(times, default=inf)
        assert all(man.due_at <= man.cap_at for man in waiting if man.due_at != inf)

    @invariant()
    def the_lease_is_as_long_as_the_last_proof_allows(self) -> None:
        """A write may begin only for so long after the sending of a commit that succeeded, none refused since."""
        proved = max((sent for sent in self.proofs if sent >= self.refused_at), default=-inf)
        assert self.lease.left_s(now=self.now) == proved + LEASE_S - self.now

    def teardown(self) -> None:
        """With all gates open and no more events, everybody becomes clean and every offset is committed."""
        if not hasattr(self, "now"):
            return
        for partition in list(self.aside):
            del self.aside[partition]
            self.backlog.begin(partition, self.committed[partition])
            self._catch_up(partition)
        self.doors.states.clear()
        while self.unread:
            self.record_parked()
        for _ in range(200):
            while any(man.phase == "parking" for man in self.men.values()):
                self.parked()
            while self.jobs:
                job = self.jobs.pop()
                self._end(job, Result(Verdict.DONE), {account: Result(Verdict.DONE) for account in job.accounts}, 0.0)
            self.take()
            if not self.jobs:
                if not self.men:
                    break
                self.wait(max(0.0, self.schedule.next_at() - self.now))
        assert not self.men
        self.nothing_uncovered_is_passed()
        self.the_same_users_are_dirty()


# The profile says how many; here each tells more than elsewhere.
Machine.TestCase.settings = settings(max_examples=settings().max_examples * 5 // 2, stateful_step_count=60)
TestBacklogAndLease = pytest.mark.timeout(1200)(Machine.TestCase)
