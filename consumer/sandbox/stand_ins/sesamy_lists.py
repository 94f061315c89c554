"""Sesamy's calls that list a whole vendor: its users, contracts and entitlements; with switches for what no document settles."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Literal

from msgspec import Struct, field

Resource = Literal["users", "contracts", "entitlements"]
RESOURCES: Final[tuple[Resource, ...]] = ("users", "contracts", "entitlements")

Row = dict[str, Any]


class Lists(Struct, kw_only=True):
    """How the calls for a whole vendor answer; change it freely while they serve."""

    naming: frozenset[Resource] = frozenset({"contracts"})
    """Whose rows name their user, as `userId`; a profile always does."""
    page_cap: int | None = None
    """The server's own limit of a page; None: as for one user."""
    totals: bool = True
    """Whether an answer in `data` says how many there are, if it does so for one user."""
    total_off: int = 0
    """So many rows too many in `total`; below zero: too few."""
    refuses: dict[Resource, int] = field(default_factory=dict)
    """The status with which a resource is refused."""
    shift: int = 0
    """Rows that move before each page but the first: so many come from the end to the head; below zero: so many are gone from the head."""
    shifts: int | None = None
    """Rows move so many times more; None: before each page."""
    stuck: frozenset[Resource] = frozenset()
    """Whose first page comes again for ever, whatever offset is asked for."""
    hollow: dict[Resource, int] = field(default_factory=dict)
    """The row, counted from 0, whose page comes empty."""
    without_id: frozenset[Resource] = frozenset()
    """Whose pages begin with a row that has no id."""
    still: bool = False
    """Whether rows are gathered once, from now on: quick for 100,000 readers, but what changes is not seen."""


class Page(Struct, frozen=True):
    """A part of what there is."""

    rows: list[Row]
    total: int
    """How many rows there are, as told."""
    has_more: bool


class Listing:
    """Reads pages of a whole vendor, and remembers what moved between them."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._moved: dict[tuple[str, Resource], int] = {}
        """Rows that moved so far."""
        self._gathered: dict[tuple[str, Resource, str, bool], _Gathered] = {}

    def page(self, vendor: str, users: Mapping[str, Row], resource: Resource, *, offset: int, length: int, search: str) -> Page:
        """Return a page, and let rows move before it if they are to."""
        lists = self.lists
        moved = self._move(vendor, resource, offset)
        all_rows = self._rows(vendor, users, resource, search)
        total = max(0, all_rows.total + min(moved, 0))
        first = min(0 if resource in lists.stuck else offset, total)
        last = min(first + length, total)
        # So many rows stand at the head that stood at the end.
        come = moved % total if moved > 0 and total else 0
        page = all_rows.part(total - come + first, total - come + min(last, come)) if first < come else []
        page += all_rows.part(max(first - come, 0) - min(moved, 0), last - come - min(moved, 0))
        if offset <= lists.hollow.get(resource, -1) < offset + length:
            page = []
        if resource in lists.without_id and page:
            page[0] = {
                name: value for name, value in page[0].items() if name not in {"id", "sub"} and (resource, name) != ("users", "userId")
            }
        return Page(page, max(0, total + lists.total_off), has_more=resource in lists.stuck or offset + length < total)

    def _move(self, vendor: str, resource: Resource, offset: int) -> int:
        lists, key = self.lists, (vendor, resource)
        if offset == 0:
            # What came to the head stays there when it is read again; what is gone is back for the next reading.
            self._moved[key] = max(0, self._moved.get(key, 0))
        elif lists.shift and lists.shifts != 0:
            self._moved[key] = self._moved.get(key, 0) + lists.shift
            lists.shifts = None if lists.shifts is None else lists.shifts - 1
        return self._moved.get(key, 0)

    def _rows(self, vendor: str, users: Mapping[str, Row], resource: Resource, search: str) -> "_Rows | _Gathered":
        is_named = resource in self.lists.naming
        if not self.lists.still:
            self._gathered.clear()
            return _Rows(users, resource, search, is_named=is_named)
        key = (vendor, resource, search, is_named)
        if key not in self._gathered:
            rows = _Rows(users, resource, search, is_named=is_named)
            self._gathered[key] = _Gathered(rows.part(0, rows.total))
        return self._gathered[key]


class _Gathered:
    """Rows as they were."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows, self.total = rows, len(rows)

    def part(self, start: int, stop: int) -> list[Row]:
        return self.rows[start : max(start, stop)]


class _Rows:
    """Rows as they are, of which only those asked for are made."""

    def __init__(self, users: Mapping[str, Row], resource: Resource, search: str, *, is_named: bool) -> None:
        self._resource, self._is_named = resource, is_named
        if resource == "users" and search:
            self._users: Mapping[str, Row] = {user: one for user, one in users.items() if _is_found(one["profile"], search.casefold())}
        else:
            self._users = users
        self.total = len(self._users) if resource == "users" else sum([len(one.get(resource, ())) for one in users.values()])

    def part(self, start: int, stop: int) -> list[Row]:
        if self._resource == "users":
            return [one["profile"] for one in islice(self._users.values(), start, max(start, stop))]
        found: list[Row] = []
        at = 0
        for user, one in self._users.items():
            rows = one.get(self._resource, ())
            if at >= stop:
                break
            if rows and at + len(rows) > start:
                found += [_named(row, user if self._is_named else None) for row in rows[max(start - at, 0) : stop - at]]
            at += len(rows)
        return found


def _named(row: Row, user: str | None) -> Row:
    if user is None:
        return {name: value for name, value in row.items() if name != "userId"}
    return {"userId": user, **row}


def _is_found(profile: Row, search: str) -> bool:
    return any(search in str(profile.get(name, "")).casefold() for name in ("userId", "email", "firstName", "lastName"))
