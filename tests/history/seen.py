"""What is there at one moment of a history: the lists, the letters, and who owns what."""

from collections import defaultdict
from collections.abc import Iterator

from tests.history.operations import Closed, Fetched, Left, Looked, Operation, Owned, Parked, Place, Proved, Sent, Town, Turned, Wrote

RESOURCES = ("contact", "products", "subscriptions")


class Seen:
    """
    The state that all operations so far add up to.

    A part of which no version is ever written (where a town has none) does not count: `parts` are those that do.
    """

    def __init__(self, town: Town, parts: tuple[str, ...]) -> None:
        self.town, self.parts = town, parts
        self.places: dict[str, list[Place]] = defaultdict(list)
        for place in town.places:
            self.places[place.vendor].append(place)
        self.lists = {place.account: place.lists for place in town.places}
        self.sent: dict[tuple[int, int], Sent] = {}
        self.partitions: dict[str, set[int]] = defaultdict(set)
        """User -> the partitions on which it was seen."""
        self.written: dict[tuple[str, str, str], int] = {}
        """(account, user, part) -> version."""
        self.on_list: dict[tuple[str, str, str], int] = {}
        """(account, list, user) -> version."""
        self.newest: dict[str, int] = {}
        """User -> the newest version that was sent."""
        self.left: dict[tuple[str, str], float] = {}
        self.excused: dict[tuple[str, str], int] = {}
        """Account and user of those that came back -> up to which version no list need have it."""
        self.looked: dict[tuple[str, str, str], float] = {}
        """(pod, account, user) -> when its last look began."""
        self.fetched: dict[tuple[str, str], float] = {}
        """(pod, user) -> when Sesamy last gave it: each run looks anew after that."""
        self.letters: dict[int, Parked] = {}
        self.closed: set[int] = set()
        self.parked: dict[tuple[str, str, str], float] = {}
        """(account or none, list or none, user) -> when last."""
        self.records: set[tuple[int, int]] = set()
        """Partition and offset of those that were parked unread."""
        self.owners: dict[int, str] = {}
        self.heeds: set[tuple[str, str]] = set()
        """Pod and vendor."""
        self.away: dict[tuple[str, str], float] = {}
        """(pod, upstream) -> until when."""

    def take(self, op: Operation) -> None:
        """Let an operation have its effect."""
        match op:
            case Sent():
                self.sent[op.partition, op.offset] = op
                if op.user:
                    self.partitions[op.user].add(op.partition)
                    self.newest[op.user] = op.version
            case Wrote():
                is_late = op.pod in self.town.outside and op.version < self.written.get((op.account, op.user, op.part), 0)
                if not is_late:
                    self.written[op.account, op.user, op.part] = op.version
                    for one in op.lists:
                        self.on_list[op.account, one, op.user] = op.version
            case Left(back=False):
                self.left[op.account, op.user] = op.at
            case Left():
                self.left.pop((op.account, op.user), None)
                self.excused[op.account, op.user] = self.newest.get(op.user, 0)
            case Fetched():
                self.fetched[op.pod, op.user] = op.at
            case Looked():
                self.looked[op.pod, op.account, op.user] = op.began_at
                for one in op.lists:
                    place = op.account, one, op.user
                    self.on_list[place] = max(op.version, self.on_list.get(place, 0))
            case Parked(user=""):
                self.records.add(op.source)
            case Parked():
                self.letters[op.letter] = op
                for one in op.lists or ("",):
                    self.parked[op.account, one, op.user] = op.at
                self.closed.update(op.replaces)
            case Closed():
                self.closed.add(op.letter)
            case Owned():
                self.owners = {p: pod for p, pod in self.owners.items() if pod != op.pod} | dict.fromkeys(op.partitions, op.pod)
            case Proved():
                (self.heeds.add if op.heeds else self.heeds.discard)((op.pod, op.vendor))
            case Turned():
                self.away[op.pod, op.upstream] = max(op.until, self.away.get((op.pod, op.upstream), op.until))

    def asked_of(self, letter: Parked) -> Iterator[tuple[str, str]]:
        """Give account and list of all that a letter asks for."""
        vendor = letter.user.partition("|")[0]
        for place in self.places[vendor]:
            if letter.account in {"", place.account}:
                yield from ((place.account, one) for one in letter.lists or place.lists)

    def is_written(self, user: str, version: int, account: str, list_id: str) -> bool:
        """Say whether an account has all of a user's state of a version, and the list the user itself, if it has not left."""
        if user in self.town.skipped:
            return True
        if any(self.written.get((account, user, part), 0) < version for part in self.parts):
            return False
        is_out = (account, user) in self.left or version <= self.excused.get((account, user), 0)
        return is_out or self.on_list.get((account, list_id, user), 0) >= version

    def parked_at(self, user: str, account: str, list_id: str) -> float:
        """Return when a letter last asked for this list; before all times: none did."""
        places = ("", ""), (account, ""), (account, list_id)
        return max(self.parked.get((*place, user), -1.0) for place in places)

    def is_covered(self, sent: Sent, account: str, list_id: str) -> bool:
        """Say whether an event is written to a list, or parked for it since."""
        return self.is_written(sent.user, sent.version, account, list_id) or self.parked_at(sent.user, account, list_id) >= sent.at

    def uncovered(self, sent: Sent) -> list[str]:
        """Return account/list of each that an event is not written to nor parked for."""
        vendor = sent.user.partition("|")[0]
        every = ((place.account, one) for place in self.places[vendor] for one in place.lists)
        return [f"{account}/{one}" for account, one in every if not self.is_covered(sent, account, one)]
