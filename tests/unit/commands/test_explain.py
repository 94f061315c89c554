"""What `explain` prints never calls a user done with of whom nothing is known."""

from typing import Any

import pytest

from consumer.commands.explain import _beside, _lines
from consumer.pod.reader.facts import Explanation, HistoryEntry, ListOfReader
from consumer.pod.reader.lookup import Found

NOBODY = Explanation(vendor="v", user="nobody", state="unknown", why="nothing is known of this user", sentence="Nothing known of this user")


def test_a_user_of_whom_nothing_is_known_is_not_called_clean() -> None:
    assert [*_lines(NOBODY)] == ["Nothing known of this user", "  unknown: nothing is known of this user"]


@pytest.mark.parametrize(("outcome", "lines"), [("well", 0), ("failed", 2)])
def test_a_pod_that_knows_nothing_adds_nothing_to_what_was_just_asked(outcome: str, lines: int) -> None:
    online = Found(vendor="v", user="nobody", outcome=outcome, sentence="So it is")  # type: ignore[arg-type]

    assert len([*_beside(online, NOBODY)]) == lines


def test_what_is_remembered_stands_beside_it() -> None:
    known = Explanation(vendor="v", user="u", state="clean", why="", history=(HistoryEntry(at=0.0, what="healed", place="0:1"),))

    (head, line) = _beside(Found(vendor="v", user="u", outcome="well", sentence="So it is"), known)
    assert (head, line.endswith("the letter at 0:1 is dealt with")) == ("  what this pod remembers:", True)


@pytest.mark.parametrize(
    ("state", "text", "cure", "told"),
    [
        ("waits", "waits for the end of a burst: due in 2 s", "", "; waits for the end of a burst: due in 2 s"),
        ("parked", "parked for 3001 at 0:1", "it is tried again", "; parked for 3001 at 0:1; it is tried again"),
        ("paused", "the settings say so", "", "; the settings say so"),
        ("well", "written 14:02 UTC, and nothing is owed", "", ""),
        ("unknown", "this pod remembers no write", "ask", ""),
    ],
)
def test_a_list_says_once_what_is_so_of_it(state: Any, text: str, cure: str, told: str) -> None:
    of = ListOfReader(account="1001", list="1466", state=state, text=text, cure=cure)
    one = Explanation(vendor="v", user="u", state="clean", why="", sentence="So it is", lists=(of,))

    assert [*_lines(one)][1] == f"  list 1466 of account 1001: no write remembered{told}"
