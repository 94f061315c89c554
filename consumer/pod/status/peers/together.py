"""All pods on one sheet: the verdict of all, their lists together, and which of them are silent."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from ..tables import Sheet, sheet
from ..told.all_pods import all_pods
from ..told.backlog import backlog, in_words
from ..told.cells import Cell, Table, Tone
from ..told.weigh import of
from ..tree import Status
from ..verdict import Level, Point, Verdict, weighed
from .addresses import Peer
from .asking import Answers

_WORDS: Final[dict[Level, tuple[str, Tone]]] = {
    "fine": ("well", "good"),
    "notice": ("to be known", "mild"),
    "trouble": ("trouble", "bad"),
    "unknown": ("not known", "mild"),
}
_UNLISTED: Final = Peer(url=".", name="this pod, not in admin.peers")
_HEADS: Final = ("pod", "address", "verdict", "state", "users dirty#", "partitions#")


def with_own(answers: Answers, own: Status) -> Answers:
    """Return the answers, with this very pod's where it is none of those that were asked."""
    if any(peer.is_own or (isinstance(one, Status) and _is_same(one, own)) for peer, one in answers.items()):
        return answers
    return {**answers, _UNLISTED: own}


def _is_same(one: Status, other: Status) -> bool:
    """Say whether both are of one pod: it may be asked by an address that is not known to be its own."""
    return (one.host, one.started_at) == (other.host, other.started_at)


def together(answers: Answers) -> Sheet:
    """Return the sheet, as of the newest answer; the clocks of pods are taken to agree."""
    statuses = {peer.name: one for peer, one in answers.items() if isinstance(one, Status)}
    silent = [peer.name for peer, one in answers.items() if isinstance(one, str)]
    now = max((one.at for one in statuses.values()), default=0.0)
    found = all_pods(statuses, silent=len(silent), now=now)
    builds = dict.fromkeys(f"version {one.build or '?'}, settings {one.settings_fingerprint or '?'}" for one in statuses.values())
    return Sheet(
        state=Cell(f"all pods: {len(statuses)} of {len(answers)} answer", "bad" if silent or not answers else "good"),
        lines=(),
        facts=found.lines,
        backlog=in_words(backlog(statuses.values()), silent=len(silent), now=now),
        tables=(Table(title="Pods", heads=_HEADS, rows=tuple(_rows(answers)), empty="none is known yet"), *found.tables),
        foot=", ".join(builds) or "no answer",
        verdict=_verdict(of(statuses, silent, now=now), answers),
    )


def _verdict(found: Verdict, answers: Answers) -> Verdict:
    """Return the verdict with the point that the settings leave this pod out, where they do."""
    if _UNLISTED not in answers:
        return found
    text = "this pod is not among those of admin.peers: the pages of the other pods leave it out"
    cure = "name it in admin.peers of all pods; a DNS name may take a moment to have it"
    return structs.replace(weighed([*found.points, Point(level="notice", text=text, cure=cure)]), scope=found.scope)


def _rows(answers: Answers) -> Iterator[tuple[Cell, ...]]:
    for peer, one in answers.items():
        link = Cell(peer.name, link=peer.url)
        if isinstance(one, str):
            yield Cell("?"), link, Cell("silent", "bad"), Cell(one), Cell(""), Cell("")
            continue
        own = sheet(one, now=one.at)
        word, tone = _WORDS[own.verdict.level]
        yield (Cell(one.host or "?"), link, Cell(word, tone), own.state, Cell(f"{one.users.dirty:,}"), Cell(f"{len(one.partitions):,}"))
