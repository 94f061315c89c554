"""The conditions of a pod over time: which have begun, and which have ended, since the last look."""

from collections.abc import Iterator
from math import inf
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ...core.text import duration
from ...settings.model import Settings
from ..status.tree import PartitionStatus, Status
from .standing import Condition, Kind, ListName, lists_of, named, standing

_EVENTS: Final[dict[Kind, tuple[str, str]]] = {
    "gate": ("list-stopped", "list-runs"),
    "list": ("list-stopped", "list-runs"),
    "partition": ("partition-stalled", "partition-moves"),
    "group": ("not-a-member", "member-again"),
    "topic": ("topic-missing", "topic-there"),
    "writing": ("letters-not-writable", "letters-writable"),
    "reading": ("letters-not-readable", "letters-readable"),
    "letters": ("letters-need-a-person", "no-letter-needs-a-person"),
    "unreadable": ("letters-unreadable", "no-letter-unreadable"),
    "kept": ("writes-not-kept", "writes-kept"),
}
"""What a beginning and an end are called outside."""
_ENDS: Final[dict[Kind, str]] = {
    "partition": "Partition {subject} moves again",
    "group": "This pod is a member of its group again",
    "topic": "The topic is there again",
    "writing": "The dead-letter topic takes letters again",
    "reading": "The dead-letter topic is read again",
    "letters": "No letter that can be requeued needs a person any more",
    "unreadable": "No letter of a record that can't be read is left",
    "kept": "Make.as account {subject} keeps what is written again",
}
_OF_ALL_PODS: Final[frozenset[Kind]] = frozenset({"letters", "unreadable"})
"""What every pod sees alike: the one that holds partition 0 tells the operator's address, and a pod that told a beginning tells its end."""


class Notice(Struct, frozen=True, kw_only=True):
    """One beginning or end."""

    event: str
    begins: bool
    kind: Kind
    subject: str = ""
    cause: str = ""
    text: str
    cure: str = ""
    """Empty at an end."""
    runbook: str
    lists: tuple[ListName, ...] = ()
    users: int | None = None
    """At an end: the most that waited at any time."""
    since: float
    """When it began, wall time (s)."""
    lasted_s: float = 0.0
    """At an end: for how long."""
    is_sent: bool = True
    """Whether this pod is the one that tells the operator's address."""
    is_news: bool = True
    """Whether it was not told before; else it is this pod's to send since now, or so again after another cause."""


class _Episode(Struct):
    """One condition, from when it was first seen."""

    latest: Condition
    first_at: float
    since: float
    gone_at: float = inf
    """When it was first seen to be gone; inf: it holds."""
    gone_wall: float = 0.0
    users: int | None = None
    causes: set[str] = set()
    """Those that were told; none: it has not begun yet."""
    cause: str = ""
    """The one that was handed on last."""
    is_sent: bool = False
    """Whether the operator's address was to be told of it by this pod."""


