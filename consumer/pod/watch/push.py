"""The push: one notice after the other, as a JSON POST to the address that the operator named."""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from msgspec import structs

from ...core.errors import ConsumerError
from ...core.text import utc
from ...resync.http import exchange as http
from ...settings.secret import Secret, SecretError
from ...telemetry.fences import BUG, fenced
from ...telemetry.logs import log
from ...telemetry.metrics import Metrics, version
from .conditions import Notice
from .outbox import AGAIN_S, Outbox, Parcel

_log = log(__name__)
_LIMIT_S: Final = 5.0
_TRIES: Final = 3
_BACKOFF_S: Final = 2.0
_ANSWERS: Final = frozenset(range(200, 300))
_SPOKEN: Final = 5
_NEVER_THERE: Final = frozenset({"no-address", "bad-address", "connect", "dns", "proxy", "tls", "redirect"})
"""The codes of a try that was refused, or never got there; so is each `http-4xx`."""
_CURES: Final = {
    "no-address": "put the address where notify.url says that it is; it is read anew for each try",
    "bad-address": "write it as https://host/path; it is read anew for each try",
}
_CURE: Final = "see whether the receiver runs, and takes a JSON POST from here"


class _BadAddressError(Exception):
    """An address that can't be asked; without a text, for it may hold a token."""


class Push:
    """
    Tells the operator's address.

    It promises: putting a notice never waits; one POST at a time, each within 5 s, three times at most; what does not
    arrive is sent again later, in one try each, while it is so; the address is read anew for each, and shows nowhere.
    """

    def __init__(
        self,
        url: Secret,
        metrics: Metrics,
        *,
        host: str,
        proxy: str | None = None,
        uniform: Callable[[], float] = random.random,
        again_s: float = AGAIN_S,
    ) -> None:
        """
        Take the address.

        Args:
            host: our name.
            proxy: through which to ask; None: through none.
            uniform: draws from [0, 1).
            again_s: for how long nothing is sent after a POST that failed; see `AGAIN_S`.
        """
        self._url, self._metrics, self._host, self._proxy, self._uniform = url, metrics, host, proxy, uniform
        self._outbox, self._news = Outbox(again_s=again_s), anyio.Event()
        # The code of the failure that was warned of last; empty: the last POST arrived.
        self._warned = ""

    def put(self, notice: Notice) -> None:
        """Take a notice to be sent; never waits."""
        with self._counting():
            self._outbox.put(notice)
        self._news.set()

    async def run(self) -> None:
        """Send what may be sent, for ever."""
        async with http.session(connections=1, proxy=self._proxy) as session:

            def client(base_url: str) -> http.Http:
                return http.Http(session, upstream="notify", base_url=base_url, timeout_s=_LIMIT_S)

            while True:
                # Made before the look: what is put meanwhile wakes us.
                self._news = anyio.Event()
                parcel = self._outbox.take(now=anyio.current_time())
                if parcel is not None:
                    await self._tell(client, parcel)
                    continue
                wait_s = self._outbox.next_at(now=anyio.current_time()) - anyio.current_time()
                with anyio.move_on_after(None if wait_s == math.inf else wait_s):
                    await self._news.wait()

    async def _tell(self, client: Callable[[str], http.Http], parcel: Parcel) -> None:
        """Send a parcel, and let the outbox know what became of it."""
        # Until it is known better: a fault of ours may come after the POST.
        codes: list[str] = [BUG]
        with suppress(ConsumerError), fenced("push"):
            codes = await self._send(client, parcel)
        now = anyio.current_time()
        with self._counting():
            if codes:
                self._outbox.failed(parcel, now=now, may_have_arrived=any(map(_may_have_arrived, codes)))
            else:
                self._outbox.arrived(parcel, now=now)
        self._count("failed" if codes else "sent", 1)
        if codes and codes[-1] not in {BUG, self._warned}:  # Our own faults are logged already.
            _log.warning(
                "a notice could not be sent to notify.url",
                kind=parcel.notices[0].event,
                code=codes[-1],
                attempts=len(codes),
                text="it is sent again by itself, while it is so",
                cure=_CURES.get(codes[-1], _CURE),
            )
        elif not codes and self._warned:
            _log.info("notices arrive at notify.url again")
        self._warned = codes[-1] if codes else ""

    async def _send(self, client: Callable[[str], http.Http], parcel: Parcel) -> list[str]:
        """Return the code of each try; none: it arrived."""
        told = body(parcel, host=self._host)
        codes: list[str] = []
        for attempt in range(1 if self._outbox.is_failing else _TRIES):
            if attempt:
                await anyio.sleep(_BACKOFF_S * 2 ** (attempt - 1) * (0.5 + self._uniform() / 2))
            try:
                await self._post(client, told)
            except SecretError:
                codes.append("no-address")
            except _BadAddressError:
                codes.append("bad-address")
            except ConsumerError as error:
                codes.append(error.code)
            else:
                return []
        return codes

    async def _post(self, client: Callable[[str], http.Http], told: dict[str, object]) -> None:
        """
        Ask once.

        Raises:
            SecretError: there is no address.
            _BadAddressError: it is none.
            ConsumerError: it was not taken.
        """
        # In a thread: it may be a file.
        url = await to_thread.run_sync(self._url.read)
        host = _host(url)
        await client(host).exchange("notify", "POST", url[len(host) :].partition("#")[0] or "/", json=told, also=_ANSWERS, reads=False)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Count what the outbox lets go."""
        passed_over, dropped = self._outbox.passed_over, self._outbox.dropped
        yield
        self._count("held_back", self._outbox.passed_over - passed_over)
        self._count("dropped", self._outbox.dropped - dropped)

    def _count(self, outcome: str, number: int) -> None:
        if number:
            self._metrics.notifications.labels(outcome).inc(number)


def _host(url: str) -> str:
    """
    Return what of an address stands before its path, as it is written.

    Raises:
        _BadAddressError: it is none that can be asked.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or " " in url:
        # Not chained: the parser's error quotes the address.
        raise _BadAddressError from None
    return f"{url.partition(':')[0]}://{parts.netloc}"


def _may_have_arrived(code: str) -> bool:
    """Say whether a try that failed may have told the operator: a time-out, say, or a gateway's 502."""
    return code not in _NEVER_THERE and not code.startswith("http-4")


def body(parcel: Parcel, *, host: str) -> dict[str, object]:
    """Return what is sent; ids, names and numbers of the settings alone, nothing of any reader."""
    first, text = parcel.notices[0], _spoken(parcel.notices)
    lists = {(one.vendor, one.list): one for notice in parcel.notices for one in notice.lists}
    users = [one.users for one in parcel.notices if one.users is not None]
    return {
        "event": first.event,
        "begins": first.begins,
        "summary": text,
        # What chat hooks show.
        "text": text + (f". What to do: {first.cure}" if first.cure else ""),
        "cause": first.cause,
        "cure": first.cure,
        "runbook": f"deploy/RUNBOOK.md#{first.runbook}",
        "lists": [structs.asdict(one) for one in lists.values()],
        "users": sum(users) if users else None,
        "since": utc(min(one.since for one in parcel.notices)),
        "lasted_s": max(one.lasted_s for one in parcel.notices),
        "held_back": parcel.held_back,
        "host": host,
        "version": version(),
    }


def _spoken(notices: tuple[Notice, ...]) -> str:
    more = len(notices) - _SPOKEN
    return "; ".join(one.text for one in notices[:_SPOKEN]) + (f"; and {more} more of the kind" if more > 0 else "")
