"""Who comes in to the webhook."""

from contextlib import suppress
from pathlib import Path

import pytest

from consumer.receiver.door import Door
from consumer.settings.secret import Secret

OLD, NEW = Secret("text", "the-old-secret"), Secret("text", "the-new-secret")


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (["the-old-secret"], True),
        (["the-new-secret"], True),
        ([], False),
        ([""], False),
        (["the-old-secre"], False),
        (["The-Old-Secret"], False),
        (["the-old-secret", "the-old-secret"], False),
        (["the-old-secret", "x"], False),
        (["\udcff"], False),
    ],
)
def test_either_secret_lets_in_and_nothing_else_does(said: list[str], known: bool) -> None:
    assert Door([OLD, NEW], limit=1, clock=lambda: 0.0).knows(said) is known


def test_one_secret_alone_does_too() -> None:
    assert Door([NEW], limit=1, clock=lambda: 0.0).knows(["the-new-secret"])
    assert not Door([NEW], limit=1, clock=lambda: 0.0).knows(["the-old-secret"])


def test_a_secret_that_is_changed_in_its_file_counts_within_a_second(tmp_path: Path) -> None:
    file, now = tmp_path / "secret", 0.0
    file.write_text("first-of-all")
    door = Door([Secret("file", str(file))], limit=1, clock=lambda: now)
    assert door.knows(["first-of-all"])

    file.write_text("second-to-none")
    now = 1.0
    assert (door.knows(["first-of-all"]), door.knows(["second-to-none"])) == (False, True)


def test_so_many_are_inside_at_once_and_those_that_leave_make_room_whatever_became_of_them() -> None:
    door = Door([NEW], limit=2, clock=lambda: 0.0)
    with door.opened(), suppress(ZeroDivisionError), door.opened():
        assert (door.inside, door.is_full) == (2, True)
        raise ZeroDivisionError
    assert (door.inside, door.is_full) == (0, False)
