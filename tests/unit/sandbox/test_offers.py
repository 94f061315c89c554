"""The commands offered beside a sitting are those that work, typed as they work."""

import shlex
from pathlib import Path
from typing import Final

import pytest

from consumer.sandbox.offers import lacks, listed, offers, typed
from consumer.sandbox.town import PLACES, Trial

ODD: Final = Path("/tmp/it's here/consumer.toml")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_a_script_that_the_path_finds_is_typed_by_its_name(tmp_path: Path) -> None:
    script = program(tmp_path / "bin/sesamy-makeas")

    assert typed(python=tmp_path / "bin/python", path=str(script.parent), folder=tmp_path) == ("sesamy-makeas",)


def test_another_installations_script_on_the_path_is_not_taken(tmp_path: Path) -> None:
    other, ours = program(tmp_path / "other/sesamy-makeas"), program(tmp_path / ".venv/bin/sesamy-makeas")

    assert typed(python=ours.parent / "python", path=str(other.parent), folder=tmp_path) == (".venv/bin/sesamy-makeas",)


@pytest.mark.parametrize("folder", ["elsewhere", "bin"])
def test_a_script_out_of_reach_is_typed_by_its_whole_path(tmp_path: Path, folder: str) -> None:
    """Also from its own folder: a bare name would be looked for on the path."""
    script = program(tmp_path / "bin/sesamy-makeas")

    assert typed(python=tmp_path / "bin/python", path="", folder=tmp_path / folder) == (str(script),)


def test_without_a_script_the_interpreter_runs_the_package(tmp_path: Path) -> None:
    assert typed(python=tmp_path / "bin/python", path="", folder=tmp_path) == ("bin/python", "-m", "consumer")


def lines(kind: str, letter: str | None = None) -> list[list[str]]:
    """Return the words of each command as a shell would see them."""
    found = offers(
        ("sesamy-makeas",), config=ODD, kind=kind, vendor="v", user="auth0|1; rm x", trial=Trial(PLACES[0]).options, letter=letter
    )
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("kind", ["memory", "jvm"])
def test_each_is_one_command_with_the_sittings_settings(kind: str) -> None:
    """Whatever a shell could take for something else in a path or an id."""
    for words in lines(kind):
        assert words[0] == "sesamy-makeas"
        assert words[words.index("--config") + 1] == str(ODD)
    asked = [words[-2:] for words in lines(kind) if words[1] in {"explain", "diff", "sync"}]
    assert asked == [["v", "auth0|1; rm x"]] * 3


def test_the_broker_in_process_is_asked_for_nothing_that_it_can_not_do() -> None:
    said = [" ".join(words) for words in lines("memory")]

    assert not [one for one in said if "--online" in one or "--from-time" in one]
    assert [one for one in said if "replay" in one and "--from-offset 0:0" in one]
    assert all(word in (lacks("memory") or "") for word in ("check --online", "replay --from-time", "--broker jvm"))


@pytest.mark.parametrize("kind", ["jvm", "testcontainers", "address"])
def test_a_real_kafka_can_do_all(kind: str) -> None:
    said = [" ".join(words) for words in lines(kind)]

    assert [one for one in said if "check" in one and "--online" in one]
    assert [one for one in said if "--from-time 2020-01-01 --dry-run" in one]
    assert lacks(kind) is None


def test_verify_is_offered_with_the_towns_test_addresses_to_plan_and_to_write() -> None:
    plan, write = (words for words in lines("memory") if words[1] == "verify")

    assert plan[:-1] == write[:-1]
    assert (plan[-2:], write[-2:]) == (["--write", "--plan"], ["--write", "--yes"])
    assert all(option in plan for option in ("--vendor", "--user", "--email", "--email-2", "--opted-out-email", "--list"))


def test_a_letter_is_shown_where_there_is_one() -> None:
    assert not [words for words in lines("jvm") if "show" in words]
    assert [words[-1] for words in lines("jvm", letter="1:17") if "show" in words] == ["1:17"]


def test_the_list_of_letters_is_a_command_of_its_own() -> None:
    assert shlex.split(listed(("a b",), ODD)) == ["a b", "dead-letters", "list", "--config", str(ODD)]
