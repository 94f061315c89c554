"""The points of gates and lists: which lists are stopped, left out, late or paused, why, and what to do."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from ....core.mapping.kept import CURE
from ....core.text import age
from ..tree import GateStatus, ListStatus, Status
from ..verdict import Level, Point
from .merged import lists_of
from .words import KEY_CURE, LATE_S, LIMIT_CURE, RATE_LIMITED, clock, last_code, named, not_kept, shut, since, some


class _Told(Struct, frozen=True):
    """How grave a cause is, and what to do."""

    level: Level
    cure: str
    runbook: str


_AGAIN: Final = "read below what it said, and ask those that run it; it is tried again by itself"
_CAUSES: Final[Mapping[str, _Told]] = {
    "absent": _Told("trouble", "look whether base_url and client_id are this vendor's, with `check --online`", "SesamyMakeasUsersUnknown"),
    "filter": _Told("trouble", "tell Sesamy, and run the replay command below once it is well again", "SesamyMakeasFilterIgnored"),
    "unproven": _Told(
        "unknown",
        "wait for its first answer; if it does not come, see the log lines `the filter could not be asked about`",
        "SesamyMakeasGateShut",
    ),
    "retry-after": _Told("notice", LIMIT_CURE, "SesamyMakeasRateLimited"),
    "denied": _Told("trouble", KEY_CURE, "SesamyMakeasKeyRefused"),
    "": _Told("trouble", _AGAIN, "SesamyMakeasGateShut"),
}
_SOON_S: Final = 60.0
"""A breaker that is younger may be well again by itself: nobody need act yet."""
MEND_LIST: Final = "ask `check --online` for the list; mend it at Make.as, or its listId in the settings"
"""What to do about a list that is left out."""


def refuses(code: str) -> str:
    """Say why a list is left out; `code`: its last answer, empty where that is not known."""
    return f"every user is refused{f' ({code})' if code else ''}, and the account's other lists take them"


def points(statuses: Mapping[str, Status], *, now: float) -> Iterator[Point]:
    """Give the points of all gates and lists of some pods; `now`: wall time (s)."""
    lists = [one for one in lists_of(statuses.values()) if not one.paused]
    yield from _paused(lists_of(statuses.values()))
    behind: set[tuple[str, str, str]] = set()
    for (name, cause), gates in _shut(statuses).items():
        stopped = [one for one in lists if name in (one.account, f"sesamy:{one.vendor}")]
        code = last_code(name, [one for status in statuses.values() for one in status.recent_failures])
        told = _told(cause, gates, code)
        if told.level == "trouble" and len(gates) == len(statuses):  # Else a list that is late has another reason.
            behind.update(map(_key, stopped))
        why = shut(cause, code, is_sesamy=name.startswith("sesamy:"))
        yield _stopped(name, told, why, gates, stopped, of=len(lists), pods=len(statuses), now=now)
    yield from _left_out(lists, now=now)
    yield from _not_kept(statuses, lists, now=now)
    yield from _late([one for one in lists if one.door == "open" and _key(one) not in behind], of=len(lists), now=now)


def _key(one: ListStatus) -> tuple[str, str, str]:
    return one.vendor, one.account, one.list


def _shut(statuses: Mapping[str, Status]) -> dict[tuple[str, str], list[GateStatus]]:
    """Return the gates that are not open, of all pods, by name and cause."""
    found: dict[tuple[str, str], list[GateStatus]] = defaultdict(list)
    for status in statuses.values():
        for one in status.upstreams:
            if one.state != "open" and one.cause != "paused":  # Of those the lists tell.
                found[one.name, one.cause].append(one)
    return found


def _titles(lists: Sequence[ListStatus]) -> str:
    return some([one.title for one in lists])


def _of(number: int, of: int) -> str:
    return f"{number:,} of {named(of, 'list')}"


def _stopped(
    name: str, told: _Told, why: str, gates: Sequence[GateStatus], lists: Sequence[ListStatus], *, of: int, pods: int, now: float
) -> Point:
    """Tell of one upstream that is not open, for one cause, on some pods."""
    who = f"Sesamy, for {name.removeprefix('sesamy:')}," if name.startswith("sesamy:") else f"account {name}"
    length_s, again_s = max(one.closed_s for one in gates), min(one.next_try_s for one in gates)
    where = "" if len(gates) == pods else f", on {len(gates)} of {named(pods, 'pod')}"
    subject = f"{_of(len(lists), of)} stopped {since(length_s, now=now)}{where}, {_titles(lists)}" if lists else f"gate {name} not open"
    if any(one.state == "probing" for one in gates):
        again = "; being tried now"
    else:
        again = f"; next try at {clock(now + again_s, now=now)}" if again_s > 0 else ""
    return Point(level=told.level, text=f"{subject}: {who} {why}{again}", cure=told.cure, runbook=told.runbook)


def _told(cause: str, gates: Sequence[GateStatus], code: str) -> _Told:
    """Return how a gate is told that some pods see shut; `code`: of its last failure."""
    if cause == "breaker":
        return _breaker(max(one.closed_s for one in gates), min(one.next_try_s for one in gates), code)
    return _CAUSES.get(cause, _CAUSES[""])


def _breaker(closed_s: float, next_try_s: float, code: str) -> _Told:
    is_limit = code == RATE_LIMITED
    cure, runbook = (LIMIT_CURE, "SesamyMakeasRateLimited") if is_limit else (_AGAIN, "SesamyMakeasGateShut")
    if closed_s < _SOON_S and not is_limit:
        cure = f"wait: it is tried again by itself{f' in {age(next_try_s)}' if next_try_s > 0 else ''}"
    return _Told("notice" if closed_s < _SOON_S else "trouble", cure, runbook)


def _paused(lists: Iterable[ListStatus]) -> Iterator[Point]:
    if paused := [one for one in lists if one.paused]:
        owed = sum(one.owed_users for one in paused)
        yield Point(
            level="notice",
            text=f"{named(len(paused), 'list')} paused in the settings, {_titles(paused)}: {named(owed, 'user')} owed to {_them(paused)}",
            cure="take `paused` out of the settings when it is to be written again",
        )


def _them(lists: Sequence[ListStatus]) -> str:
    return "it" if len(lists) == 1 else "them"


def _left_out(lists: Sequence[ListStatus], *, now: float) -> Iterator[Point]:
    by_code: dict[str, list[ListStatus]] = defaultdict(list)
    for one in lists:
        if one.door != "open":
            by_code[one.door_code].append(one)
    for code, out in by_code.items():
        length_s = max(one.left_out_s for one in out)
        yield Point(
            level="trouble",
            text=f"{_of(len(out), len(lists))} left out {since(length_s, now=now)}, {_titles(out)}: {refuses(code)}",
            cure=MEND_LIST,
            runbook="SesamyMakeasListLeftOut",
        )


def _not_kept(statuses: Mapping[str, Status], lists: Sequence[ListStatus], *, now: float) -> Iterator[Point]:
    """Tell of accounts that take what is written and do not keep it, as any of the pods has seen."""
    found: dict[str, list[GateStatus]] = defaultdict(list)
    for status in statuses.values():
        for one in status.upstreams:
            if one.not_kept:
                found[one.name].append(one)
    for name, seen in found.items():
        mine = [one for one in lists if one.account == name]
        length_s, what = max(one.not_kept_s for one in seen), dict.fromkeys(what for one in seen for what in one.not_kept)
        yield Point(
            level="trouble",
            text=f"{_of(len(mine), len(lists))} not kept {since(length_s, now=now)}, {_titles(mine)}: account {name} takes what is written "
            f"and {not_kept(what)}",
            cure=CURE,
            runbook="SesamyMakeasNotKept",
        )


def _late(lists: Sequence[ListStatus], *, of: int, now: float) -> Iterator[Point]:
    late = [one for one in lists if one.oldest_due_s is not None and one.oldest_due_s > LATE_S]
    if late:
        oldest_s = max(one.oldest_due_s or 0.0 for one in late)
        yield Point(
            level="trouble",
            text=f"{_of(len(late), of)} late, {_titles(late)}: an event has waited {since(oldest_s, now=now)}, more than {age(LATE_S)}",
            cure="see `What waits`: more is queued than the limits let through, or something holds it",
            runbook="SesamyMakeasListBehind",
        )
    unwritten = [one for one in lists if one not in late and one.owed_users and one.last_write_at is None]
    if unwritten:
        owed = sum(one.owed_users for one in unwritten)
        yield Point(
            level="unknown",
            text=f"{_of(len(unwritten), of)} not written yet since the start, {_titles(unwritten)}: {named(owed, 'user')} owed",
            cure="wait for the first write",
        )
