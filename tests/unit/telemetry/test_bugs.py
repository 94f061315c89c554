"""What a fence takes, and what it lets pass."""

import asyncio
import io
import json
import logging

import anyio
import pytest

from consumer.core.errors import ConsumerError, Denied, Fatal, Held, Refused, Retryable, Torn, weightiest
from consumer.resync.http.exchange import together
from consumer.telemetry.bugs import fenced, unfenced
from consumer.telemetry.logs import handler


def test_what_nobody_expected_becomes_a_failed_try_without_its_text() -> None:
    with pytest.raises(Retryable) as caught, fenced("fetch"):
        raise KeyError("ann@example.com")

    assert (caught.value.code, str(caught.value), caught.value.__cause__) == ("bug", "fetch: unexpected KeyError", None)


def test_it_is_logged_with_its_place_and_without_its_text() -> None:
    stream = io.StringIO()
    logger, shown = logging.getLogger("consumer.telemetry.bugs"), handler(stream, json=True)
    logger.addHandler(shown)
    try:
        with pytest.raises(Retryable), fenced("fetch"):
            raise KeyError("ann@example.com")
    finally:
        logger.removeHandler(shown)

    line = json.loads(stream.getvalue())
    assert (line["level"], line["error"], line["step"]) == ("error", "KeyError", "fetch")
    assert line["where"].startswith("test_bugs.py:")
    assert "ann" not in stream.getvalue()


@pytest.mark.parametrize(
    "error", [Denied("x", code="x"), Fatal("x", code="x", status=1), Torn("x"), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_our_errors_cancellation_and_what_ends_a_process_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, fenced("fetch"):
        raise error
    assert caught.value is error


def test_a_torn_state_passes_in_a_group_too() -> None:
    with pytest.raises(ExceptionGroup), fenced("fetch"):
        raise ExceptionGroup("both", [Retryable("x", code="x"), ExceptionGroup("inner", [Torn("x")])])


def test_of_a_group_the_error_that_matters_most_is_raised() -> None:
    with pytest.raises(Refused), fenced("fetch"):
        raise ExceptionGroup("all", [Held("x", code="x"), ExceptionGroup("inner", [KeyError("x"), Refused("x", code="x")])])
    with pytest.raises(Retryable, match="unexpected KeyError"), fenced("fetch"):
        raise ExceptionGroup("both", [Held("x", code="x"), KeyError("x")])


def test_errors_are_weighed_by_what_is_to_be_done_next() -> None:
    weighed: list[ConsumerError] = [Held("h", code="h"), Retryable("r", code="r"), Refused("f", code="f"), Denied("d", code="d")]
    for number in range(1, len(weighed) + 1):
        assert weightiest(weighed[:number]) is weighed[number - 1]
    assert weightiest([weighed[1], Retryable("second", code="r")]) is weighed[1]


def test_a_change_of_state_inside_a_fence_is_no_failed_try() -> None:
    with pytest.raises(Torn) as caught, fenced("fetch"), unfenced():
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)


async def test_of_jobs_done_together_one_that_breaks_ends_the_others_and_hides_no_error_of_ours() -> None:
    async def deny() -> None:
        raise Denied("401", code="http-401")

    async def break_() -> None:
        raise KeyError("x")

    with pytest.raises(Denied):
        await together(deny, break_)
    with pytest.raises(Retryable, match="unexpected KeyError"):
        await together(anyio.sleep_forever, break_)
