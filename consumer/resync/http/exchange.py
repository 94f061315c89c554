"""The exchange of one call: JSON within bounds; every failure becomes one of our errors. No other file builds requests."""

import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from ...core.answers.said import Sent
from ...core.errors import ConsumerError, Retryable
from ...telemetry.fences import only_ours
from ...telemetry.loop import loop_time
from .answers import Answer
from .pool import Pool, last_word
from .refusals import refusal

MIB: Final = 1024 * 1024
OK: Final = frozenset({200, 201, 202, 204})
_CLOSE_S: Final = 0.001
"""Between the begin of an exchange and its request: so much longer than its limit it may last."""

Observe = Callable[[str, str, float], None]
"""Is told each exchange: operation, status or error code, seconds."""
Heed = Callable[[Answer, int], None]
"""Is told each answer, whatever it says, and how many other calls to the upstream are under way."""
_RATE: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@asynccontextmanager
async def session(*, connections: int, proxy: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a pool: no cookies, no proxy but the one given, whatever the environment says, nothing unpacked."""
    connector = Pool(limit=connections, ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(
        connector=connector,
        proxy=proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "sesamy-makeas"},
        max_line_size=8190,
        max_field_size=8190,
    ) as opened:
        opened._retry_connection = False  # noqa: SLF001 - no other switch; else a GET goes out up to four times on one permit
        yield opened


class Http:
    """
    One upstream.

    It promises: an exchange ends within its time limit, reads no more than its cap, follows no redirect, and fails
    with one of our errors, whose text names the upstream, the operation and a status or kind of failure only.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        upstream: str,
        base_url: str,
        timeout_s: float,
        refuses: Collection[int] = (),
        observe: Observe | None = None,
        heed: Heed | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Take an open pool.

        Args:
            refuses: the statuses that say no to this one user; others of the 4xx are unusable answers.
            wall_clock: seconds, for a Retry-After that is a date, in an answer without its own.
        """
        self._session, self._upstream, self._base_url = session, upstream, base_url.rstrip("/")
        self._timeout_s, self._refuses = timeout_s, frozenset(refuses)
        self._observe, self._heed, self._wall_clock = observe, heed, wall_clock
        self._usual, self._under_way = _timeout(timeout_s), 0

    async def exchange(
        self,
        op: str,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        also: Collection[int] = (),
        limit_s: Callable[[], float] | None = None,
        cap_bytes: int = MIB,
        reads: bool = True,
    ) -> Answer:
        """
        Ask once; a connection that was dropped before any answer is tried a second time (all our calls are idempotent).

        Args:
            op: a name of ours, for metrics and errors.
            path: already percent-encoded.
            also: statuses that are answers beside 200, 201, 202 and 204.
            reads: whether the body is wanted; else the status alone says how it went, and the body is empty.
            limit_s: asked before each try for a time limit below the usual one, and once more when the try has its connection; it
                may raise instead.

        Raises:
            Retryable: network, timeout, 408, 425, 429, 5xx, an unusable answer.
            Refused, Denied, Forbidden: the upstream said no to this user, to our key, to one of them.
            ConsumerError: from `limit_s`.
        """
        data = msgspec.json.encode(json) if json is not None else _form(form) if form is not None else None
        kind = "application/json" if json is not None else "application/x-www-form-urlencoded"
        sent = {**(headers or {}), **({"Content-Type": kind} if data is not None else {})}
        url = self._base_url + path + ("?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query) if query else "")
        started = loop_time()
        told = Sent(path, query, json, form or {}, sent.get("Authorization", ""))
        asked = _Asked(op, method, url, sent, data, _deadline(started + self._timeout_s, limit_s), cap_bytes if reads else None, told)
        code, before = "cancelled", last_word.set(limit_s)
        try:
            self._under_way += 1
            try:
                answer = await self._twice(asked, limit_s)
            finally:
                self._under_way -= 1
            if self._heed is not None:
                self._heed(answer, self._under_way)
            code = str(answer.status)
            if answer.status not in OK and answer.status not in also:
                raise refusal(answer, f"{self._upstream} {op}", refuses=self._refuses, wall_clock=self._wall_clock)
        except ConsumerError as error:
            code = error.code.removeprefix("http-")
            raise
        else:
            return answer
        finally:
            last_word.reset(before)
            if self._observe is not None:
                self._observe(op, code, loop_time() - started)

    async def _twice(self, asked: "_Asked", limit_s: Callable[[], float] | None) -> Answer:
        try:
            return await self._once(asked)
        except _Dropped:
            pass  # Not within the handler: what comes next is no part of that.
        # The loop's clock stands still in a suspended machine, whose idle connections are gone when it wakes up.
        again = msgspec.structs.replace(asked, deadline=_deadline(asked.deadline, limit_s))
        try:
            return await self._once(again)
        except _Dropped:
            raise self._no_answer(asked.op, "cut") from None

    async def _once(self, asked: "_Asked") -> Answer:
        try:
            with only_ours(lambda: self._no_answer(asked.op, "cut")):
                return await self._send(asked)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ServerDisconnectedError) or type(error) is aiohttp.ClientOSError:  # An end, or a reset.
                raise _Dropped from None
            # Not chained: their texts hold URLs, and so users' ids.
            raise self._no_answer(asked.op, _kind(error)) from None

    async def _send(self, asked: "_Asked") -> Answer:
        left_s = asked.deadline - loop_time()
        timeout = self._usual if left_s > self._timeout_s - _CLOSE_S else _timeout(max(0.001, left_s))
        async with self._session.request(
            asked.method,
            URL(asked.url, encoded=True),
            data=asked.data,
            headers=asked.headers,
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            if asked.cap_bytes is None:
                return Answer(response.status, b"", date=response.headers.get("Date"), retry_after=response.headers.get("Retry-After"))
            if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
                raise self._no_answer(asked.op, "encoded")
            body, content = b"", response.content
            while not content.at_eof():  # What has come is read at once, most often all.
                body += await content.readany()
                if len(body) > asked.cap_bytes:
                    raise self._no_answer(asked.op, "too-large")
            date, retry_after, *rate = map(response.headers.get, ("Date", "Retry-After", *_RATE))
            return Answer(response.status, body, date, retry_after, asked.told, (rate[0], rate[1], rate[2]))

    def _no_answer(self, op: str, code: str) -> Retryable:
        return Retryable(f"{self._upstream} {op}: {code}", code=code)


_MET: Final[Mapping[str, str]] = {
    "timeout": "no answer in time",
    "dns": "the name is not known",
    "proxy": "the proxy can't be reached, or refuses",
    "tls": "TLS: no agreement, or a certificate that is not trusted",
    "connect": "could not connect",
    "cut": "the connection was cut",
    "unusable": "what it says is no HTTP",
    "encoded": "it packs its answer, unasked",
    "too-large": "its answer is too large",
}


def met(error: ConsumerError) -> str:
    """Say in words what an exchange has met in place of an answer."""
    return _MET.get(error.code, error.code)


_KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientHttpProxyError, "proxy"),
    (aiohttp.ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientPayloadError, "cut"),
    (OSError, "cut"),
)


def _kind(error: Exception) -> str:
    """Return the code of a failed exchange: the first that fits, so the narrow ones stand first."""
    return next((code for kind, code in _KINDS if isinstance(error, kind)), "unusable")


class _Dropped(Exception):
    """The connection ended before any answer."""


class _Asked(Struct, frozen=True):
    op: str
    method: str
    url: str
    headers: Mapping[str, str]
    data: bytes | None
    deadline: float
    cap_bytes: int | None
    """None: the body is not read."""
    told: Sent


def _deadline(latest: float, limit_s: Callable[[], float] | None) -> float:
    """Return when a try that starts now must have ended."""
    return latest if limit_s is None else min(latest, loop_time() + limit_s())


def _timeout(limit_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=limit_s, sock_connect=limit_s, ceil_threshold=inf)  # Else it ends at a whole second, after a lease.


def _form(form: Mapping[str, str]) -> bytes:
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in form.items()).encode()


def basic(user_id: str, key: str) -> dict[str, str]:
    """Return the header of a Basic login."""
    return {"Authorization": f"Basic {b64encode(f'{user_id}:{key}'.encode()).decode('ascii')}"}


def segment(text: str) -> str:
    """Return an id as one segment of a path: `.` and `..` must not climb."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def encoded(url: str) -> str:
    """
    Return a URL as people write it, percent-encoded where it must be.

    Raises:
        ValueError: it is none.
    """
    return str(URL(url))
