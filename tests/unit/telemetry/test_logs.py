"""Lines of the log: what of an event, an error, a long value and other libraries' chatter reaches them."""

import ast
import importlib.util
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.telemetry import logs
from consumer.telemetry.logs import Repeats, counts, handler, log

CANARY = "ann.canary@example.com"


class Lines:
    """Our handler on the root logger, and what it wrote."""

    def __init__(self, *, as_json: bool) -> None:
        self.stream = io.StringIO()
        self.handler = handler(self.stream, json=as_json)

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self.handler)
        logging.getLogger("consumer").setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self.handler)
        logging.getLogger("consumer").setLevel(logging.NOTSET)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with Lines(as_json=True) as made:
        yield made


def test_an_event_is_a_line_of_declared_fields(lines: Lines) -> None:
    log("consumer.resync.run").info("resync", vendor="v", user="u", took_s=0.5, accounts_done=2, code="", account=None)

    (line,) = lines.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    expected = {"level": "info", "logger": "consumer.resync.run", "event": "resync", "vendor": "v", "user": "u", "took_s": 0.5}
    assert line == expected | {"accounts_done": 2}


def test_an_undeclared_field_is_dropped_and_counted(lines: Lines) -> None:
    before = counts.fields_dropped

    log("consumer.x").info("resync", email=CANARY, body={"name": CANARY})

    assert CANARY not in lines.text
    assert counts.fields_dropped == before + 2


def test_an_exception_is_its_class_and_place(lines: Lines) -> None:
    try:
        dict[str, str]()[CANARY]
    except KeyError:
        log("consumer.x").error("failed", exc_info=True)

    (line,) = lines.json()
    assert (line["error"], CANARY in lines.text) == ("KeyError", False)
    assert re.fullmatch(r"test_logs.py:\d+ test_an_exception_is_its_class_and_place", line["where"])


def test_levels_below_ours_are_not_written(lines: Lines) -> None:
    log("consumer.x").debug("nothing")
    logging.getLogger("aiokafka").info("nothing")

    assert lines.text == ""


def test_foreign_lines_hold_no_exception_text_and_no_second_line(lines: Lines) -> None:
    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", CANARY)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <%s>", CANARY)
    logging.getLogger("asyncio").error(f"Exception in callback Timer.fire('{CANARY}')\nhandle: <{CANARY}>")  # noqa: G004 - as asyncio does
    logging.getLogger("aiokafka.conn").error("Unable to connect to %s\n%s", "host", CANARY)

    events = [(line["event"], line.get("error")) for line in lines.json()]
    assert CANARY not in lines.text
    assert events == [
        ("Error handling request from %s", "ValueError"),
        ("Task exception was never retrieved", None),
        ("Exception in callback Timer.fire", None),
        ("Unable to connect to host", None),
    ]


@pytest.mark.parametrize("name", ["opentelemetry.util.re", "urllib3.connectionpool", "requests.x", "aiohttp.client", "concurrent.futures"])
def test_arguments_of_other_libraries_are_no_ones_business(lines: Lines, name: str) -> None:
    logging.getLogger(name).warning("Retrying after %s", CANARY, stack_info=True)

    (line,) = lines.json()
    assert line.keys() == {"timestamp", "level", "logger", "event"}
    assert (line["logger"], line["event"]) == (name, "Retrying after %s")


@pytest.mark.parametrize("name", ["somebody", "aiokafkaesque", "opentelemetry_else.x", "asyncio", "aiohttp.web"])
def test_a_library_that_nobody_looked_at_says_only_where(lines: Lines, name: str) -> None:
    """Its template may have been put together from values."""
    logging.getLogger(name).warning(f"'{CANARY}' is lost")  # noqa: G004 - as some do

    (line,) = lines.json()
    assert CANARY not in lines.text
    assert (line["logger"], line["level"], line["event"]) == (name, "warning", "text withheld")
    assert re.fullmatch(r"test_logs.py:\d+ test_a_library_that_nobody_looked_at_says_only_where", line["where"])


def test_a_warning_is_its_class_and_place(lines: Lines) -> None:
    logging.getLogger("py.warnings").warning(warnings.formatwarning(CANARY, UserWarning, "/lib/there.py", 7))
    logging.getLogger("py.warnings").warning(CANARY)

    first, second = lines.json()
    assert CANARY not in lines.text
    assert (first["event"], first["type"], first["where"]) == ("warning", "UserWarning", "there.py:7")
    assert second["event"] == "text withheld"


