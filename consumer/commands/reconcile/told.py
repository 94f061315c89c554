"""The words of a reconcile: what was found, how it went."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from rich.console import RenderableType

from ...core.drift.contacts import KINDS, Finding, Kind
from ...core.text import counted, duration, printable
from ..batch import failed_lines
from ..drawing import table, word
from .looking import NEVER_COMPARED, Looked
from .report import Report, counts

_SHOWN: Final = 20
_MEANS: Final[dict[Kind, str]] = {
    "missing": "on none of its lists, or not at Make.as at all",
    "unseen": "no contact is seen, and one that opted out may be there",
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
    contacts = counted(sum(looked.contacts.values()), "contact")
    yield word(f"{counted(of, 'reader')} looked at ({skipped:,} guests or without an address beside), {contacts}")
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
    return f"{list_id} {name}".rstrip() if list_id != "*" else "(of the account)"


def _examples(kind: Kind, found: list[Finding], *, retires: bool) -> Iterator[str]:
    if not found:
        return
    yield f"{_MEANS[kind]}:"
    for one in islice(found, _SHOWN):
        left = "its tags are taken" if retires and one.contact else "reported, not repaired"
        why = "" if one.repairs else f"  {one.why}: {left}"
        lists = f"  {', '.join(one.lists)}" if one.lists else ""
        yield f"  {printable(one.vendor or '?')}  {printable(one.user)}  account {one.account}{lists}{why}"
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN:,} more: --report FILE has all of them"


def too_many(over: Mapping[str, int], changes: Mapping[str, int]) -> Iterator[str]:
    """Give what is said where more would be changed than may be."""
    for list_id, allowed in over.items():
        yield f"list {list_id}: {counted(changes[list_id], 'reader')} would be changed, and --max-changes allows {allowed:,}"
    yield "so nothing is written: look at the examples, and raise --max-changes if they are right"


def ended(report: Report) -> Iterator[str]:
    """Give how it ended."""
    readers = counted(report.to_repair, "reader")
    if report.ended == "dry-run":
        yield f"to resync: {readers}; nothing was written"
    elif report.ended in {"declined", "too-many"}:
        yield f"{readers} to resync, and nothing was written"
    elif report.to_repair:
        yield f"{report.repaired:,} of {readers} resynced, {len(report.failures):,} failed, in {duration(report.took_s)}"
    if report.retired:
        yield f"{counted(report.retired, 'contact')} at addresses that their readers have left: without sesamy_ tags now"
    yield from failed_lines(report.failures)
    yield from _again(report)
    if report.ended == "agreed":
        yield f"all lists agree with Sesamy{_but(report)}"
    elif report.left:
        yield f"{counted(report.left, 'difference')} left"


def _but(report: Report) -> str:
    """Return what "all agree" does not speak of."""
    parts = [
        f"; left alone: {counted(report.unknown_ids, 'contact')} of no reader" if report.unknown_ids else "",
        "; not all could be compared" if any(not one.startswith(NEVER_COMPARED) for one in report.not_compared) else "",
    ]
    return "".join(parts)


def _again(report: Report) -> Iterator[str]:
    """Give what was seen of some readers after they were resynced."""
    if report.not_looked_again:
        yield f"not looked at again: {counted(report.not_looked_again, 'reader')}, for an upstream did not answer"
    users = dict.fromkeys((one.vendor, one.user) for one in report.still)
    if users:
        seen = f"looked at again: {counted(report.looked_again, 'reader')}, of which {len(users):,} still differ"
        yield f"{seen}: Make.as does not keep what is written"
        for kind in KINDS:
            yield from _examples(kind, [one for one in report.still if one.kind == kind], retires=False)
        vendor, user = map(printable, next(iter(users)))
        yield f"sesamy-makeas diff {vendor} {user}  shows what"
    elif report.looked_again:
        yield f"looked at again: {counted(report.looked_again, 'reader')}; Make.as has kept what was written"
