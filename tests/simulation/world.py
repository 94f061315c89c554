"""Sesamy, Make.as and the dead-letter topic as the simulation knows them, and the referee that watches every write and commit."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import Denied, Forbidden, Refused, Retryable
from consumer.makeas import Written
from consumer.model import AccountId, Contract, Documents, Item, Profile, Snapshot, UserKey
from tests.simulation.topic import Topic

LETTERS = TopicPartition("letters", 0)


class Broken(BaseException):
    """An invariant does not hold. No `Exception`: a fence of the consumer's would take it for one user's trouble, and go on."""


class Sent(NamedTuple):
    """One event on the topic: the user, and the version that Sesamy had when it was sent."""

    user: UserKey
    version: int
    at: float


class World:
    """
    The truth, and the referee.

    I1: whatever is committed has been written at least as new, or parked. I2: at the end all is written or parked.
    I5: no write is older than one before it, and no two writes of one (user, account) overlap.
    I9: nobody calls an account that has just told him to stay away.
    I10: nothing is written for a vendor that has not said to this pod that it heeds its filters, or has shown since that it does not.
    H1: a letter is closed only when what it asked for is done. H2: held letters heal by themselves. H3: a newer letter takes the
    place of an older one only if it asks for all of it that is not done.
    """

    def __init__(self, chance: random.Random, topic: Topic, accounts: dict[str, tuple[AccountId, ...]]) -> None:
        self.chance, self.topic, self.accounts = chance, topic, accounts
        self.lists: dict[AccountId, tuple[str, ...]] = {}
        """As a pod's settings have them."""
        self.versions: dict[UserKey, int] = {}
        self.absent: set[UserKey] = set()
        self.refused: set[tuple[AccountId, UserKey]] = set()
        self.unwell: set[tuple[AccountId, UserKey]] = set()
        """Whose writes always fail in passing."""
        self.forbidden: set[tuple[str, UserKey]] = set()
        """Whom an upstream (an account, or `sesamy:` and a vendor) answers 403."""
        self.broken: set[tuple[AccountId, UserKey]] = set()
        """Whose writes meet a fault of ours."""
        self.gone: dict[tuple[AccountId, str], str] = {}
        """Lists that refuse everybody -> the code."""
        self.refused_there: set[tuple[AccountId, str, UserKey]] = set()
        """Whom one list refuses, and no other."""
        self.sent: dict[tuple[int, int], Sent] = {}
        self.written: dict[tuple[AccountId, UserKey], int] = {}
        """What an account has whole."""
        self.on_list: dict[tuple[AccountId, str, UserKey], int] = {}
        self.parked: dict[tuple[AccountId | None, str, UserKey], float] = {}
        """By account (None: all) and list."""
        self.parked_records: set[tuple[int, int]] = set()
        self.letters: list[Parked] = []
        self.poison: set[tuple[int, int]] = set()
        self.writing: set[tuple[AccountId, UserKey]] = set()
        self.trouble: dict[str, str] = {}
        """Upstream, or `filter:` and a vendor -> what is wrong there: 500, 429, 401, 403, hang, unfiltered, letters."""
        self.calls = 0
        self.writes = 0
        self.renewed = 0

    def touch(self, user: UserKey) -> None:
        self.versions[user] = self.versions.get(user, 0) + 1

    def announce(self, user: UserKey, partition: int, value: bytes) -> None:
        offset = self.topic.append(partition, value, f"{user.vendor}|{user.user}".encode())
        self.sent[partition, offset] = Sent(user, self.versions[user], anyio.current_time())

    def announce_poison(self, partition: int) -> None:
        self.poison.add((partition, self.topic.append(partition, b"\x00{")))

    def check_done(self, offset: int) -> None:
        """See that a letter is closed only when what it asked for is done."""
        letter = self.letters[offset]
        if letter.user is None:
            raise Broken(f"H1: record {offset} is no user's letter, and was closed")
        for account in self.accounts_of(letter):
            if self.written.get((account, letter.user), 0) < letter.version and letter.user not in self.absent:
                raise Broken(f"H1: letter {offset} of {letter.user} was closed, and {account} has not what it asked for")

    def check_replaced(self, replaces: str) -> None:
        """See that what older letters asked for is done, or asked for by newer ones."""
        for place in filter(None, replaces.split(",")):
            old = self.letters[int(place.partition(":")[2])]
            assert old.user is not None
            for account in self.accounts_of(old):
                for one in old.lists or self.lists[account]:
                    newest = max(self.parked.get((account, one, old.user), -1.0), self.parked.get((None, "", old.user), -1.0))
                    if self.on_list.get((account, one, old.user), 0) < old.version and newest <= old.parked_at:
                        raise Broken(f"H3: letter {old.offset} of {old.user} was replaced, and nothing asks for list {one} of {account}")

    def requeue(self) -> None:
        """Let an operator ask for some letter once more."""
        letters = [letter for letter in self.letters if letter.user is not None]
        if letters:
            letter = self.chance.choice(letters)
            origin = [(name, text) for name, text in letter.headers if name in {"source.partition", "source.offset", "parked_at"}]
            headers = [("letter", f"0:{letter.offset}".encode()), ("state", b"requeue"), *origin]
            self.letters.append(Parked(len(self.letters), anyio.current_time(), headers, None, None, None, 0))

    def held_open(self) -> set[int]:
        """Return the held letters that nothing has closed, but for readers who can't be written at all."""
        closed: set[int] = set()
        for letter in self.letters:
            done = letter.said.get("letter", "") if letter.said.get("state") == "done" else ""
            places = letter.said.get("replaces", done)
            closed.update(int(place.partition(":")[2]) for place in places.split(",") if place)
        held = [letter for letter in self.letters if letter.said.get("error.code") == "held" and letter.offset not in closed]
        hopeless = self.refused | self.forbidden
        return {
            letter.offset
            for letter in held
            if letter.user is not None
            and not any((account, letter.user) in hopeless for account in self.accounts_of(letter))
            # It may be all there is to probe a list with, as long as nobody else comes.
            and not any((account, one, letter.user) in self.refused_there for account in self.accounts_of(letter) for one in letter.lists)
        }

    def accounts_of(self, letter: "Parked") -> tuple[AccountId, ...]:
        """Return whom a letter is about."""
        assert letter.user is not None
        return (letter.account,) if letter.account is not None else self.accounts[letter.user.vendor]

    def covered(self, sent: Sent, account: AccountId) -> bool:
        newest = self.written.get((account, sent.user), 0)
        is_nobody = sent.user in self.absent or sent.user.user.startswith("guest|")
        if newest >= sent.version or self.parked.get((None, "", sent.user), -1.0) >= sent.at or is_nobody:
            return True
        return all(
            self.on_list.get((account, one, sent.user), 0) >= sent.version or self.parked.get((account, one, sent.user), -1.0) >= sent.at
            for one in self.lists[account]
        )

    def on_commit(self, partition: int, before: int, after: int) -> None:
        for offset in range(before, after):
            place = partition, offset
            if place in self.poison and place not in self.parked_records:
                raise Broken(f"I1: committed past unparked poison at {place}")
            sent = self.sent.get(place)
            for account in self.accounts[sent.user.vendor] if sent else ():
                if sent and not self.covered(sent, account):
                    raise Broken(f"I1: committed past {place}, {sent} is not written to {account}")

    def at_the_end(self) -> None:
        for place, sent in self.sent.items():
            for account in self.accounts[sent.user.vendor]:
                if not self.covered(sent, account):
                    raise Broken(f"I2: {sent} of {place} is not written to {account}")
        if self.poison != self.parked_records:
            raise Broken("I2: poison not parked, or something else is")


