"""Sesamy's calls that list a whole vendor: its users, contracts and entitlements; with switches for what no document settles."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
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
        """Rows that moved since the first page was asked for."""
        self._gathered: dict[tuple[str, Resource, str, bool], list[Row]] = {}

    def page(self, vendor: str, users: Mapping[str, Row], resource: Resource, *, offset: int, length: int, search: str) -> Page:
        """Return a page, and let rows move before it if they are to."""
        lists = self.lists
        moved = self._move(vendor, resource, offset)
        rows, total = self._rows(vendor, users, resource, search)
        total = max(0, total + min(moved, 0))
        at = 0 if resource in lists.stuck else offset
        if moved <= 0:
            page = list(islice(rows, at - moved, at - moved + length))
        else:
            whole = list(rows)
            moved %= len(whole) or 1
            page = (whole[len(whole) - moved :] + whole[: len(whole) - moved])[at : at + length]
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
            self._moved[key] = 0
        elif lists.shift and lists.shifts != 0:
            self._moved[key] = self._moved.get(key, 0) + lists.shift
            lists.shifts = None if lists.shifts is None else lists.shifts - 1
        return self._moved.get(key, 0)

    def _rows(self, vendor: str, users: Mapping[str, Row], resource: Resource, search: str) -> tuple[Iterator[Row], int]:
        """Return all rows, and how many they are."""
        if self.lists.still:
            key = (vendor, resource, search, resource in self.lists.naming)
            if key not in self._gathered:
                self._gathered[key] = list(self._gather(users, resource, search))
            return iter(self._gathered[key]), len(self._gathered[key])
        self._gathered.clear()
        if search:
            found = list(self._gather(users, resource, search))
            return iter(found), len(found)
        total = len(users) if resource == "users" else sum(len(one.get(resource, ())) for one in users.values())
        return self._gather(users, resource, search), total

    def _gather(self, users: Mapping[str, Row], resource: Resource, search: str) -> Iterator[Row]:
        if resource == "users":
            return (one["profile"] for one in users.values() if not search or _is_found(one["profile"], search.casefold()))
        named = resource in self.lists.naming
        return chain.from_iterable([_named(row, user if named else None) for row in one.get(resource, ())] for user, one in users.items())


def _named(row: Row, user: str | None) -> Row:
    if user is None:
        return {name: value for name, value in row.items() if name != "userId"}
    return {"userId": user, **row}


def _is_found(profile: Row, search: str) -> bool:
    return any(search in str(profile.get(name, "")).casefold() for name in ("userId", "email", "firstName", "lastName"))
