"""The options of `reconcile`: what can't be meant is refused before anything is asked, and a run that was stopped says how to go on."""

from pathlib import Path

import pytest
from anyio import to_thread
from click.testing import CliRunner

from consumer.commands.drawing import Progress
from consumer.commands.reconcile.command import _Telling, command
from consumer.commands.reconcile.plan import Asked, Options
from consumer.sandbox.town import town

from .looks import Hears, writes


def refused(*args: str) -> str:
    done = CliRunner().invoke(command, args)
    assert done.exit_code == 2, "click's own 2 is 64 in the command line"
    return " ".join(done.output.replace("│", "").split())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--publish", "--dry-run"), "--publish writes to Kafka, and --dry-run writes nothing"),
        (("--max-changes", "many"), "write a number, or a percentage of the list: 500, or 10%"),
        (("--max-changes", "101%"), "a percentage of the list is at most 100%"),
        (("--rate-share", "0"), "--rate-share"),
        (("--rate-share", "1.5"), "--rate-share"),
        (("--rate-share", "nan"), "--rate-share"),
    ],
)
def test_what_can_not_be_meant_is_refused(args: tuple[str, ...], said: str) -> None:
    assert said in refused(*args)


async def test_a_vendor_or_a_list_that_is_not_in_the_settings_is_refused_with_those_that_are(tmp_path: Path) -> None:
    async with town(tmp_path, readers=3) as here:
        path = tmp_path / "consumer.toml"
        path.write_text(here.settings(bootstrap="127.0.0.1:1", admin_port=1))
        vendor = await to_thread.run_sync(refused, "--config", str(path), "--dry-run", "--vendor", "nobody")
        of_list = await to_thread.run_sync(refused, "--config", str(path), "--dry-run", "--list", "1466", "--list", "9")
    assert "nobody; known: morgenposten, kystavisen" in vendor
    assert ": 9; known: 1466, 1467, 2001, 3001" in of_list
    assert (here.sesamy.calls.total(), writes(here)) == (0, 0)


def telling(*, state: Path | None = None, yes: bool = False) -> _Telling:
    return _Telling(Options(asked=Asked(), state=state), Progress(), {}, yes=yes, json=False)


@pytest.mark.parametrize(
    ("state", "said"),
    [(None, "with --state it would go on from there"), (Path("reconcile.state"), "the same command goes on from there")],
)
def test_a_run_that_was_stopped_says_how_to_go_on(state: Path | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    telling(state=state).cut_off()
    assert capsys.readouterr().err == f"stopped before its end: {said}\n"


async def test_with_yes_it_does_not_ask() -> None:
    assert await telling(yes=True).may_run(1200, 3)


async def test_it_asks_with_numbers_and_takes_no_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr("consumer.commands.reconcile.command.ask", ask)
    assert [await telling().may_run(1200, 0), await telling().may_run(2, 3)] == [False, False]
    assert asked == [
        "Resync 1,200 readers?",
        "Resync 2 readers, and take the sesamy_ tags from 3 contacts at addresses that their readers have left?",
    ]


def test_it_hears_all_that_the_work_tells() -> None:
    assert {name for name in vars(Hears) if not name.startswith("_")} == {name for name in vars(_Telling) if not name.startswith("_")}
