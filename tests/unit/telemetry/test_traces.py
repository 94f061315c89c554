"""Spans say what they should: links to the events a run answers, once each, until it owes nothing."""

from collections.abc import Callable
from math import inf
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from consumer.core.errors import Retryable
from consumer.core.model import AccountId, Job, UserKey
from consumer.resync.clients import Vendor, gates
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.telemetry import traces as module
from consumer.telemetry.metrics import RESYNC_OUTCOMES, Metrics
from consumer.telemetry.traces import Spans
from tests.fakes.upstreams import Sesamy
from tests.simulation.settings import SETTINGS

ANN, BOB = UserKey("v1", "ann"), UserKey("v1", "bob")


class Desk:
    """Traces, the events they are told of, and the spans that came out."""

    def __init__(self) -> None:
        self.exported = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exported))
        self.traces = Spans(provider, SETTINGS)

    def event(self, number: int, *, user: UserKey = ANN, partition: int = 0, traced: bool = True) -> None:
        """Read the record at offset `number`, whose trace has that number, too."""
        header = [("traceparent", f"00-{number + 1:032x}-{number + 1:016x}-01".encode())]
        self.traces.event(user, header if traced else [], partition=partition, offset=number)

    def run(self, outcome: str, *, user: UserKey = ANN, meanwhile: Callable[[], None] = lambda: None) -> None:
        with self.traces.resync(user) as ended:
            meanwhile()
            ended(outcome)

    @property
    def seen(self) -> list[tuple[object, object, list[int]]]:
        """Return of each span: the outcome, the events, and the offsets that its links name."""
        return [
            (attributes["sesamy.outcome"], attributes["messaging.batch.message_count"], [link.context.trace_id - 1 for link in span.links])
            for span in self.spans
            for attributes in [dict(span.attributes or {})]
        ]

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exported.get_finished_spans()


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- Links ----


def test_a_link_is_what_the_header_says(desk: Desk) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    desk.traces.event(ANN, [("x", b""), ("traceparent", f"00-{trace}-{parent}-01".encode())], partition=0, offset=5)
    desk.traces.event(ANN, [("traceparent", f"00-{trace}-{parent}-00".encode())], partition=0, offset=6)
    desk.traces.event(ANN, [("traceparent", b"\xff nonsense")], partition=0, offset=7)
    desk.run("synced")

    contexts = [link.context for link in desk.spans[0].links]
    assert [(f"{one.trace_id:032x}", f"{one.span_id:016x}", int(one.trace_flags)) for one in contexts] == [
        (trace, parent, 1),
        (trace, parent, 0),
    ]
    assert all(one.is_remote and one.is_valid for one in contexts)


@pytest.mark.parametrize("outcome", ["failed", "partial", "cut_off"])
def test_the_next_run_has_the_links_of_one_that_owes(desk: Desk, outcome: str) -> None:
    for number in range(2):
        desk.event(number)
    desk.run(outcome)
    desk.run("synced")
    desk.run("synced")

    assert desk.seen == [(outcome, 2, [0, 1]), ("synced", 2, [0, 1]), ("synced", 0, [])]


@pytest.mark.parametrize("outcome", sorted(set(RESYNC_OUTCOMES) - {"failed", "partial", "cut_off"}))
def test_a_run_that_owes_nothing_leaves_no_links(desk: Desk, outcome: str) -> None:
    desk.event(0)
    desk.run(outcome)
    desk.event(1)
    desk.run("synced")

    assert desk.seen == [(outcome, 1, [0]), ("synced", 1, [1])]
    assert not desk.traces._events


def test_events_that_come_during_a_run_are_the_next_ones(desk: Desk) -> None:
    desk.event(0)
    desk.run("synced", meanwhile=lambda: desk.event(1))
    desk.run("synced")

    assert desk.seen == [("synced", 1, [0]), ("synced", 1, [1])]


def test_what_a_run_owes_stands_before_what_came_meanwhile(desk: Desk) -> None:
    desk.event(0)
    desk.run("partial", meanwhile=lambda: desk.event(1))
    desk.run("synced")

    assert desk.seen == [("partial", 1, [0]), ("synced", 2, [0, 1])]


