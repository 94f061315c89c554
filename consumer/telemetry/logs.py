"""Logs: one event is one line on stderr, with declared fields only, capped and escaped."""

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict

from ..core.text import shown

FIELDS: Final = frozenset(
    {
        "account", "accounts_done", "accounts_owed", "attempts", "broker", "cause", "closed_s", "code", "committed",
        "count", "error", "field", "fingerprint", "freshness_s", "gap_records", "generation", "half_written", "host", "kind",
        "lease_left_s", "list",
        "merged", "next_offset", "offset", "op", "outcome", "partition", "partitions", "pending", "port", "reason", "repeated",
        "replay", "resumed", "shape", "signal", "since_s", "stage", "state", "status", "step", "timeout_s", "took_s", "topic", "type",
        "upstream", "user", "users", "vendor", "version", "waiting", "where", "worker",
        "cure", "group", "lists", "subject", "text", "vendors",
        "fields", "lists_added", "rows", "tags_added", "tags_removed",
    }
)  # fmt: skip
"""All fields a line may have beside its own `timestamp`, `level`, `logger` and `event`; any other is dropped and counted."""

_VALUE_CHARS: Final = 256
_REPEAT_S: Final = 10.0
_NEVER: Final = logging.CRITICAL + 1
_HEAD: Final = frozenset({"timestamp", "level", "logger", "event"})
_OURS: Final = __name__.partition(".")[0]
_FRAMES: Final = 5

# What stays of other libraries' lines, by the first part of the logger's name. Arguments hold requests, users' ids, and the headers
# and address of a collector with its keys; so they stay only where every one is known to be harmless.
_WHOLE: Final = frozenset({"aiokafka"})
"""Arguments are hosts, topics, partitions, members and Kafka's own errors, all of which say why Kafka does not answer."""
_TEMPLATES: Final = frozenset({"concurrent", "opentelemetry", "requests", "urllib3"})
"""Texts are constants with places for arguments; only the constant stays."""
_BUILT: Final = frozenset({"aiohttp", "asyncio"})
"""Some texts are built beforehand, words first: values are reprs, which begin with a bracket or a quote. Only the words stay."""
_WITHHELD: Final = "text withheld"
_WORDS: Final = re.compile(r"(?:[\w .,;!/%-]|\(\))*")
_WARNING: Final = re.compile(r"(?P<path>[^\n]+?):(?P<line>\d+): (?P<category>\w+): ")


class Counts:
    """What the logs say of themselves, for the metrics: lines written by level, lines held back, fields dropped."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = dict.fromkeys(("info", "warning", "error", "critical"), 0)
        self.held_back = 0
        self.fields_dropped = 0


counts: Final = Counts()


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Return a module's logger: `log(__name__).info("constant message", field=value)`."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _allowed, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def configure(*, json: bool | None = None, level: int = logging.INFO, colours: bool = True, plain: bool = False) -> None:
    """
    Send all logs of the process to stderr.

    Args:
        json: one JSON object a line; None: where stderr is no terminal.
        level: the least severe level of our own lines; other libraries' begin at WARNING.
        colours: whether a terminal may be given any.
        plain: each line is text for the operator that typed a command, and other libraries' are left out: what they warn of, the
            command says itself, where it matters.
    """
    as_json = not plain and (not sys.stderr.isatty() if json is None else json)
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(
        handler(
            sys.stderr,
            json=as_json,
            colors=colours and not as_json and sys.stderr.isatty(),
            plain=plain,
        )
    )
    root.setLevel(_NEVER if plain else max(logging.WARNING, level))
    logging.getLogger(_OURS).setLevel(level)
    logging.captureWarnings(capture=True)


def is_json() -> bool:
    """Say whether the process's logs are lines of JSON."""
    return any(one.as_json for one in logging.getLogger().handlers if isinstance(one, _Handler))


class _Handler(logging.StreamHandler[TextIO]):
    as_json = False

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        counts.lines[level] = counts.lines.get(level, 0) + 1
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing: the usual report would print the record's values."""


