"""What a replay keeps: whole at any time, for our eyes only, and refused where it is of something else."""

import os
from pathlib import Path

import msgspec
import pytest

from consumer.commands.batch import Synced
from consumer.commands.replay.files import Keeper, State, read_failed, read_state, write
from consumer.commands.replay.plan import Asked, Range
from consumer.core.errors import Fatal
from consumer.core.model import UserKey

ASKED = Asked(from_offsets={0: 5})
RANGES = (Range(partition=0, start=5, end=90),)


def ended(user: str, outcome: str = "synced") -> Synced:
    return Synced(vendor="v", user=user, outcome=outcome, failed={"1": "http-422"} if outcome == "failed" else {})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")

    with pytest.raises(Fatal, match="not a regular file") as raised:
        write(path, b"x")

    assert raised.value.status == 64
    assert path.exists()


def test_it_is_behind_by_no_more_than_half_of_the_concurrency_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state"
    keeper = Keeper(path, State(topic="t", asked=ASKED, ranges=RANGES), concurrency=8)
    for number in range(7):
        keeper.add(ended(f"u{number}", "failed" if number == 2 else "synced"), resyncs=number)
        assert keeper.unsaved < 4
    back = read_state(path, topic="t", asked=ASKED)

    assert back is not None
    assert (back.ranges, len(back.done), [one.user for one in back.failed]) == (RANGES, 4, ["u2"])
    keeper.save()
    assert keeper.done == {UserKey("v", f"u{number}") for number in range(7)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
    keeper.remove()
    assert read_state(path, topic="t", asked=ASKED) is None


@pytest.mark.parametrize(
    ("topic", "asked", "word"),
    [
        ("other", ASKED, "another topic"),
        ("t", Asked(from_offsets={0: 6}), "range or selection"),
        ("t", Asked(from_offsets={0: 5}, users=("u",)), "range or selection"),
    ],
)
def test_a_state_of_something_else_is_refused(tmp_path: Path, topic: str, asked: Asked, word: str) -> None:
    path = tmp_path / "state"
    write(path, msgspec.json.encode(State(topic="t", asked=ASKED, ranges=RANGES)))

    with pytest.raises(Fatal, match=word) as caught:
        read_state(path, topic=topic, asked=asked)
    assert caught.value.status == 64


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"topic": 1}'])
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(Fatal, match="not a file that replay wrote"):
        read_state(path, topic="t", asked=ASKED)
    with pytest.raises(Fatal, match="not a file that replay wrote"):
        read_failed(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="its folder is not there: make it"):
        write(tmp_path / "none" / "state", b"")
    with pytest.raises(Fatal, match="no such file"):
        read_failed(tmp_path / "none")


def test_the_state_keeps_the_name_that_older_files_have(tmp_path: Path) -> None:
    """A state that was written before an upgrade is gone on with after it."""
    path = tmp_path / "state"
    Keeper(path, State(topic="t", asked=ASKED, ranges=RANGES), concurrency=8).save()

    assert msgspec.json.decode(path.read_bytes())["spans"] == [{"partition": 0, "start": 5, "end": 90, "gone": 0, "beside": ""}]
