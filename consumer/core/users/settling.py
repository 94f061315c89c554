"""Settling: which runs outside the group count as done, by what the topic says meanwhile."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from ..model import UserKey


class _Watch(Struct):
    """One user with a run that is not settled."""

    newest: dict[int, int] = field(default_factory=dict)
    """Partition -> the newest offset of an event read since the run began."""
    ends: Mapping[int, int] | None = None
    """Partition -> the topic's end, asked after the last write."""
    ended: bool = False


class Settling:
    """
    The users that a process outside the group writes for, beside pods that write for them, too.

    It promises: a user is settled only once the topic has been read up to the moment of its last write; an event
    between the run's start and that moment asks for one more run, unless a later one of the user has come: then a
    pod's run, which starts later still, covers it. Memory is O(users that are not settled).
    """

    def __init__(self) -> None:
        self._watches: dict[UserKey, _Watch] = {}
        # Partition -> the next offset to read.
        self._read: dict[int, int] = {}

    @property
    def users(self) -> Iterable[UserKey]:
        """Return those that have begun and are not settled."""
        return self._watches.keys()

    def started(self, user: UserKey) -> None:
        """Note that a run begins; one that is a retry belongs to the run before."""
        self._watches.setdefault(user, _Watch())

    def ended(self, user: UserKey) -> None:
        """Note that nothing more is written for the user."""
        self._watches.setdefault(user, _Watch()).ended = True

    def to_ask(self) -> tuple[UserKey, ...]:
        """Return those for which the topic's end is to be asked now."""
        return tuple(user for user, watch in self._watches.items() if watch.ended and watch.ends is None)

    def end_is(self, users: Iterable[UserKey], ends: Mapping[int, int]) -> None:
        """Note the topic's end, as asked after `users` were returned by `to_ask`."""
        for user in users:
            self._watches[user].ends = ends

    def read(self, partition: int, next_offset: int) -> None:
        """Note that every record before `next_offset` has been seen."""
        self._read[partition] = next_offset

    def seen(self, user: UserKey, partition: int, offset: int) -> None:
        """Note an event."""
        watch = self._watches.get(user)
        if watch is not None:
            watch.newest[partition] = offset

    def missed(self, partition: int) -> None:
        """
        Note that records were lost to us: they may have been of any user, at any time.

        The end is asked anew: where the topic was made anew, the one that is known is another log's.
        """
        for watch in self._watches.values():
            watch.newest[partition], watch.ends = -1, None

    def settled(self) -> tuple[list[UserKey], list[UserKey]]:
        """Take out the settled users; return the users that are done, and those that need one more run."""
        done: list[UserKey] = []
        again: list[UserKey] = []
        for user, watch in self._watches.items():
            if watch.ends is None or any(self._read.get(partition, -1) < end for partition, end in watch.ends.items()):
                continue
            later = any(offset >= watch.ends.get(partition, 0) for partition, offset in watch.newest.items())
            (done if later or not watch.newest else again).append(user)
        for user in (*done, *again):
            del self._watches[user]
        return done, again
