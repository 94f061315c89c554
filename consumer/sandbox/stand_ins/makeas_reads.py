"""Make.as' calls that read: a list's contacts, also those that left it, and one by its id; with switches for what no document settles."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from zlib import crc32

from aiohttp import web
from msgspec import Struct

_PAGE_MAX: Final = 1000
_STATUSES: Final = frozenset({"active", "unsubscribed", "bounce"})

Row = dict[str, Any]
Left = Mapping[str, Mapping[str, str]]
"""Contact's address (lower case) -> list -> status there, where it is another than the contact's own."""


class Reads(Struct, kw_only=True):
    """How the reading calls answer; change it freely while they serve."""

    row_status: str = "email_status"
    """The name under which a list's rows tell their status; empty: not at all."""
    contact_status: str = "email_status"
    """The name under which a contact, by its address or id, tells its status; empty: not at all."""
    row_tags: Literal["text", "objects", "none"] = "text"
    """How a list's rows give their tags: as text, as `{id, title}`, or not at all."""
    contact_tags: Literal["text", "objects"] = "text"
    """How a contact, by its address or id, gives its tags."""
    contact_lists: bool = True
    """Whether a contact, by its address or id, says which lists it is on."""
    row_lists: bool = True
    """Whether a list's rows tell all lists that they are on."""
    count: int | Literal["right", "all", "absent"] = "right"
    """How many contacts a list tells that it has, as `subscriber_emails`: those that are active, those of all statuses, nothing, or this
    number whatever is so."""
    hides_left: bool = False
    """Whether a contact that left is not found by its address."""
    refuses: int | None = None
    """The status with which the call for a list's rows is refused."""
    page_cap: int = _PAGE_MAX
    """The server's own limit of a page, below what was asked for."""
    repeats: int = 0
    """So many rows of a page come again at the next one's head."""
    empty_page: int | None = None
    """The page, counted from 1, that comes empty though it has rows."""
    ignores: frozenset[Literal["status", "page", "updated_after"]] = frozenset()
    """Parameters without effect."""


def stamp(at: datetime | None = None) -> str:
    """Return a moment (None: now) as Make.as writes it."""
    return (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(contact: Row, reads: Reads) -> Row:
    """Return a contact, asked for by its address or id."""
    row = _told(contact, reads.contact_status, contact["email_status"], reads.contact_tags)
    return row if reads.contact_lists else {key: value for key, value in row.items() if key != "lists"}


def _told(contact: Row, name: str, status: str, tags: Literal["text", "objects", "none"]) -> Row:
    """Return a contact with its status under `name`, or nowhere."""
    row = {key: value for key, value in contact.items() if key != "email_status"}
    if tags == "objects":
        row["tags"] = [{"id": crc32(title.encode()), "title": title} for title in row["tags"]]
    elif tags == "none":
        del row["tags"]
    return row | ({name: status} if name else {})


def _row(contact: Row, reads: Reads, status: str) -> Row:
    row = _told(contact, reads.row_status, status, reads.row_tags)
    return row if reads.row_lists else {key: value for key, value in row.items() if key != "lists"}


def _on_list(contacts: Iterable[Row], left: Left, list_id: str) -> Iterator[tuple[Row, str]]:
    """Give the contacts that a list knows, each with its status there."""
    for contact in contacts:
        if list_id in contact["lists"]:
            elsewhere = left.get(contact["email"].lower()) if left else None
            yield contact, elsewhere.get(list_id, contact["email_status"]) if elsewhere else contact["email_status"]


def counted(reads: Reads, contacts: Iterable[Row], left: Left, list_id: str) -> dict[str, int]:
    """Return what a list says of how many contacts it has."""
    if reads.count == "absent":
        return {}
    if isinstance(reads.count, str):
        return {"subscriber_emails": sum(reads.count == "all" or status == "active" for _, status in _on_list(contacts, left, list_id))}
    return {"subscriber_emails": reads.count}


def by_list(reads: Reads, contacts: Iterable[Row], left: Left, request: web.Request) -> web.Response:
    """Answer a call for a page of a list."""
    if reads.refuses is not None:
        return web.json_response({"message": "refused"}, status=reads.refuses)
    query = request.query
    list_id, status = query["list_id"], query.get("status", "active")
    page, per_page = int(query.get("page", "1")), min(int(query.get("per_page", "100")), reads.page_cap)
    if status not in _STATUSES or page < 1 or not 1 <= int(query.get("per_page", "100")) <= _PAGE_MAX:
        return web.json_response({"message": "Bad query"}, status=422)
    wanted = "active" if "status" in reads.ignores else status
    after = None if "updated_after" in reads.ignores or "updated_after" not in query else datetime.fromisoformat(query["updated_after"])
    start = 0 if "page" in reads.ignores else (page - 1) * (per_page - reads.repeats)
    rows, found = [], 0
    for contact, there in _on_list(contacts, left, list_id):
        if there in {status, wanted} and (after is None or datetime.fromisoformat(contact["date_updated"]) >= after):
            if start <= found < start + per_page:
                rows.append(_row(contact, reads, there))
            found += 1
    has_rows = (start == 0 or start + reads.repeats < found) and page != reads.empty_page
    return web.json_response(rows if has_rows else [])
