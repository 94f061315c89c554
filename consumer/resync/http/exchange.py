"""One bounded JSON exchange; every failure becomes one of our errors. The only room that builds requests."""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import anyio
import msgspec
from msgspec import Struct
from yarl import URL

from ...core.answers.shapes import number
from ...core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable, weightiest
from ...telemetry.bugs import fenced
from ...telemetry.fence import only_ours
from .pool import Pool, last_word

MIB: Final = 1024 * 1024
OK: Final = frozenset({200, 201, 202, 204})
_DENIED: Final = 401
_FORBIDDEN: Final = 403
_ASKS_FOR_PATIENCE: Final = frozenset({429, 503})
"""Of everybody; a Retry-After beside another status is about this one call."""
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 1.0, 3600.0
_CHUNK_BYTES: Final = 65_536

T = TypeVar("T")

Observe = Callable[[str, str, float], None]
"""Is told each exchange: operation, status or error code, seconds."""


class Answer(Struct, frozen=True):
    """What came back: the status, and the body as it came (complete, within the cap)."""

    status: int
    body: bytes
    date: str | None = None
    """The server's own time, as it says it; None: it does not."""


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
        self._observe, self._wall_clock = observe, wall_clock

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
    ) -> Answer:
        """
        Ask once; a connection that was dropped before any answer is tried a second time (all our calls are idempotent).

        Args:
            op: a name of ours, for metrics and errors.
            path: already percent-encoded.
            also: statuses that are answers beside 200, 201, 202 and 204.
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
        started = anyio.current_time()
        asked = _Asked(op, method, url, sent, data, _deadline(started + self._timeout_s, limit_s), cap_bytes)
        code, before = "cancelled", last_word.set(limit_s)
        try:
            answer = await self._twice(asked, limit_s)
            code = str(answer.status)
            if answer.status not in OK and answer.status not in also:
                raise self._refusal(op, answer)
        except ConsumerError as error:
            code = error.code.removeprefix("http-")
            raise
        else:
            return Answer(answer.status, answer.body, answer.date)
        finally:
            last_word.reset(before)
            if self._observe is not None:
                self._observe(op, code, anyio.current_time() - started)

    async def _twice(self, asked: "_Asked", limit_s: Callable[[], float] | None) -> "_Raw":
        with suppress(_Dropped):
            return await self._once(asked)
        # The loop's clock stands still in a suspended machine, whose idle connections are gone when it wakes up.
        again = msgspec.structs.replace(asked, deadline=_deadline(asked.deadline, limit_s))
        try:
            return await self._once(again)
        except _Dropped:
            raise self._retryable(asked.op, "cut") from None

    async def _once(self, asked: "_Asked") -> "_Raw":
        try:
            with only_ours(lambda: self._retryable(asked.op, "cut")):
                return await self._send(asked)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ServerDisconnectedError) or type(error) is aiohttp.ClientOSError:  # An end, or a reset.
                raise _Dropped from None
            # Not chained: their texts hold URLs, and so users' ids.
            raise self._retryable(asked.op, _kind(error)) from None

    async def _send(self, asked: "_Asked") -> "_Raw":
        limit_s = max(0.001, asked.deadline - anyio.current_time())
        async with self._session.request(
            asked.method,
            URL(asked.url, encoded=True),
            data=asked.data,
            headers=asked.headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=limit_s),
        ) as response:
            if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
                raise self._retryable(asked.op, "encoded")
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > asked.cap_bytes:
                    raise self._retryable(asked.op, "too-large")
            return _Raw(response.status, bytes(body), response.headers.get("Retry-After"), response.headers.get("Date"))

    def _refusal(self, op: str, answer: "_Raw") -> ConsumerError:
        status = answer.status
        text, code = f"{self._upstream} {op}: status {status}", f"http-{status}"
        if status == _DENIED:
            return Denied(text, code=code)
        if status == _FORBIDDEN:
            return Forbidden(text, code=code)
        if status in self._refuses:
            return Refused(text, code=code)
        if 300 <= status < 400:  # noqa: PLR2004 - the redirects
            return Retryable(text, code="redirect")
        wait_s = retry_after(answer.retry_after, now=self._answered_at(answer))
        if wait_s is None:
            wait_s = _patience_in(answer.body)
        if status in _ASKS_FOR_PATIENCE:
            return Retryable(text, code=code, retry_after_s=wait_s)
        return Retryable(text, code=code, delay_s=wait_s)

    def _answered_at(self, answer: "_Raw") -> float:
        """Return the wall time (s) by the clock that a Retry-After goes by: the upstream's own, where it shows it; ours may be wrong."""
        try:
            return self._wall_clock() if answer.date is None else _at(answer.date)
        except (ValueError, OverflowError, TypeError):
            return self._wall_clock()

    def _retryable(self, op: str, code: str) -> Retryable:
        return Retryable(f"{self._upstream} {op}: {code}", code=code)


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
    cap_bytes: int


class _Raw(Struct, frozen=True):
    status: int
    body: bytes
    retry_after: str | None
    date: str | None


def _deadline(latest: float, limit_s: Callable[[], float] | None) -> float:
    """Return when a try that starts now must have ended."""
    return latest if limit_s is None else min(latest, anyio.current_time() + limit_s())


def _form(form: Mapping[str, str]) -> bytes:
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in form.items()).encode()


def retry_after(text: str | None, *, now: float) -> float | None:
    """
    Return a Retry-After (seconds or an HTTP date) in seconds, clamped to 1 s - 1 h; None where there is none to be read.

    A date is in UTC where it names no zone that is known.
    """
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().replace(".", "", 1).isdigit() else _at(text) - now
    except (ValueError, OverflowError, TypeError):
        return None
    return min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, seconds))


def _at(date: str) -> float:
    """Return a date as wall time (s); without a zone Python would take it for local time."""
    at = parsedate_to_datetime(date)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _patience_in(body: bytes) -> float | None:
    """Sesamy says in the body of a 429, too, how long to wait: `{"error": {"retry_after": 60}}`."""
    try:
        seconds = number(msgspec.json.decode(body, type=_Patience).error.retry_after)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if seconds is None else min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, seconds))


class _PatienceError(Struct):
    retry_after: object = None


class _Patience(Struct):
    error: _PatienceError


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


def segment(text: str) -> str:
    """Return an id as one segment of a path: `.` and `..` must not climb."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Do all at once; the first error ends the others, and the one that matters most is raised: `bug` for one that nobody expected."""
    errors: list[ConsumerError] = []
    async with anyio.create_task_group() as tasks:

        async def run(job: Callable[[], Awaitable[None]]) -> None:
            try:
                with fenced("exchange"):
                    await job()
            except ConsumerError as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

        for job in jobs[:-1]:
            tasks.start_soon(run, job)
        await run(jobs[-1])  # A task costs as much as a tenth of a call.
    if errors:
        raise weightiest(errors)
