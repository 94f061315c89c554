"""The plan of a replay: which range of the topic was asked for, what of it is there, and what it will cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field, structs

from ...core.gates.gates import SESAMY_CALLS, make_calls
from ...core.gates.server_limit import begins_at
from ...core.model import Place, UserKey
from ...core.text import duration
from ...settings.model import Settings

_MINUTE_S: Final = 60
THRICE: Final = 3


class Asked(Struct, frozen=True, kw_only=True):
    """A range as the options say it; times in milliseconds since 1970. A partition that is not named is left out."""

    from_offsets: dict[int, int] = {}
    to_offsets: dict[int, int] = {}
    from_ms: int | None = None
    to_ms: int | None = None
    vendors: tuple[str, ...] = ()
    """Only these; none named: all."""
    users: tuple[str, ...] = ()
    unknown_types: bool = False
    """Take events of unknown type, too, where they name a vendor that the settings know."""

    @property
    def by_time(self) -> bool:
        """Say whether the range is one of time, over all partitions."""
        return not (self.from_offsets or self.to_offsets)

    def wants(self, user: UserKey) -> bool:
        """Say whether the user is among those named."""
        return (not self.vendors or user.vendor in self.vendors) and (not self.users or user.user in self.users)


class Range(Struct, frozen=True, kw_only=True):
    """What of one partition is replayed."""

    partition: int
    start: int
    """Inclusive."""
    end: int
    """Exclusive."""
    gone: int = 0
    """Records asked for that the topic no longer holds."""
    beside: str = ""
    """Where it lies, when no record is in it."""

    @property
    def offsets(self) -> int:
        """Return how many offsets it has; there may be fewer records."""
        return max(0, self.end - self.start)


class Edges(Struct, frozen=True):
    """What a partition holds: its first offset and the one behind its last."""

    first: int
    end: int


def ranges(
    asked: Asked, edges: Mapping[int, Edges], starts: Mapping[int, int | None], ends: Mapping[int, int | None]
) -> tuple[tuple[Range, ...], list[str]]:
    """
    Return what there is of a range, and what is wrong with it, in words.

    Args:
        edges: of every partition of the topic.
        starts: per partition, the first offset at or after `from_ms`; None: there is none.
        ends: the same for `to_ms`.
    """
    wrong = [f"{number}: no such partition" for number in sorted({*asked.from_offsets, *asked.to_offsets} - edges.keys())]
    found: list[Range] = []
    for number in sorted(edges if asked.by_time else {*asked.from_offsets, *asked.to_offsets} & edges.keys()):
        edge = edges[number]
        if asked.by_time:
            start = edge.first if asked.from_ms is None else _or(starts.get(number), edge.end)
            end = edge.end if asked.to_ms is None else _or(ends.get(number), edge.end)
        else:
            start, end = asked.from_offsets.get(number, edge.first), asked.to_offsets.get(number, edge.end)
            if start > edge.end:
                wrong.append(f"{number}:{start}: behind the end of the partition, {edge.end}")
                continue
        if end < start and not asked.by_time:
            wrong.append(f"{number}: the end {end} is before the start {start}")
            continue
        end = min(end, edge.end)
        gone, beside = max(0, min(edge.first, end) - start), _beside(edge, start, end)
        start, end = min(max(start, edge.first), max(end, edge.first)), max(end, edge.first)
        found.append(Range(partition=number, start=start, end=end, gone=gone, beside=beside))
    return tuple(found), wrong


def _beside(edge: Edges, start: int, end: int) -> str:
    """Say where a range lies in which no record is; empty: some may be."""
    if edge.first >= edge.end:
        return "the partition is empty"
    if end <= edge.first:
        return f"it ends before the first record, {edge.first:,}"
    if start >= edge.end:
        return f"it begins after the last record, {edge.end - 1:,}"
    return "no record is between its ends" if end <= start else ""


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


class Scanned(Struct, kw_only=True):
    """What a scan found."""

    records: dict[int, int] = field(default_factory=dict)
    """Partition -> records."""
    users: dict[UserKey, None] = field(default_factory=dict)
    """In the order of their first event."""
    unreadable: int = 0
    ignored: int = 0
    """Records of unknown type that are passed over, and tombstones."""
    unknown_vendors: dict[str, int] = field(default_factory=dict)
    unknown_types: dict[str, int] = field(default_factory=dict)
    """Events of each, of known vendors; at most 50 types, and the rest together."""
    takes_unknown_types: bool = False
    """Whether their users are among `users`."""
    gone: dict[int, int] = field(default_factory=dict)
    """Partition -> records that went while we read."""
    took_s: float = 0.0


class Load(Struct, frozen=True, kw_only=True):
    """What a replay asks of one upstream."""

    upstream: str
    calls: int
    """At least: more where a user has many contracts, or is tried again."""
    takes_s: float
    """At the part of the limit that the replay may use."""
    limit_per_minute: float = 0.0
    """The limit in use, of all processes together; 0: not said."""
    at_whole_s: float = 0.0
    """How long it would take at all of the limit."""
    at_thrice_s: float = 0.0
    """How long it would take at the same part of a limit three times as high."""

    def said(self, rate_share: float) -> str:
        """Say it in words: at which limit, and how long it would take at all of it, or at a higher one."""
        said = f"{self.upstream}: {self.calls:,} calls, {duration(self.takes_s)} at {rate_share:g} of the limit"
        if not self.limit_per_minute:
            return said
        said += f" of {self.limit_per_minute:,g}/min"
        if rate_share < 1 and self.at_whole_s < self.takes_s:
            said += f"; at share 1: {duration(self.at_whole_s)}"
        if self.at_thrice_s < self.takes_s:
            said += f"; with a limit of {self.limit_per_minute * THRICE:,g}/min: {duration(self.at_thrice_s)}"
        return said


class Plan(Struct, frozen=True, kw_only=True):
    """What a replay will do."""

    topic: str
    ranges: tuple[Range, ...] = field(name="spans")
    records: dict[str, int]
    """Partition -> records; keys are text, as in JSON."""
    users: int
    done_before: int
    """Of them, by an earlier run that was interrupted."""
    unreadable: int
    ignored: int
    unknown_vendors: dict[str, int]
    unknown_types: dict[str, int] = {}
    takes_unknown_types: bool = False
    rate_share: float
    loads: tuple[Load, ...]
    takes_s: float
    """At least."""


def loads(settings: Settings, users: Sequence[UserKey], *, rate_share: float) -> tuple[Load, ...]:
    """Return what resyncing `users` once asks of each upstream, where each contact changes, and rows are shared by many where they may."""
    found: list[Load] = []
    of_vendor = Counter(user.vendor for user in users)
    of_account: Counter[str] = Counter()
    of_one = make_calls(rows_shared=settings.makeas.rows_shared)
    for vendor in settings.vendors:
        calls, per_s = of_vendor[vendor.id] * SESAMY_CALLS, begins_at(settings.sesamy.requests_per_minute) / _MINUTE_S
        found.append(load_of(f"sesamy:{vendor.id}", calls, per_s, settings.sesamy.burst, rate_share))
        of_account.update({account.id: of_vendor[vendor.id] * of_one for account in settings.accounts_of(vendor.id)})
    makeas = settings.makeas
    found += [load_of(name, calls, makeas.requests_per_second, makeas.burst, rate_share) for name, calls in of_account.items()]
    return tuple(found)


def load_of(upstream: str, calls: int, per_s: float, burst: float, share: float) -> Load:
    """
    Return what so many calls are for an upstream.

    Args:
        per_s: its limit; `burst`: so many at once.
        share: the part of both that is used.
    """

    def takes_s(share: float, per_s: float) -> float:
        return round(max(0.0, calls - burst * share) / (per_s * share), 3)

    return Load(
        upstream=upstream,
        calls=calls,
        takes_s=takes_s(share, per_s),
        limit_per_minute=round(per_s * _MINUTE_S, 3),
        at_whole_s=takes_s(1.0, per_s),
        at_thrice_s=takes_s(share, THRICE * per_s),
    )


def plan(settings: Settings, found: Sequence[Range], scanned: Scanned, left: Sequence[UserKey], *, rate_share: float) -> Plan:
    """Say what a replay of `left`, among the users scanned, will do."""
    each = loads(settings, left, rate_share=rate_share)
    return Plan(
        topic=settings.kafka.topic,
        ranges=tuple(structs.replace(one, gone=one.gone + scanned.gone.get(one.partition, 0)) for one in found),
        records={str(one.partition): scanned.records.get(one.partition, 0) for one in found},
        users=len(scanned.users),
        done_before=len(scanned.users) - len(left),
        unreadable=scanned.unreadable,
        ignored=scanned.ignored,
        unknown_vendors=dict(scanned.unknown_vendors),
        unknown_types=dict(scanned.unknown_types),
        takes_unknown_types=scanned.takes_unknown_types,
        rate_share=rate_share,
        loads=each,
        takes_s=max((one.takes_s for one in each), default=0.0),
    )


def parse_offset(text: str) -> Place:
    """
    Return the place of `P:N`.

    Raises:
        ValueError: it is none.
    """
    place = Place.read(text)
    if place is None:
        raise ValueError("write P:N, a partition and an offset: 0:1200")
    return place


def parse_time_ms(text: str) -> int:
    """
    Return milliseconds since 1970 of an ISO 8601 time; without an offset it is UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("write a time of ISO 8601: 2026-11-24T08:00:00Z, or 2026-11-24") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
