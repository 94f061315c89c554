"""The truth of a simulated life, what is wrong in it, and the history of what the pods make of it."""

import random
from collections.abc import Iterable

import anyio
from aiokafka import TopicPartition
from msgspec import structs

from consumer.core.model import AccountId, UserKey
from tests.history.checker import Violation, check
from tests.history.operations import Left, Operation, Place, Said, Sent, Town
from tests.history.seen import RESOURCES, Seen
from tests.simulation.topic import Topic

LETTERS = TopicPartition("letters", 0)
CANARY, AT = "Canaryname", "@example.com"


class Broken(BaseException):
    """An invariant does not hold. No `Exception`: a fence of the consumer's would take it for one user's trouble, and go on."""


class World:
    """What is so at Sesamy and at Make.as, and what happened."""

    def __init__(self, chance: random.Random, topic: Topic, places: Iterable[Place]) -> None:
        self.chance, self.topic, self.town = chance, topic, Town(places=tuple(places))
        self.history: list[Operation] = []
        self.seen = Seen(self.town, RESOURCES)
        self.accounts: dict[str, tuple[AccountId, ...]] = {}
        for place in self.town.places:
            self.accounts[place.vendor] = (*self.accounts.get(place.vendor, ()), AccountId(place.account))
        self.versions: dict[UserKey, int] = {}
        self.pages: dict[UserKey, int] = {}
        """Of the contracts of those that have more than one page: how many more."""
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
        self.contacts: dict[tuple[AccountId, UserKey], set[str]] = {}
        """The contacts that are there, with their tags."""
        self.letters: list[Parked] = []
        self.trouble: dict[str, str] = {}
        """Upstream, or `filter:` and a vendor -> what is wrong there: 500, 429, 401, 403, hang, unfiltered, letters."""
        self.mended_at = -1.0
        """When some trouble was last over."""
        self.shares_rows = chance.random() < 0.8
        """Whether rows of several readers share a call."""
        self.calls = 0
        self.renewed = 0

    def record(self, op: Operation) -> None:
        """Take down what happened."""
        self.history.append(op)
        self.seen.take(op)

    def vendor_of(self, account: AccountId) -> str:
        """Return whose an account is."""
        return next(vendor for vendor, accounts in self.accounts.items() if account in accounts)

    # ---- What happens ----

    def touch(self, user: UserKey) -> None:
        """Let something about a user change."""
        self.versions[user] = self.versions.get(user, 0) + 1

    def announce(self, user: UserKey, partition: int, value: bytes) -> None:
        """Say so on the topic."""
        offset = self.topic.append(partition, value, name_of(user).encode())
        self.record(Sent(at=_now(), partition=partition, offset=offset, user=name_of(user), version=self.versions[user]))

    def announce_poison(self, partition: int) -> None:
        """Put on the topic what nobody can read."""
        self.record(Sent(at=_now(), partition=partition, offset=self.topic.append(partition, b"\x00{")))

    def forget_sent(self) -> None:
        """Let all that was sent be lost, so that nothing of it is asked for."""
        self.history = [op for op in self.history if not isinstance(op, Sent)]
        self.seen.sent.clear()

    def leave_or_return(self, account: AccountId, user: UserKey) -> None:
        """Let a contact that is there opt out, or come back."""
        if (account, user) in self.contacts:
            is_out = (account, name_of(user)) in self.seen.left
            self.record(Left(at=_now(), account=account, user=name_of(user), back=is_out))

    def requeue(self) -> None:
        """Let an operator ask for some letter once more."""
        letters = [letter for letter in self.letters if letter.user is not None]
        if letters:
            letter = self.chance.choice(letters)
            origin = [(name, text) for name, text in letter.headers if name in {"source.partition", "source.offset", "parked_at"}]
            headers = [("letter", f"0:{letter.offset}".encode()), ("state", b"requeue"), *origin]
            self.letters.append(Parked(len(self.letters), _now(), headers, None))

    # ---- What is there ----

    @property
    def written(self) -> dict[tuple[AccountId, UserKey], int]:
        """What an account has whole, on all its lists."""
        found: dict[tuple[AccountId, UserKey], int] = {}
        for account, user, part in self.seen.written:
            lists = self.seen.lists[account]
            whole = [self.seen.written.get((account, user, one), 0) for one in RESOURCES]
            whole += [self.seen.on_list.get((account, one, user), 0) for one in lists]
            if part == "contact" and min(whole):
                found[AccountId(account), key_of(user)] = min(whole)
        return found

    @property
    def on_list(self) -> dict[tuple[AccountId, str, UserKey], int]:
        """The version of each user on each list."""
        return {(AccountId(account), one, key_of(user)): version for (account, one, user), version in self.seen.on_list.items()}

    @property
    def writes(self) -> int:
        """How many accounts have something of a user."""
        return len(self.seen.written)

    def held_open(self) -> set[int]:
        """Return the held letters that nothing has closed, but for readers who can't be written at all."""
        return {number for number, letter in self.seen.letters.items() if self._may_heal(letter.code, letter.user, number)}

    def with_open_letters(self) -> set[str]:
        """Return the users of letters that nothing has closed."""
        return {letter.user for number, letter in self.seen.letters.items() if number not in self.seen.closed}

    def _may_heal(self, code: str, user: str, number: int) -> bool:
        if code != "held" or number in self.seen.closed:
            return False
        asked, key = list(self.seen.asked_of(self.seen.letters[number])), key_of(user)
        hopeless = any((account, key) in self.refused | self.forbidden for account, _ in asked)
        # It may be all there is to probe a list with, as long as nobody else comes.
        alone = any((AccountId(account), one, key) in self.refused_there for account, one in asked)
        return not hopeless and not alone

    # ---- The verdict ----

    def say(self, pod: str, name: str, value: float, truth: float) -> None:
        """Take down what a pod says, beside what is so."""
        self.record(Said(at=_now(), pod=pod, name=name, value=value, truth=truth))

    def violations(self, *, town: Town | None = None, is_whole: bool = True) -> list[Violation]:
        """Return where a promise did not hold."""
        town, nobody = town or self.town, {name_of(user) for user in self.versions if is_guest(user) or user in self.absent}
        return check(structs.replace(town, skipped=frozenset(nobody)), self.history, is_whole=is_whole)

    def judge(self, *, town: Town | None = None, is_whole: bool = True) -> None:
        """
        Look whether every promise held.

        Raises:
            Broken: one did not.
        """
        if found := self.violations(town=town, is_whole=is_whole):
            raise Broken(f"{len(found)} violations: " + "; ".join(map(str, found[:5])))


class Parked:
    """A record of the dead-letter topic."""

    key: bytes | None = None

    def __init__(
        self, offset: int, parked_at: float, headers: list[tuple[str, bytes]], value: bytes | None, *, key: bytes | None = None
    ) -> None:
        self.offset, self.parked_at, self.headers, self.value, self.key = offset, parked_at, headers, value, key

    @property
    def user(self) -> UserKey | None:
        """Whose letter it is; None: no user's."""
        return key_of(self.key.decode()) if self.value and self.key is not None else None

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


def name_of(user: UserKey) -> str:
    """Return a user as a history names it."""
    return f"{user.vendor}|{user.user}"


def key_of(name: str) -> UserKey:
    """Return the user of such a name."""
    vendor, _, user = name.partition("|")
    return UserKey(vendor, user)


def is_guest(user: UserKey) -> bool:
    """Say whether nobody is asked for a user."""
    return user.user.startswith("guest|")


def is_personal(text: str) -> bool:
    """Say whether a text holds somebody's name or address."""
    return CANARY in text or AT in text


def _now() -> float:
    return anyio.current_time()
