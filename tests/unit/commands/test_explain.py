"""What `explain` prints never calls a user done with of whom nothing is known."""

import pytest

from consumer.commands.explain import _beside, _lines
from consumer.pod.reader.facts import Explanation, HistoryEntry
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
