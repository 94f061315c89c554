"""The letter writer: a producer that empties the backlog of what is to be parked, beside all other work."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import anyio
from aiokafka.errors import KafkaError

from ..core.backlog import Backlog
from ..core.letters.headers import Named
from ..core.letters.record import ToWrite, Writing, mark
from ..core.model import Letter, Place, UserKey
from ..telemetry.logs import frames, log
from ..telemetry.metrics import Metrics
from .client import failures as connect
from .client.clients import Producer
from .client.words import said

_log = log(__name__)
_AGAIN_S: Final = 10.0
_SEND_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 500
_KINDS: Final = 1000
"""So many kinds of letter a dry run names at most."""

Producing = Callable[[], AbstractAsyncContextManager[Producer]]


class _ToSend:
    """Some records that are written together, or not at all; and what is noted once they are."""

    def __init__(self, make: Callable[[], Sequence[ToWrite]], note: Callable[[], None]) -> None:
        self.make, self.note = make, note
        self.is_taken = False


class LetterWriter:
    """
    Writes letters, and that letters are done.

    It promises: what stands in the backlog is written before it is noted there, and tried again until it is, 10 s after a failure, with
    a new producer, since password and certificates may be others now; nothing waits for it. The order of letters means nothing.
    """

    def __init__(
        self,
        backlog: Backlog,
        producing: Producing | None,
        writing: Writing,
        *,
        topic: str,
        metrics: Metrics,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Take what it empties.

        Args:
            producing: gives a producer; None: what would be parked is said, and counts as parked; nothing is written.
            writing: puts letters into words.
            wall_clock: seconds, for the time at which a letter is parked.
        """
        self._backlog, self._to_park, self._producing, self._writing = backlog, backlog.to_park, producing, writing
        self._topic, self._metrics, self._wall_clock = topic, metrics, wall_clock
        self._work = anyio.Event()
        backlog.on_letters = self._ring
        self.on_parked: Callable[[Sequence[Letter]], None] = _untold
        """Is told letters that are written."""
        # In a dry run: stage, code, vendor, account and lists of what was said to be parked.
        self._would: set[tuple[str, ...]] = set()
        self.written = 0
        self.failing_since: float | None = None
        """When the topic stopped taking letters (loop's clock); None: it takes them, as far as we know."""

    async def run(self) -> None:
        """Write letters as they come, for ever, with a new producer wherever one has failed."""
        while True:
            while not len(self._to_park):
                self.failing_since = None  # What could not be written has gone with its partition: nothing is known.
                await self._wait()
            if self._producing is None:
                for one in self._some():
                    one.note()
                continue
            try:
                async with self._producing() as producer:
                    await self._write(producer)
            except (KafkaError, TimeoutError, OSError) as error:
                _log.warning("letter not written", error=said(error), cause=connect.cure(error))
            self.failing_since = self.failing_since or anyio.current_time()
            _log.error("dead-letter topic takes no letters", waiting=len(self._to_park))
            await anyio.sleep(_AGAIN_S)

    async def written_out(self, *, limit_s: float) -> None:
        """Return once all is written, or after `limit_s`."""
        with anyio.move_on_after(limit_s):
            while len(self._to_park):
                await anyio.sleep(0.05)

    def _ring(self) -> None:
        self._work.set()

    async def _wait(self) -> None:
        """Wait for something to be put down; nothing is now."""
        self._work = anyio.Event()
        await self._work.wait()

    async def _write(self, producer: Producer) -> None:
        """Write letters as they come, until one is not taken."""
        while await self._round(producer):
            self.failing_since = None
            while not len(self._to_park):
                await self._wait()
        self.failing_since = self.failing_since or anyio.current_time()

    async def _round(self, producer: Producer) -> bool:
        """Write some of what waits; return whether all of it was taken."""
        if self._to_park.done:
            await self._drop_lost_marks(producer)
        some = self._some()
        async with anyio.create_task_group() as tasks:
            for one in some:
                tasks.start_soon(self._send, producer, one)
        for one in some:
            if one.is_taken:
                one.note()
        return all(one.is_taken for one in some)

    def _some(self) -> list[_ToSend]:
        """Return some of each kind of what waits."""
        to_park, partitions, now_ms = self._to_park, self._backlog.topic_partitions, int(self._wall_clock() * 1000)
        some = []
        for user, letters in list(to_park.users.items())[:_AT_ONCE]:
            taken = self._backlog.replaced_by(letters)
            make = partial(self._writing.of_user, letters, taken, partitions=partitions, now_ms=now_ms)
            some.append(_ToSend(make, partial(self._note_user, user, letters)))
        for place, letter in list(to_park.records.items())[:_AT_ONCE]:
            of_record = partial(self._of_record, letter, partitions=partitions, now_ms=now_ms)
            some.append(_ToSend(of_record, partial(self._note_record, place, letter)))
        done = list(to_park.done)[:_AT_ONCE]
        return some + [_ToSend(partial(_of_done, named, now_ms=now_ms), partial(self._note_done, named)) for named in done]

    def _of_record(self, letter: Letter, *, partitions: int, now_ms: int) -> Sequence[ToWrite]:
        return (self._writing.of_record(letter, partitions=partitions, now_ms=now_ms),)

    async def _drop_lost_marks(self, producer: Producer) -> None:
        """Let go of marks for partitions that the topic no longer has: their letters went with them."""
        with anyio.fail_after(_SEND_LIMIT_S):
            there = await producer.partitions_for(self._topic)
        for letter in [letter for letter in self._to_park.done if letter.place.partition not in there]:
            del self._to_park.done[letter]
            _log.warning("mark dropped: its partition is gone", state="done", partition=letter.place.partition, offset=letter.place.offset)

    async def _send(self, producer: Producer, some: _ToSend) -> None:
        try:
            with anyio.fail_after(_SEND_LIMIT_S):
                for one in some.make():
                    await producer.send_and_wait(
                        self._topic, value=one.value, key=one.key, headers=list(one.headers), partition=one.partition
                    )
        except (KafkaError, TimeoutError) as error:
            _log.warning("letter not written", error=said(error))
            return
        except Exception as error:  # noqa: BLE001 - a bug met at one letter is not worth the others; it is tried again
            self._metrics.bugs.labels(stage="letter").inc()
            _log.error("letter not written: our bug", error=type(error).__name__, where=frames(error))
            return
        some.is_taken = True

    # ---- What is noted ----

    def _note_user(self, user: UserKey, letters: tuple[Letter, ...]) -> None:
        if self._backlog.user_parked(user, letters, now=anyio.current_time()):
            self._count(letters)

    def _note_record(self, place: Place, letter: Letter) -> None:
        if self._backlog.record_parked(place, letter):
            self._count((letter,))

    def _note_done(self, letter: Named) -> None:
        del self._to_park.done[letter]
        self._metrics.dead_letters_done.inc()

    def _count(self, letters: Sequence[Letter]) -> None:
        is_written = self._producing is not None
        self.written += len(letters) if is_written else 0
        self.on_parked(letters)
        for letter in letters:
            if is_written:
                self._metrics.dead_letters.labels(stage=letter.stage, code=letter.code).inc()
            elif not self._is_first(letter):
                continue
            tell = _log.info if is_written else _log.warning  # Of letters the begin and the end are told, not each user.
            tell(
                "parked" if is_written else "would park",
                stage=letter.stage,
                code=letter.code,
                vendor=letter.user.vendor if letter.user else None,
                user=letter.user.user if letter.user else None,
                account=letter.account,
                list=",".join(letter.lists) or None,
                attempts=letter.attempts,
                partition=letter.partition,
                offset=letter.offset,
                text=None if is_written else "said once of each cause and list; `explain` has it of each user",
            )

    def _is_first(self, letter: Letter) -> bool:
        """Say whether a dry run has not named this cause at these lists yet: it would be a line for each run of a paused list."""
        kind = (letter.stage, letter.code, letter.user.vendor if letter.user else "", letter.account or "", *letter.lists)
        if kind in self._would or len(self._would) >= _KINDS:
            return False
        self._would.add(kind)
        return True


def _of_done(letter: Named, *, now_ms: int) -> Sequence[ToWrite]:
    return (mark(letter, "done", now_ms=now_ms),)


def _untold(_letters: Sequence[Letter]) -> None:
    """Nobody wants to know."""
