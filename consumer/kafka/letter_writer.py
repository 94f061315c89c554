"""Parks what can't be delivered: letters to the dead-letter topic, ids only."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio
from aiokafka.errors import KafkaError
from msgspec import Struct

from ..core.events import encode
from ..core.letters.record import MARKED, PARKED_AT, SOURCE, SOURCE_PARTITIONS, STATE, Named, replacing
from ..core.model import AccountId, Addressee, Event, Letter, UserKey
from ..core.partitioner import usual_key
from ..telemetry.logs import frames, log
from ..telemetry.metrics import Metrics
from .client import connect
from .client.clients import Producer

_log = log(__name__)
_AGAIN_S: Final = 10.0
_SEND_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 500

Producing = Callable[[], AbstractAsyncContextManager[Producer]]


class Poison(Struct, frozen=True):
    """A record that can't be read, waiting to be parked: its key, and the letter."""

    key: bytes | None
    letter: Letter


class Written(Struct, frozen=True):
    """A record of the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int | None = None
    """None: where its key belongs."""


class Parker:
    """
    Writes letters, beside all other work.

    It promises: what is put here is written before `on_user`, `on_poison` say so, and tried again until it is, 10 s after
    a failure, with a new producer, since password and certificates may be others now; nobody waits for it. The order of
    letters means nothing.
    """

    def __init__(
        self,
        producing: Producing,
        *,
        topic: str,
        source_topic: str,
        of_topic: Callable[[], int],
        addresses: Mapping[tuple[str, AccountId], Addressee],
        on_user: Callable[[UserKey], None],
        on_poison: Callable[[int, int], None],
        replaced: Callable[[Sequence[Letter]], Sequence[Named]],
        metrics: Metrics,
    ) -> None:
        """
        Take what it works with.

        Args:
            producing: gives a producer.
            of_topic: how many partitions the source topic has; 0: not known.
            addresses: by vendor and account.
            on_user: told when all letters of a user are written.
            on_poison: told the partition and offset of a record whose letter is written.
            replaced: says which open letters a user's new ones take the place of.
        """
        self._producing, self._topic, self._source_topic = producing, topic, source_topic
        self._addresses, self._on_user, self._on_poison, self._metrics = addresses, on_user, on_poison, metrics
        self._replaced, self._of_topic = replaced, of_topic
        # What is not written yet; a user or record is here until its letters are.
        self._users: dict[UserKey, tuple[Letter, ...]] = {}
        self._poison: dict[tuple[int, int], Poison] = {}
        self._done: dict[Named, None] = {}
        self._work = anyio.Event()
        self.written = 0
        self.failing_since: float | None = None
        """When the topic stopped taking letters (loop's clock); None: it takes them, as far as we know."""

    def __len__(self) -> int:
        return len(self._users) + len(self._poison) + len(self._done)

    @property
    def poison_count(self) -> int:
        """Return how many unreadable records wait."""
        return len(self._poison)

    def put_user(self, key: UserKey, letters: tuple[Letter, ...]) -> None:
        """Take a user's letters."""
        self._users[key] = letters
        self._work.set()

    def put_poison(self, poison: Poison) -> None:
        """Take an unreadable record's letter."""
        self._poison[poison.letter.partition, poison.letter.offset] = poison
        self._work.set()

    def put_done(self, letter: Named) -> None:
        """Take a letter that has been dealt with: that is written to the topic, too."""
        self._done[letter] = None
        self._work.set()

    def give_up(self, partitions: Collection[int]) -> dict[int, list[Poison]]:
        """Drop what is not ours any more; return the unreadable records, by partition. Users' letters all go."""
        aside: dict[int, list[Poison]] = {partition: [] for partition in partitions}
        for place in [place for place in self._poison if place[0] in aside]:
            aside[place[0]].append(self._poison.pop(place))
        self._users.clear()
        return aside

    def give_up_poison(self, partition: int) -> None:
        """Drop the unreadable records of a partition whose log no longer holds them."""
        for place in [place for place in self._poison if place[0] == partition]:
            del self._poison[place]

    async def run(self) -> None:
        """Write letters as they come, for ever, with a new producer wherever one has failed."""
        while True:
            while not len(self):
                self.failing_since = None  # What could not be written has gone with its partition: nothing is known.
                await self._wait()
            try:
                async with self._producing() as producer:
                    await self._write(producer)
            except (KafkaError, TimeoutError, OSError) as error:
                _log.warning("letter not written", error=type(error).__name__, cause=connect.cure(error))
            self.failing_since = self.failing_since or anyio.current_time()
            _log.error("dead-letter topic takes no letters", waiting=len(self))
            await anyio.sleep(_AGAIN_S)

    async def _write(self, producer: Producer) -> None:
        """Write letters as they come, until one is not taken."""
        while await self._round(producer):
            self.failing_since = None
            while not len(self):
                await self._wait()
        self.failing_since = self.failing_since or anyio.current_time()

    async def _wait(self) -> None:
        """Wait for something to be put here; nothing is here now."""
        self._work = anyio.Event()
        await self._work.wait()

    async def _round(self, producer: Producer) -> bool:
        """Write some of what waits; return whether all of it was taken."""
        if self._done:
            await self._drop_lost_marks(producer)
        users = list(self._users.items())[:_AT_ONCE]
        poison = list(self._poison.items())[:_AT_ONCE]
        done = list(self._done)[:_AT_ONCE]
        makes: list[Callable[[], list[Written]]] = [partial(self._of_user, letters, self._replaced(letters)) for _, letters in users]
        makes += [partial(self._of_poison, one) for _, one in poison] + [partial(_of_done, letter) for letter in done]
        taken: set[int] = set()
        async with anyio.create_task_group() as tasks:
            for number, make in enumerate(makes):
                tasks.start_soon(self._send, producer, number, make, taken)
        for number, (key, parked) in enumerate(users):
            if number in taken and self._users.get(key) is parked:
                del self._users[key]
                self._count(parked)
                self._on_user(key)
        for number, (where, one) in enumerate(poison, start=len(users)):
            if number in taken and self._poison.get(where) is one:
                del self._poison[where]
                self._count((one.letter,))
                self._on_poison(*where)
        for number, letter in enumerate(done, start=len(users) + len(poison)):
            if number in taken:
                del self._done[letter]
                self._metrics.dead_letters_done.inc()
        return len(taken) == len(makes)

    async def _drop_lost_marks(self, producer: Producer) -> None:
        """Let go of marks for partitions that the topic no longer has: their letters went with them."""
        with anyio.fail_after(_SEND_LIMIT_S):
            there = await producer.partitions_for(self._topic)
        for letter in [letter for letter in self._done if letter.place[0] not in there]:
            del self._done[letter]
            _log.warning("mark dropped: its partition is gone", state="done", partition=letter.place[0], offset=letter.place[1])

    async def _send(self, producer: Producer, number: int, make: Callable[[], list[Written]], taken: set[int]) -> None:
        try:
            with anyio.fail_after(_SEND_LIMIT_S):
                for one in make():
                    await producer.send_and_wait(
                        self._topic, value=one.value, key=one.key, headers=list(one.headers), partition=one.partition
                    )
        except (KafkaError, TimeoutError) as error:
            _log.warning("letter not written", error=type(error).__name__)
            return
        except Exception as error:  # noqa: BLE001 - what nobody expected of one letter is not worth the others; it is tried again
            self._metrics.bugs.labels(stage="letter").inc()
            _log.error("letter not written: our bug", error=type(error).__name__, where=frames(error))
            return
        taken.add(number)

    def _count(self, letters: tuple[Letter, ...]) -> None:
        self.written += len(letters)
        for letter in letters:
            self._metrics.dead_letters.labels(stage=letter.stage, code=letter.code).inc()
            _log.warning(
                "parked",
                stage=letter.stage,
                code=letter.code,
                vendor=letter.user.vendor if letter.user else None,
                user=letter.user.user if letter.user else None,
                account=letter.account,
                list=",".join(letter.lists) or None,
                attempts=letter.attempts,
                partition=letter.partition,
                offset=letter.offset,
            )

    def _of_user(self, letters: Sequence[Letter], replaced: Sequence[Named]) -> list[Written]:
        headers = [self._user_headers(letter) for letter in letters]
        if replaced:  # On the last: before it all others are there.
            headers[-1] |= replacing(replaced)
        return [_written(letter, said) for letter, said in zip(letters, headers, strict=True)]

    def _user_headers(self, letter: Letter) -> dict[str, str]:
        assert letter.user is not None
        headers = self._headers(letter)
        headers["attempts"] = str(letter.attempts)
        if letter.account is not None:
            address = self._addresses[letter.user.vendor, letter.account]
            headers |= {"makeas.account": address.user_id, "makeas.lists": ",".join(letter.lists or address.lists)}
        return headers

    def _of_poison(self, poison: Poison) -> list[Written]:
        place = f"{poison.letter.partition}:{poison.letter.offset}"
        # Neither is null: the client takes no record without both, a compacted topic none without a key.
        return [Written(place.encode() if poison.key is None else poison.key, b"", _as_bytes(self._headers(poison.letter)))]

    def _headers(self, letter: Letter) -> dict[str, str]:
        headers = {
            "error.code": letter.code,
            "error.stage": letter.stage,
            "source.topic": self._source_topic,
            SOURCE[0]: str(letter.partition),
            SOURCE[1]: str(letter.offset),
            PARKED_AT: _now(),
        }
        partitions = self._of_topic() if letter.partitions is None else letter.partitions
        return headers | ({SOURCE_PARTITIONS: str(partitions)} if partitions else {})


def _written(letter: Letter, headers: Mapping[str, str]) -> Written:
    assert letter.user is not None
    key = letter.key if letter.key is not None else usual_key(letter.user)
    return Written(key, encode(Event(letter.user, letter.type or "")), _as_bytes(headers))


def _of_done(letter: Named) -> list[Written]:
    return [mark(letter, "done")]


def mark(letter: Named, state: str) -> Written:
    """Return the record that says something of a letter; it goes behind the letter, into its partition."""
    headers = {MARKED: f"{letter.place[0]}:{letter.place[1]}", STATE: state, "marked_at": _now()}
    if letter.origin is not None:
        headers |= letter.origin.headers()
    return Written(headers[MARKED].encode(), b"", _as_bytes(headers), partition=letter.place[0])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_bytes(headers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode()) for name, value in headers.items())
