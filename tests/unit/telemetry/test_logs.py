"""What of an error, of a long value and of other libraries' chatter reaches the logs."""

import logging
import re
from collections.abc import Iterator

import pytest

from consumer.telemetry import logs
from consumer.telemetry.logs import log
from tests.unit.telemetry.test_metrics import CANARY, Lines


@pytest.mark.parametrize(("length", "kept"), [(255, 255), (256, 256), (257, 256), (100_000, 256)])
def test_a_value_has_at_most_256_characters(length: int, kept: int) -> None:
    with Lines(as_json=True) as lines:
        log("consumer.x").info("resync", user="x" * length)
        logging.getLogger("aiokafka").warning("y" * length)

    ours, others = lines.json()
    assert (len(ours["user"]), len(others["event"])) == (kept, kept)


def deep(left: int) -> None:
    if not left:
        raise ValueError(CANARY)
    deep(left - 1)


def innermost() -> None:
    raise ValueError({"email": "ann.canary@example.com"})


def test_where_an_error_was_raised_is_said_from_within_without_a_word_of_the_code() -> None:
    """A line of code may hold a value, as here."""
    with pytest.raises(ValueError, match="canary") as caught:
        innermost()
    said = logs.frames(caught.value)

    outer = "test_where_an_error_was_raised_is_said_from_within_without_a_word_of_the_code"
    assert re.fullmatch(rf"test_logs\.py:\d+ innermost < test_logs\.py:\d+ {outer}", said)


def test_of_many_frames_the_five_innermost_are_said() -> None:
    with pytest.raises(ValueError, match="canary") as caught:
        deep(20)

    assert re.fullmatch(r"(test_logs\.py:\d+ deep( < |$)){5}", logs.frames(caught.value))


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("consumer").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(("level", "written"), [(logging.DEBUG, ["debug", "info", "warning"]), (logging.ERROR, [])])
def test_whatever_our_own_level_is_other_libraries_say_nothing_below_a_warning(
    capsys: pytest.CaptureFixture[str], level: int, written: list[str]
) -> None:
    """Their debug lines hold requests, with users' ids in them."""
    logs.configure(json=True, level=level)
    for name in ("debug", "info", "warning"):
        getattr(log("consumer.x"), name)(f"ours {name}")
        getattr(logging.getLogger("aiokafka"), name)(f"theirs {name}")

    said = capsys.readouterr().err
    assert re.findall(r"ours (\w+)", said) == written
    assert re.findall(r"theirs (\w+)", said) == written[2:]
