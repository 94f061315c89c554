"""Make.as' other answers to what no document settles of its calls that write: names, forms, dates and tags; each can be set."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from zlib import crc32

from aiohttp import web
from msgspec import Struct

_MAX_ROWS: Final = 1000
_DATES: Final = ("start_date", "end_date")
_FORMS: Final = {"iso": r"[\dW-]{7,10}(T[\d:.,+Z-]+)?", "date_time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"}
_PAGE_MAX: Final = 1000
_LIST_NAMES: Final = ("subscriber_list_id[]", "subscriber_list_id")
_SUBSCRIPTION: Final = frozenset({"external_id", "product_external_id", "start_date", "end_date", "name", "status"})
_STATUSES: Final = frozenset({"active", "cancelled"})

Row = dict[str, Any]


class Ways(Struct, kw_only=True):
    """Which of its possible ways an account's API has; change it freely while it serves."""

    subscriber_key: Literal["email", "subscriber_email", "subscriber_external_id"] = "email"
    """What names the subscriber in rows of subscriptions; the last one is taken by the call by external id only."""
    bulk_body: Literal["array", "wrapper"] = "array"
    """Whether a bulk call takes rows alone, or under their name."""
    list_parameter: Literal["subscriber_list_id[]", "subscriber_list_id"] = "subscriber_list_id[]"
    """What names a list; the other name is not known, and so without effect. Without brackets the last of several counts."""
    opted_out: Literal["shown", "hidden"] = "shown"
    """Whether a contact that left mail is found by its address; where it is not, a write with a list's id puts it back."""
    dates: Literal["iso", "date_time"] = "iso"
    """Which dates rows may have: those of ISO 8601, or `YYYY-MM-DD HH:MM:SS` alone."""
    tags: Literal["titles", "ids"] = "titles"
    """Whether a contact's tags are written by title, or by the ids of the account's catalogue: what is no id there is passed over."""
    takes_off: bool = True
    """Whether a contact can be taken off a list."""
    is_silent: bool = False
    """Whether rows without a subscriber, or with a date of another form, are answered as taken, and dropped; else they are refused."""


class Catalogue:
    """An account's tags, by id."""

    def __init__(self) -> None:
        """Begin with none."""
        self.titles: dict[int, str] = {}

    def add(self, titles: Iterable[str]) -> None:
        """Take tags; those that are there already stay."""
        for title in titles:
            self.titles.setdefault(tag_id(title), title)

    def of(self, ids: Iterable[object]) -> list[str]:
        """Return the titles of those ids, numbers or digits, that are there."""
        known = [int(one) for one in ids if isinstance(one, int) or (isinstance(one, str) and one.isascii() and one.isdigit())]
        return [self.titles[one] for one in known if one in self.titles]

    def page(self, request: web.Request) -> web.Response:
        """Answer a call for a page of it."""
        page, per_page = int(request.query.get("page", "1")), int(request.query.get("per_page", "100"))
        if page < 1 or not 1 <= per_page <= _PAGE_MAX:
            return web.json_response({"message": "Bad query"}, status=422)
        rows = [{"id": one, "title": title} for one, title in sorted(self.titles.items())]
        return web.json_response(rows[(page - 1) * per_page : page * per_page])

    def create(self, body: Any) -> web.Response:  # noqa: ANN401 - as it is sent
        """Answer a call that adds a tag."""
        title = body.get("title") if isinstance(body, dict) else None
        if not isinstance(title, str) or not title.strip():
            return web.json_response({"message": "Title is required"}, status=422)
        self.add([title])
        return web.json_response({"id": tag_id(title), "title": title}, status=201)


def tag_id(title: str) -> int:
    """Return the id of a tag."""
    return crc32(title.encode())


def lists_of(ways: Ways, request: web.Request) -> list[str] | None:
    """Return the lists that a write names; None: it knows no name of a list, but sees one that others take, which has no effect."""
    named = request.query.getall(ways.list_parameter, [])
    if not named and any(name in request.query for name in _LIST_NAMES):
        return None
    return named if ways.list_parameter == "subscriber_list_id[]" else named[-1:]


def are_tags(ways: Ways, tags: object) -> bool:
    """Say whether a contact's tags have a form that is taken."""
    kinds = (str,) if ways.tags == "titles" else (str, int)
    return isinstance(tags, list) and all(isinstance(tag, kinds) and not isinstance(tag, bool) and tag for tag in tags)


def titles_of(ways: Ways, catalogue: Catalogue, tags: list[Any]) -> list[str]:
    """Return the titles of the tags that a contact is written with; such as are new are in the catalogue then, where titles are taken."""
    if ways.tags == "ids":
        return catalogue.of(tags)
    catalogue.add(tags)
    return list(tags)


def rows_of(ways: Ways, body: object, name: str) -> list[Row] | None:
    """Return the rows of a bulk call, all of whose values are texts that are not empty; None: it has another form."""
    if ways.bulk_body == "wrapper":
        body = body[name] if isinstance(body, dict) and body.keys() == {name} else None
    if not isinstance(body, list) or not 0 < len(body) <= _MAX_ROWS:
        return None
    is_good = all(isinstance(row, dict) and all(isinstance(value, str) and value for value in row.values()) for row in body)
    return body if is_good else None


def wrong_rows(ways: Ways, rows: list[Row]) -> str | None:
    """Return why a call with subscriptions is refused; None: its rows have the form, but for what `is_known` says."""
    names = _SUBSCRIPTION | {ways.subscriber_key}
    if any(not {"external_id", "product_external_id"} <= set(row) or row.get("status") not in _STATUSES for row in rows):
        return "Bad rows"
    if ways.is_silent:
        return None
    if any(ways.subscriber_key not in row for row in rows):
        return "Subscriber not given"
    if any(not set(row) <= names for row in rows):
        return "Bad rows"
    return "Bad date" if any(not _has_dates(ways, row) for row in rows) else None


def is_known(ways: Ways, row: Row) -> bool:
    """Say whether a row names its subscriber, and has dates, in a form that is taken: else a silent server drops it."""
    return ways.subscriber_key in row and _has_dates(ways, row)


def address_of(ways: Ways, row: Row, contacts: Mapping[str, Row]) -> str | None:
    """Return the address of a row's subscriber; None: there is no such contact."""
    named = row[ways.subscriber_key]
    if ways.subscriber_key == "subscriber_external_id":
        return next((one["email"] for one in contacts.values() if one.get("external_id") == named), None)
    return named if named.lower() in contacts else None


def _has_dates(ways: Ways, row: Row) -> bool:
    return all(_is_date(row[name], _FORMS[ways.dates]) for name in _DATES if name in row)


def _is_date(text: str, form: str) -> bool:
    try:
        return bool(re.fullmatch(form, text) and datetime.fromisoformat(text))
    except ValueError:
        return False
