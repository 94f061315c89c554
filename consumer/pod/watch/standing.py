"""Conditions that hold now and that somebody should know, made from a status: since when, which lists get nothing, what to do."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from ...core.mapping.kept import CURE
from ...core.model import GateCause
from ...core.text import age
from ...settings.model import Settings
from ..status.told.words import KEY_CURE, LIMIT_CURE, RATE_LIMITED, last_code, not_kept, shut
from ..status.tree import NOT_A_MEMBER, TOPIC_MISSING, GateStatus, LetterCounts, ListStatus, PartitionStatus, Status

Kind = Literal["gate", "list", "partition", "group", "topic", "writing", "reading", "letters", "unreadable", "kept"]

STALLED_S: Final = 600.0
"""A partition that commits nothing for so long, with records behind it, stands still."""
_SOON_S: Final = 60.0
"""What is often well again by itself is no condition before it has held for so long."""
_CALM_S: Final = 5.0
"""What is well for less than that has not ended."""
_LETTERS_CALM_S: Final = 30.0
_NAMED: Final = 10


class ListName(Struct, frozen=True, kw_only=True):
    """One list, for people and programs."""

    vendor: str
    list: str
    name: str = ""
    """The settings' name for it; empty: none is set."""

    def __str__(self) -> str:
        return f"{self.name} ({self.list})" if self.name else self.list


class Condition(Struct, frozen=True, kw_only=True):
    """One thing that holds now."""

    kind: Kind
    subject: str = ""
    """Of which upstream, list or partition; empty: of the pod."""
    cause: str = ""
    text: str
    """What is so, for a person; without a full stop."""
    cure: str
    """What to do, as an order, without a full stop."""
    runbook: str
    """The chapter of the runbook that has more."""
    lists: tuple[ListName, ...] = ()
    """The lists that get nothing for it."""
    users: int | None = None
    """How many users, or letters, wait for it; None: not told."""
    since: float
    """Wall time (s)."""
    after_s: float = 0.0
    """For how long it must hold before it is told."""
    calm_s: float = _CALM_S
    """For how long it must be gone before that is told."""


Lists = Mapping[str, tuple[ListName, ...]]
"""The lists behind each upstream, by the name of its gate; and by `VENDOR/LIST` each list alone."""


def lists_of(settings: Settings) -> dict[str, tuple[ListName, ...]]:
    """Return the lists behind each gate and, by `ACCOUNT/VENDOR/LIST`, each alone."""
    found: dict[str, tuple[ListName, ...]] = {}
    for account in settings.accounts:
        mine = tuple(ListName(vendor=account.vendor, list=one, name=account.names.get(one, "")) for one in account.lists)
        for gate in (account.id, f"sesamy:{account.vendor}"):
            found[gate] = (*found.get(gate, ()), *mine)
        found |= {f"{account.id}/{account.vendor}/{one.list}": (one,) for one in mine}
    return found


