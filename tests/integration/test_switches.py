"""Make.as set to each of its other ways: with its switch all lists agree in the end, and with the wrong one nobody is harmed."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import pytest
from msgspec import structs

from consumer.commands.batch import Batch, Synced
from consumer.core.model import UserKey
from consumer.core.users.settling import Settling
from consumer.pod.reader.compare import UserDiff, compared
from consumer.pod.reader.lookup import Found, Lookup
from consumer.resync.clients import upstreams
from consumer.sandbox.stand_ins.makeas_ways import Ways
from consumer.sandbox.town import PLACES, VENDORS, Town, town
from consumer.settings.load import load
from consumer.settings.model import KafkaSettings, Settings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics

ROOT: Final = Path(__file__).parents[2]
WAYS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"subscriber_key": "subscriber_email"},
    {"subscriber_key": "subscriber_external_id"},
    {"bulk_body": "wrapper"},
    {"list_parameter": "subscriber_list_id"},
    {"dates": "date_time"},
    {"opted_out": "hidden"},
    {"tags": "ids"},
    {
        "subscriber_key": "subscriber_external_id",
        "bulk_body": "wrapper",
        "list_parameter": "subscriber_list_id",
        "dates": "date_time",
        "opted_out": "hidden",
        "tags": "ids",
    },
)


class _Quiet:
    """A topic that has no event and is read to its end."""

    def __init__(self, _: KafkaSettings, settling: Settling) -> None:
        self._settling = settling

    async def run(self) -> None:
        while True:
            if users := self._settling.to_ask():
                self._settling.end_is(users, {0: 10})
            self._settling.read(0, 10)
            await anyio.sleep(0.02)

    async def ready(self) -> None:
        """It is from the first."""


def _named(ways: Mapping[str, Any]) -> str:
    return "all others" if len(ways) > 2 else "-".join(ways.values()) or "as assumed"


@asynccontextmanager
async def set_to(folder: Path, ways: Mapping[str, Any], **more: Any) -> AsyncIterator[Town]:
    """Build a town whose accounts all have these ways."""
    async with town(folder, readers=40) as here:
        for account in here.makeas.accounts.values():
            account.ways = Ways(**ways, **more)
        yield here


def _file(here: Town, snippet: str = "") -> Path:
    path, text = here.folder / "settings.toml", here.settings(bootstrap="127.0.0.1:9", admin_port=0)
    without_comments = "\n".join(line for line in snippet.splitlines() if not line.startswith("#")).strip()
    for head, _, lines in (table.partition("\n") for table in without_comments.split("\n\n") if table):
        assert f"{head}\n" in text
        text = text.replace(f"{head}\n", f"{head}\n{lines}\n")  # Where an operator puts it: into the table that is there.
    path.write_text(text, encoding="utf-8")
    return path


def _as_text(secret: Secret) -> Secret:
    return Secret("text", secret.read())


def settings(here: Town, switches: Mapping[str, Any], snippet: str = "") -> Settings:
    """Return a consumer's settings; `snippet`: what `verify` says that is to be in them, as its TOML."""
    read = load(_file(here, snippet), {})
    vendors = tuple(  # Their secrets as texts: a file is looked at in the loop, which is watched for what blocks it.
        structs.replace(
            one,
            sesamy=structs.replace(one.sesamy, client_secret=_as_text(one.sesamy.client_secret)),
            makeas=tuple(structs.replace(of, api_key=_as_text(of.api_key)) for of in one.makeas),
        )
        for one in read.vendors
    )
    tries = structs.replace(read.workers, max_attempts=2, backoff_s=0.05, hold_s=1.0)
    return structs.replace(read, vendors=vendors, workers=tries, makeas=structs.replace(read.makeas, **switches))


async def written(here: Town, switches: Mapping[str, Any], snippet: str = "") -> list[Synced]:
    """Write every reader; return what became of each."""
    ended: list[Synced] = []
    the_settings = await anyio.to_thread.run_sync(settings, here, switches, snippet)
    async with upstreams(the_settings, Metrics(the_settings)) as up:
        batch = Batch(the_settings, up, Metrics(the_settings), report=ended.append, tail=_Quiet)
        with anyio.fail_after(60):
            await batch.run(UserKey(vendor, user) for vendor in VENDORS for user in sorted(here.readers(vendor)))
    return ended


async def _compared(here: Town, user: str) -> tuple[UserDiff, Found]:
    """Return what a comparison of a reader says, and a lookup of it by its address."""
    switched = await anyio.to_thread.run_sync(settings, here, {"opted_out": "hidden"})
    vendor = next(one for one in VENDORS if user in here.readers(one))
    async with upstreams(switched, Metrics(switched)) as up:
        one = await compared(up, UserKey(vendor, user))
    async with upstreams(switched, Metrics(switched)) as up:
        return one, await Lookup(up).find(vendor, user=user)


async def _verified(here: Town) -> tuple[int, dict[str, Any]]:
    """Ask as an operator does who knows nothing yet; return the status, and what was told."""
    path, place = await anyio.to_thread.run_sync(_file, here), PLACES[0]
    options = ("--vendor", place.vendor, *here.trial(place).options, "--write", "--yes", "--output", "json")
    with anyio.fail_after(40):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", "-m", "consumer", "verify", "--config", str(path), *options], cwd=ROOT, check=False
        )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("ways", [one for one in WAYS if one], ids=_named)
