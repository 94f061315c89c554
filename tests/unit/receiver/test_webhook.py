"""The webhook over real HTTP, with a topic in memory: what each request is answered, and what the topic has of it."""

import asyncio
import gzip
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.webhook import MAX_EVENTS
from consumer.kafka.client.publisher import NotTaken
from consumer.receiver.body import MAX_BYTES
from consumer.receiver.door import Door
from consumer.receiver.webhook import Webhook
from consumer.receiver.words import WORDS
from consumer.settings.model import ReceiveSettings
from consumer.settings.secret import Secret
from consumer.telemetry.receiving import ReceiverMetrics
from consumer.telemetry.serving.listening import Bounds, listening
from tests.generated.metrics_table import one_of_each

SECRET = "a-secret-of-the-endpoint"
CANARY = "hunter2-canary"
JSON = {"X-Sesamy-Secret": SECRET, "Content-Type": "application/json"}


class Topic:
    """Takes records, or does not; may be made to wait."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.refuses: str | Exception | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.asked = 0

    async def publish(self, records: Iterable[tuple[bytes, bytes]], *, limit_s: float) -> None:
        self.asked += 1
        assert limit_s == 5.0
        await self.may_go_on.wait()
        if isinstance(self.refuses, Exception):
            raise self.refuses
        if self.refuses is not None:
            raise NotTaken(self.refuses)
        self.records += records


class Receiver:
    """A webhook that listens."""

    def __init__(self, **more: Any) -> None:
        self.topic, self.metrics = Topic(), ReceiverMetrics(one_of_each())
        self.door = Door([Secret("text", SECRET)], limit=more.pop("limit", 64), clock=time.monotonic)
        made: Any = self.topic
        self.webhook = Webhook(ReceiveSettings(**more), made, self.metrics, vendors=["v"], door=self.door)
        self.port = 0

    async def ask(self, body: bytes | None, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, Any, Any]:
        method, path = more.pop("method", "POST"), more.pop("path", "/events")
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{self.port}{path}"
            async with session.request(method, url, data=data, headers=JSON if headers is None else headers, **more) as answer:
                raw = await answer.read()
                return answer.status, msgspec.json.decode(raw) if raw else None, answer.headers

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"sesamy_makeas_{name}", labels) or 0.0


@asynccontextmanager
async def receiver(**more: Any) -> AsyncIterator[Receiver]:
    made = Receiver(**more)
    bounds = Bounds(connections=64, head_s=10.0, idle_s=15.0)
    async with listening(made.webhook.app(), "127.0.0.1", 0, bounds, section="receive") as made.port:
        yield made


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


def event(user: str = "u", vendor: str = "v", **more: Any) -> dict[str, Any]:
    return {"eventType": "contract.1#update", "vendorId": vendor, "userId": user, **more}


def packed(some: object) -> bytes:
    return json.dumps(some).encode()


GZIP = gzip.compress(packed(event()), mtime=0)


# ---- What is taken ----


async def test_an_event_is_on_the_topic_when_202_is_said_ids_only_by_the_usual_key(here: Receiver) -> None:
    code, said, headers = await here.ask(packed(event("u|1", occured_at="2025", email="a@b.example", contractId="c")))

    assert (code, said) == (202, {"accepted": 1, "refused": []})
    ((key, value),) = here.topic.records
    assert key == b"v|u|1"
    assert msgspec.json.decode(value) == {"eventType": "contract.1#update", "vendorId": "v", "userId": "u|1"}
    assert headers["Cache-Control"] == "no-store"
    assert here.count("receive_events_total", outcome="taken") == 1
    assert here.count("receive_requests_total", code="202") == 1
    assert here.count("receive_seconds_count") == 1


async def test_202_waits_for_the_topic(here: Receiver) -> None:
    here.topic.may_go_on.clear()
    async with anyio.create_task_group() as tasks:
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await here.ask(packed(event())))[0])

        tasks.start_soon(ask)
        while not here.topic.asked:
            await anyio.sleep(0.01)
        await anyio.sleep(0.05)
        assert answers == []
        here.topic.may_go_on.set()
    assert answers == [202]


async def test_of_several_the_good_ones_go_on_and_the_others_are_named_by_their_places(here: Receiver) -> None:
    code, said, _ = await here.ask(packed([event("a"), {"x": CANARY}, event("b"), event("c", pad="x" * 70_000), 7]))

    refused = [{"position": 1, "code": "no-ids"}, {"position": 3, "code": "too-large"}, {"position": 4, "code": "not-json"}]
    assert (code, said) == (202, {"accepted": 2, "refused": refused})
    assert [key for key, _ in here.topic.records] == [b"v|a", b"v|b"]
    assert here.count("receive_events_total", outcome="refused") == 3
    assert here.count("receive_refused_total", reason="too-large") == 1


async def test_events_of_a_vendor_that_the_settings_do_not_know_are_taken_and_counted_and_said(
    here: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    code, said, _ = await here.ask(packed([event(vendor="other"), event()]))

    assert (code, said["accepted"], len(here.topic.records)) == (202, 2, 2)
    assert here.count("receive_events_total", outcome="unknown_vendor") == 1
    assert here.count("receive_events_total", outcome="taken") == 2
    assert [record for record in caplog.records if "vendor that the settings don't know" in str(record.msg)]


async def test_a_type_that_is_none_of_the_eight_passes_on(here: Receiver) -> None:
    assert (await here.ask(packed(event() | {"eventType": "newsletter.1#sent"})))[0] == 202
    assert b"newsletter.1#sent" in here.topic.records[0][1]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/cloudevents+json", "Application/JSON"]
)
async def test_json_by_any_of_its_names(here: Receiver, kind: str) -> None:
    assert (await here.ask(packed(event()), JSON | {"Content-Type": kind}))[0] == 202


async def test_a_body_in_chunks_is_as_good_as_one_with_a_length(here: Receiver) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in packed(event()):
            yield bytes([byte])

    more: Any = chunks()
    assert (await here.ask(more))[0] == 202


async def test_the_path_and_the_header_are_the_settings_own() -> None:
    async with receiver(path="/hooks/sesamy", header="X-Other") as here:
        headers = {"X-Other": SECRET, "Content-Type": "application/json"}
        assert (await here.ask(packed(event()), headers, path="/hooks/sesamy"))[0] == 202
        assert (await here.ask(packed(event()), headers))[0] == 404
        assert (await here.ask(packed(event()), path="/hooks/sesamy"))[0] == 401


# ---- What is refused ----


@pytest.mark.parametrize(
    ("body", "more", "code", "said"),
    [
        (packed(event()), {"headers": {"Content-Type": "application/json"}}, 401, {"error": "no-secret"}),
        (packed(event()), {"headers": JSON | {"X-Sesamy-Secret": CANARY}}, 401, {"error": "wrong-secret"}),
        (packed(event()), {"headers": JSON | {"Content-Type": "text/plain"}}, 415, {"error": "wrong-content-type"}),
        (packed(event()), {"headers": {"X-Sesamy-Secret": SECRET}}, 415, {"error": "wrong-content-type"}),
        (packed(event()), {"headers": JSON | {"Content-Type": "application/json; charset=utf-16"}}, 415, {"error": "wrong-charset"}),
        (
            gzip.compress(packed(event()), mtime=0),
            {"headers": JSON | {"Content-Encoding": "gzip"}},
            415,
            {"error": "wrong-content-encoding"},
        ),
        (b'[{"a": ' + CANARY.encode(), {}, 400, {"error": "not-json", "at_byte": 7}),
        (b"[]", {}, 400, {"error": "no-events"}),
        (packed([event()] * (MAX_EVENTS + 1)), {}, 400, {"error": "too-many"}),
        (packed({"userId": CANARY}), {}, 400, {"error": "no-ids", "refused": [{"position": 0, "code": "no-ids"}]}),
        (
            packed([7, {}]),
            {},
            400,
            {"error": "not-json", "refused": [{"position": 0, "code": "not-json"}, {"position": 1, "code": "no-ids"}]},
        ),
        (packed(event(pad="x" * 65_536)), {}, 413, {"error": "too-large", "refused": [{"position": 0, "code": "too-large"}]}),
        (b" " * (MAX_BYTES + 1), {}, 413, {"error": "too-large"}),
        (packed(event()), {"path": "/"}, 404, {"error": "no-such-path"}),
        (packed(event()), {"path": "/events/"}, 404, {"error": "no-such-path"}),
        (None, {"method": "GET"}, 405, {"error": "post-only"}),
        (packed(event()), {"method": "PUT"}, 405, {"error": "post-only"}),
    ],
)
async def test_what_is_refused_and_why(  # noqa: PLR0917 - a row of a table
    here: Receiver, capfd: pytest.CaptureFixture[str], body: bytes | None, more: dict[str, Any], code: int, said: dict[str, Any]
) -> None:
    answer = await here.ask(body, **more)
    text = answer[1].pop("text")

    assert answer[:2] == (code, said)
    assert text == WORDS[said["error"]]
    assert here.topic.records == []
    assert here.count("receive_requests_total", code=str(code)) == 1
    assert CANARY not in "".join(capfd.readouterr()) + str(answer)
    if code == 405:
        assert answer[2]["Allow"] == "POST"


async def test_what_a_wrong_secret_sends_is_not_read(here: Receiver) -> None:
    """The answer comes before the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    with anyio.fail_after(10):
        assert (await reader.readline()).split()[1] == b"401"
    writer.close()


