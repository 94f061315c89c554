"""Healing against a model so plain that it can be read: a list of letters, each with what is still owed of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumer.core.letters import healing
from consumer.core.letters.headers import Mark, Named, Origin
from consumer.core.letters.healing import Healing
from consumer.core.letters.record import OpenLetter, Record
from consumer.core.model import SESAMY, AccountId, Addressee, Door, Event, Job, Letter, Place, Result, UserKey, Verdict
from consumer.core.users.case import Phase
from consumer.core.users.schedule import Schedule
from tests.fakes.doors import Doors
from tests.fakes.rules import rules

A, B = AccountId("1"), AccountId("2")
LISTS: Final = {A: ("10", "11"), B: ("20",)}
ACCOUNTS: Final = tuple(Addressee(id=one, user_id=one, lists=lists) for one, lists in LISTS.items())
USERS: Final = tuple(UserKey("v", name) for name in ("ann", "bo", "cid"))
ROUTINE: Final = "contract.1#update"
ABOUT: Final = ((None, ""), ("1", "10,11"), ("1", "10"), ("1", "11"), ("2", "20"), ("9", "90"))
"""Account and lists of a letter; the settings know no account 9."""
AT_ONCE, SORTED = 2, 3
"""So few that both limits are met."""
TOPIC: Final = (0, 1)
"""Partitions of the dead-letter topic."""
DONE, RETRY, HELD, REFUSED = (Result(verdict, "http-422") for verdict in (Verdict.DONE, Verdict.RETRY, Verdict.HELD, Verdict.REFUSED))
ONE_LIST = Result(Verdict.REFUSED, "http-404", lists={"11": "http-404"})

WriteOutcome = tuple[OpenLetter, tuple[Named, ...]] | Mark
"""A letter and whose place it takes, or a mark."""


@dataclass
class Known:
    """What is true of one letter that has been read, be it open or not."""

    place: Place
    letter: OpenLetter
    asks: tuple[AccountId, ...]
    """None: the settings know no account of it."""
    is_open: bool = True
    requeued: bool = False
    closing: bool = False
    """What ends it is on its way to the topic."""
    had: set[AccountId] = field(default_factory=set)
    """Accounts that a run did which began after it was read."""
    but_lists: set[AccountId] = field(default_factory=set)
    """Accounts of which the last such run left some lists to its letters."""

    @property
    def left(self) -> set[AccountId]:
        return {*self.asks} - self.had

    @property
    def wanted(self) -> bool:
        """Say whether it is to be tried at all."""
        return self.is_open and bool(self.asks) and (self.letter.held or self.requeued)

    @property
    def upstream(self) -> tuple[str, AccountId, tuple[str, ...]]:
        if self.letter.account is None:
            return "v", SESAMY, ()
        lists = tuple(self.letter.lists.split(","))
        return "v", self.asks[0], lists if len(lists) < len(LISTS[self.asks[0]]) else ()


class Machine(RuleBasedStateMachine):
    """Every rule does the same to both; what is tried, what is done and what is open is compared after each step."""

    @initialize()
    def start(self) -> None:
        self.monkeypatch = pytest.MonkeyPatch()
        self.monkeypatch.setattr(healing, "_AT_ONCE", AT_ONCE)
        self.monkeypatch.setattr(healing, "_SORTED", SORTED)
        self.now, self.events, self.written = 0.0, 0, 0
        self.owned, self.of_topic = {0, 1}, 2
        self.doors = Doors()
        gates: Any = self.doors
        numbers = rules(quiet_s=1.0, max_wait_s=4.0, concurrency=8, max_attempts=2, backoff_max_s=4.0)
        self.schedule = Schedule(numbers, {"v": (A, B)}, urgent=())
        self.healing = Healing(self.schedule, gates, {"v": ACCOUNTS})
        self.known: list[Known] = []
        self.ended_by: dict[int, list[Named]] = {partition: [] for partition in TOPIC}
        """By the partition of what they name: what was read that ends a letter there."""
        self.topic: dict[int, list[WriteOutcome]] = {partition: [] for partition in TOPIC}
        self.read_to = dict.fromkeys(TOPIC, 0)
        self.jobs: list[Job] = []
        self.to_park: dict[UserKey, tuple[Letter, ...]] = {}
        self.replaced: dict[UserKey, tuple[Named, ...]] = {}
        self.to_say: list[Named] = []

    def teardown(self) -> None:
        if hasattr(self, "monkeypatch"):
            self.monkeypatch.undo()

    # ---- The topic ----

    @rule(
        users=st.lists(st.sampled_from(USERS), min_size=1, max_size=4),
        about=st.sampled_from(ABOUT),
        held=st.sampled_from([True, True, False]),
        source=st.tuples(st.integers(0, 3), st.sampled_from([0, 2, 4])),
        to=st.tuples(st.sampled_from(TOPIC), st.sampled_from([True, True, False])),
    )
    def somebody_writes(
        self, users: list[UserKey], about: tuple[str | None, str], held: bool, source: tuple[int, int], to: tuple[int, bool]
    ) -> None:
        """Let letters be written, by another pod or one before; often they are read at once."""
        for user in users:
            self._write(to[0], user, about, held=held, source=source[0], partitions=source[1], replaces=())
        if to[1]:
            self.read(to[0], self._unread()[to[0]])

    @precondition(lambda self: self.jobs)
    @rule(about=st.sampled_from(ABOUT), seconds=st.sampled_from([0.0, 0.5]), to=st.sampled_from(TOPIC))
    def write_of_who_runs(self, about: tuple[str | None, str], seconds: float, to: int) -> None:
        """Let a letter of a user come while it runs."""
        self.now += seconds
        self._write(to, self.jobs[0].user, about, held=True, source=0, partitions=0, replaces=())
        self.read(to, self._unread()[to])

    def _write(
        self,
        partition: int,
        user: UserKey,
        about: tuple[str | None, str],
        *,
        held: bool,
        source: int,
        partitions: int,
        replaces: tuple[Named, ...],
    ) -> None:
        self.written += 1
        letter = OpenLetter(
            user=user,
            type=ROUTINE,
            account=about[0],
            lists=about[1],
            held=held,
            partition=source,
            offset=self.written,
            partitions=partitions,
            parked_ms=self.written,
            read_at=0.0,
            key=b"k" if self.written % 3 == 0 else None,
        )
        self.topic[partition].append((letter, replaces))

    @rule(
        data=st.data(),
        partition=st.sampled_from(TOPIC),
        state=st.sampled_from(["requeue", "requeue", "done"]),
        origin=st.sampled_from(["right", "none", "wrong"]),
    )
    def mark(self, data: st.DataObject, partition: int, state: Any, origin: str) -> None:
        """Let somebody ask for a letter or end it, be it read already, not yet, or gone."""
        of = data.draw(st.sampled_from(TOPIC))
        offset = data.draw(st.integers(0, len(self.topic[of])))
        there = self.topic[of][offset] if offset < len(self.topic[of]) else None
        said = there[0].origin if isinstance(there, tuple) and origin == "right" else None
        named = Named(Place(of, offset), Origin(0, 0, -1) if origin == "wrong" else said)
        self.topic[partition].append(Mark(named, state))

    @rule(partition=st.sampled_from(TOPIC), count=st.integers(1, 4))
    def read(self, partition: int, count: int) -> None:
        for _ in range(count):
            if self.read_to[partition] == len(self.topic[partition]):
                return
            place = Place(partition, self.read_to[partition])
            record = self.topic[partition][place.offset]
            self.read_to[partition] += 1
            if isinstance(record, Mark):
                self._read_mark(place, record)
            else:
                self._read_letter(place, *record)

    def _read_letter(self, place: Place, letter: OpenLetter, replaces: tuple[Named, ...]) -> None:
        read = OpenLetter(**{name: getattr(letter, name) for name in OpenLetter.__struct_fields__} | {"read_at": self.now})
        asks = {None: (A, B), "1": (A,), "2": (B,), "9": ()}[letter.account]
        is_known = self.healing.read(place, Record(letter=read, replaces=replaces))
        for named in replaces:
            self._end(named)
        is_ended = any(one.place == place and one.means(letter.origin) for one in self.ended_by[place.partition])
        self.known.append(Known(place, letter, asks, is_open=not is_ended))
        assert is_known == (bool(asks) or not letter.held or is_ended)

    def _read_mark(self, place: Place, mark: Mark) -> None:
        self.healing.read(place, Record(mark=mark))
        if mark.state == "done":
            self._end(mark.named)
            return
        for one in self._open():
            if one.place == mark.named.place and mark.named.means(one.letter.origin):
                one.requeued = True

    def _end(self, named: Named) -> None:
        if named.place.offset >= self.read_to[named.place.partition]:
            self.ended_by[named.place.partition].append(named)
        for one in self._open():
            if one.place == named.place and named.means(one.letter.origin):
                one.is_open = False

    @rule(partition=st.sampled_from(TOPIC), count=st.integers(1, 5))
    def expire(self, partition: int, count: int) -> None:
        """Let retention take what was read of a partition, up to some offset."""
        count = min(count, self.read_to[partition])
        self.healing.forget_before(partition, count)
        for one in self._open():
            one.is_open = one.is_open and not (one.place.partition == partition and one.place.offset < count)

    @rule(partition=st.sampled_from(TOPIC))
    def make_anew(self, partition: int) -> None:
        """Let a partition of the topic be made anew: its places are others' from now on."""
        self.healing.forget(partition)
        for one in self._open():
            one.is_open = one.is_open and one.place.partition != partition
        self.topic[partition], self.read_to[partition], self.ended_by[partition] = [], 0, []

    # ---- What is ours, and who lets in ----

    @rule(partition=st.integers(0, 3))
    def take_partition(self, partition: int) -> None:
        self.owned.add(partition)

    @precondition(lambda self: not self.jobs)
    @rule(partition=st.integers(0, 3))
    def give_partition_up(self, partition: int) -> None:
        """Give a source partition up: whatever was to be written of users never will be."""
        self.owned.discard(partition)
        self.to_park.clear()
        self.replaced.clear()
        self.healing.interrupted()
        for one in self.known:
            one.closing = False
        _, _, orphans = self.schedule.set_aside([partition], now=self.now)
        self._begin_parking(one.letters for one in orphans)

    @rule(count=st.sampled_from([0, 2, 2, 3, 4]))
    def learn_partitions(self, count: int) -> None:
        """Let the source topic have more partitions; 0: it is not known how many."""
        self.of_topic = 0 if count == 0 else max(count, self.of_topic)

    @rule(name=st.sampled_from(["v", A, B]), door=st.sampled_from([Door.OPEN, Door.OPEN, Door.SHUT, Door.PROBE]))
    def turn_gate(self, name: str, door: Door) -> None:
        self.doors.states[name] = door

    @rule(refused=st.sampled_from(["10", "11", ""]), times=st.sampled_from([1, 5]))
    def refuse_list(self, refused: str, times: int) -> None:
        """Let a list of account 1, or none, refuse users that the other takes."""
        for number in range(times):
            self._visit(UserKey("v", f"other{number}"), A, {*LISTS[A]} - {refused}, {refused} - {""})

    def _visit(self, user: UserKey, account: AccountId, taken: Iterable[str], refused: Iterable[str]) -> None:
        visit = self.doors.lists.enter(user, account, LISTS[account], now=self.now)
        self.doors.lists.learn(visit, taken=[*taken], refused=dict.fromkeys(refused, "http-404"), now=self.now)
        self.doors.lists.leave(visit, now=self.now)

    # ---- Trying ----

    @rule(seconds=st.sampled_from([0.5, 5.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(user=st.sampled_from(USERS), partition=st.sampled_from([0, 1]))
    def publish(self, user: UserKey, partition: int) -> None:
        self.events += 1
        self.schedule.submit(Event(user, ROUTINE), partition, self.events, since_ms=self.events, now=self.now)

    @rule()
    def offer(self) -> None:
        """Offer, and look at each letter that joined; a second time at once changes nothing."""
        before = {**self.healing._taken}
        returned = {place for place in before if self._at(place).letter.user not in self.schedule and not self._at(place).closing}
        said = self.healing.offer(self.owned, of_topic=self.of_topic, now=self.now)
        taken = self.healing._taken
        joined = taken.keys() - (before.keys() - returned)
        for place in joined:
            self._may_join(self._at(place))
        assert before.keys() - returned <= taken.keys(), "one left though its user is in the schedule yet"
        counts = Counter(taken.values())
        for upstream in {taken[place] for place in joined}:
            assert counts[upstream] <= (1 if Door.PROBE in self._doors_of(upstream) else AT_ONCE)
        assert said == (len(taken) > len(before.keys() - returned))
        if not self.healing._unsorted:
            self._round_without_news()

    def _may_join(self, one: Known) -> None:
        assert one.wanted, "nobody asked for it"
        assert not one.closing, "what ends it is on its way"
        assert one.letter.home(self.of_topic) in self.owned, "it is another pod's"
        assert Door.SHUT not in self._doors_of(one.upstream), "its gate is shut"
        assert any(self.doors.account(account, now=self.now) is not Door.SHUT for account in one.left), "no account lets it in"
        assert one.letter.user in self.schedule

    def _doors_of(self, upstream: tuple[str, AccountId, tuple[str, ...]]) -> set[Door]:
        vendor, account, lists = upstream
        of_account = {self.doors.account(account, now=self.now), self.doors.lists.door(account, lists, now=self.now)}
        return {self.doors.vendor(vendor, now=self.now)} | (of_account if account != SESAMY else set())

    def _round_without_news(self) -> None:
        before, users = {**self.healing._taken}, {*self.schedule.users}
        assert not self.healing.offer(self.owned, of_topic=self.of_topic, now=self.now)
        assert (self.healing._taken, {*self.schedule.users}, len(self.healing._unsorted)) == (before, users, 0)

    @rule(
        user=st.sampled_from(USERS),
        about=st.sampled_from(ABOUT),
        sesamy=st.sampled_from([DONE, DONE, RETRY, Result(Verdict.SKIPPED)]),
        late=st.sampled_from([None, *ABOUT]),
        going=st.sampled_from(["on", "on", "let go", "lost", "gate"]),
    )
    def live_through(
        self, user: UserKey, about: tuple[str | None, str], sesamy: Result, late: tuple[str | None, str] | None, going: str
    ) -> None:
        """Let a letter come and be tried, and while that goes on another letter come, or the partitions go, or its gate shut."""
        self._write(0, user, about, held=True, source=0, partitions=0, replaces=())
        self.read(0, self._unread()[0])
        self.take(is_offered=True)
        if late is not None:
            self.now += 0.5
            self._write(1, user, late, held=True, source=1, partitions=0, replaces=())
            self.read(1, self._unread()[1])
        if going == "gate":
            self.doors.states["v"] = Door.SHUT
        if going == "let go":
            self.doors.states[A] = Door.SHUT
            self.let_go()
        while self.jobs:
            job = self.jobs.pop(0)
            ends = {A: ONE_LIST if late is not None else DONE, B: DONE if late is None else REFUSED}
            self._end_run(job, sesamy, {account: ends[account] for account in job.accounts} if sesamy is DONE else {})
        if self.to_park.keys() - self.replaced.keys():
            self.begin_to_write()
            self.offer()
        if going == "lost":
            self.give_partition_up(3)
            self.offer()
        self.doors.states.clear()

    @rule(is_offered=st.booleans())
    def take(self, is_offered: bool) -> None:
        """Begin all runs that may begin."""
        if is_offered:
            self.offer()
        while (job := self.schedule.take(self.doors, now=self.now)) is not None:
            self.jobs.append(job)

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        sesamy=st.sampled_from([DONE, DONE, DONE, DONE, RETRY, HELD, REFUSED, Result(Verdict.ABSENT), Result(Verdict.SKIPPED)]),
    )
    def end(self, data: st.DataObject, sesamy: Result) -> None:
        """End a run somehow."""
        job = self.jobs.pop(0)
        ends = {A: [DONE, DONE, RETRY, HELD, REFUSED, ONE_LIST], B: [DONE, DONE, RETRY, HELD, REFUSED]}
        results = {account: data.draw(st.sampled_from(ends[account])) for account in job.accounts} if sesamy is DONE else {}
        self._end_run(job, sesamy, results)

    @precondition(lambda self: self.jobs)
    @rule()
    def cut(self) -> None:
        """Cut a run off."""
        self.schedule.abandon(self.jobs.pop(), now=self.now)

    def _end_run(self, job: Job, sesamy: Result, accounts: dict[AccountId, Result]) -> None:
        done = {account for account, result in accounts.items() if result.verdict is Verdict.DONE}
        for account in done:
            self._visit(job.user, account, LISTS[account], [])
        outcome = self.schedule.end_run(job, sesamy, accounts, now=self.now, uniform=0.5)
        said = self.healing.note_run(job, sesamy, accounts, outcome)
        if sesamy.verdict in {Verdict.SKIPPED, Verdict.ABSENT} and not outcome.owed and not outcome.letters:
            done = {A, B}  # Nothing is to be written for it anywhere.
        ended = []
        for one in self._open():
            if one.letter.user == job.user and one.asks and self._read_at(one) <= job.started_at:
                one.had |= done
                one.but_lists = {letter.account for letter in outcome.letters if letter.account is not None and letter.lists}
                if not one.left:
                    one.closing = True
                    ended.append(Named(one.place, one.letter.origin))
        assert sorted(said, key=lambda named: named.place) == sorted(ended, key=lambda named: named.place)
        self.to_say += said
        self._begin_parking([outcome.letters])

    def _read_at(self, one: Known) -> float:
        return self.healing.book[one.place].read_at

    @rule()
    def let_go(self) -> None:
        """Let those go, and hold the others, who wait before gates that stay shut."""
        outcomes = self.schedule.park_held(
            lambda vendor: self.doors.vendor(vendor, now=self.now) is Door.SHUT,
            lambda account: self.doors.account(account, now=self.now) is Door.SHUT,
            self.doors,
            now=self.now,
            most=10,
        )
        self._begin_parking(one.letters for one in outcomes)

    # ---- Writing ----

    def _begin_parking(self, letters: Iterable[tuple[Letter, ...]]) -> None:
        for some in letters:
            if some:
                assert some[0].user is not None
                self.to_park[some[0].user] = some

    @precondition(lambda self: self.to_park.keys() - self.replaced.keys())
    @rule()
    def begin_to_write(self) -> None:
        """Look whose place a user's new letters take: those that ask for no more."""
        user = min(self.to_park.keys() - self.replaced.keys())
        letters = self.to_park[user]
        self.replaced[user] = self.healing.replaced(letters)
        expected = [one for one in self._open() if one.letter.user == user and self._is_covered(one, letters)]
        assert {named.place for named in self.replaced[user]} == {one.place for one in expected}
        for one in expected:
            one.closing = True

    def _is_covered(self, one: Known, letters: tuple[Letter, ...]) -> bool:
        """Say whether each list of each account that it still asks for is asked for by a new one, or has been written since."""
        for account in one.left:
            new = [letter for letter in letters if letter.account in {None, account}]
            asked = {name for letter in new for name in (letter.lists if letter.account and letter.lists else LISTS[account])}
            whole = set(LISTS[account]) if one.letter.account is None else set(one.letter.lists.split(","))
            is_whole = any(whole <= set(letter.lists if letter.account and letter.lists else LISTS[account]) for letter in new)
            if not is_whole and not (asked and account in one.but_lists):
                return False
        return bool(one.asks)

    @precondition(lambda self: self.replaced)
    @rule(partition=st.sampled_from(TOPIC))
    def end_to_write(self, partition: int) -> None:
        """Let a user's letters be written; the last says what they replace."""
        user = min(self.replaced)
        letters, replaces = self.to_park.pop(user), self.replaced.pop(user)
        for at, letter in enumerate(letters):
            lists = ",".join(letter.lists or (LISTS[letter.account] if letter.account else ()))
            self._write(
                partition,
                user,
                (letter.account, lists),
                held=letter.code == "held",
                source=max(0, letter.partition),
                partitions=self.of_topic,
                replaces=replaces if at == len(letters) - 1 else (),
            )
        self.schedule.parked(user, now=self.now)

    @precondition(lambda self: self.to_say)
    @rule(partition=st.sampled_from(TOPIC))
    def say_done(self, partition: int) -> None:
        self.topic[partition].append(Mark(self.to_say.pop(0), "done"))

    # ---- The promise ----

    @rule(is_now=st.sampled_from([False, False, False, True]))
    def all_is_well(self, is_now: bool) -> None:
        """Let all gates be open, all partitions ours and all upstreams well: every letter that is asked for ends done."""
        if not is_now:
            return
        self.doors.states.clear()
        self.doors.lists.forget()
        self.owned, self.of_topic = {0, 1, 2, 3}, max(2, self.of_topic)
        for _ in range(60):
            self._live_well()
            if not any(one.wanted for one in self.known) and not any(self._unread()):
                return
            self.now += 3.0
        assert [one.place for one in self.known if one.wanted] == [], "they are lost"

    def _live_well(self) -> None:
        self.take(is_offered=False)
        while self.jobs:
            job = self.jobs.pop()
            self._end_run(job, DONE, dict.fromkeys(job.accounts, DONE))
        while self.to_park.keys() - self.replaced.keys():
            self.begin_to_write()
        while self.replaced:
            self.end_to_write(0)
        while self.to_say:
            self.say_done(1)
        for partition in TOPIC:
            self.read(partition, self._unread()[partition])
        self.offer()

    def _unread(self) -> list[int]:
        return [len(self.topic[partition]) - self.read_to[partition] for partition in TOPIC]

    # ---- At all times ----

    def _open(self) -> list[Known]:
        return [one for one in self.known if one.is_open]

    def _at(self, place: Place) -> Known:
        (found,) = [one for one in self._open() if one.place == place]
        return found

    @invariant()
    def what_is_open_is_what_the_topic_says(self) -> None:
        book = {place: (letter.origin, letter.requeued) for place, letter in self.healing.book.items()}
        assert book == {one.place: (one.letter.origin, one.requeued) for one in self._open()}
        assert self.healing.book.oldest_parked_ms() == min((one.letter.parked_ms for one in self._open()), default=None)

    @invariant()
    def who_is_taken_is_asked_for_and_few(self) -> None:
        assert all(self._at(place).wanted for place in self.healing._taken)
        counts = Counter(self.healing._taken.values())
        assert counts == self.healing._taken_of
        assert max(counts.values(), default=0) <= AT_ONCE

    @invariant()
    def what_waits_to_be_tried_is_told(self) -> None:
        """Once all is sorted; what is in the schedule is told of by its user."""
        if self.healing._unsorted or self.healing._sorted_for == 0:
            return
        told = [(sorted(one.accounts), one.parked_ms) for one in self.healing.waiting(self.owned)]
        of = self.healing._sorted_for
        expected = [
            (sorted(one.left), one.letter.parked_ms)
            for one in self.known
            if one.wanted and not one.closing and one.letter.user not in self.schedule
            if one.place in self.healing._taken or one.letter.home(of) in self.owned
        ]
        assert sorted(told, key=str) == sorted(expected, key=str)

    @invariant()
    def who_is_being_parked_is_known(self) -> None:
        assert {key for key, one in self.schedule.users.items() if one.phase is Phase.PARKING} == self.to_park.keys()


# The profile says how many.
Machine.TestCase.settings = settings(max_examples=settings().max_examples * 4, stateful_step_count=60)
TestHealing = pytest.mark.timeout(1200)(Machine.TestCase)
