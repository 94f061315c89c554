"""What is said of a plan, and which ranges are refused: no range that holds nothing sounds as if all were well."""

from typing import Any

import click
import pytest
from click.testing import CliRunner
from msgspec import structs

from consumer.commands.replay.command import _lines, command
from consumer.commands.replay.plan import Load, Plan, Range


def _plan(**said: Any) -> Plan:
    whole: dict[str, Any] = {
        "topic": "events",
        "ranges": (Range(partition=0, start=5, end=9),),
        "records": {"0": 4},
        "users": 3,
        "done_before": 0,
        "unreadable": 0,
        "ignored": 0,
        "unknown_vendors": {},
        "rate_share": 0.25,
        "loads": (Load(upstream="sesamy:v", calls=9, takes_s=2.0),),
        "takes_s": 2.0,
    }
    return Plan(**whole | said)


def test_a_plan_says_of_each_upstream_what_would_change_how_long_it_takes() -> None:
    load = Load(upstream="sesamy:v", calls=1300, takes_s=3600.0, limit_per_minute=100.0, at_whole_s=720.0, at_thrice_s=1200.0)
    said = [line for line in _lines(structs.replace(_plan(), loads=(load,))) if line.startswith("sesamy")]
    assert said == [
        "sesamy:v: 1,300 calls, 1 h 00 min at 0.25 of the limit of 100/min; at share 1: 12 min 00 s; with a limit of 300/min: 20 min 00 s",
    ]
    whole = structs.replace(load, takes_s=720.0, at_thrice_s=240.0)
    said = [line for line in _lines(structs.replace(_plan(), rate_share=1.0, loads=(whole,))) if line.startswith("sesamy")]
    assert said == ["sesamy:v: 1,300 calls, 12 min 00 s at 1 of the limit of 100/min; with a limit of 300/min: 4 min 00 s"]
    at_once = structs.replace(load, calls=3, takes_s=0.0, at_whole_s=0.0, at_thrice_s=0.0)
    said = [line for line in _lines(structs.replace(_plan(), loads=(at_once,))) if line.startswith("sesamy")]
    assert said == ["sesamy:v: 3 calls, 0 s at 0.25 of the limit of 100/min"]


def test_a_plan_has_no_lines_of_nothing() -> None:
    assert list(_lines(_plan())) == ["3 users; one resync each", "sesamy:v: 9 calls, 2 s at 0.25 of the limit", "takes 2 s at least"]
    assert list(_lines(_plan(unreadable=2)))[1] == "2 unreadable records are passed over"
    assert list(_lines(_plan(ignored=2)))[1] == "2 records of unknown type or without value are passed over"


def test_a_range_without_a_record_or_a_user_says_so() -> None:
    empty = (Range(partition=0, start=9, end=9, beside="it begins after the last record, 8"),)

    assert list(_lines(_plan(ranges=empty, records={"0": 0}, users=0, loads=(), takes_s=0.0))) == [
        "no user to resync",
        "no record in this range",
    ]
    assert list(_lines(_plan(users=0))) == ["no user to resync"]
    assert list(_lines(_plan(done_before=3))) == ["3 users, 3 of them done already; one resync each"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--from-time", "2999-01-01"], "in the future"),
        (["--from-time", "2026-01-02", "--to-time", "2026-01-02"], "the same as --from-time: no record is between them"),
        (["--from-time", "2026-01-02", "--to-time", "2026-01-01"], "before --from-time"),
        (["--from-offset", "0:5", "--to-offset", "0:5"], "the range of partition 0 is empty"),
    ],
)
def test_a_range_that_can_hold_nothing_is_refused(args: list[str], said: str) -> None:
    done = CliRunner().invoke(command, args)

    assert isinstance(done.exception, SystemExit | click.UsageError)
    assert (done.exit_code, said in " ".join(done.output.split())) == (2, True), "click's own 2 is 64 in the command line"