# ---- What is to come again ----


@pytest.mark.parametrize("why", ["kafka-slow", "kafka-full", "kafka-not-leader-for-partition"])
async def test_what_kafka_has_not_surely_taken_is_to_come_again(here: Receiver, why: str) -> None:
    here.topic.refuses = why
    code, said, headers = await here.ask(packed([event(), {}]))

    assert (code, said, headers["Retry-After"]) == (503, {"error": "kafka", "text": WORDS["kafka"]}, "5")
    assert here.count("receive_events_total", outcome="taken") == 0
    here.topic.refuses = None
    assert (await here.ask(packed([event(), {}])))[0] == 202


async def test_a_bug_of_ours_is_to_come_again_and_costs_no_other(here: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    here.topic.refuses = ZeroDivisionError(CANARY)
    assert (await here.ask(packed(event())))[:2] == (500, {"error": "bug", "text": WORDS["bug"]})
    here.topic.refuses = None
    assert (await here.ask(packed(event())))[0] == 202
    assert CANARY not in "".join(capfd.readouterr())


async def test_one_more_than_may_be_at_once_is_sent_away_and_none_without_the_secret_takes_a_place() -> None:
    async with receiver(limit=2) as here, anyio.create_task_group() as tasks:
        here.topic.may_go_on.clear()
        for user in ("a", "b"):
            tasks.start_soon(here.ask, packed(event(user)))
        while here.topic.asked < 2:
            await anyio.sleep(0.01)

        code, said, headers = await here.ask(packed(event("c")))
        assert (code, said, headers["Retry-After"]) == (429, {"error": "busy", "text": WORDS["busy"]}, "1")
        assert (await here.ask(packed(event()), {}))[0] == 401
        assert here.count("receive_in_flight") == 2
        here.topic.may_go_on.set()
    assert sorted(key for key, _ in here.topic.records) == [b"v|a", b"v|b"]
    assert here.count("receive_in_flight") == 0


async def test_while_it_drains_what_is_in_flight_ends_and_what_comes_is_sent_away(here: Receiver) -> None:
    here.topic.may_go_on.clear()
    async with anyio.create_task_group() as tasks:
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await here.ask(packed(event("a"))))[0])

        tasks.start_soon(ask)
        while not here.topic.asked:
            await anyio.sleep(0.01)
        here.webhook.is_draining = True

        code, said, headers = await here.ask(packed(event("b")))
        assert (code, said["error"], headers["Retry-After"], headers["Connection"]) == (503, "draining", "1", "close")
        here.topic.may_go_on.set()
    assert answers == [202]
    assert [key for key, _ in here.topic.records] == [b"v|a"]