def named(lists: tuple[ListName, ...]) -> str:
    """Return the names of some lists: at most ten, and how many more there are."""
    more = len(lists) - _NAMED
    return ", ".join(str(one) for one in lists[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def standing(status: Status, lists: Lists, stalled_s: Callable[[PartitionStatus], float]) -> Iterator[Condition]:
    """
    Give what holds now.

    Args:
        lists: the lists behind each upstream.
        stalled_s: for how long a partition has committed nothing though it should have (s).
    """
    for gate in status.upstreams:
        if gate.state != "open" and gate.cause != "paused":  # Somebody has chosen that.
            yield _gate(gate, lists.get(gate.name, ()), status.at, last_code(gate.name, status.recent_failures))
        if gate.not_kept:
            yield _kept(gate, lists.get(gate.name, ()), status.at)
    for one in status.lists:
        if one.door != "open" and not one.paused:
            yield _list(one, lists.get(f"{one.account}/{one.vendor}/{one.list}", ()), status.at)
    for partition in status.partitions:
        if (found := _partition(partition, status, stalled_s(partition))) is not None:
            yield found
    yield from _kafka(status)
    yield from _letters(status)


_GATE_CURES: Final[Mapping[GateCause, tuple[str, str]]] = {
    "denied": (
        KEY_CURE,
        "sesamymakeaskeyrefused",
    ),
    "breaker": (
        "look at its own status; it is tried again by itself, at least every minute",
        "sesamymakeasgateshut",
    ),
    "absent": (
        "see whether the settings name the vendor's own client and address; it is tried again by itself",
        "sesamymakeasgateshut",
    ),
    "filter": (
        "tell Sesamy that `userId` is ignored; once it is well again, run the replay that `status` shows",
        "sesamymakeasfilterignored",
    ),
    "unproven": (
        "run `check --online`: it says what it answers; nothing is written for the vendor until then",
        "sesamymakeasgateshut",
    ),
    "retry-after": (LIMIT_CURE, "sesamymakeasgateshut"),
}
_AT_ONCE: Final = {"denied", "breaker", "absent", "filter"}
"""Causes that are told as soon as they are so: the gate has thought twice already."""


def _gate(gate: GateStatus, lists: tuple[ListName, ...], at: float, code: str) -> Condition:
    """Return the condition of a gate; `code`: of its last failure."""
    cure, runbook = _GATE_CURES.get(gate.cause, ("see `status`", "sesamymakeasgateshut"))
    if gate.cause == "breaker" and code == RATE_LIMITED:
        cure, runbook = LIMIT_CURE, "sesamymakeasratelimited"
    what = shut(gate.cause, code, is_sesamy=gate.kind == "sesamy")
    who = f"Make.as account {gate.name}" if gate.kind == "makeas" else f"Sesamy ({gate.name})"
    users = max(gate.held_users, gate.waiting_users)
    return Condition(
        kind="gate",
        subject=gate.name,
        cause=gate.cause,
        text=f"{who} {what}: {len(lists)} {'list gets' if len(lists) == 1 else 'lists get'} nothing ({named(lists)}), {_users(users)}",
        cure=cure,
        runbook=runbook,
        lists=lists,
        users=users,
        since=at - gate.closed_s,
        after_s=0.0 if gate.cause in _AT_ONCE else _SOON_S,
        calm_s=_CALM_S if gate.cause in _AT_ONCE else _SOON_S,
    )


def _kept(gate: GateStatus, lists: tuple[ListName, ...], at: float) -> Condition:
    return Condition(
        kind="kept",
        subject=gate.name,
        cause=", ".join(gate.not_kept),
        text=f"Make.as account {gate.name} takes what is written and {not_kept(gate.not_kept)} ({named(lists)})",
        cure=CURE,
        runbook="sesamymakeasnotkept",
        lists=lists,
        since=at - gate.not_kept_s,
    )


def _users(number: int) -> str:
    return "1 user waits" if number == 1 else f"{number:,} users wait"


def _list(one: ListStatus, lists: tuple[ListName, ...], at: float) -> Condition:
    said = f" ({one.door_code})" if one.door_code else ""
    return Condition(
        kind="list",
        subject=f"{one.account}/{one.vendor}/{one.list}",
        cause=one.door_code or "left-out",
        text=f"List {named(lists) or one.list} of {one.vendor} refuses everybody{said} and is left out: {_users(one.owed_users)}",
        cure="see at Make.as whether the list is still there and open; it is tried again by itself, at least every minute",
        runbook="sesamymakeaslistleftout",
        lists=lists,
        users=one.owed_users,
        since=at - one.left_out_s,
    )


def _partition(one: PartitionStatus, status: Status, stalled_s: float) -> Condition | None:
    if one.paused and status.users.limit and status.users.dirty >= status.users.limit:
        cause, what, cure = (
            "full",
            "is not read: as many users wait as may",
            "see what holds the users in `status`; raise workers.max_dirty_users",
        )
    elif one.paused:
        cause, what = "left-out", "is not read: what it holds next can't be unpacked, or too many users wait"
        cure = "look for `partition` in the log; a broken batch needs a good replica of it to lead"
    elif stalled_s >= STALLED_S:
        cause, what = "no-commit", f"has committed nothing for {age(stalled_s)}"
        cure = "see in `status` how old its oldest open event is, and in the log what becomes of commits"
    else:
        return None
    return Condition(
        kind="partition",
        subject=str(one.partition),
        cause=cause,
        text=f"Partition {one.partition} {what}: {one.lag:,} records behind",
        cure=cure,
        runbook="sesamymakeaspartitionstalled",
        since=status.at - (stalled_s if cause == "no-commit" else 0.0),
        after_s=0.0 if cause == "no-commit" else _SOON_S,
    )


def _kafka(status: Status) -> Iterator[Condition]:
    missing = TOPIC_MISSING in status.not_ready
    if missing:
        yield Condition(
            kind="topic",
            cause="missing",
            text="The topic is missing: nothing is read",
            cure="make the topic again, or set kafka.topic right; it is looked for by itself",
            runbook="sesamymakeasnotready",
            since=status.at,
        )
    elif NOT_A_MEMBER in status.not_ready or (status.partitions and status.group.lease_left_s <= 0):
        proof = "is no member of its group" if NOT_A_MEMBER in status.not_ready else "holds partitions and no commit succeeds"
        yield Condition(
            kind="group",
            cause="not-a-member" if NOT_A_MEMBER in status.not_ready else "no-commit",
            text=f"This pod {proof}: it reads and writes nothing",
            cure="run `check --online`: it says whether the brokers are reached, and what they refuse",
            runbook="sesamymakeasnotready",
            since=status.at,
            after_s=_SOON_S,
        )


def _letters(status: Status) -> Iterator[Condition]:
    letters = status.dead_letters
    if not letters.writable:
        yield Condition(
            kind="writing",
            cause="not-writable",
            text=f"The dead-letter topic takes no letters: {letters.waiting:,} wait, and hold their partitions",
            cure="run `check --online`: it says whether the topic is there and may be written",
            runbook="sesamymakeaslettersnotwritable",
            users=letters.waiting,
            since=status.at,
        )
    if not letters.readable:
        yield Condition(
            kind="reading",
            cause="not-readable",
            text="The dead-letter topic can't be read: what was parked is not tried again",
            cure="run `check --online`: it says whether the topic is there and may be read",
            runbook="sesamymakeaslettersnotreadable",
            since=status.at,
            after_s=_SOON_S,
        )
    yield from _need_person(letters, status.at)


def _need_person(letters: LetterCounts, at: float) -> Iterator[Condition]:
    """Tell of what can be requeued and of what can't be read apart: the second stays until retention, and would hide what comes."""
    never = letters.unreadable or 0
    of_them = f", {never:,} of them of records that can't be read" if never else ""
    if letters.need_person:
        many = letters.need_person + never
        yield Condition(
            kind="letters",
            cause="open",
            text=f"{many:,} {'letter needs' if many == 1 else 'letters need'} a person{of_them}: "
            "what they hold is not tried again by itself",
            cure="`dead-letters list` has them; mend the cause, then `dead-letters requeue`",
            runbook="sesamymakeaslettersleft",
            users=many,
            since=at,
            calm_s=_LETTERS_CALM_S,
        )
    if never:
        yield Condition(
            kind="unreadable",
            cause="unreadable",
            text=f"{never:,} {'letter' if never == 1 else 'letters'} of records that can't be read {'needs' if never == 1 else 'need'} a "
            "person: nobody was resynced for them",
            cure="`dead-letters list` has their sources; let the publisher send them again",
            runbook="sesamymakeaspoison",
            users=never,
            since=at,
            calm_s=_LETTERS_CALM_S,
        )
