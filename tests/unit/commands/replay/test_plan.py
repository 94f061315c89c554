"""Ranges: what was asked, what is there, and what it costs."""

import re
import time
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from consumer.commands.replay.plan import Asked, Edges, Range, Scanned, loads, parse_offset, parse_time_ms, plan, ranges
from consumer.core.model import UserKey
from consumer.settings.load import load
from tests.clock import zone

EDGES = {0: Edges(10, 50), 1: Edges(0, 0), 2: Edges(5, 5)}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Asked(from_offsets={0: 20}), [Range(partition=0, start=20, end=50)]),
        (Asked(to_offsets={0: 20}), [Range(partition=0, start=10, end=20)]),
        (Asked(from_offsets={0: 20}, to_offsets={0: 30}), [Range(partition=0, start=20, end=30)]),
        (Asked(from_offsets={0: 20}, to_offsets={0: 20}), [Range(partition=0, start=20, end=20, beside="no record is between its ends")]),
        (Asked(from_offsets={0: 50}), [Range(partition=0, start=50, end=50, beside="it begins after the last record, 49")]),
        (Asked(from_offsets={0: 3}), [Range(partition=0, start=10, end=50, gone=7)]),
        (
            Asked(from_offsets={0: 3}, to_offsets={0: 8}),
            [Range(partition=0, start=10, end=10, gone=5, beside="it ends before the first record, 10")],
        ),
        (Asked(from_offsets={0: 20}, to_offsets={0: 99}), [Range(partition=0, start=20, end=50)]),
        (Asked(from_offsets={1: 0}), [Range(partition=1, start=0, end=0, beside="the partition is empty")]),
        (Asked(from_offsets={2: 0}), [Range(partition=2, start=5, end=5, gone=5, beside="the partition is empty")]),
        (
            Asked(from_offsets={0: 40}, to_offsets={2: 5}),
            [Range(partition=0, start=40, end=50), Range(partition=2, start=5, end=5, beside="the partition is empty")],
        ),
    ],
)
def test_offsets(asked: Asked, found: list[Range]) -> None:
    assert ranges(asked, EDGES, {}, {}) == (tuple(found), [])


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        (Asked(from_offsets={7: 0}), "7: no such partition"),
        (Asked(to_offsets={7: 0}), "7: no such partition"),
        (Asked(from_offsets={0: 51}), "0:51: behind the end of the partition, 50"),
        (Asked(from_offsets={0: 30}, to_offsets={0: 20}), "0: the end 20 is before the start 30"),
    ],
)
def test_what_can_not_be(asked: Asked, wrong: str) -> None:
    assert ranges(asked, EDGES, {}, {}) == ((), [wrong])


def test_times_take_every_partition_and_one_without_such_a_record_is_empty() -> None:
    asked = Asked(from_ms=1, to_ms=2)
    found, wrong = ranges(asked, EDGES, {0: 20, 1: None, 2: None}, {0: 30, 1: None, 2: None})

    assert wrong == []
    assert [(one.partition, one.start, one.end, one.gone) for one in found] == [(0, 20, 30, 0), (1, 0, 0, 0), (2, 5, 5, 0)]


def test_times_out_of_order_never_give_a_negative_range() -> None:
    found, wrong = ranges(Asked(from_ms=1, to_ms=2), {0: Edges(10, 50)}, {0: 40}, {0: 30})

    assert (wrong, [one.offsets for one in found]) == ([], [0])


@pytest.mark.parametrize("text", ["", "0", ":", "0:", ":1", "0:-1", "0:1:2", "a:1", "0:1.5", "\u0660:\u0661"])
def test_no_offset(text: str) -> None:
    with pytest.raises(ValueError, match="write P:N"):
        parse_offset(text)


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("2026-11-24T08:00:00Z", 1_795_507_200),
        ("2026-11-24T09:00:00+01:00", 1_795_507_200),
        ("2026-11-24T08:00:00", 1_795_507_200),
        ("2026-11-24", 1_795_478_400),
        ("2026-11-24T08:00:00.250Z", 1_795_507_200.25),
    ],
)
def test_times(text: str, at_s: float) -> None:
    assert parse_offset("3:1200") == (3, 1200)
    assert parse_time_ms(text) == at_s * 1000


def test_a_time_without_an_offset_is_utc_wherever_the_machine_stands() -> None:
    with zone("Etc/GMT-5"):
        assert time.localtime(0).tm_hour == 5, "the machine's zone is not heeded"
        assert parse_time_ms("1970-01-01T08:00:00") == 8 * 3600 * 1000


@pytest.mark.parametrize("text", ["", "yesterday", "24.11.2026", "2026-13-01"])
def test_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("ISO 8601")):
        parse_time_ms(text)


def test_the_plan_counts_calls_and_takes_as_long_as_the_slowest(tmp_path: Path) -> None:
    config = tmp_path / "consumer.toml"
    config.write_text(
        """
[sesamy]
requests_per_minute = 120
burst = 12
[makeas]
requests_per_second = 10.0
burst = 20
[[vendors]]
id = "v"
sesamy = { client_id = "c", client_secret = "s" }
makeas = [ { userId = "1", apiKey = "k", listId = "1" }, { userId = "2", apiKey = "k", listId = "2" } ]
[[vendors]]
id = "w"
sesamy = { client_id = "c", client_secret = "s" }
makeas = [ { userId = "1", apiKey = "k", listId = "1" } ]
"""
    )
    settings = load(config, {})
    users = [UserKey("v", str(number)) for number in range(100)] + [UserKey("w", "x")]
    each = {one.upstream: (one.calls, one.takes_s) for one in loads(settings, users, rate_share=0.5)}

    further = {one.upstream: (one.limit_per_minute, one.at_whole_s, one.at_thrice_s) for one in loads(settings, users, rate_share=0.5)}
    assert further["sesamy:v"] == (120.0, 144.0, 98.0)
    assert further["1"] == (600.0, 18.2, 12.8)
    assert each == {"sesamy:v": (300, 294.0), "sesamy:w": (3, 0.0), "1": (202, 38.4), "2": (200, 38.0)}
    alone = structs.replace(settings, makeas=structs.replace(settings.makeas, rows_shared=False))
    assert {one.upstream: one.calls for one in loads(alone, users, rate_share=0.5)}["1"] == 404
    scanned = Scanned(users=dict.fromkeys([*users, UserKey("v", "done")]), records={0: 400}, gone={0: 2})
    told = plan(settings, [Range(partition=0, start=10, end=500, gone=1)], scanned, users, rate_share=0.5)
    assert (told.users, told.done_before, told.takes_s) == (102, 1, 294.0)
    assert (told.records, told.ranges[0].gone) == ({"0": 400}, 3)
    assert msgspec.to_builtins(told)["spans"][0]["gone"] == 3


def test_who_is_wanted() -> None:
    assert Asked().wants(UserKey("v", "u"))
    assert Asked(vendors=("v",), users=("u", "w")).wants(UserKey("v", "w"))
    assert not Asked(vendors=("v",)).wants(UserKey("x", "u"))
    assert not Asked(users=("u",)).wants(UserKey("v", "w"))