# ---- Whatever comes ----


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(packed)),
    kind=st.sampled_from(["application/json", "text/html", "application/json;charset=x", "a/b+json", ""]),
    secret=st.sampled_from([SECRET, "", "æ", "x" * 3000]),
)
async def test_no_request_gets_anything_but_a_clear_answer(here: Receiver, body: bytes, kind: str, secret: str) -> None:
    code, said, _ = await here.ask(body, {"X-Sesamy-Secret": secret, "Content-Type": kind})

    assert code in ({400, 202, 413, 415} if secret == SECRET else {401})
    assert isinstance(said, dict)
    assert here.door.inside == 0


RAW = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"POST /events HTTP/9.9\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Sesamy-Secret: " + SECRET.encode()
    + b"\r\nContent-Type: application/json\r\n\r\nzz\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"POST http://evil.example/events HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("raw", RAW, ids=[str(number) for number in range(len(RAW))])
async def test_what_is_no_request_at_all_costs_nobody_anything(here: Receiver, raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(raw)
    with anyio.fail_after(20):
        assert (await reader.readline()).split()[1:2] in ([b"400"], [b"401"], [b"404"], [b"405"], [b"505"])
    writer.close()

    assert (await here.ask(packed(event())))[0] == 202
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR and record.name.startswith("consumer")]
