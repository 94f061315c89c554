"""The words of the calls that write to Make.as: what names a subscriber and a list, how rows are wrapped, how a date is written."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from re import fullmatch
from typing import Final, Literal

from msgspec import Struct, structs

from ...core.answers.shapes import EPOCH
from ...core.mapping.contact import fields
from ...core.mapping.documents import Documents, Subscription
from ...core.sharing.load import Rows
from ...settings.model import MakeAsSettings

_PRODUCTS: Final = "/subscribers/subscriptions/products/bulkinsert"
_SUBSCRIPTIONS: Final = "/subscribers/subscriptions/bulkinsert"
_BY_EXTERNAL_ID: Final = "/subscribers/subscriptions/bulkinsert_by_external_id"
_MILLISECONDS_FROM: Final = 1e11


class Ways(Struct, frozen=True, kw_only=True):
    """Which way Make.as' API is; each as the setting of its name."""

    subscriber_key: Literal["email", "subscriber_email", "subscriber_external_id"] = "email"
    bulk_body: Literal["array", "wrapper"] = "array"
    list_parameter: Literal["subscriber_list_id[]", "subscriber_list_id"] = "subscriber_list_id[]"
    dates: Literal["iso", "date_time"] = "iso"
    tags: Literal["titles", "ids"] = "titles"

    @classmethod
    def of(cls, settings: MakeAsSettings) -> "Ways":
        """Return what the settings say."""
        return cls(**{name: getattr(settings, name) for name in cls.__struct_fields__})

    @property
    def one_list_a_call(self) -> bool:
        """Say whether a call names one list: without brackets, the last of several may be all that counts."""
        return self.list_parameter != "subscriber_list_id[]"

    def lists(self, lists: Sequence[str]) -> list[tuple[str, str]]:
        """Return the part of a query that names lists."""
        return [(self.list_parameter, one) for one in lists]

    def path(self, op: str) -> str:
        """Return the path of a bulk call."""
        return bulk_path(op, self.subscriber_key)

    def body(self, op: str, rows: Sequence[object]) -> object:
        """Return the body of a bulk call."""
        return {op: rows} if self.bulk_body == "wrapper" else rows

    def rows(self, documents: Documents) -> tuple[Rows, Rows]:
        """Return the rows of products and of subscriptions, by external id; `documents`: as `dated` gives them."""
        one = documents.subscriber
        name = one.external_id if self.subscriber_key == "subscriber_external_id" else one.email
        products = {one.external_id: fields(one) for one in documents.products}
        return products, {row.external_id: {self.subscriber_key: name, **fields(row)} for row in documents.subscriptions}

    def dated(self, documents: Documents) -> Documents:
        """Return documents with dates as they are written."""
        if self.dates == "iso":
            return documents
        return structs.replace(documents, subscriptions=tuple(map(_dated, documents.subscriptions)))


def bulk_path(op: str, subscriber_key: str) -> str:
    """Return the path of a bulk call, of which products name no subscriber."""
    if op == "products":
        return _PRODUCTS
    return _BY_EXTERNAL_ID if subscriber_key == "subscriber_external_id" else _SUBSCRIPTIONS


def _dated(row: Subscription) -> Subscription:
    given: Mapping[str, str | None] = {"start_date": row.start_date, "end_date": row.end_date}
    return structs.replace(row, **{name: None if date is None else date_time(date) for name, date in given.items()})


def date_time(date: str) -> str:
    """
    Return a date as `YYYY-MM-DD HH:MM:SS`, in UTC; parts of a second are left out.

    Assumption: without a zone it is UTC; digits are a time of Unix. What can't be read goes as it is: Make.as says no, where we don't know.
    """
    try:
        return _moment(date.strip()).astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return date


def _moment(text: str) -> datetime:
    if fullmatch(EPOCH, text):
        at = float(text)
        return datetime.fromtimestamp(at / 1000 if at >= _MILLISECONDS_FROM else at, UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