class FakeSesamy:
    """A vendor's API for one pod."""

    def __init__(self, world: World, vendor: str) -> None:
        self._world, self._vendor = world, vendor
        self._stay_away_until = -1.0
        self._heeds: set[str] = set()
        """Resources that were last answered with no rows where nobody was asked for."""

    @property
    def is_proven(self) -> bool:
        return self._heeds == {"contracts", "entitlements"}

    @property
    def _is_unfiltered(self) -> bool:
        return self._world.trouble.get(f"sesamy:{self._vendor}") == "unfiltered"

    async def obeys_filter(self, resource: str, user_id: str, *, permit: Callable[[], Awaitable[None]]) -> bool:
        await permit()
        if UserKey(self._vendor, user_id) in self._world.versions:
            raise Broken(f"{user_id} is somebody")
        await self._answer(calls=1)
        await _fail(self._world, f"filter:{self._vendor}")
        if self._is_unfiltered:
            self._heeds.clear()
            return False
        self._heeds.add(resource)
        return True

    async def _answer(self, *, calls: int) -> None:
        if anyio.current_time() < self._stay_away_until:
            raise Broken("I9: Sesamy was called within its Retry-After")
        world = self._world
        world.calls += calls
        await anyio.sleep(world.chance.uniform(0.02, 0.4))
        try:
            await _fail(world, f"sesamy:{self._vendor}")
        except Retryable as error:
            if error.retry_after_s:
                self._stay_away_until = anyio.current_time() + error.retry_after_s
            raise

    async def snapshot(self, user: UserKey, *, permit: Callable[[], Awaitable[None]]) -> Snapshot | None:  # noqa: ARG002
        world = self._world
        version = world.versions[user]
        await self._answer(calls=3)
        if (f"sesamy:{self._vendor}", user) in world.forbidden:
            raise Forbidden("403", code="http-403")
        if user in world.absent:
            return None
        # Pages are read one by one: what is read may be the state of the first moment, never an older one.
        return Snapshot(
            user=user,
            profile=Profile(user_id=user.user, email=f"{user.user}@example.com", company=str(version)),
            contracts=(Contract(id=self._whose(user), status="ACTIVE", items=[Item(sku="s", name="n")]),),
            entitlements=(),
        )

    def _whose(self, user: UserKey) -> str:
        """Return whose contract it is: the first user's, whoever is asked for, where the filter is ignored."""
        return f"contract of {min(self._world.versions).user if self._is_unfiltered else user.user}"

    def renew(self) -> None:
        self._world.renewed += 1


