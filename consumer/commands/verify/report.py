"""The table of what was seen, and the settings to write."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct
from rich.table import Table
from rich.text import Text

from ...core.errors import Exit
from ...core.text import printable
from ..drawing import word
from .question import Known, Question, Seen, Value, unasked
from .sesamy import TOKEN

HEADS: Final = ("id", "unknown", "seen", "setting to write", "now")


Verdict = Literal["as-set", "write", "no-answer", "bad", "not-asked"]
_BELONG: Final = "# these lines belong into the tables that the settings have already"


class Row(Struct, frozen=True, kw_only=True):
    """One unknown, as it is told."""

    id: str
    unknown: str
    seen: str
    verdict: Verdict
    setting: str = ""
    write: Value = None
    """What is to be written; None: nothing."""
    now: Value = None


def row(seen: Seen, before: Known) -> Row:
    """Return what was seen beside what the settings said `before`."""
    setting = seen.unknown.setting
    now = before.ways[setting] if setting else None
    differs = seen.value is not None and seen.value != now
    verdict: Verdict = "as-set" if not differs else "write"
    if not seen.is_asked:
        verdict = "not-asked"
    elif seen.is_bad or not seen.is_answer:
        verdict = "bad" if seen.is_bad else "no-answer"
    text, write = seen.text, seen.value if differs else None
    return Row(id=seen.unknown.id, unknown=seen.unknown.text, seen=text, verdict=verdict, setting=setting, write=write, now=now)


def not_asked(question: Question, why: str, before: Known) -> Iterator[Row]:
    """Give the unknowns of a question that was not asked."""
    yield from (row(unasked(one, why), before) for one in question.unknowns)


def exit_status(rows: Iterable[Row]) -> Exit:
    """Return 0 where all is as it is set, else 1; what was not to be asked says nothing."""
    return Exit.FINE if all(one.verdict in {"as-set", "not-asked"} for one in rows) else Exit.SOME_FAILED


def cells(rows: Iterable[Row]) -> Iterator[tuple[Text, ...]]:
    """Give the table's rows."""
    for one in rows:
        yield tuple(map(word, (one.id, one.unknown, one.seen, _told(one.setting, one.write), _told(one.setting, one.now))))


def drawn(rows: Iterable[Row]) -> Table:
    """Return the table for a terminal: it wraps where that is narrower, a word that is too long, too; no column is empty."""
    made = Table(box=None, pad_edge=False, header_style="")
    lines = list(cells(rows))
    filled = [number for number in range(len(HEADS)) if any(line[number].plain for line in lines)]
    for number in filled:
        made.add_column(word(HEADS[number]), overflow="fold", no_wrap=number == 0)
    for line in lines:
        made.add_row(*(line[number] for number in filled))
    return made


def _told(setting: str, value: Value) -> str:
    """Return a setting with its value; empty: there is none."""
    if value is None:
        return ""
    return f"{setting} = {_literal(value)}" if value != "" else f"no {setting}"


def sentences(rows: Sequence[Row]) -> Iterator[str]:
    """Give what is to be done, a sentence for each matter."""
    ids = {name: [one.id for one in rows if one.verdict == name] for name in ("write", "no-answer", "bad")}
    if open_ := ids["no-answer"]:
        yield f"{_counted(open_, 'question has', 'questions have')} no answer: {', '.join(open_)}; `seen` says why"
    if bad := ids["bad"]:
        yield f"no setting helps with {', '.join(bad)}: `seen` says what to do"
    if left := sum(one.verdict == "not-asked" for one in rows):
        yield f"{left} not asked: `seen` says why"
    if not any(ids.values()):
        yield "nothing to change"
    if write := ids["write"]:
        yield f"write {'this setting' if len(write) == 1 else f'these {len(write)} settings'} (below) into the file"


def _counted(what: Sequence[str], one: str, more: str) -> str:
    return f"{len(what)} {one if len(what) == 1 else more}"


def toml(rows: Sequence[Row], vendor: str) -> Iterator[str]:
    """Give the lines of the settings that are to be another than they are; none: none is."""
    wanted = [one for one in rows if one.write is not None]
    if wanted:
        yield _BELONG
    for section in ("sesamy", "makeas"):
        if lines := [f"{name} = {_literal(one.write)}" for one in wanted if (name := _within(one.setting, section))]:
            yield f"[{section}]"
            yield from lines
    for one in wanted:
        if one.setting == TOKEN.setting:
            to = f"audience = {_literal(one.write)}" if one.write else "no audience"
            yield f"# of vendor {printable(vendor)}, in its `sesamy`: {to}"


def _within(setting: str, section: str) -> str:
    return setting.removeprefix(f"{section}.") if setting.startswith(f"{section}.") else ""


def _literal(value: Value) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else f'"{value}"'
