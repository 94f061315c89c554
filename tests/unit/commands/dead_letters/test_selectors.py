"""Which letters are meant; what nobody knows is refused, for "no letters" would sound as if all were well."""

from pathlib import Path
from typing import Any

import click
import pytest

from consumer.commands.dead_letters.selectors import none_found, refuse_unknown, selection
from consumer.core.letters.history import Entry, Selection
from consumer.core.model import Place
from consumer.settings.load import load
from consumer.settings.model import Settings

NOW_MS = 1_795_507_200_000
ENTRIES = [
    Entry(place="0:1", vendor="vendor_gone", user="ann", account="77", code="odd", parked_at="2026-11-23T08:00:00.000Z"),
    Entry(place="0:2", vendor="vendor_123", user="bob", account="1001", code="held", state="done", parked_at="2026-11-24T08:00:00.000Z"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "consumer.toml"
    path.write_text(
        '[[vendors]]\nid = "vendor_123"\nsesamy = { client_id = "c", client_secret = "s" }\n'
        'makeas = [{ userId = "1001", apiKey = "k", listId = "1466" }, { userId = "ann@publisher.no", apiKey = "k", listId = "1" }]\n'
    )
    return load(path, {})


@pytest.mark.parametrize(
    "selected",
    [
        Selection(),
        Selection(vendor="vendor_123", account="1001", code="http-422"),
        Selection(vendor="vendor_gone", account="77", code="odd"),
        Selection(account="ann@publisher.no", code="held"),
        Selection(user="whoever"),
    ],
)
def test_what_the_settings_or_a_letter_know_is_taken(selected: Selection, settings: Settings) -> None:
    refuse_unknown(selected, ENTRIES, settings)


@pytest.mark.parametrize(
    ("selected", "option", "said"),
    [
        (Selection(vendor="vendor_12"), "--vendor", "no such vendor: vendor_12; did you mean vendor_123? known: vendor_123, vendor_gone"),
        (Selection(account="1466"), "--account", "no such account: 1466; known: 1001, 77"),
        (Selection(code="http-4222"), "--code", "no such code: http-4222; "),
        (Selection(code="hold"), "--code", "did you mean held? "),
    ],
)
def test_what_nobody_knows_is_refused_with_what_is_known(selected: Selection, option: str, said: str, settings: Settings) -> None:
    with pytest.raises(click.BadParameter) as caught:
        refuse_unknown(selected, ENTRIES, settings)

    assert caught.value.param_hint == option
    assert said in caught.value.message
    assert "@" not in caught.value.message, "an address is not shown"


def _said(**times: int | None) -> dict[str, Any]:
    return {"vendor": "", "user": "", "account": "", "code": "", "since": None, "until": None, **times}


def test_times_are_as_letters_have_them() -> None:
    assert selection([Place(0, 1)], _said(since=NOW_MS), now_ms=NOW_MS).since == "2026-11-24T08:00:00.000Z"


@pytest.mark.parametrize("times", [{"since": NOW_MS + 1}, {"since": 5, "until": 5}, {"since": 6, "until": 5}])
def test_a_time_in_which_no_letter_can_be_is_refused(times: dict[str, int | None]) -> None:
    with pytest.raises(click.UsageError):
        selection([], _said(**times), now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("entries", "all_states", "is_everything", "said"),
    [
        ([], True, False, "no letters"),
        (ENTRIES, False, True, "no open letters"),
        (ENTRIES[1:], False, False, "no open letters"),
        (
            ENTRIES,
            False,
            False,
            "no open letters are selected; there are 1, parked from 2026-11-23T08:00:00.000Z to 2026-11-23T08:00:00.000Z",
        ),
    ],
)
def test_what_is_there_is_said_where_nothing_is_selected(entries: list[Entry], all_states: bool, is_everything: bool, said: str) -> None:
    assert none_found(entries, all_states=all_states, is_everything=is_everything) == said
