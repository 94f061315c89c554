"""One record: an event, something to count, or a letter."""

import json

import pytest

from consumer.core.events import Ignored, Unknown, decode
from consumer.core.model import Event, UserKey
from consumer.core.unknown import OTHER
from tests.clock import virtual
from tests.unit.kafka.test_intake import _EVENT, _NOW_MS, Consumer, Desk, Record

_DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(("length", "is_kept"), [(0, True), (1024, True), (1025, False), (1_000_000, False)])
def test_a_long_key_is_not_kept(length: int, is_kept: bool) -> None:
    @virtual
    async def test() -> None:
        consumer, key = Consumer(1, 0), b"k" * length
        consumer.logs[0] = [Record(0, b"{", key), Record(1, _EVENT % (0, 1), key), Record(2, b"{")]
        desk = Desk(consumer)
        assert await desk.run_for(5) == {0: 3}

        assert [key if is_kept else None, None] == [one.key for one in desk.parked]
        (user,) = desk.schedule._users.values()
        assert (key if is_kept else None) == (user.own_case.key if user.own_case else None)

    test()


@pytest.mark.parametrize(
    ("said_ms", "taken_ms"),
    [
        (_NOW_MS, _NOW_MS),
        (_NOW_MS - 1, _NOW_MS - 1),
        (_NOW_MS - 366 * _DAY_MS, _NOW_MS - 366 * _DAY_MS),
        (_NOW_MS - 366 * _DAY_MS - 1, _NOW_MS),
        (_NOW_MS + 1, _NOW_MS),
        (_NOW_MS * 1000, _NOW_MS),
        (_NOW_MS // 1000, _NOW_MS),
        (0, _NOW_MS),
        (-1, _NOW_MS),
    ],
)
def test_a_time_that_cannot_be_true_counts_as_now(said_ms: int, taken_ms: int) -> None:
    @virtual
    async def test() -> None:
        consumer = Consumer(2, 0)
        consumer.logs = {0: [Record(0, _EVENT % (0, 1), timestamp=said_ms)], 1: [Record(0, b"{", timestamp=said_ms)]}
        desk = Desk(consumer)
        await desk.run_for(5)

        assert [taken_ms, taken_ms] == [desk.ledger.oldest_since_ms(partition) for partition in (0, 1)]
        assert [taken_ms] == [user.since_ms for user in desk.schedule._users.values()]

    test()


@virtual
async def test_equal_times_are_one_object() -> None:
    consumer = Consumer(1, 0)
    consumer.logs[0] = [Record(n, _EVENT % (0, n), timestamp=int("1699999999999")) for n in range(2)]
    consumer.logs[0] += [Record(n, _EVENT % (0, n), timestamp=0) for n in range(2, 4)]
    desk = Desk(consumer)
    consumer.at_once = 4
    await desk.run_for(5)

    assert len({id(user.since_ms) for user in desk.schedule._users.values()}) == 2


def typed(type_: str, user: str, vendor: str = "v1") -> bytes:
    return json.dumps({"eventType": type_, "vendorId": vendor, "userId": user}).encode()


@virtual
async def test_an_event_of_unknown_type_is_counted_and_passed_over() -> None:
    consumer = Consumer(1, 0)
    values = [typed("userVendor.1#deleted", "a"), typed("article.1#read", "b", "v9"), typed("contract.2#update", "c")]
    consumer.logs[0] = [Record(n, value, timestamp=_NOW_MS - 5) for n, value in enumerate(values)]
    desk = Desk(consumer)

    assert await desk.run_for(5) == {0: 3}
    assert [(user.user, one.type) for user, one in desk.schedule.users.items()] == [("c", "contract.1#update")]
    assert [(name, one.first) for name, one in desk.types.seen.items()] == [("userVendor.1#deleted", (0, 0))]
    # Of a vendor that we don't serve a type says nothing: the vendor is what is missing.
    assert [(name, one.first) for name, one in desk.unknown.seen.items()] == [("v9", (0, 1))]
    assert [desk.counted(outcome) for outcome in ("unknown_type", "unknown_vendor", "user")] == [1, 1, 1]


@virtual
async def test_where_the_settings_say_so_an_event_of_unknown_type_is_one_like_any_other() -> None:
    """It is routine, has a token, and is called by one of few short names, however many types there are."""
    consumer = Consumer(1, 0)
    types = ["userVendor.1#deleted", *(f"a.1#{number}" * 20 for number in range(60))]
    consumer.logs[0] = [Record(n, typed(type_, f"u{n}")) for n, type_ in enumerate(types)] + [Record(61, typed("x#y", "u61", "v9"))]
    desk = Desk(consumer, takes_types=True)
    consumer.at_once = 100

    assert await desk.run_for(5) == {0: 62}
    assert (len(desk.schedule), desk.ledger.open_count(0)) == (61, 61)
    assert {one.type for one in desk.schedule.users.values()} == {*desk.types.seen, OTHER}
    assert len({id(one.type) for one in desk.schedule.users.values()}) == 51
    assert [desk.counted(outcome) for outcome in ("unknown_type", "unknown_vendor", "user")] == [0, 1, 61]


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_each_record_of_a_batch_counts_as_what_it_is(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many stand in one batch, and though a part of it is ours already."""

    @virtual
    async def test() -> None:
        def read(value: bytes | None) -> Event | Unknown | Ignored:
            return decode(None if value == b"null" else value)

        monkeypatch.setattr("consumer.kafka.records.decode", read)
        kinds = {
            "user": [typed("contract.1#update", "a"), typed("contract.9#update", "b"), typed("checkout.1#confirm", "a")],
            "poison": [b"{", b"[]", typed("contract.1#update", ""), b'{"eventType":"contract.1#update","vendorId":"v1","userId":7}'],
            "unknown_vendor": [typed("contract.1#update", "a", "v9"), typed("x#y", "a", "v9")],
            "unknown_type": [typed("x#y", "a")],
            "tombstone": [b"null"],
        }
        consumer = Consumer(1, 0)
        values = [value for _ in range(50) for found in kinds.values() for value in found]
        consumer.logs[0] = [Record(n, value) for n, value in enumerate(values)]
        consumer.at_once = at_once
        desk = Desk(consumer)
        desk.backlog.read_to(0, 11)

        assert await desk.run_for(600) == {0: 550}
        assert {kind: desk.counted(kind) for kind in kinds} == {kind: 49 * len(found) for kind, found in kinds.items()}
        assert desk.metrics.registry.get_sample_value("sesamy_makeas_events_merged_total") == 49 * 3 - 2
        assert desk.ledger.open_count(0) == 49 * 4 + 2
        assert [one.offset % 11 for one in desk.parked] == [3, 4, 5, 6] * 49
        assert [one.code for one in desk.parked] == ["not-json", "not-json", "no-ids", "no-ids"] * 49
        assert desk.metrics.registry.get_sample_value("sesamy_makeas_bugs_total", {"stage": "intake"}) == 0

    test()


def test_the_first_event_of_an_unknown_vendor_or_type_is_said_and_once_that_no_more_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def test() -> None:
        consumer = Consumer(1, 0)
        values = [typed("userVendor.1#new", "u", f"x{number}") for number in (0, 0, *range(103))]
        values += [typed(f"a.1#{number}", "u") for number in (0, 0, *range(53))]
        consumer.logs[0] = [Record(n, value) for n, value in enumerate(values)]
        consumer.at_once = 200

        await Desk(consumer).run_for(5)

    test()
    lines = [one.getMessage() for one in caplog.records]
    counts = [sum(f"'event': '{said}'" in line for line in lines) for said in ("unknown vendor", "unknown event type")]
    fulls = [sum(f"more unknown {what} than are kept" in line for line in lines) for what in ("vendors", "event types")]
    assert (counts, fulls) == ([100, 50], [1, 1])


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_users_with_open_events_on_two_partitions_are_counted_and_said_of_each_vendor_once_in_ten_minutes(
    at_once: int, caplog: pytest.LogCaptureFixture
) -> None:
    """However the events stand in batches; no user is named."""

    @virtual
    async def test() -> None:
        consumer = Consumer(2, 0)
        consumer.at_once = at_once
        consumer.logs[0] = [Record(n, typed("contract.1#update", f"secret{n}", vendor)) for n, vendor in enumerate(["v1", "v1", "v2"])]
        desk = Desk(consumer, vendors=("v1", "v2"))

        def counted() -> list[float | None]:
            return [desk.metrics.registry.get_sample_value("sesamy_makeas_split_events_total", {"vendor": name}) for name in ("v1", "v2")]

        def publish(user: str, vendor: str = "v1") -> None:
            consumer.logs[1].append(Record(len(consumer.logs[1]), typed("contract.1#update", user, vendor)))

        def lines() -> list[dict[str, object]]:
            return [one.msg for one in caplog.records if isinstance(one.msg, dict) and one.msg["event"] == "users split over partitions"]

        await desk.run_for(5)
        assert (counted(), lines()) == ([0, 0], [])

        for user, vendor in (("secret0", "v1"), ("secret1", "v1"), ("secret2", "v2"), ("other", "v1")):
            publish(user, vendor)
        await desk.run_for(590)
        publish("secret0")
        await desk.run_for(5)
        assert counted() == [3, 1]
        assert sum(int(str(one["count"])) for one in lines() if one["vendor"] == "v1") == min(at_once, 2)
        assert [(one["vendor"], one["partition"]) for one in lines()] == [("v1", 1), ("v2", 1)]

        await desk.run_for(10)
        publish("secret1")
        await desk.run_for(5)
        assert counted() == [4, 1]
        assert [(one["vendor"], one["count"]) for one in lines()][2:] == [("v1", 4 - min(at_once, 2))]
        for one in lines():
            assert "two publishers with different keys" in str(one["cause"])
            assert "murmur2" in str(one["cure"])

    test()
    assert "secret" not in caplog.text


def test_a_record_at_which_our_reading_fails_is_parked_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that nobody thought of: the letter says that it is ours."""

    @virtual
    async def test() -> None:
        def read(value: bytes | None) -> Event | Unknown | Ignored:
            if value == b"evil":
                raise ZeroDivisionError
            return decode(value)

        monkeypatch.setattr("consumer.kafka.records.decode", read)
        consumer = Consumer(2, 4)
        consumer.logs[0][1] = Record(1, b"evil", b"key")
        desk = Desk(consumer)

        assert await desk.run_for(5) == {0: 4, 1: 4}
        assert len(desk.schedule) == 7
        assert [(one.key, one.code, one.stage, one.offset) for one in desk.parked] == [(b"key", "bug", "intake", 1)]
        assert desk.counted("poison") == 1

    test()


def test_headers_at_which_our_reading_fails_cost_a_trace_and_no_reader(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def test() -> None:
        class Traces:
            def event(self, user: UserKey, headers: object, *, partition: int, offset: int) -> None:
                if offset == 1:
                    raise ZeroDivisionError(user, headers, partition)

        desk = Desk(Consumer(1, 3), traces=Traces())

        assert await desk.run_for(5) == {0: 3}
        assert (len(desk.schedule), desk.parked) == (3, [])
        (line,) = (one.getMessage() for one in caplog.records if one.levelname == "ERROR")
        assert "test_records.py" in line
        assert "0-1" not in line

    test()


def test_what_fails_inside_a_change_of_state_ends_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torn state must never commit."""

    @virtual
    async def test() -> None:
        def torn(*_: object, **__: object) -> bool:
            raise ZeroDivisionError

        desk = Desk(Consumer(1, 3))
        monkeypatch.setattr(desk.schedule, "submit", torn)

        with pytest.raises(ZeroDivisionError):
            await desk.run_for(5)

    test()
