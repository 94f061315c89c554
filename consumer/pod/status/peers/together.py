"""All pods on one sheet: what each says first, and which of them are silent."""

from collections.abc import Iterator, Mapping

from msgspec import structs

from ..tables import Cell, Sheet, Table, Tone, sheet
from ..tree import Status
from ..verdict import Level, Point, weighed
from .addresses import Peer
from .asking import Answers

_WORDS: dict[Level, tuple[str, Tone]] = {
    "fine": ("well", "good"),
    "notice": ("to be known", "mild"),
    "trouble": ("trouble", "bad"),
    "unknown": ("not known", "mild"),
}
_HEADS = ("pod", "address", "verdict", "what is so", "users dirty#", "partitions#")


def together(answers: Answers) -> Sheet:
    """Return the sheet; ages are told by each pod's own clock."""
    silent = sum(isinstance(one, str) for one in answers.values())
    sheets = {peer: sheet(one, now=one.at) for peer, one in answers.items() if isinstance(one, Status)}
    known = [one for one in answers.values() if isinstance(one, Status)]
    held = {part.partition for one in known for part in one.partitions}
    of_topic = max((one.group.topic_partitions for one in known), default=0)
    points = [
        structs.replace(point, text=f"{answer.host or peer.name}: {point.text}")
        for peer, answer in answers.items()
        if isinstance(answer, Status)
        for point in sheets[peer].verdict.points
    ]
    if silent:
        names = ", ".join(peer.name for peer, one in answers.items() if isinstance(one, str))
        text = f"{silent} of {len(answers)} pods silent: {names}"
        points.append(Point(level="unknown", text=text, cure="look whether it runs, and whether this pod may reach it"))
    if not answers:
        points.append(Point(level="unknown", text="no pod is known yet", cure="look at admin.peers in the settings"))
    builds = dict.fromkeys(f"version {one.build or '?'}, settings {one.settings_fingerprint or '?'}" for one in known)
    dirty = sum(one.users.dirty for one in known)
    return Sheet(
        state=Cell(f"all pods: {len(known)} of {len(answers)} answer", "bad" if silent or not answers else "good"),
        lines=(Cell(f"{dirty:,} users dirty, {len(held)} of {of_topic or '?'} partitions held by pods that answer"),),
        tables=(Table(title="Pods", heads=_HEADS, rows=tuple(_rows(answers, sheets)), empty="none is known yet"),),
        foot=", ".join(builds) or "no answer",
        verdict=weighed(points),
    )


def _rows(answers: Answers, sheets: Mapping[Peer, Sheet]) -> Iterator[tuple[Cell, ...]]:
    for peer, one in answers.items():
        if isinstance(one, str):
            yield Cell("?"), Cell(peer.name, link=peer.url), Cell("silent", "bad"), Cell(one), Cell(""), Cell("")
            continue
        shown = sheets[peer]
        word, tone = _WORDS[shown.verdict.level]
        points = "; ".join(point.text for point in shown.verdict.points) or shown.state.text
        yield (
            Cell(one.host or "?"),
            Cell(peer.name, link=peer.url),
            Cell(word, tone),
            Cell(points),
            Cell(f"{one.users.dirty:,}"),
            Cell(f"{len(one.partitions):,}"),
        )
