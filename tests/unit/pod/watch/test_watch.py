"""The part that looks: what it writes into the log, what it hands on, and that a fault of ours costs one look."""

from collections.abc import Callable, Iterator
from itertools import count

import anyio
import pytest
from msgspec.structs import replace

from consumer.pod.status.tree import GateStatus, Status
from consumer.pod.watch import conditions, watch
from consumer.pod.watch.conditions import Conditions, Notice
from consumer.pod.watch.watch import Watch
from tests.clock import virtual
from tests.simulation.settings import SETTINGS
from tests.unit.pod.watch.test_conditions import WELL, parked, shut
from tests.unit.telemetry.test_logs import Lines


def in_turn(*some: Status | Exception) -> Callable[[], Status]:
    left: Iterator[Status | Exception] = iter(some)
    last = some[-1]

    def status() -> Status:
        one = next(left, last)
        if isinstance(one, Exception):
            raise one
        return one

    return status


async def lived(
    status: Callable[[], Status], for_s: float, stopwatch: Callable[[], float] | None = None
) -> tuple[list[Notice], list[dict[str, object]]]:
    put: list[Notice] = []
    with Lines(as_json=True) as lines, anyio.move_on_after(for_s):
        await Watch(status, Conditions(SETTINGS), put=put.append, stopwatch=stopwatch or anyio.current_time).run()
    return put, lines.json()


@virtual
async def test_a_beginning_is_a_warning_with_its_cure_an_end_a_line_of_information() -> None:
    put, said = await lived(in_turn(WELL, shut(), shut(), shut(), WELL), 20.5)

    assert [one.event for one in put] == ["list-stopped", "list-runs"]
    first, begins, ends = said
    assert (first["event"], first["level"], first["count"], first["cause"]) == ("consuming", "info", 0, "all is well")
    assert (begins["event"], begins["level"]) == ("gate shut", "warning")
    assert (begins["upstream"], begins["cause"], begins["lists"], begins["users"]) == ("1", "denied", "10", 5)
    assert begins["cure"] == put[0].cure
    assert begins["text"] == put[0].text
    assert (ends["event"], ends["level"], ends["upstream"], ends["users"]) == ("gate open again", "info", "1", 5)
    assert "closed_s" in ends


@virtual
async def test_what_comes_to_be_this_pods_to_send_is_not_logged_again() -> None:
    put, said = await lived(in_turn(WELL, parked(1, holds_first=False), parked(1)), 5.5)

    assert [one.event for one in put] == ["letters-need-a-person"]
    assert [line["event"] for line in said] == ["consuming", "letters need a person"]


@virtual
async def test_what_an_account_does_not_keep_is_one_warning_and_one_line_at_its_end() -> None:
    gone = replace(WELL, upstreams=(GateStatus(name="1", kind="makeas", not_kept=("lists",), not_kept_s=1.0),))
    put, said = await lived(in_turn(WELL, gone, gone, gone, WELL), 20.5)

    assert [one.event for one in put] == ["writes-not-kept", "writes-kept"]
    _, begins, ends = said
    assert (begins["event"], begins["level"], begins["upstream"], begins["cause"]) == ("writes not kept", "warning", "1", "lists")
    assert (ends["event"], ends["level"], ends["upstream"]) == ("writes kept again", "info", "1")
    assert put[1].text.startswith("Make.as account 1 keeps what is written again, after ")


@virtual
async def test_what_is_so_at_the_start_is_counted_in_its_line() -> None:
    _, said = await lived(in_turn(shut()), 3)

    assert [(line["event"], line.get("count"), line["cause"]) for line in said] == [("gate shut", None, "denied"), ("consuming", 1, "gate")]


@virtual
async def test_a_pod_that_is_not_the_one_to_send_writes_its_log_only() -> None:
    put, said = await lived(in_turn(parked(1, holds_first=False)), 2)

    assert put == []
    assert said[0]["event"] == "letters need a person"


@virtual
async def test_a_fault_of_ours_costs_one_look() -> None:
    put, said = await lived(in_turn(ZeroDivisionError(), shut()), 3)

    assert [one.event for one in put] == ["list-stopped"]
    assert (said[0]["level"], said[0]["step"], said[0]["error"]) == ("error", "watch", "ZeroDivisionError")


@virtual
async def test_a_look_that_takes_long_is_followed_by_fifty_times_its_length_without_one() -> None:
    quick, _ = await lived(in_turn(WELL, shut()), 4)
    slow, _ = await lived(in_turn(WELL, shut()), 4, stopwatch=count(step=0.1).__next__)

    assert [one.event for one in quick] == ["list-stopped"]
    assert slow == []


@virtual
async def test_without_an_address_it_logs_all_the_same() -> None:
    with Lines(as_json=True) as lines:
        Watch(in_turn(shut()), Conditions(SETTINGS), put=None).look()

    assert lines.json()[0]["event"] == "gate shut"


@pytest.mark.parametrize("number", [0, 1])
def test_each_kind_has_words_for_its_beginning_and_end(number: int) -> None:
    assert set(watch._LINES) == set(conditions._EVENTS)
    assert len({words[number] for words in watch._LINES.values()}) == len(watch._LINES)
