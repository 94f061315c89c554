"""The webhook: what one request is answered, and what of it goes to the topic."""

import time
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web
from prometheus_client import Counter

from ..core.webhook import BadBody, Body
from ..core.webhook import read as events_of
from ..kafka.client.publisher import NotTaken, Publisher
from ..settings.model import ReceiveSettings
from ..telemetry.fences import BUG
from ..telemetry.logs import frames, log
from ..telemetry.loop import loop_time
from ..telemetry.receiving import ReceiverMetrics
from ..telemetry.serving.probes import harden
from . import body
from .door import Door
from .seldom import Seldom
from .words import WORDS

_log = log(__name__)
_BUSY_S: Final = 1
_KAFKA_S: Final = 5
_SHOWN: Final = 5
"""So many places a log line names."""
_CODES: Final = {404: "no-such-path", 405: "post-only"}


class Webhook:
    """
    Answers requests.

    It promises: 202 is said only once the topic has every event that was not refused; where that is not known, 503 is said, and the
    sender tries again. What is refused for good (400, 413, 415) would be refused again. Of a body nothing but ids goes on, and
    nothing of it is quoted anywhere.
    """

    def __init__(
        self, settings: ReceiveSettings, publisher: Publisher, metrics: ReceiverMetrics, *, vendors: Collection[str], door: Door
    ) -> None:
        """
        Take what it works with.

        Args:
            vendors: ids of those that the settings know; events of others are taken, too, and counted; none: no vendor is unknown.
            door: lets requests in.
        """
        self._settings, self._publisher, self._metrics = settings, publisher, metrics
        self._vendors, self._door = frozenset(vendors), door
        self._seldom = Seldom(time.monotonic)
        # Looking a child up costs more than all else that is counted.
        self._answered: dict[int, Counter] = {}
        self._events_taken = metrics.events.labels("taken")
        self.is_draining = False
        """Whether what comes from now on is sent away, to come again."""

    def app(self) -> web.Application:
        """Return it as an application."""
        app = web.Application(middlewares=[self._fenced])
        app.router.add_post(self._settings.path, self._post)
        app.on_response_prepare.append(harden())
        self._metrics.in_flight.set_function(lambda: float(self._door.inside))
        return app

    @web.middleware
    async def _fenced(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Answer whatever happens, and count it."""
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPException as error:  # Of the router: a path or a method that is none.
            answer = _refusal(HTTPStatus(error.status), _CODES.get(error.status, "bad-request"))
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
        except body.Refused as error:
            answer = self._refused(error.status, error.code)
        except Exception as error:  # noqa: BLE001 - a bug met at one request is not worth the others
            _log.error("webhook not answered: our bug", error=type(error).__name__, where=frames(error), code=BUG)
            answer = _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, BUG)
        self._count(answer.status)
        return answer

    def _count(self, status: int) -> None:
        counter = self._answered.get(status)
        if counter is None:
            counter = self._answered[status] = self._metrics.requests.labels(str(status))
        counter.inc()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if self.is_draining:
            answer = _later(HTTPStatus.SERVICE_UNAVAILABLE, "draining", _BUSY_S)
            answer.force_close()
            return answer
        said = request.headers.getall(self._settings.header, [])
        if not self._door.knows(said):
            return self._refused(HTTPStatus.UNAUTHORIZED, "wrong-secret" if len(said) == 1 else "no-secret")
        if self._door.is_full:
            self._seldom.warn("webhook sent away: too many at once", code="busy", count=self._door.inside)
            return _later(HTTPStatus.TOO_MANY_REQUESTS, "busy", _BUSY_S)
        begun_at = loop_time()
        with self._door.opened():
            answer = await self._taken(await body.read(request))
        if answer.status == HTTPStatus.ACCEPTED:
            self._metrics.seconds.observe(loop_time() - begun_at)
        return answer

    async def _taken(self, raw: bytes) -> web.Response:
        try:
            found = events_of(raw)
        except BadBody as error:
            return self._refused(HTTPStatus.BAD_REQUEST, error.code, at_byte=error.at_byte)
        if not found.accepted:
            return self._none_valid(found)
        try:
            await self._publisher.publish(((one.key, one.value) for one in found.accepted), limit_s=self._settings.timeout_s)
        except NotTaken as error:
            self._seldom.warn("webhook sent away: Kafka has not taken it", code=error.code, count=len(found.accepted))
            return _later(HTTPStatus.SERVICE_UNAVAILABLE, "kafka", _KAFKA_S)
        return self._accepted(found)

    def _accepted(self, found: Body) -> web.Response:
        unknown = [one.user.vendor for one in found.accepted if self._vendors and one.user.vendor not in self._vendors]
        self._events_taken.inc(len(found.accepted))
        if unknown:
            self._metrics.events.labels("unknown_vendor").inc(len(unknown))
            self._seldom.warn(
                "events of a vendor that the settings don't know, taken",
                code="unknown-vendor",
                vendor=unknown[0],
                count=len(unknown),
                cure="add it to the pods' settings, and replay",
            )
        self._count_refused(found)
        said: dict[str, Any] = {"accepted": len(found.accepted), "refused": found.refused}
        return _json(HTTPStatus.ACCEPTED, said)

    def _none_valid(self, found: Body) -> web.Response:
        self._count_refused(found)
        all_too_large = all(one.code == "too-large" for one in found.refused)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if all_too_large else HTTPStatus.BAD_REQUEST
        return _refusal(status, found.refused[0].code, refused=found.refused)

    def _count_refused(self, found: Body) -> None:
        if not found.refused:
            return
        self._metrics.events.labels("refused").inc(len(found.refused))
        for one in found.refused:
            self._metrics.refused.labels(one.code).inc()
        places = ", ".join(f"{one.position} ({one.code})" for one in found.refused[:_SHOWN])
        code = found.refused[0].code
        self._seldom.warn("events refused", code=code, count=len(found.refused), where=places, cure=WORDS[code])

    def _refused(self, status: HTTPStatus, code: str, *, at_byte: int | None = None) -> web.Response:
        self._metrics.refused.labels(code).inc()
        self._seldom.warn("webhook refused", code=code, status=int(status), cure=WORDS[code])
        return _refusal(status, code) if at_byte is None else _refusal(status, code, at_byte=at_byte)


def _refusal(status: HTTPStatus, code: str, **more: object) -> web.Response:
    return _json(status, {"error": code, "text": WORDS[code], **more})


def _later(status: HTTPStatus, code: str, wait_s: int) -> web.Response:
    answer = _refusal(status, code)
    answer.headers["Retry-After"] = str(wait_s)
    return answer


def _json(status: HTTPStatus, said: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(said), status=status, content_type="application/json")
