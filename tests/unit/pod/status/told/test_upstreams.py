"""What is told of gates and lists: how many stopped, since when, which, why, and what to do."""

from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec import structs

from consumer.core.mapping.kept import CURE
from consumer.core.model import Failure, GateCause
from consumer.pod.status.told.upstreams import points
from consumer.pod.status.told.words import KEY_CURE, LIMIT_CURE
from consumer.pod.status.tree import Status
from consumer.pod.status.verdict import Point
from tests.unit.pod.status.told.well import GATE, LIST, NOW, OTHER, SESAMY, WELL, but


def told(*statuses: Status) -> list[Point]:
    return list(points({f"pod-{number}": one for number, one in enumerate(statuses)}, now=NOW))


def shut(cause: Any, gate: Any = GATE, **fields: Any) -> Status:
    changed = structs.replace(gate, state="closed", cause=cause, closed_s=720.0, **fields)
    return but(upstreams=tuple(changed if one.name == gate.name else one for one in WELL.upstreams))


def test_a_key_that_is_refused_is_told_with_its_list_its_time_and_its_cure() -> None:
    (point,) = told(shut("denied"))

    assert point == Point(
        level="trouble",
        text="1 of 2 lists stopped since 14:02 UTC (12 min), Morgenbrev (1466): account 1001 refuses the key",
        cure=KEY_CURE,
        runbook="SesamyMakeasKeyRefused",
    )


def test_a_vendor_that_is_shut_stops_its_lists_and_asks_for_its_client() -> None:
    (point,) = told(shut("denied", SESAMY))

    assert point.text == "2 of 2 lists stopped since 14:02 UTC (12 min), Morgenbrev (1466), 7: Sesamy, for v, refuses the client"
    assert point.cure == KEY_CURE


CAUSES = [one for one in get_args(GateCause) if one != "paused"]
"""A gate that is paused is told of by its lists."""


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("gate", [GATE, SESAMY])
def test_each_cause_has_its_words_its_cure_and_a_chapter_that_is_there(cause: str, gate: Any) -> None:
    (point,) = told(shut(cause, gate))
    headings = (Path(__file__).parents[5] / "deploy" / "RUNBOOK.md").read_text()

    assert point.level == {"retry-after": "notice", "unproven": "unknown"}.get(cause, "trouble")
    assert point.cure
    assert "{}" not in point.text
    assert f"\n## {point.runbook}\n" in headings


def test_the_words_of_the_causes_differ() -> None:
    assert len({told(shut(cause))[0].text for cause in CAUSES}) == len(CAUSES)


def test_it_is_said_when_it_is_tried_again() -> None:
    assert told(shut("retry-after", next_try_s=120.0))[0].text.endswith("asked us to wait; next try at 14:16 UTC")
    probing = structs.replace(GATE, state="probing", cause="breaker")
    assert told(but(upstreams=(probing,)))[0].text.endswith("; being tried now")


def test_a_gate_that_only_some_pods_see_shut_is_one_point() -> None:
    (point,) = told(shut("denied"), WELL, shut("denied"))

    assert ", on 2 of 3 pods, Morgenbrev (1466): " in point.text


def failing(*codes: str, closed_s: float = 720.0) -> Point:
    """Tell of a breaker whose upstream failed so, the last one last; another's failure is newer still."""
    failures = [Failure(code=code, upstream="1001", count=5, last_at=NOW + number) for number, code in enumerate(codes)]
    failures.append(Failure(code="http-404", upstream="2001", count=1, last_at=NOW + 100))
    status = structs.replace(shut("breaker", structs.replace(GATE, next_try_s=8.0)), recent_failures=tuple(failures))
    aged = tuple(structs.replace(one, closed_s=closed_s) if one.state != "open" else one for one in status.upstreams)
    (point,) = told(structs.replace(status, upstreams=aged))
    return point


def test_a_breaker_says_the_code_of_the_last_failure_and_for_a_rate_limit_the_limits_cure() -> None:
    point = failing("http-429", "timeout")
    assert "account 1001 failed for five users in a row (timeout)" in point.text
    assert point.runbook == "SesamyMakeasGateShut"

    point = failing("timeout", "http-429")
    assert "account 1001 answers that we ask too often (http-429)" in point.text
    assert (point.cure, point.runbook) == (LIMIT_CURE, "SesamyMakeasRateLimited")


def test_a_breaker_is_trouble_once_it_has_held_for_a_minute_and_before_that_it_is_said_when_it_is_tried_again() -> None:
    young, old = failing("timeout", closed_s=59.9), failing("timeout", closed_s=60.0)

    assert (young.level, young.cure) == ("notice", "wait: it is tried again by itself in 8 s")
    assert old.level == "trouble"
    assert "ask those that run it" in old.cure


def test_a_list_that_is_left_out_says_its_code() -> None:
    (point,) = told(but(lists=(structs.replace(LIST, door="left-out", door_code="http-404", left_out_s=720.0), OTHER)))

    assert point.text.startswith("1 of 2 lists left out since 14:02 UTC (12 min), Morgenbrev (1466): every user is refused (http-404)")
    assert (point.level, point.runbook) == ("trouble", "SesamyMakeasListLeftOut")


def test_a_list_is_late_after_a_quarter_of_an_hour_and_not_where_a_gate_tells_why() -> None:
    late = (structs.replace(LIST, oldest_due_s=1200.0), structs.replace(OTHER, oldest_due_s=900.0))
    (point,) = told(but(lists=late))
    assert point.text == "1 of 2 lists late, Morgenbrev (1466): an event has waited since 13:54 UTC (20 min), more than 15 min"
    assert [one.runbook for one in told(structs.replace(shut("denied"), lists=late))] == ["SesamyMakeasKeyRefused"]


def test_a_list_that_is_paused_in_the_settings_is_a_notice_and_no_trouble() -> None:
    paused = structs.replace(LIST, paused=True, owed_users=3, oldest_due_s=9000.0, door="left-out")
    (point,) = told(but(lists=(paused, OTHER)))

    assert (point.level, point.text) == ("notice", "1 list paused in the settings, Morgenbrev (1466): 3 users owed to it")


def test_what_somebody_has_paused_is_told_of_by_its_lists_alone() -> None:
    status = shut("paused")
    paused = structs.replace(status, lists=tuple(structs.replace(one, paused=True) for one in status.lists))
    (point,) = told(paused)

    assert point.level == "notice"
    assert "paused in the settings" in point.text


def test_an_account_that_does_not_keep_what_it_takes_is_told_by_any_pod_that_saw_it_and_nothing_is_fine() -> None:
    seen = structs.replace(GATE, not_kept=("lists", "others_tags"), not_kept_s=720.0)
    (point,) = told(WELL, but(upstreams=tuple(seen if one.name == GATE.name else one for one in WELL.upstreams)))

    assert point == Point(
        level="trouble",
        text="1 of 2 lists not kept since 14:02 UTC (12 min), Morgenbrev (1466): account 1001 takes what is written "
        "and puts contacts on no list that they were put on and loses the tags of others",
        cure=CURE,
        runbook="SesamyMakeasNotKept",
    )
    headings = (Path(__file__).parents[5] / "deploy" / "RUNBOOK.md").read_text()
    assert f"\n## {point.runbook}\n" in headings