def test_links_are_bounded_and_events_counted(desk: Desk) -> None:
    def many(first: int) -> None:
        for number in range(first, first + 40):
            desk.event(number)

    many(0)
    desk.run("failed", meanwhile=lambda: many(40))
    desk.run("synced")

    assert desk.seen == [("failed", 40, list(range(32))), ("synced", 80, list(range(32)))]


def test_events_that_are_read_again_count_once(desk: Desk) -> None:
    """A rebalance reads again what is not committed."""
    for number in (1, 2, 3, 4, 3, 4, 5):
        desk.event(number)
    for number in (1, 2, 1):
        desk.event(number, partition=7, traced=False)
    desk.run("cut_off")
    for number in (3, 4, 5):
        desk.event(number)
    desk.run("synced")

    assert desk.seen == [("cut_off", 7, [1, 2, 3, 4, 5]), ("synced", 7, [1, 2, 3, 4, 5])]


def test_an_event_that_is_read_again_after_its_run_is_one_of_the_next(desk: Desk) -> None:
    desk.event(1)
    desk.run("synced")
    desk.event(1)
    desk.run("synced")

    assert desk.seen == [("synced", 1, [1]), ("synced", 1, [1])]


def test_users_and_their_partitions_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_USERS", 2)
    for partition in range(100):
        desk.event(0, partition=partition)
    assert len(desk.traces._events[ANN].read) == 4

    desk.event(0, user=BOB)
    desk.run("failed", meanwhile=lambda: desk.event(0, user=UserKey("v2", "cid")))
    desk.run("failed")
    desk.run("synced", user=BOB)

    assert [(outcome, count) for outcome, count, _ in desk.seen] == [("failed", 100), ("failed", 0), ("synced", 1)]


def test_a_user_forgotten_during_a_run_is_not_forgotten_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came for the user after that stays."""
    monkeypatch.setattr(module, "_USERS", 1)

    def meanwhile() -> None:
        desk.event(1, user=BOB)
        desk.event(2)

    desk.event(0)
    desk.run("synced", meanwhile=meanwhile)
    desk.run("synced")

    assert desk.seen == [("synced", 1, [0]), ("synced", 1, [2])]


# ---- Runs ----


async def test_a_run_that_is_cut_off_says_so_and_what_it_owed_is_the_next_ones(desk: Desk) -> None:
    sesamy: Any = Sesamy()
    sesamy.knows = False
    sesamy.fails = [Retryable("sesamy:v1 user: status 500", code="http-500")]
    resync = Resync(
        {"v1": Vendor(sesamy, {})},
        gates(SETTINGS),
        lease_left_s=lambda: 10.0,
        waits=Waits(),
        uniform=lambda: 0.0,
        metrics=Metrics(SETTINGS),
        traces=desk.traces,
    )
    desk.event(3)
    for takes_s in (0.0, inf, 0.0):
        sesamy.takes_s = takes_s
        with anyio.move_on_after(0.05):
            await resync.run(Job(user=ANN, accounts=(AccountId("1"),), started_at=0.0, since_ms={AccountId("1"): 0}))

    assert desk.seen == [("failed", 1, [3]), ("cut_off", 1, [3]), ("skipped_absent", 1, [3])]
    assert [span.status.status_code for span in desk.spans] == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.UNSET]


def test_a_call_is_a_child_that_has_just_ended(desk: Desk) -> None:
    with desk.traces.resync(ANN) as ended:
        desk.traces.call("1", "contact", "200", 0.5)
        desk.traces.call("1", "upsert", "timeout", 0.25)
        ended("failed")

    good, bad, run = desk.spans
    assert run.context is not None
    assert [one.parent and one.parent.span_id for one in (good, bad)] == [run.context.span_id] * 2
    assert (good.name, dict(good.attributes or {})["http.response.status_code"], good.status.status_code) == (
        "1 contact",
        200,
        StatusCode.UNSET,
    )
    assert (bad.name, dict(bad.attributes or {})["error.type"], bad.status.status_code) == ("1 upsert", "timeout", StatusCode.ERROR)
    assert [(one.end_time or 0) - (one.start_time or 0) for one in (good, bad)] == [500_000_000, 250_000_000]