class Conditions:
    """
    What holds, over time.

    It promises: each condition is told once when it has begun and once when it has ended, in turn; a gate or list that is only
    probed has not ended, nor has what is well for a moment; another cause is told once more, for its cure is another, and where causes
    take turns each goes to the address again, which is to have the one that is so; of what all pods
    see, one that comes to hold partition 0 tells the address what it has not told it yet; while a pod drains nothing is said.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings, for the lists behind each upstream and how long offsets may be held back on purpose."""
        self._lists, self._max_wait_s = lists_of(settings), settings.debounce.max_wait_s
        self._episodes: dict[tuple[Kind, str], _Episode] = {}
        # Partition -> what is committed, and when that was first seen.
        self._committed: dict[int, tuple[int, float]] = {}

    @property
    def standing(self) -> int:
        """Return how many conditions have begun and not ended."""
        return sum(bool(one.causes) for one in self._episodes.values())

    @property
    def kinds(self) -> str:
        """Return their kinds, for a person."""
        return ", ".join(sorted({kind for (kind, _), one in self._episodes.items() if one.causes}))

    def changed(self, status: Status, now: float) -> list[Notice]:
        """
        Return what has begun and ended.

        Args:
            now: the loop's clock (s).
        """
        if status.state == "draining":
            return []
        self._note_commits(status, now)
        holds = {(one.kind, one.subject): one for one in standing(status, self._lists, lambda one: self._stalled_s(one, status, now))}
        holds_first = any(one.partition == 0 for one in status.partitions)
        return [*self._begun(holds, status, now, holds_first=holds_first), *self._ended(holds, status, now)]

    def _begun(self, holds: dict[tuple[Kind, str], Condition], status: Status, now: float, *, holds_first: bool) -> Iterator[Notice]:
        for key, one in holds.items():
            episode = self._episodes.get(key)
            if episode is None:
                episode = self._episodes[key] = _Episode(one, now, min(one.since, status.at))
            episode.latest, episode.gone_at = one, inf
            if one.users is not None:
                episode.users = max(one.users, episode.users or 0)
            was_sent, episode.is_sent = episode.is_sent, episode.is_sent or one.kind not in _OF_ALL_PODS or holds_first
            is_another = one.cause != episode.cause and one.after_s == 0
            if one.cause in episode.causes:
                # The pod that was to send it may be gone, and may not have; of causes in turn the address is to have what is so.
                if is_another or (episode.is_sent and not was_sent):
                    episode.cause = one.cause
                    yield replace(_notice(one, episode), is_news=False)
                continue
            if not episode.causes and now - episode.first_at < one.after_s:
                continue
            # Another cause of what has begun is told if it would be told at once: not each "wait a second" of what is shut anyway.
            if not episode.causes or is_another:
                episode.causes, episode.cause = {*episode.causes, one.cause}, one.cause
                yield _notice(one, episode)

    def _ended(self, holds: dict[tuple[Kind, str], Condition], status: Status, now: float) -> Iterator[Notice]:
        for key, episode in [*self._episodes.items()]:
            if key in holds:
                continue
            if not episode.causes:
                del self._episodes[key]
                continue
            if episode.gone_at == inf:
                episode.gone_at, episode.gone_wall = now, status.at
            if now - episode.gone_at >= episode.latest.calm_s:
                del self._episodes[key]
                yield _end(episode)

    def _note_commits(self, status: Status, now: float) -> None:
        seen = self._committed
        self._committed = {
            one.partition: seen[one.partition]
            if seen.get(one.partition, (None, 0.0))[0] == one.committed and one.lag
            else (one.committed, now)
            for one in status.partitions
        }

    def _stalled_s(self, one: PartitionStatus, status: Status, now: float) -> float:
        """Return for how long a partition has committed nothing; 0 where a burst or a shut gate may hold it, as others tell."""
        _, since = self._committed.get(one.partition, (0, now))
        held = any(cause.cause == "held" and cause.users for cause in status.users.causes)
        if held or not one.lag or (one.oldest_open_at is not None and status.at - one.oldest_open_at < self._max_wait_s):
            return 0.0
        return now - since


def _notice(one: Condition, episode: _Episode) -> Notice:
    return Notice(
        event=_EVENTS[one.kind][0],
        begins=True,
        kind=one.kind,
        subject=one.subject,
        cause=one.cause,
        text=one.text,
        cure=one.cure,
        runbook=one.runbook,
        lists=one.lists,
        users=one.users,
        since=episode.since,
        is_sent=episode.is_sent,
    )


def _end(episode: _Episode) -> Notice:
    one = episode.latest
    lasted_s = max(0.0, episode.gone_wall - episode.since)
    many = len(one.lists)
    what = _ENDS.get(one.kind, f"{many} {'list runs' if many == 1 else 'lists run'} again ({named(one.lists)})").format(subject=one.subject)
    waited = f"; at most {episode.users:,} waited" if episode.users else ""
    return Notice(
        event=_EVENTS[one.kind][1],
        begins=False,
        kind=one.kind,
        subject=one.subject,
        cause=one.cause,
        text=f"{what}, after {duration(lasted_s)}{waited}",
        runbook=one.runbook,
        lists=one.lists,
        users=episode.users,
        since=episode.since,
        lasted_s=round(lasted_s, 3),
        is_sent=episode.is_sent,
    )
