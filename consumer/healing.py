"""Follows the dead-letter topic and lets what was parked be tried again: what was held by itself, the rest when asked."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from math import inf
from typing import Any, Final, Protocol

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError

from . import kafka
from .clients import Reader
from .errors import Fatal
from .gates import Gates
from .kafka import DAMAGED
from .letterbook import Letterbook, Place, account_of
from .model import SESAMY, AccountId, Door, Ended, Job, Letter, Reopened, Result, Verdict
from .schedule import Schedule
from .settings import Account
from .silence import Answers
from .telemetry import log

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_AGAIN_S: Final = 5.0
_PRUNE_S: Final = 600.0
_AT_ONCE: Final = 50
"""Letters of one upstream that are in the schedule at once; the rest wait in the topic's book."""
_LOOKED_AT: Final = 500
"""Letters of one upstream that are looked at in one round."""

Upstream = tuple[str, AccountId]
"""Vendor, and account or SESAMY."""
Partitions = Callable[[Reader], Awaitable[list[TopicPartition]]]
Reading = Callable[[], AbstractAsyncContextManager[Reader]]


class Marks(Protocol):
    """Who writes to the dead-letter topic."""

    def put_done(self, place: Place) -> None:
        """Take a letter that has been dealt with."""


class Healing:
    """
    The letters of a pod.

    It promises: of the open letters whose source partition is ours, a held one is tried again once its gate is open,
    any other once an operator asks; after due users, at most 50 of one upstream at once, and never beyond the limits;
    `done` is written when runs that began after the letter was read have done what it asks for, whoever asked for those
    runs. What is lost by a crash or a rebalance is in the topic still.
    """

    def __init__(
        self,
        *,
        topic: str,
        schedule: Schedule,
        gates: Gates,
        accounts: Mapping[str, tuple[Account, ...]],
        owned: Callable[[], Collection[int]],
        epoch: Callable[[], int],
        reading: Reading,
        partitions: Partitions,
        marks: Marks,
        ring: Callable[[], None],
    ) -> None:
        """
        Take what it works with.

        Args:
            accounts: of each vendor that the settings know.
            owned: the source partitions that are ours now.
            epoch: changes whenever partitions come or go.
            reading: gives a consumer without a group.
            partitions: asks it for the topic's.
            ring: wakes the workers.
        """
        self._topic, self._schedule, self._gates, self._accounts = topic, schedule, gates, accounts
        self._owned, self._epoch, self._marks, self._ring = owned, epoch, marks, ring
        self._reading, self._partitions = reading, partitions
        self.book = Letterbook()
        self.strangers = 0
        """Letters asked for, of a vendor or account that the settings don't know."""
        # What may be tried, in order; and what has been given to the schedule.
        self._waiting: dict[Upstream, OrderedDict[Place, None]] = {}
        self._taken: dict[Place, Upstream] = {}
        # Of letters that some run was about: the accounts that have not had what is asked for.
        self._left: dict[Place, set[AccountId]] = {}
        # When a run was last made for a letter: the probe of a gate is who was tried longest ago.
        self._tried: dict[Place, float] = {}
        # What is being closed: `done`, or the letter that takes its place, is on its way to the topic and back to us.
        self._closing: set[Place] = set()
        self._closing_epoch = -1
        self._positions: dict[int, int] = {}
        self._ends: Mapping[TopicPartition, int] = {}
        self.caught_up = False
        """Whether all that was in the topic at the start has been read."""
        self.followed_at = inf
        """When all of the topic was last seen to answer (loop's clock), at first when following it began; infinite before that."""

    async def run(self) -> None:
        """Follow the topic for ever, with a new consumer wherever one is lost."""
        self.followed_at = anyio.current_time()
        while True:
            try:
                async with self._reading() as consumer:
                    await self._follow(consumer)
            except (KafkaError, TimeoutError, OSError, Fatal) as error:
                _log.warning("dead letters not followed", error=type(error).__name__, cause=kafka.cure(error))
            await anyio.sleep(_AGAIN_S)

    def waiting(self) -> Iterator[tuple[str, Collection[AccountId], int]]:
        """Give the letters of our partitions that will be tried again, of users who are not in the schedule, as `survey` takes them."""
        owned = self._owned()
        for place, letter in self.book.items():
            if (letter.held or letter.requeued) and letter.partition in owned and letter.user not in self._schedule:
                left = self._left.get(place)
                asked = account_of(letter, self._accounts.get(letter.user.vendor, ())) if left is None else left
                yield letter.user.vendor, asked, letter.parked_ms

    # ---- The topic ----

    async def _follow(self, consumer: Reader) -> None:
        await self._assign(consumer)
        pruned_at = anyio.current_time()
        answers = Answers(pruned_at)
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            except OffsetOutOfRangeError as error:
                await self._prune(consumer, [tp.partition for tp in error.args[0]], seek=True)
                continue
            except DAMAGED as error:
                if isinstance(error, KafkaError | OSError):
                    raise
                raise CorruptRecordException from error  # Said here alone: elsewhere the same would be a fault of ours.
            self._take(batches)
            if answers.has_come(consumer, self._ends, now=anyio.current_time()):
                self.followed_at = anyio.current_time()
            if answers.any and not self.caught_up:
                self.caught_up = all([await consumer.position(tp) >= end for tp, end in self._ends.items()])
            if self.caught_up:
                self.offer()
            if anyio.current_time() - pruned_at > _PRUNE_S:
                pruned_at = anyio.current_time()
                await self._assign(consumer)
                await self._prune(consumer, list(self._positions), seek=False)

    async def _assign(self, consumer: Reader) -> None:
        partitions = await self._partitions(consumer)
        consumer.assign(partitions)
        first = await consumer.beginning_offsets(partitions)
        self._ends = await consumer.end_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, self._positions.setdefault(tp.partition, first[tp]))

    async def _prune(self, consumer: Reader, partitions: Collection[int], *, seek: bool) -> None:
        first = await consumer.beginning_offsets([TopicPartition(self._topic, number) for number in partitions])
        for tp, offset in first.items():
            if seek and offset < self._positions[tp.partition]:
                self._begin_anew(tp.partition)
            self.book.forget_before(tp.partition, offset)
            if seek:
                self._positions[tp.partition] = offset
                consumer.seek(tp, offset)

    def _begin_anew(self, partition: int) -> None:
        """Forget the letters of a partition that was made anew: their places are others' now."""
        _log.warning("the dead-letter topic was made anew: its letters are forgotten", partition=partition)
        self.book.forget(partition)
        for waiting in self._waiting.values():
            for place in [place for place in waiting if place[0] == partition]:
                del waiting[place]
        for kept in (self._taken, self._left, self._tried):
            for place in [place for place in kept if place[0] == partition]:
                del kept[place]
        self._closing = {place for place in self._closing if place[0] != partition}

    def _take(self, batches: Mapping[TopicPartition, list[Any]]) -> None:
        now = anyio.current_time()
        for tp, records in batches.items():
            for record in records:
                self.read((tp.partition, record.offset), record.headers, record.value, timestamp_ms=record.timestamp, now=now)
            self._positions[tp.partition] = records[-1].offset + 1

    def read(self, place: Place, headers: Any, value: bytes | None, *, timestamp_ms: int, now: float) -> None:  # noqa: ANN401
        """Take one record in."""
        wanted = self.book.read(place, headers, value, timestamp_ms=timestamp_ms, now=now)
        if wanted is None or wanted in self._taken:
            return
        letter = self.book[wanted]
        accounts = account_of(letter, self._accounts.get(letter.user.vendor, ()))
        if not accounts:
            self.strangers += 1
            _log.warning("letter of an account that the settings don't know", partition=wanted[0], offset=wanted[1])
            return
        upstream = letter.user.vendor, SESAMY if letter.account is None else accounts[0]
        self._waiting.setdefault(upstream, OrderedDict())[wanted] = None

    # ---- The schedule ----

    def offer(self) -> None:
        """Give letters to the schedule where there is room for them."""
        now = anyio.current_time()
        if self._closing_epoch != self._epoch():  # What was to be parked then, may never be.
            self._closing_epoch = self._epoch()
            self._closing.clear()
        self._closing = {place for place in self._closing if place in self.book}
        self._left = {place: left for place, left in self._left.items() if place in self.book}
        self._tried = {place: at for place, at in self._tried.items() if place in self.book}
        for place, upstream in list(self._taken.items()):
            if place not in self.book:
                del self._taken[place]
            elif place not in self._closing and self.book[place].user not in self._schedule:
                del self._taken[place]
                self._waiting[upstream][place] = None
        before = len(self._taken)
        for upstream, waiting in self._waiting.items():
            self._offer_of(upstream, waiting, now)
        if len(self._taken) > before:
            self._ring()

    def _offer_of(self, upstream: Upstream, waiting: OrderedDict[Place, None], now: float) -> None:
        room = self._room(upstream, now) if waiting else 0
        owned = self._owned()
        for place in list(islice(waiting, _LOOKED_AT if room > 0 else 0)):
            if place not in self.book:
                del waiting[place]
                continue
            if room <= 0:
                return
            letter = self.book[place]
            if letter.partition in owned and self._may_end(place, now) and self._schedule.reopen(self._reopened(place), now=now):
                del waiting[place]
                self._taken[place] = upstream
                room -= 1
            else:
                waiting.move_to_end(place)

    def _room(self, upstream: Upstream, now: float) -> int:
        """Return how many letters of an upstream may join: many where it is open, one to probe it, none where it is shut."""
        vendor, account = upstream
        doors = [self._gates.vendor(vendor, now=now)]
        if account != SESAMY:
            doors.append(self._gates.account(account, now=now))
        taken = sum(other == upstream for other in self._taken.values())
        if Door.SHUT in doors:
            return 0
        return (1 if Door.PROBE in doors else _AT_ONCE) - taken

    def _may_end(self, place: Place, now: float) -> bool:
        """Say whether one of the accounts that are still owed lets somebody in."""
        return any(self._gates.account(account, now=now) is not Door.SHUT for account in self._left_of(place) or ())

    def _reopened(self, place: Place) -> Reopened:
        letter = self.book[place]
        return Reopened(
            user=letter.user,
            type=letter.type,
            accounts=tuple(self._left_of(place) or ()),
            partition=letter.partition,
            offset=letter.offset,
            since_ms=letter.parked_ms,
            tried_at=self._tried.get(place, -inf),
        )

    # ---- What comes of it ----

    def ended(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], ended: Ended) -> None:
        """Hear of a run: where it did the last of what a letter asked for, that is done."""
        done = {account for account, result in accounts.items() if result.verdict is Verdict.DONE}
        skipped = sesamy.verdict in {Verdict.SKIPPED, Verdict.ABSENT} and not ended.owed and not ended.letters
        for place in self.book.of_user(job.user):
            left = self._left_of(place)
            self._tried[place] = job.started_at
            if left is None or self.book[place].read_at > job.started_at:
                continue
            left -= left if skipped else done
            if not left:
                self._closing.add(place)
                self._marks.put_done(place)

    def replaced(self, letters: Sequence[Letter]) -> tuple[Place, ...]:
        """Return the open letters whose place a user's new ones take: those that ask for no more."""
        user = letters[0].user
        if user is None:
            return ()
        parked = {letter.account for letter in letters}
        found = tuple(
            place for place in self.book.of_user(user) if (left := self._left_of(place)) is not None and (None in parked or left <= parked)
        )
        self._closing.update(found)
        return found

    def _left_of(self, place: Place) -> set[AccountId] | None:
        """Return the accounts that have not had what a letter asks for; None: the settings know none of them."""
        if place not in self._left:
            letter = self.book[place]
            asked = account_of(letter, self._accounts.get(letter.user.vendor, ()))
            if not asked:
                return None
            self._left[place] = set(asked)
        return self._left[place]
