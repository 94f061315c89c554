"""The push: one notice after the other, as a JSON POST to the address that the operator named."""

import math
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from msgspec import structs

from ...core.errors import ConsumerError
from ...resync.http import exchange as http
from ...settings.secret import Secret, SecretError
from ...telemetry.fences import fenced
from ...telemetry.logs import log
from ...telemetry.metrics import Metrics, version
from .conditions import Notice
from .outbox import Outbox, Parcel

_log = log(__name__)
_LIMIT_S: Final = 5.0
_TRIES: Final = 3
_BACKOFF_S: Final = 2.0
_ANSWERS: Final = frozenset(range(200, 300))
_SPOKEN: Final = 5


class Push:
    """
    Tells the operator's address.

    It promises: putting a notice never waits; one POST at a time, each within 5 s, three times at most; the address is read
    anew for each, and shows nowhere.
    """

    def __init__(
        self,
        url: Secret,
        metrics: Metrics,
        *,
        host: str,
        proxy: str | None = None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """
        Take the address.

        Args:
            host: our name.
            proxy: through which to ask; None: through none.
            uniform: draws from [0, 1).
        """
        self._url, self._metrics, self._host, self._proxy, self._uniform = url, metrics, host, proxy, uniform
        self._outbox, self._news = Outbox(), anyio.Event()

    def put(self, notice: Notice) -> None:
        """Take a notice to be sent; never waits."""
        held_back, dropped = self._outbox.held_back, self._outbox.dropped
        self._outbox.put(notice)
        self._count("dropped", self._outbox.dropped - dropped)
        self._count("held_back", self._outbox.held_back - held_back - (self._outbox.dropped - dropped))
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
                    with suppress(ConsumerError), fenced("push"):
                        await self._send(client, parcel)
                    continue
                wait_s = self._outbox.next_at(now=anyio.current_time()) - anyio.current_time()
                with anyio.move_on_after(None if wait_s == math.inf else wait_s):
                    await self._news.wait()

    async def _send(self, client: Callable[[str], http.Http], parcel: Parcel) -> None:
        told = body(parcel, host=self._host)
        code = ""
        for attempt in range(_TRIES):
            if attempt:
                await anyio.sleep(_BACKOFF_S * 2 ** (attempt - 1) * (0.5 + self._uniform() / 2))
            try:
                await self._post(client, told)
            except SecretError:
                code = "no-address"
            except ConsumerError as error:
                code = error.code
            else:
                self._count("sent", 1)
                return
        self._count("failed", 1)
        _log.warning("a notice could not be sent to notify.url", kind=parcel.notices[0].event, code=code, attempts=_TRIES)

    async def _post(self, client: Callable[[str], http.Http], told: dict[str, object]) -> None:
        """
        Ask once.

        Raises:
            SecretError: there is no address.
            ConsumerError: it was not taken.
        """
        # In a thread: it may be a file.
        url = await to_thread.run_sync(self._url.read)
        host = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        await client(host).exchange("notify", "POST", url[len(host) :].partition("#")[0] or "/", json=told, also=_ANSWERS)

    def _count(self, outcome: str, number: int) -> None:
        if number:
            self._metrics.notifications.labels(outcome).inc(number)


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
        "since": datetime.fromtimestamp(min(one.since for one in parcel.notices), tz=UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z"),
        "lasted_s": max(one.lasted_s for one in parcel.notices),
        "held_back": parcel.held_back,
        "host": host,
        "version": version(),
    }


def _spoken(notices: tuple[Notice, ...]) -> str:
    more = len(notices) - _SPOKEN
    return "; ".join(one.text for one in notices[:_SPOKEN]) + (f"; and {more} more of the kind" if more > 0 else "")