class FakeMakeAs:
    """An account for one pod: three calls in a row."""

    def __init__(self, world: World, account: AccountId, lists: tuple[str, ...], sesamy: FakeSesamy, alive: Callable[[], bool]) -> None:
        self._world, self._account, self._lists, self._sesamy, self._alive = world, account, lists, sesamy, alive
        world.lists[account] = lists
        self._stay_away_until = -1.0

    async def write(
        self, documents: Documents, *, permit: Callable[[], Awaitable[None]], limit_s: Callable[[], float], lists: tuple[str, ...]
    ) -> Written:
        vendor = next(vendor for vendor, accounts in self._world.accounts.items() if self._account in accounts)
        user = UserKey(vendor, documents.subscriber.external_id)
        version, gone = int(documents.subscriber.company or 0), self._world.gone
        for _ in range(2):
            await permit()
            await self._call(user, version, min(15.0, limit_s()))
        refused = {one: gone[self._account, one] for one in lists if (self._account, one) in gone}
        refused |= {one: "http-409" for one in lists if (self._account, one, user) in self._world.refused_there}
        for _ in lists if refused and len(lists) > 1 else ():  # Each alone.
            await permit()
            await self._call(user, version, min(15.0, limit_s()))
        taken = tuple(one for one in lists if one not in refused)
        if not taken:
            raise Refused("no", code=min(refused.values()))
        await permit()
        await self._call(user, version, min(15.0, limit_s()), onto=taken)
        left_out = tuple(one for one in self._lists if one not in lists)
        return Written(consent_kept=False, refused=refused, taken=taken, left_out=left_out)

    async def _call(self, user: UserKey, version: int, limit_s: float, *, onto: tuple[str, ...] = ()) -> None:
        world, place = self._world, (self._account, user)
        if anyio.current_time() < self._stay_away_until:
            raise Broken(f"I9: {self._account} was called within its Retry-After")
        if place in world.writing:
            raise Broken(f"I5: two writes at once of {place}")
        if not self._sesamy.is_proven:
            raise Broken(f"I10: {place} is written, whose vendor may give others' rows")
        world.calls += 1
        world.writing.add(place)
        try:
            with anyio.move_on_after(limit_s):
                await anyio.sleep(world.chance.uniform(0.01, 0.3))
                try:
                    await _fail(world, self._account)
                except Retryable as error:
                    if error.retry_after_s:
                        self._stay_away_until = anyio.current_time() + error.retry_after_s
                    raise
                if place in world.unwell:
                    raise Retryable("503", code="http-503")
                if place in world.forbidden:
                    raise Forbidden("403", code="http-403")
                if place in world.broken:
                    raise KeyError(place)
                if place in world.refused:
                    raise Refused("no", code="http-422")
                if not self._alive():
                    raise Broken("a dead pod wrote")
                if version < world.written.get(place, 0):
                    raise Broken(f"I5: version {version} written over {world.written[place]} of {place}")
                self._put(user, version, onto)
                return
        finally:
            world.writing.discard(place)
        raise Retryable("no answer", code="timeout")

    def _put(self, user: UserKey, version: int, onto: tuple[str, ...]) -> None:
        world = self._world
        for one in onto:
            if version < world.on_list.get((self._account, one, user), 0):
                raise Broken(f"I5: an older version of {user} written over a newer one on list {one}")
            world.on_list[self._account, one, user] = version
        if set(onto) == set(self._lists):
            world.written[self._account, user] = version
        world.writes += bool(onto)