def test_libraries_whose_templates_stay_log_constants() -> None:
    """A template that is put together from values would show them."""
    built, seen = [], 0
    for library in sorted(logs._TEMPLATES | logs._WHOLE):
        spec = importlib.util.find_spec(library)
        assert spec is not None
        for root in map(Path, spec.submodule_search_locations or ()):
            for path in root.rglob("*.py"):
                templates = _templates(path.read_text(encoding="utf-8"))
                seen += len(templates)
                built += [f"{path.relative_to(root.parent)}:{one.lineno}" for one in templates if not _is_constant(one)]

    assert seen > 100
    # It is for automatic configuration, which we don't use.
    assert [place for place in built if not place.startswith("opentelemetry/sdk/_configuration/")] == []


def _templates(text: str) -> list[ast.expr]:
    """Return the first arguments of all calls of loggers that are above our level."""
    if "log" not in text.casefold():
        return []
    levels = {"warning", "warn", "error", "exception", "critical"}
    return [
        call.args[0]
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in levels and call.args
        if "log" in ast.unparse(call.func.value).casefold()
    ]


def _is_constant(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Constant) or (isinstance(argument, ast.Name) and argument.id.isupper())


def test_a_repeated_foreign_line_comes_every_ten_seconds_with_a_count() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)

    def line(text: str = "Unable to connect to %s", name: str = "aiokafka") -> logging.LogRecord:
        return logging.LogRecord(name, logging.ERROR, "", 0, text, ("x",), None)

    first = [repeats.filter(line()) for _ in range(5)]
    others = [
        repeats.filter(line("other")),
        repeats.filter(line(name="asyncio")),
        *(repeats.filter(line(name="consumer.x")) for _ in range(3)),
    ]
    now = 9.9
    early = repeats.filter(line())
    now = 10.0
    late = line()

    assert (first, all(others), early, repeats.filter(late)) == ([True, False, False, False, False], True, False, True)
    assert late.__dict__["repeated"] == 5
    assert "repeated" not in line().__dict__


def test_the_count_of_held_back_lines_is_a_field(lines: Lines) -> None:
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unable to connect", (), None)
    record.repeated = 5
    logging.getLogger("aiokafka").handle(record)

    assert lines.json()[0]["repeated"] == 5


def test_the_memory_of_repeats_is_bounded() -> None:
    repeats = Repeats(lambda: 0.0)
    for number in range(2000):
        repeats.filter(logging.LogRecord("aiokafka", logging.ERROR, "", 0, f"built beforehand {number}", (), None))

    assert len(repeats._seen) <= 256


@given(text=st.text(), as_json=st.booleans())
def test_one_event_is_one_line_whatever_the_value(text: str, as_json: bool) -> None:
    with Lines(as_json=as_json) as lines:
        log("consumer.x").info("resync", user=text + "\r\n\x1b[31m\u2028\x85", error=text)
        logging.getLogger("aiokafka").error("lost %s", text)

    assert len(lines.text.splitlines()) == 2
    assert "\x1b" not in lines.text
    if as_json:
        assert all(len(str(value)) <= 256 for line in lines.json() for value in line.values())


def test_lines_are_counted_by_level(lines: Lines) -> None:
    before = {level: counts.lines[level] for level in ("info", "warning", "error", "critical")}

    log("consumer.x").warning("once")
    log("consumer.x").critical("once")

    assert lines.text.count("\n") == 2
    assert {level: counts.lines[level] - before[level] for level in before} == {"info": 0, "warning": 1, "error": 0, "critical": 1}


def test_a_broken_stream_prints_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(as_json=True) as lines:
        lines.stream.close()
        log("consumer.x").error("lost", user=CANARY)

    assert capsys.readouterr() == ("", "")


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        try:
            logs.configure(json=True)
            logs.configure(json=True)
            assert logs.is_json()
            log("consumer.x").info("once")
        finally:
            logging.captureWarnings(capture=False)
            root.handlers[:] = before
            root.setLevel(level)
            logging.getLogger("consumer").setLevel(logging.NOTSET)

    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("once")) == ("", 1)


def test_every_line_in_the_code_is_a_constant_with_declared_fields() -> None:
    calls = [
        (path.name, node)
        for path in Path(logs.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "_log"
    ]

    assert calls
    for name, call in calls:
        assert [type(argument) for argument in call.args] == [ast.Constant], f"{name}:{call.lineno}"
        assert {keyword.arg for keyword in call.keywords} <= logs.FIELDS | {"exc_info"}, f"{name}:{call.lineno}"


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
