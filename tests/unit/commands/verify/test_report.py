"""The table, and the settings to write."""

import io
import tomllib

import pytest
from msgspec import structs
from rich.console import Console

from consumer.commands.verify.question import Question, Seen, Unknown, unasked, unsure
from consumer.commands.verify.report import Row, cells, drawn, exit_status, not_asked, row, sentences, toml
from consumer.core.errors import Exit
from tests.unit.commands.verify.walks import KNOWN

KEY = Unknown("U1", "the key", "makeas.subscriber_key")
SHARED = Unknown("U24", "shared", "makeas.rows_shared")
RATE = Unknown("S3", "rate", "sesamy.requests_per_minute")
AUDIENCE = Unknown("S1", "audience", "vendors[].sesamy.audience")
PLAIN = Unknown("U5", "refused")


def rows(*seen: Seen) -> list[Row]:
    return [row(one, KNOWN) for one in seen]


def test_only_what_is_another_than_it_is_is_to_be_written() -> None:
    found = rows(
        Seen(unknown=KEY, text="", value="email"),
        Seen(unknown=KEY, text="", value="subscriber_email"),
        Seen(unknown=SHARED, text="", value=False),
        Seen(unknown=PLAIN, text=""),
    )

    assert [(one.verdict, one.write, one.now) for one in found] == [
        ("as-set", None, "email"),
        ("write", "subscriber_email", "email"),
        ("write", False, True),
        ("as-set", None, None),
    ]


def test_the_snippet_is_toml_that_settings_can_take() -> None:
    found = rows(
        Seen(unknown=KEY, text="", value="subscriber_email"),
        Seen(unknown=SHARED, text="", value=False),
        Seen(unknown=RATE, text="", value=60),
    )

    assert tomllib.loads("\n".join(toml(found, "v"))) == {
        "sesamy": {"requests_per_minute": 60},
        "makeas": {"subscriber_key": "subscriber_email", "rows_shared": False},
    }
    assert list(toml(rows(Seen(unknown=KEY, text="", value="email")), "v")) == []


def test_an_audience_belongs_to_the_vendor_and_is_told_as_a_remark() -> None:
    lines = list(toml(rows(Seen(unknown=AUDIENCE, text="", value="https://a.example")), "v\x1b"))

    assert lines[1:] == ['# of vendor v\\x1b, in its `sesamy`: audience = "https://a.example"']
    assert tomllib.loads("\n".join(lines)) == {}


def test_the_status_is_0_only_where_all_that_was_asked_is_as_set() -> None:
    good = Seen(unknown=KEY, text="", value="email")
    question = Question(unknowns=(PLAIN,), ask=lambda _: iter(()))  # type: ignore[arg-type,return-value]

    assert exit_status([*rows(good), *not_asked(question, "takes --write", KNOWN)]) == Exit.FINE
    assert exit_status(rows(good, Seen(unknown=KEY, text="", value="subscriber_email"))) == Exit.SOME_FAILED
    assert exit_status(rows(good, Seen(unknown=PLAIN, text="", is_answer=False))) == Exit.SOME_FAILED
    assert exit_status(rows(good, Seen(unknown=PLAIN, text="", is_bad=True))) == Exit.SOME_FAILED


def test_a_line_of_the_table_has_what_to_write_beside_what_is() -> None:
    (line,) = cells(rows(Seen(unknown=KEY, text="seen\x07", value="subscriber_email")))

    assert [cell.plain for cell in line] == [
        "U1",
        "the key",
        "seen\\x07",
        'makeas.subscriber_key = "subscriber_email"',
        'makeas.subscriber_key = "email"',
    ]


@pytest.mark.parametrize(
    ("setting", "now", "told"),
    [
        ("makeas.tags", "titles", 'makeas.tags = "titles"'),
        ("sesamy.requests_per_minute", 60000.0, "sesamy.requests_per_minute = 60000"),
        ("sesamy.requests_per_minute", 0.5, "sesamy.requests_per_minute = 0.5"),
        ("sesamy.requests_per_minute", "auto", 'sesamy.requests_per_minute = "auto"'),
        ("makeas.rows_shared", True, "makeas.rows_shared = true"),
        ("vendors[].sesamy.audience", "", "no vendors[].sesamy.audience"),
    ],
)
def test_what_is_set_now_is_told_with_its_name_as_the_file_has_it(setting: str, now: str | float, told: str) -> None:
    known = structs.replace(KNOWN, ways={**KNOWN.ways, setting: now})
    seen = Seen(unknown=Unknown("X", "", setting), text="")

    assert [line[-1].plain for line in cells([row(seen, known), row(unasked(seen.unknown, ""), known)])] == [told] * 2


def test_the_lines_to_paste_begin_with_where_they_belong() -> None:
    lines = list(toml(rows(Seen(unknown=KEY, text="", value="subscriber_email")), "v"))

    assert lines == [
        "# these lines belong into the tables that the settings have already",
        "[makeas]",
        'subscriber_key = "subscriber_email"',
    ]


def test_what_was_not_asked_is_no_failure_and_what_has_no_answer_is() -> None:
    assert row(unasked(KEY, "takes --write"), KNOWN).verdict == "not-asked"
    assert exit_status(rows(unasked(KEY, "takes --write"))) == Exit.FINE
    assert exit_status(rows(unsure(KEY, "503"))) == Exit.SOME_FAILED


def test_it_ends_with_what_to_do() -> None:
    good, other = Seen(unknown=PLAIN, text=""), Seen(unknown=KEY, text="", value="subscriber_email")
    open_, bad, left = unsure(RATE, "503"), Seen(unknown=SHARED, text="NO", is_bad=True), unasked(AUDIENCE, "takes --write")

    assert list(sentences(rows(good))) == ["nothing to change"]
    assert list(sentences(rows(good, left))) == ["1 not asked: `seen` says why", "nothing to change"]
    assert list(sentences(rows(good, other))) == ["write this setting (below) into the file"]
    assert list(sentences(rows(good, other, open_, bad))) == [
        "1 question has no answer: S3; `seen` says why",
        "no setting helps with U24: `seen` says what to do",
        "write this setting (below) into the file",
    ]
    assert next(sentences(rows(other, other, open_, open_))) == "2 questions have no answer: S3, S3; `seen` says why"
    assert list(sentences(rows(other, other)))[-1] == "write these 2 settings (below) into the file"


def test_on_a_terminal_it_is_no_wider_than_that_and_nothing_is_cut() -> None:
    out = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    out.print(drawn(rows(Seen(unknown=KEY, text="seen " * 60, value="subscriber_external_id"), Seen(unknown=PLAIN, text="y" * 200))))
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()

    assert max(map(len, text.splitlines())) <= 80
    assert (text.count("seen"), text.count("y")) == (61, 200 + "makeas.subscriber_keymakeas.subscriber_keythe key".count("y"))
    assert "…" not in text
    assert "setting to write" not in "".join(str(one.header) for one in drawn(rows(Seen(unknown=KEY, text=""))).columns)
