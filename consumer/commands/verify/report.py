"""The table of what was seen, and the settings to write."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct
from rich.text import Text

from ...core.errors import Exit
from ...core.text import printable
from ..drawing import word
from .question import Known, Question, Seen, Value

HEADS: Final = ("unknown", "", "seen", "setting to write", "now")


class Row(Struct, frozen=True, kw_only=True):
    """One unknown, as it is told."""

    id: str
    unknown: str
    seen: str
    verdict: Literal["as-set", "write", "no-answer", "bad", "not-asked"]
    setting: str = ""
    write: Value = None
    """What is to be written; None: nothing."""
    now: Value = None


def row(seen: Seen, before: Known) -> Row:
    """Return what was seen beside what the settings said `before`."""
    setting = seen.unknown.setting
    now = before.ways[setting] if setting else None
    differs = seen.value is not None and seen.value != now
    verdict: Literal["as-set", "write", "no-answer", "bad"] = (
        "bad" if seen.is_bad else "no-answer" if not seen.is_answer else "write" if differs else "as-set"
    )
    text, write = seen.text, seen.value if differs else None
    return Row(id=seen.unknown.id, unknown=seen.unknown.text, seen=text, verdict=verdict, setting=setting, write=write, now=now)


def not_asked(question: Question, option: str) -> Iterator[Row]:
    """Give the unknowns of a question that takes another option."""
    for one in question.unknowns:
        yield Row(id=one.id, unknown=one.text, seen=f"not asked: takes {option}", verdict="not-asked", setting=one.setting)


def exit_status(rows: Iterable[Row]) -> Exit:
    """Return 0 where all is as it is set, else 1; what was not to be asked says nothing."""
    return Exit.FINE if all(one.verdict in {"as-set", "not-asked"} for one in rows) else Exit.SOME_FAILED


def cells(rows: Iterable[Row]) -> Iterator[tuple[Text, ...]]:
    """Give the table's rows."""
    for one in rows:
        write = "" if one.write is None else f"{one.setting} = {_literal(one.write)}"
        now = "" if one.now is None else _literal(one.now)
        yield tuple(map(word, (one.id, one.unknown, one.seen, write, now)))


def toml(rows: Sequence[Row], vendor: str) -> Iterator[str]:
    """Give the lines of the settings that are to be another than they are; none: none is."""
    wanted = [one for one in rows if one.write is not None]
    for section in ("sesamy", "makeas"):
        if lines := [f"{name} = {_literal(one.write)}" for one in wanted if (name := _within(one.setting, section))]:
            yield f"[{section}]"
            yield from lines
    for one in wanted:
        if one.setting == "audience":
            to = f"audience = {_literal(one.write)}" if one.write else "no audience"
            yield f"# of vendor {printable(vendor)}, in its `sesamy`: {to}"


def _within(setting: str, section: str) -> str:
    return setting.removeprefix(f"{section}.") if setting.startswith(f"{section}.") else ""


def _literal(value: Value) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'
