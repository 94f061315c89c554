"""The table, and the settings to write."""

import tomllib

from consumer.commands.verify.question import Question, Seen, Unknown
from consumer.commands.verify.report import Row, cells, exit_status, not_asked, row, toml
from consumer.core.errors import Exit
from tests.unit.commands.verify.walks import KNOWN

KEY = Unknown("U1", "the key", "makeas.subscriber_key")
SHARED = Unknown("U24", "shared", "makeas.rows_shared")
RATE = Unknown("S3", "rate", "sesamy.requests_per_minute")
AUDIENCE = Unknown("S1", "audience", "audience")
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

    assert lines == ['# of vendor v\\x1b, in its `sesamy`: audience = "https://a.example"']
    assert tomllib.loads("\n".join(lines)) == {}


def test_the_status_is_0_only_where_all_that_was_asked_is_as_set() -> None:
    good = Seen(unknown=KEY, text="", value="email")
    question = Question(unknowns=(PLAIN,), ask=lambda _: iter(()))  # type: ignore[arg-type,return-value]

    assert exit_status([*rows(good), *not_asked(question, "--write")]) == Exit.FINE
    assert exit_status(rows(good, Seen(unknown=KEY, text="", value="subscriber_email"))) == Exit.SOME_FAILED
    assert exit_status(rows(good, Seen(unknown=PLAIN, text="", is_answer=False))) == Exit.SOME_FAILED
    assert exit_status(rows(good, Seen(unknown=PLAIN, text="", is_bad=True))) == Exit.SOME_FAILED


def test_a_line_of_the_table_has_what_to_write_beside_what_is() -> None:
    (line,) = cells(rows(Seen(unknown=KEY, text="seen\x07", value="subscriber_email")))

    assert [cell.plain for cell in line] == ["U1", "the key", "seen\\x07", 'makeas.subscriber_key = "subscriber_email"', '"email"']
