"""The answers of probes, and the headers of all answers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Server": "sesamy-makeas",
    "X-Content-Type-Options": "nosniff",
}


def probe(*, good: bool, word: str, why_not: Iterable[str]) -> web.Response:
    """Return 200 and the word, or 503 and a line for each reason."""
    code = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(text="".join(f"{line}\n" for line in ((word,) if good else why_not)), status=code)


def harden(
    more: Mapping[str, str] | None = None, *, its_own: Iterable[str] = ()
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """
    Return what gives all answers of an application the headers that keep them from caches and from being taken for something else.

    Args:
        more: headers beside those.
        its_own: headers that an answer may say otherwise.
    """
    headers, kept = {**_HEADERS, **(more or {})}, tuple(its_own)

    async def prepare(_: web.Request, response: web.StreamResponse) -> None:
        own = {name: response.headers[name] for name in kept if name in response.headers}
        response.headers.update(headers | own)

    return prepare
