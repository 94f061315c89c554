"""Make.as' calls that read: a list's contacts, also those that left it, and one by its id; with switches for what no document settles."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from aiohttp import web
from msgspec import Struct

_PAGE_MAX: Final = 1000
_STATUSES: Final = frozenset({"active", "unsubscribed", "bounce"})

Row = dict[str, Any]


class Reads(Struct, kw_only=True):
    """How the reading calls answer; change it freely while they serve."""

    row_status: str = "email_status"
    """The name under which a list's rows tell their status; empty: not at all."""
    contact_status: str = "email_status"
    """The name under which a contact, by its address or id, tells its status; empty: not at all."""
    hides_left: bool = False
    """Whether a contact that left is not found by its address."""
    refuses: int | None = None
    """The status with which the call for a list's rows is refused."""
    page_cap: int = _PAGE_MAX
    """The server's own limit of a page, below what was asked for."""
    repeats: int = 0
    """So many rows of a page come again at the next one's head."""
    ignores: frozenset[Literal["status", "page", "updated_after"]] = frozenset()
    """Parameters without effect."""


def stamp(at: datetime | None = None) -> str:
    """Return a moment (None: now) as Make.as writes it."""
    return (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(contact: Row, name: str, *, status: str | None = None) -> Row:
    """Return a contact with its status under `name`, or nowhere."""
    row = {key: value for key, value in contact.items() if key != "email_status"}
    return row | ({name: status or contact["email_status"]} if name else {})


def by_list(reads: Reads, contacts: Iterable[Row], left: Mapping[str, Mapping[str, str]], request: web.Request) -> web.Response:
    """
    Answer a call for a page of a list.

    Args:
        left: contact's address (lower case) -> list -> status there, where it is another than the contact's own.
    """
    if reads.refuses is not None:
        return web.json_response({"message": "refused"}, status=reads.refuses)
    query = request.query
    list_id, status = query["list_id"], query.get("status", "active")
    page, per_page = int(query.get("page", "1")), min(int(query.get("per_page", "100")), reads.page_cap)
    if status not in _STATUSES or page < 1 or not 1 <= int(query.get("per_page", "100")) <= _PAGE_MAX:
        return web.json_response({"message": "Bad query"}, status=422)
    after = datetime.fromisoformat(query["updated_after"]) if "updated_after" in query else None
    rows = []
    for contact in contacts:
        there = left.get(contact["email"].lower(), {}).get(list_id, contact["email_status"])
        has_status = there == status or ("status" in reads.ignores and there == "active")
        is_new = after is None or "updated_after" in reads.ignores or datetime.fromisoformat(contact["date_updated"]) >= after
        if list_id in contact["lists"] and has_status and is_new:
            rows.append(shown(contact, reads.row_status, status=there))
    start = 0 if "page" in reads.ignores else (page - 1) * (per_page - reads.repeats)
    return web.json_response(rows[start : start + per_page] if start == 0 or start + reads.repeats < len(rows) else [])
