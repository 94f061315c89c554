"""The rows of a list, as Make.as gives them: which readers left it, and which came back."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final, Literal

import msgspec
from msgspec import Struct

from ...core.answers.shapes import number
from ...core.errors import Refused, Retryable
from ...core.mapping.consent import ContactId, Row, standing
from ...core.mapping.contact import Contact
from ...core.text import utc
from ..http.answers import Answer, decoded
from ..http.exchange import MIB, Http, basic, segment

PER_PAGE: Final = 1000
REFUSED: Final = (400, 403, 404, 405, 422)
"""That the call can't be had; other failures pass."""
_FEW: Final = 3
"""So many rows of one status may all be odd, and no answer of another kind."""
_CAP_BYTES: Final = 16 * MIB
_EPOCH_MS_FROM: Final = 1e11
"""A larger number of seconds would be in the year 5138: it is milliseconds."""
Status = Literal["active", "unsubscribed", "bounce"]


class Page(Struct, frozen=True):
    """Some rows of a list."""

    rows: tuple[Row, ...]
    server_at: float | None
    """The server's time of the answer (s); None: it does not say."""


class ContactPage(Struct, frozen=True):
    """Some contacts of a list."""

    contacts: tuple[Contact, ...]
    """Those that can be read."""
    length: int
    """How many rows the page has."""


class ServerClock:
    """The server's time when a reading began: as it says it, else the newest that it told of a row."""

    def __init__(self) -> None:
        """Know no time."""
        self._said_at: float | None = None
        self._newest = -inf

    def noted(self, page: Page) -> Page:
        """Take a page, and give it back."""
        if self._said_at is None:
            self._said_at = page.server_at
        self._newest = max(self._newest, max((row.updated_at for row in page.rows if row.updated_at is not None), default=-inf))
        return page

    def later_than(self, known: float | None) -> float | None:
        """Return the later of what was told and what is known."""
        told = self._said_at if self._said_at is not None else None if self._newest == -inf else self._newest
        return known if told is None else told if known is None else max(known, told)


def is_before(row: Row, after: float) -> bool:
    """Say whether a row that was asked for as changed since `after` was not."""
    return row.updated_at is not None and row.updated_at < after - 1.0  # It is asked for in whole seconds.


class ListRows:
    """The rows of one account's lists."""

    def __init__(self, http: Http, *, user_id: str, api_key: Callable[[], str]) -> None:
        """Take the API; the key is read at each call."""
        self._http, self._user_id, self._api_key = http, user_id, api_key

    async def page(self, list_id: str, status: Status, *, page: int, updated_after: float | None = None, per_page: int = PER_PAGE) -> Page:
        """
        Return a page of those of a list that are `status` there.

        Args:
            page: from 1.
            updated_after: the server's time (s) from which on a change counts; None: all rows.

        Raises:
            Refused: the call can't be had for this list.
            Retryable, Denied: as `Http.exchange`; `wrong-shape`, where the answer holds no rows.
        """
        query = _query(list_id, status, page, per_page)
        if updated_after is not None:
            query.append(("updated_after", utc(updated_after)))
        answer = await self._answered("leavers", "/subscribers/by_list", query)
        return Page(tuple(_row(one) for one in _rows(answer)), _date(answer.date))

    async def contacts(self, list_id: str, status: Status, *, page: int, per_page: int = PER_PAGE) -> ContactPage:
        """
        Return a page of the contacts of a list that are `status` there, whole.

        Raises:
            Refused, Retryable, Denied: as `page`; `wrong-shape`, too, where it has more than a few rows, and none is a contact.
        """
        trees = _rows(await self._answered("contacts", "/subscribers/by_list", _query(list_id, status, page, per_page)))
        found = tuple(one for one in map(_contact, trees) if one is not None)
        if len(trees) > _FEW and not found:
            raise Retryable("contacts: no row is a contact", code="wrong-shape")
        return ContactPage(found, len(trees))

    async def count(self, list_id: str) -> int | None:
        """
        Return how many contacts a list has, by Make.as' own count; None: it does not say.

        Assumption: of those that are active, or with others; the answers for a list's rows hold no count.

        Raises:
            Refused, Retryable, Denied: as `page`.
        """
        tree = decoded(await self._answered("list", f"/subscriberlists/{segment(list_id)}", []), "list")
        said = number(tree.get("subscriber_emails")) if isinstance(tree, dict) else None
        return int(said) if said is not None else None

    async def _answered(self, op: str, path: str, query: list[tuple[str, str]]) -> Answer:
        answer = await self._get(op, path, query)
        if answer.status in REFUSED:
            raise Refused(f"{op}: status {answer.status}", code=f"http-{answer.status}", said=answer.said)
        return answer

    async def _get(self, op: str, path: str, query: list[tuple[str, str]]) -> Answer:
        headers = basic(self._user_id, self._api_key())
        return await self._http.exchange(op, "GET", path, query=query, headers=headers, also=REFUSED, cap_bytes=_CAP_BYTES)


def _query(list_id: str, status: Status, page: int, per_page: int) -> list[tuple[str, str]]:
    return [("list_id", list_id), ("page", str(page)), ("per_page", str(per_page)), ("status", status)]


def _contact(tree: object) -> Contact | None:
    """Return a row as a contact; None: it can't be read as one."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(tree, Contact)
    return None


def _rows(answer: Answer) -> list[object]:
    """Assumption: a bare array, or one under a name of its own."""
    tree = decoded(answer, "leavers")
    if isinstance(tree, dict):
        tree = next((tree[name] for name in ("data", "subscribers") if name in tree), None)
    if not isinstance(tree, list):
        raise Retryable("leavers: the answer holds no rows", code="wrong-shape")
    return tree


def _row(tree: object) -> Row:
    row = tree if isinstance(tree, dict) else {}
    email = row.get("email")
    said = standing(row.get("email_status"), row.get("emailStatus"), row.get("status"))
    return Row(_id(row.get("id")), email if isinstance(email, str) else None, said, _time(row.get("date_updated")))


def _id(value: object) -> ContactId | None:
    """Return an id; one of digits as a number, which takes half the memory."""
    if isinstance(value, str) and value:
        return int(value) if value.isascii() and value.isdigit() and str(int(value[:20])) == value else value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: object) -> float | None:
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value / 1000 if value > _EPOCH_MS_FROM else float(value)
    except (ValueError, OverflowError):
        pass
    return None


def _date(text: str | None) -> float | None:
    try:
        at = parsedate_to_datetime(text) if text is not None else None
    except (ValueError, OverflowError, TypeError):
        return None
    return None if at is None else (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