async def test_what_verify_says_put_into_the_settings_ends_with_all_lists_agreeing(tmp_path: Path, ways: dict[str, Any]) -> None:
    async with set_to(tmp_path, ways) as here:
        status, said = await _verified(here)
        to_write = {row["setting"].removeprefix("makeas."): row["write"] for row in said["rows"] if row["verdict"] == "write"}
        assert (status, to_write) == (1, ways)

        ended = await written(here, {}, said["toml"])
        assert {one.outcome for one in ended} == {"synced", "skipped"}
        assert [here.wrong(place) for place in PLACES] == [{}, {}, {}]
        assert here.violations() == []


@pytest.mark.parametrize("ways", WAYS, ids=_named)
async def test_with_its_switch_each_way_ends_with_all_lists_agreeing(tmp_path: Path, ways: dict[str, Any]) -> None:
    async with set_to(tmp_path, ways) as here:
        first = await written(here, ways)
        again = await written(here, ways)

        assert {one.outcome for one in (*first, *again)} == {"synced", "skipped"}
        assert [here.wrong(place) for place in PLACES] == [{}, {}, {}]
        assert here.violations() == []
        left = [one for account in here.makeas.accounts.values() for one in account.contacts.values() if one["email_status"] != "active"]
        assert left, "else it is not seen that those that left stay so"


@pytest.mark.parametrize("ways", [one for one in WAYS[1:] if len(one) == 1], ids=_named)
async def test_with_the_wrong_switch_what_the_server_says_is_told_and_nobody_who_left_is_put_back(
    tmp_path: Path, ways: dict[str, Any]
) -> None:
    async with set_to(tmp_path, ways) as here:
        failed = {code for one in await written(here, {}) for code in one.failed.values()}

        # A list's other name, and a tag's title, have no effect, and the server does not say so; who is hidden is in a register.
        says_nothing = ways.keys() <= {"list_parameter", "opted_out", "tags"}
        assert (failed == set()) is says_nothing, failed
        assert failed <= {"http-404", "http-422", "held"}
        assert here.violations() == []


async def test_where_nothing_tells_who_left_no_unknown_contact_is_written_and_each_is_told(tmp_path: Path) -> None:
    async with set_to(tmp_path, {"opted_out": "hidden"}) as here:
        for account in here.makeas.accounts.values():
            account.reads.refuses = 403
        before = {account.user_id: {*account.contacts} for account in here.makeas.accounts.values()}
        ended = await written(here, {"opted_out": "hidden"})

        assert {code for one in ended for code in one.failed.values()} == {"left-unknown"}
        said, looked_up = await _compared(here, next(one.user for one in ended if one.failed))
        assert {one.failed for one in said.accounts} >= {"left-unknown"}, "as `diff` says it, too"
        assert said.outcome == "unknown", "which is no error: all was asked"
        assert looked_up.outcome == "kept-out"
        assert "no register tells whether this is one" in looked_up.sentence
        assert {account.user_id: {*account.contacts} for account in here.makeas.accounts.values()} == before
        assert here.violations() == []
        known = {one["email"].lower() for one in here.account(PLACES[2]).contacts.values() if one["email_status"] == "active"}
        others = {user for user in here.writable(VENDORS[1]) if here.address(VENDORS[1], user) in known}
        assert others, "else it is not seen that a contact that is shown is written as ever"
        assert here.wrong(PLACES[2], others) == {}


async def test_a_hidden_contact_is_compared_as_a_resync_finds_it_and_a_new_one_is_told_to_be_new(tmp_path: Path) -> None:
    async with set_to(tmp_path, {"opted_out": "hidden"}) as here:
        await written(here, {"opted_out": "hidden"})
        account = here.account(PLACES[2])
        left, new = here.writable(VENDORS[1])[:2]
        account.leave(here.address(VENDORS[1], left))
        account.remove(here.address(VENDORS[1], new))
        before = account.contacts.keys() | set()
        of_left, of_new = await _compared(here, left), await _compared(here, new)

        assert (of_left[0].outcome, of_left[1].outcome) == ("same", "kept-out")
        assert "opted out" in of_left[1].sentence
        assert (of_new[0].outcome, of_new[1].outcome) == ("drift", "differs")
        assert "sync the user" in of_new[1].sentence
        assert account.contacts.keys() == before


async def test_a_contact_that_left_since_the_registers_were_read_is_not_put_back(tmp_path: Path) -> None:
    """Its address hides it, and no register that was read before holds it."""
    async with set_to(tmp_path, {"opted_out": "hidden"}) as here:
        switched = await anyio.to_thread.run_sync(settings, here, {"opted_out": "hidden"})
        await written(here, {"opted_out": "hidden"})
        place, ended = PLACES[2], list[Synced]()
        user = next(
            one
            for one in here.writable(VENDORS[1])
            if here.account(place).contacts[here.address(VENDORS[1], one)]["email_status"] == "active"
        )
        async with upstreams(switched, Metrics(switched)) as up:
            for number in range(2):
                batch = Batch(switched, up, Metrics(switched), report=ended.append, tail=_Quiet)
                with anyio.fail_after(30):
                    await batch.run([UserKey(VENDORS[1], user)])
                if number == 0:
                    here.account(place).leave(here.address(VENDORS[1], user))

        assert [one.outcome for one in ended] == ["synced", "synced"]
        assert here.account(place).contacts[here.address(VENDORS[1], user)]["email_status"] == "unsubscribed"
        assert here.violations() == []