def handler(stream: TextIO, *, json: bool, colors: bool = False, plain: bool = False) -> "_Handler":
    """Return a handler that writes our lines to `stream`."""
    drawn = _as_text if plain else structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)
    renderer: Any = _as_json if json else drawn
    made = _Handler(stream)
    made.as_json = json
    made.addFilter(Repeats(time.monotonic))
    made.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign],
            processors=[_framed, structlog.stdlib.ProcessorFormatter.remove_processors_meta, _safe, renderer],
        )
    )
    return made


class Repeats(logging.Filter):
    """Lets one line per 10 s of each foreign logger and template through; the next says how many were held back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the clock (s)."""
        super().__init__()
        self._clock = clock
        # When each was let through last, and how many were held back since.
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on one line."""
        if _is_ours(record.name):
            return True
        now, key = self._clock(), (record.name, str(record.msg))
        last, held = self._seen.get(key, (-_REPEAT_S, 0))
        if now - last < _REPEAT_S:
            self._seen[key] = (last, held + 1)
            counts.held_back += 1
            return False
        if len(self._seen) >= 256:  # noqa: PLR2004 - templates are few, unless a library builds its text beforehand
            self._seen.clear()
        self._seen[key] = (now, 0)
        if held:
            record.repeated = held
        return True


def frames(error: BaseException) -> str:
    """Say where `error` was raised: the innermost frames, no values and no text of the exception."""
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return " < ".join(reversed(places[-_FRAMES:]))


def _is_ours(name: str) -> bool:
    return name == _OURS or name.startswith(_OURS + ".")


def _allowed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Keep declared fields with a value; an exception is its class and place."""
    raised = event.pop("exc_info", None)
    if raised:
        error = raised if isinstance(raised, BaseException) else raised[1] if isinstance(raised, tuple) else sys.exc_info()[1]
        if error is not None:
            event["error"], event["where"] = type(error).__name__, frames(error)
    kept: EventDict = {"event": event.pop("event", "")}
    for name, value in event.items():
        if name not in FIELDS:
            counts.fields_dropped += 1
        elif value is not None and value != "":
            kept[name] = value
    return kept


def _foreign(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take what is harmless of another library's line: no argument but of `_WHOLE`, no text of an exception, no second line."""
    record: logging.LogRecord = event["_record"]
    kept: EventDict = {"_record": record, "_from_structlog": False, **_told(record, str(event["event"]))}
    raised = event.get("exc_info")
    if isinstance(raised, tuple) and raised[0] is not None:
        kept["error"] = raised[0].__name__
    if held := getattr(record, "repeated", 0):
        kept["repeated"] = held
    return kept


def _told(record: logging.LogRecord, whole: str) -> EventDict:
    """Return the text that may be seen; where there is none, at least the place in the code."""
    library = record.name.partition(".")[0]
    if library in _WHOLE:
        return {"event": _first_line(whole)}
    if library in _TEMPLATES:
        return {"event": _first_line(str(record.msg))}
    if library in _BUILT and (words := _WORDS.match(str(record.msg))) and words[0].strip():
        return {"event": words[0].strip()}
    if record.name == "py.warnings" and (warned := _WARNING.match(str(record.msg))):
        return {"event": "warning", "type": warned["category"], "where": f"{Path(warned['path']).name}:{warned['line']}"}
    return {"event": _WITHHELD, "where": f"{record.filename}:{record.lineno} {record.funcName}"}


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _framed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put time, level and logger first."""
    record: logging.LogRecord = event["_record"]
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
    return {"timestamp": at, "level": record.levelname.lower(), "logger": record.name, **event}


def _safe(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cap and escape every value, so that no value can begin a line or speak to the terminal."""
    return {
        name: value if isinstance(value, bool | int | float) else shown(str(value), limit=_VALUE_CHARS) for name, value in event.items()
    }


def _as_text(_logger: object, _method: str, event: EventDict) -> str:
    fields = ", ".join(f"{name} {value}" for name, value in event.items() if name not in _HEAD)
    return f"sesamy-makeas: {event['event']}" + (f" ({fields})" if fields else "")


def _as_json(_logger: object, _method: str, event: EventDict) -> str:
    line = ""
    with suppress(msgspec.MsgspecError):
        line = msgspec.json.encode(event).decode()
    return line
