"""The body of a webhook's request: JSON by its head, whole, in time and within its size."""

from http import HTTPStatus
from typing import Final

import anyio
from aiohttp import web

MAX_BYTES: Final = 1024 * 1024
BODY_S: Final = 10.0
"""How long a whole body may take."""


class Refused(Exception):
    """A body that is not taken: an HTTP status, and a slug."""

    def __init__(self, status: HTTPStatus, code: str) -> None:
        """Take both."""
        super().__init__(code)
        self.status, self.code = status, code


async def read(request: web.Request) -> bytes:
    """
    Return the body.

    Raises:
        Refused: 415, it is no JSON by its head, or packed; 413, it is larger than 1 MiB; 408, it did not come within 10 s; 400, it
            ended early, or its chunks make no sense.
    """
    _look_at_head(request)
    if request.content.is_eof():  # It came with its head, as small ones do.
        return _within_size(request.content.read_nowait())
    parts, count = list[bytes](), 0
    with anyio.move_on_after(BODY_S) as scope:
        try:
            async for part in request.content.iter_any():
                count += len(part)
                if count > MAX_BYTES:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large")
                parts.append(part)
        except (web.RequestPayloadError, OSError):
            raise Refused(HTTPStatus.BAD_REQUEST, "cut-off") from None
    if scope.cancelled_caught:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "too-slow")
    return b"".join(parts)


def _within_size(whole: bytes) -> bytes:
    if len(whole) > MAX_BYTES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large")
    return whole


def _look_at_head(request: web.Request) -> None:
    kind = request.content_type
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-content-type")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-charset")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-content-encoding")
    if (request.content_length or 0) > MAX_BYTES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large")
