"""The command `verify` as a process, against stand-ins over real HTTP."""

import json
import os
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest

from consumer.sandbox.offers import offers
from consumer.sandbox.town import PLACES, town
from tests.integration.harness import Said
from tests.terminal import shown
from tests.unit.commands.verify.both_sides import EMAIL, EMAIL_2, LEFT, Sides

_ROOT: Final = Path(__file__).parents[2]
_SETTINGS: Final = """
[kafka]
bootstrap_servers = ["127.0.0.1:9"]
[sesamy]
base_url = "{sesamy}"
token_url = "{sesamy}/oauth/token"
[makeas]
base_url = "{makeas}"
requests_per_second = 10000
burst = 10000
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [
  {{ userId = "1001", apiKey = "k", listId = "7" }},
  {{ userId = "1001", apiKey = "k", listId = "8", paused = true }},
]
"""
CONTACTS: Final = ("--email", EMAIL, "--email-2", EMAIL_2, "--list", "7")


class Stage:
    """Both sides, and settings that name them."""

    def __init__(self, sides: Sides, folder: Path) -> None:
        self.sides, self._folder = sides, folder

    async def verify(self, *args: str) -> Said:
        with anyio.fail_after(50):
            done = await anyio.run_process(
                [sys.executable, "-W", "error", "-m", "consumer", "verify", *args],
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
                check=False,
            )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    sides = Sides()
    sides.account.contact(LEFT, lists=["7"], email_status="unsubscribed")
    async with sides.served() as settings:
        text = _SETTINGS.format(sesamy=settings.sesamy.base_url, makeas=settings.makeas.base_url)
        (folder / "consumer.toml").write_text(text, encoding="utf-8")
        yield Stage(sides, folder)


async def test_it_names_the_setting_in_the_table_in_json_and_as_toml(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.sides.account.ways.bulk_body = "wrapper"
        text = await stage.verify(*CONTACTS, "--opted-out-email", LEFT, "--write", "--yes")
        data = await stage.verify(*CONTACTS, "--write", "--yes", "--output", "json")
    found = json.loads(data.out)

    assert (text.status, data.status) == (1, 1)
    assert text.out.endswith('already\n[makeas]\nbulk_body = "wrapper"\n')
    assert 'makeas.bulk_body = "wrapper"  makeas.bulk_body = "array"' in text.out
    assert text.err.endswith("\nwrite this setting (below) into the file\n")
    assert tomllib.loads(found["toml"]) == {"makeas": {"bulk_body": "wrapper"}}
    assert {row["setting"]: row["write"] for row in found["rows"] if row["verdict"] == "write"} == {"makeas.bulk_body": "wrapper"}
    assert "POST /subscribers/subscriptions/products/bulkinsert" in data.err


async def test_with_all_as_it_is_set_the_status_is_0(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        said = await stage.verify("--user", "u1")

    assert (said.status, said.err.splitlines()[-1]) == (0, "nothing to change")
    assert "\n17 not asked: `seen` says why\n" in said.err
    assert f"\n-- {sum(stage.sides.sesamy.calls.values())} calls made\n" in said.err
    assert "not asked: takes --email" in said.out


async def test_a_plan_shows_all_calls_and_makes_none(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        text = await stage.verify(*CONTACTS, "--opted-out-email", LEFT, "--write", "--plan")
        data = await stage.verify("--plan", "--output", "json")
        assert not stage.sides.makeas.calls
        assert not stage.sides.sesamy.calls

    assert (text.status, data.status) == (0, 0)
    reads, writes = text.out.split("\nwrites\n")
    assert "    POST /subscribers?subscriber_list_id[]=7&tag=merge" in writes
    assert "POST /subscribers?" not in reads
    assert "GET " not in writes
    assert "page=1, 2, … up to 50&" in reads
    assert len(text.out.splitlines()) < 150
    assert all(one["calls"] for one in json.loads(data.out))


async def test_without_a_terminal_nothing_is_written_but_with_yes(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        said = await stage.verify(*CONTACTS, "--write")
        assert not stage.sides.makeas.calls
        assert not stage.sides.sesamy.calls

    assert said.status == 64
    assert "add --yes" in said.err


async def test_on_a_terminal_the_table_fits_and_stands_apart_from_the_calls(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.sides.account.ways.bulk_body = "wrapper"
        status, text = await shown("verify", "--config", str(tmp_path / "consumer.toml"), *CONTACTS, "--write", "--yes")
    calls, drawn = text.replace("\r", "").split(" calls made\n\n")

    assert status == 1
    assert "GET /subscriberlists/7" in calls
    assert max(map(len, drawn.splitlines())) <= 80
    assert drawn.startswith("id ")
    assert drawn.endswith('already\n[makeas]\nbulk_body = "wrapper"\n')


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--write",), "never guessed"),
        (("--email", EMAIL), "never guessed"),
        (("--email", EMAIL, "--email-2", EMAIL_2), "never guessed"),
        (("--opted-out-email", LEFT), "never guessed"),
        (("--email", EMAIL, "--email-2", EMAIL.upper(), "--list", "7"), "different contacts"),
        ((*CONTACTS, "--opted-out-email", EMAIL_2), "different contacts"),
        (("--email", "me", "--email-2", EMAIL_2, "--list", "7"), "NAME@DOMAIN"),
        (("--email", EMAIL, "--email-2", EMAIL_2, "--list", "9"), "no such list of the vendor in the settings; known: 7, 8"),
        (("--email", EMAIL, "--email-2", EMAIL_2, "--list", "8", "--write"), "paused"),
        (("--vendor", "w"), "known: v"),
        (("--user", "u" * 257), "1 to 256 characters"),
    ],
    ids=str,
)
async def test_what_is_incomplete_is_refused_before_any_call(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    async with staged(tmp_path) as stage:
        done = await stage.verify(*args)
        assert not stage.sides.makeas.calls
        assert not stage.sides.sesamy.calls

    assert done.status == 64
    assert said in done.err


async def test_what_a_sitting_offers_works_as_it_is_printed(tmp_path: Path) -> None:
    """Without keys: first the plan, then all that can be asked, of which each has an answer, and nothing is to be set."""
    async with town(tmp_path, readers=10) as here:
        config = tmp_path / "consumer.toml"
        config.write_text(here.settings(bootstrap="127.0.0.1:9", admin_port=0), encoding="utf-8")
        place = PLACES[0]
        trial, user = here.trial(place), here.reader(place.vendor)
        before = {one: dict(contact) for one, contact in here.account(place).contacts.items()}
        printed = offers(("PROGRAM",), config=config, kind="memory", vendor=place.vendor, user=user, trial=trial.options)
        stage = Stage(Sides(), tmp_path)
        plan, asked = [await stage.verify(*shlex.split(line)[2:]) for line in printed if line.startswith("PROGRAM verify ")]
        contacts = here.account(place).contacts
        left = contacts[trial.opted_out]
        assert (left["email_status"], left["tags"]) == ("unsubscribed", [])
        before[trial.opted_out] = dict(left)
        assert {one: contact for one, contact in contacts.items() if one in before} == before
        assert contacts.keys() - before.keys() == {*trial.emails}
        assert here.violations() == []

    assert (plan.status, asked.status) == (0, 0), asked.out + asked.err
    assert "POST /subscribers/by_email" in plan.out
    assert asked.err.splitlines()[-1] == "nothing to change"
