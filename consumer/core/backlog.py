"""The backlog: dirty users, open offsets and letters to write, always in step."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain

from msgspec import Struct

from .ledger import Ledger, Progress
from .letters.headers import Named
from .letters.healing import Healing
from .model import AccountId, Event, Job, Letter, Outcome, Place, Result, UserKey
from .users.counts import Waiting
from .users.lanes import Doors
from .users.schedule import Aside, Schedule


class Kept(Struct):
    """A partition that was ours, as it was."""

    progress: Progress
    users: Aside
    unreadable: list[Letter]


class ToPark:
    """What is to be written to the dead-letter topic: each stands here until it is written, or given up."""

    def __init__(self) -> None:
        self.users: dict[UserKey, tuple[Letter, ...]] = {}
        self.records: dict[Place, Letter] = {}
        """Of records that can't be read."""
        self.done: dict[Named, None] = {}
        """Letters that have been dealt with: that is written to the topic, too."""

    def __len__(self) -> int:
        return len(self.users) + len(self.records) + len(self.done)


class Backlog:
    """
    What is owed, and the offsets that stand for it.

    A user, an offset or a letter is opened, closed or set aside here, so that none of the three is ever alone.

    It promises: an offset is open until all before it is covered, by a run or by a letter that is written; what is set aside comes
    back whole, with its times and attempts; letters of a partition that goes are given up, and its users owe again what they said.
    A process outside the group has a backlog without partitions.
    """

    def __init__(self, schedule: Schedule, healing: Healing) -> None:
        """Take the dirty users, and the open letters, none of which is tried again before `heals` is set."""
        self.schedule, self.healing = schedule, healing
        self.ledger, self.to_park = Ledger(), ToPark()
        self.topic_partitions = 0
        """How many the topic has; 0: not known yet."""
        self.heals = False
        """Whether letters are to be tried again now."""
        self.on_work: Callable[[], None] = _nobody
        self.on_letters: Callable[[], None] = _nobody
        """Called when there may be a run to make, and when there is a letter to write."""
        self.on_healed: Callable[[UserKey, Collection[Place]], None] = _nobody_heals
        """Called when a run has dealt with letters of its user."""

    @property
    def partitions(self) -> Collection[int]:
        """Return the partitions that are ours."""
        return self.ledger.partitions

    @property
    def load(self) -> int:
        """Return how many users are dirty and records wait to be parked."""
        return len(self.schedule) + len(self.to_park.records)

    # ---- Records ----

    def submit(self, event: Event, partition: int, offset: int, *, since_ms: int, now: float) -> bool:
        """Take an event of a record; return whether its offset opens (else an open one of the user covers it)."""
        if not self.schedule.submit(event, partition, offset, since_ms=since_ms, now=now):
            return False
        self.ledger.open(partition, offset, since_ms=since_ms)
        return True

    def park_record(self, letter: Letter, *, since_ms: int) -> None:
        """Take a record that can't be read: its offset is open until the letter is written."""
        self.ledger.open(letter.partition, letter.offset, since_ms=since_ms)
        self.to_park.records[Place(letter.partition, letter.offset)] = letter
        self.on_letters()

    def read_to(self, partition: int, next_offset: int) -> None:
        """Note that every record before `next_offset` has been taken."""
        self.ledger.read(partition, next_offset)

    # ---- Runs ----

    def take(self, doors: Doors, *, now: float) -> Job | None:
        """Start the run whose turn it is, where one may begin; `end_run`, `abandon` ends it."""
        return self.schedule.take(doors, now=now)

    def end_run(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], *, now: float, uniform: float) -> Outcome:
        """End a run: close what it has covered, put down what is to be parked, and which letters it has dealt with; return what follows."""
        outcome = self.schedule.end_run(job, sesamy, accounts, now=now, uniform=uniform)
        done = self.healing.note_run(job, sesamy, accounts, outcome)
        self._put_done(done)
        if done:
            self.on_healed(job.user, [letter.place for letter in done])
        self._apply(job.user, outcome)
        return outcome

    def abandon(self, job: Job, *, now: float) -> None:
        """End a run that was cut off: what it was to write is owed as before."""
        self._apply(job.user, self.schedule.abandon(job, now=now))

    def park_held(
        self, vendor_out: Callable[[str], bool], account_out: Callable[[AccountId], bool], doors: Doors, *, now: float, most: int
    ) -> list[Outcome]:
        """Begin to park up to `most` due users that owe to nothing but upstreams that are out; each `Outcome` is one of them."""
        return self._apply_all(self.schedule.park_held(vendor_out, account_out, doors, now=now, most=most))

    def park_orphans(self, *, now: float) -> list[Outcome]:
        """Begin to park users that no log tells of any more; each `Outcome` is one of them."""
        return self._apply_all(self.schedule.park_orphans(now=now))

    def _apply(self, user: UserKey, outcome: Outcome) -> None:
        for partition, offset in outcome.closed:
            self.ledger.close(partition, offset)
        if outcome.letters:
            self.to_park.users[user] = outcome.letters
            self.on_letters()
        self.on_work()

    def _apply_all(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        begun = list(outcomes)
        for one in begun:
            user = one.letters[0].user
            assert user is not None
            self._apply(user, one)
        return begun

    # ---- Letters ----

    def replaced_by(self, letters: tuple[Letter, ...]) -> tuple[Named, ...]:
        """Return the open letters whose place a user's new ones take."""
        return self.healing.replaced(letters)

    def user_parked(self, user: UserKey, letters: tuple[Letter, ...], *, now: float) -> bool:
        """Note that a user's letters are written; return False where they are no longer what is to be written."""
        if self.to_park.users.get(user) is not letters:
            return False
        del self.to_park.users[user]
        self._apply(user, self.schedule.parked(user, now=now))
        return True

    def record_parked(self, place: Place, letter: Letter) -> bool:
        """Note that the letter of a record that can't be read is written; return False as `user_parked`."""
        if self.to_park.records.get(place) is not letter:
            return False
        del self.to_park.records[place]
        self.ledger.close(*place)
        return True

    def offer_letters(self, *, now: float) -> None:
        """Give open letters to the schedule, where there is room for them."""
        if self.healing.offer(self._healed, of_topic=self.topic_partitions, now=now):
            self.on_work()

    def due_by_account(self) -> Iterator[tuple[str, AccountId]]:
        """Give, by vendor and account, where a user could be written now: due users, and letters; O(lanes, upstreams)."""
        return chain(self.schedule.due_by_account(), self.healing.due_by_account(self._healed))

    @property
    def _healed(self) -> Collection[int]:
        """Return the source partitions whose letters are ours to be tried."""
        return self.partitions if self.heals else ()

    def waiting_letters(self) -> Iterator[Waiting]:
        """Give the letters that will be tried again by us, of users that are not dirty."""
        return self.healing.waiting(self._healed)

    def _put_done(self, letters: Collection[Named]) -> None:
        if letters:
            self.to_park.done.update(dict.fromkeys(letters))
            self.on_letters()

    # ---- Partitions ----

    def begin(self, partition: int, next_offset: int) -> None:
        """Take a partition up at an offset."""
        self.ledger.begin(partition, next_offset)

    def resume(self, partition: int, kept: Kept, *, now: float) -> None:
        """Take a partition up as it was when it was set aside."""
        self.ledger.begin(partition, kept.progress)
        self.schedule.restore(partition, kept.users, now=now)
        for letter in kept.unreadable:
            self.to_park.records[Place(letter.partition, letter.offset)] = letter
        if kept.unreadable:
            self.on_letters()

    def restart(self, partition: int, next_offset: int) -> None:
        """Go on elsewhere in a partition whose log no longer holds what is open: its users stay due without their tokens."""
        self.schedule.forget_tokens(partition)
        for place in [place for place in self.to_park.records if place.partition == partition]:
            del self.to_park.records[place]
        self.ledger.begin(partition, next_offset)

    def take_lost(self, partition: int, kept: Kept, *, now: float) -> None:
        """Take back the users of a partition that was set aside and whose log is gone: they are due without their tokens."""
        self.schedule.restore(partition, kept.users, now=now)
        self.schedule.forget_tokens(partition)

    def set_aside(self, partitions: Collection[int], *, now: float) -> dict[int, Kept]:
        """Give partitions up, while no run goes, each as it is; all users' letters are given up, and orphans are parked."""
        partitions = list(partitions)
        unreadable: dict[int, list[Letter]] = {partition: [] for partition in partitions}
        for place in [place for place in self.to_park.records if place.partition in unreadable]:
            unreadable[place.partition].append(self.to_park.records.pop(place))
        self.to_park.users.clear()
        self.healing.interrupted()
        users, closed, orphans = self.schedule.set_aside(partitions, now=now)
        for partition, offset in closed:
            self.ledger.close(partition, offset)
        kept = {}
        for partition in partitions:
            progress = self.ledger.end(partition)
            assert progress is not None
            kept[partition] = Kept(progress, users[partition], unreadable[partition])
        self._apply_all(orphans)
        return kept


def _nobody() -> None:
    """Nothing waits for work."""


def _nobody_heals(_user: UserKey, _places: Collection[Place]) -> None:
    """Nobody wants to know."""