async def _fail(world: World, upstream: str) -> None:
    """Fail as the trouble at `upstream` says."""
    trouble = world.trouble.get(upstream)
    if trouble == "down" or (trouble == "500" and world.chance.random() < 0.9):
        raise Retryable("500", code="http-500")
    if trouble == "429":
        raise Retryable("429", code="http-429", retry_after_s=world.chance.choice([None, 1.0, 3.0]))
    if trouble == "401":
        raise Denied("401", code="http-401")
    if trouble == "403":
        raise Forbidden("403", code="http-403")
    if trouble == "hang":
        await anyio.sleep(40)
        raise Retryable("no answer", code="timeout")
    if world.chance.random() < 0.01:
        raise Retryable("cut", code="cut")


class Parked(NamedTuple):
    """A record of the dead-letter topic, and what the referee knows of it."""

    offset: int
    parked_at: float
    headers: list[tuple[str, bytes]]
    value: bytes | None
    user: UserKey | None
    account: AccountId | None
    version: int
    """Of the user's state when it was parked."""

    key: bytes | None = None

    @property
    def timestamp(self) -> int:
        return int(self.parked_at * 1000)

    @property
    def said(self) -> dict[str, str]:
        return {name: text.decode() for name, text in self.headers}

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists that it is about; none: all of all accounts."""
        return tuple(one for one in self.said.get("makeas.lists", "").split(",") if one)


class FakeProducer:
    """The dead-letter topic, as it is written."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def partitions_for(self, _: str) -> set[int]:
        return {0}

    async def send_and_wait(
        self, topic: str, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]], partition: int | None
    ) -> Any:
        assert topic
        assert partition in {None, 0}
        assert key is not None, "a compacted topic takes no record without a key"
        assert value is not None, "nor is a letter a tombstone"
        world = self._world
        await anyio.sleep(world.chance.uniform(0.005, 0.05))
        if world.trouble.get("letters"):
            raise KafkaError("no")
        said = {name: text.decode() for name, text in headers}
        user = account = None
        if value:
            vendor, _, name = key.decode().partition("|")
            user = UserKey(vendor, name)
            account = AccountId(said["makeas.account"]) if "makeas.account" in said else None
            # A letter covers what the failing run could see, so no later than the moment it is written.
            for one in said.get("makeas.lists", "").split(","):
                world.parked[account, one, user] = anyio.current_time()
            world.check_replaced(said.get("replaces", ""))
        elif "letter" in said:
            world.check_done(int(said["letter"].partition(":")[2]))
        else:
            world.parked_records.add((int(said["source.partition"]), int(said["source.offset"])))
        version = world.versions.get(user, 0) if user is not None else 0
        world.letters.append(Parked(len(world.letters), anyio.current_time(), headers, value, user, account, version, key))


@asynccontextmanager
async def producing(world: World) -> AsyncIterator[FakeProducer]:
    """Give a producer of the dead-letter topic."""
    yield FakeProducer(world)


class FakeReader:
    """The dead-letter topic, as it is read."""

    def __init__(self, world: World) -> None:
        self._world, self._next = world, 0

    def assign(self, partitions: list[TopicPartition]) -> None:
        pass

    def assignment(self) -> list[TopicPartition]:
        return [LETTERS]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._next = offset

    async def position(self, _: TopicPartition) -> int:
        return self._next

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return int(anyio.current_time() * 1000)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(self._world.letters))

    async def getmany(self, *_: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Parked]]:
        await anyio.sleep(timeout_ms / 1000)
        if self._world.trouble.get("letters"):
            raise KafkaError("no")
        found = self._world.letters[self._next : self._next + max_records]
        self._next += len(found)
        return {LETTERS: found} if found else {}


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[FakeReader]:
    """Give a reader of the dead-letter topic."""
    yield FakeReader(world)
