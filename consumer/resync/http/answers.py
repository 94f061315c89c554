"""The answer to a call, and its JSON in our nouns."""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from ...core.answers.said import Sent, said
from ...core.answers.shapes import Json
from ...core.answers.shapes import decoded as read_json
from ...core.errors import Retryable

_NO_CONTENT: Final = 204
T = TypeVar("T")


class Answer(Struct, frozen=True):
    """What came back: the status, and the body as it came (complete, within the cap)."""

    status: int
    body: bytes
    date: str | None = None
    """The server's own time, as it says it; None: it does not."""
    retry_after: str | None = None
    """When to come again, as it says it."""
    sent: Sent = Sent()
    rate: tuple[str | None, str | None, str | None] = (None, None, None)
    """Its X-RateLimit-Limit, -Remaining and -Reset, as they came."""

    @property
    def said(self) -> str:
        """Return what it says to people, without any value of the exchange."""
        return said(self.body, self.sent)


def decoded(answer: Answer, what: str) -> object:
    """
    Return the body as JSON.

    Raises:
        Retryable: `not-json`.
    """
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Retryable(f"{what}: the answer is not JSON", code="not-json") from None


def tolerant(answer: Answer, what: str) -> Json:
    """
    Return the body as JSON that is mended as it is read; a 204 holds nothing.

    Raises:
        Retryable: `not-json`.
    """
    if answer.status == _NO_CONTENT:
        return Json(None)
    try:
        return read_json(answer.body)
    except (ValueError, RecursionError):
        raise Retryable(f"{what}: the answer is not JSON", code="not-json") from None


def shaped(tree: object, type_: type[T], what: str) -> T:
    """
    Return decoded JSON as one of our nouns.

    Raises:
        Retryable: `wrong-shape`.
    """
    try:
        return msgspec.convert(tree, type_)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Retryable(f"{what}: the answer has an unknown shape", code="wrong-shape") from None
