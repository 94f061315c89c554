"""What a reconcile says in words: what was found, how it went."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from rich.console import RenderableType

from ...core.drift.contacts import KINDS, Finding, Kind
from ...core.text import duration, printable
from ..batch import failed_lines
from ..drawing import table, word
from .looking import Looked
from .report import Report, counts

_SHOWN: Final = 20
_MEANS: Final[dict[Kind, str]] = {
    "missing": "on none of its lists, or not at Make.as at all",
    "field": "a field differs",
    "tags": "sesamy_ tags are missing or stale",
    "list": "not on a list",
    "moved": "a contact at an address that the reader has left",
    "doubled": "two readers with one address",
    "stranger": "an external id that Sesamy does not know",
}


def drawn(looked: Looked, names: dict[str, str], *, retires: bool) -> Iterator[RenderableType]:
    """
    Give what was found.

    Args:
        names: list -> its name for people.
        retires: whether contacts that their readers have left are retired.
    """
    of, skipped = sum(looked.readers.values()), sum(looked.skipped.values())
    yield word(f"{of:,} readers looked at ({skipped:,} guests or without an address beside), {sum(looked.contacts.values()):,} contacts")
    rows = list(counts(looked))
    if rows:
        heads = ("account", "list", "what differs", "readers#")
        yield table(
            heads, ([word(one) for one in (row.account, _list(row.list, names), _MEANS[row.kind], f"{row.readers:,}")] for row in rows)
        )
    for kind in KINDS:
        yield from map(word, _examples(kind, [one for one in looked.findings.all if one.kind == kind], retires=retires))
    if looked.no_account:
        yield word(f"{looked.no_account:,} rows of contacts without an external id are no reader's, and left alone")
    yield from (word(f"not compared: {one}") for one in looked.not_compared)


def _list(list_id: str, names: dict[str, str]) -> str:
    name = names.get(list_id, "")
    return f"{list_id} {name}".rstrip() if list_id != "*" else "(all)"


def _examples(kind: Kind, found: list[Finding], *, retires: bool) -> Iterator[str]:
    if not found:
        return
    yield f"{_MEANS[kind]}:"
    for one in islice(found, _SHOWN):
        left = "its tags are taken" if retires and kind == "moved" else "reported, not repaired"
        why = "" if one.repairs else f"  {one.why}: {left}"
        lists = f"  {', '.join(one.lists)}" if one.lists else ""
        yield f"  {printable(one.vendor or '?')}  {printable(one.user)}  account {one.account}{lists}{why}"
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN:,} more: --report FILE has all of them"


def too_many(over: Mapping[str, int], changes: Mapping[str, int]) -> Iterator[str]:
    """Give what is said where more would be changed than may be."""
    for list_id, allowed in over.items():
        yield f"list {list_id}: {changes[list_id]:,} readers would be changed, and --max-changes allows {allowed:,}"
    yield "nothing was written: look at the examples, and raise --max-changes if they are right"


def ended(report: Report) -> Iterator[str]:
    """Give how it ended."""
    took = duration(report.took_s)
    if report.ended == "dry-run":
        yield f"{report.to_repair:,} readers would be resynced; nothing was written"
    elif report.to_repair:
        yield f"{report.repaired:,} of {report.to_repair:,} readers resynced, {len(report.failures):,} failed, in {took}"
    if report.retired:
        yield f"{report.retired:,} contacts that their readers have left have no sesamy_ tags any more"
    yield from failed_lines(report.failures)
    yield from _again(report)
    if report.ended == "agreed":
        yield "all lists agree with Sesamy"
    elif report.left:
        yield f"{report.left:,} differences remain"


def _again(report: Report) -> Iterator[str]:
    """Give what was seen of some readers after they were resynced."""
    if report.not_looked_again:
        yield f"{report.not_looked_again:,} readers could not be looked at again: an upstream did not answer"
    users = dict.fromkeys((one.vendor, one.user) for one in report.still)
    if users:
        seen = f"{len(users):,} of {report.looked_again:,} readers that were looked at again still differ"
        yield f"{seen}: Make.as does not keep what is written"
        for kind in KINDS:
            yield from _examples(kind, [one for one in report.still if one.kind == kind], retires=False)
        vendor, user = map(printable, next(iter(users)))
        yield f"sesamy-makeas diff {vendor} {user}  shows what"
    elif report.looked_again:
        yield f"{report.looked_again:,} of them were looked at again: Make.as has kept what was written"
