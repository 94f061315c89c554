"""An account in a dry run: it decides as the client that writes does, and writes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from consumer.core.errors import ConsumerError, Held
from consumer.core.model import AccountId
from consumer.resync.clients import Upstreams, upstreams
from consumer.resync.make_reader import MakeReader
from consumer.resync.makeas import MakeAs
from consumer.resync.shadow.client import Shadow
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.server import serving
from consumer.telemetry.metrics import Metrics
from tests.unit.resync.test_makeas import documents
from tests.unit.resync.test_makeas_consent import read, settings

A: Final = AccountId("1001")
ANN: Final = "Ann@example.com"
READS: Final = {"contact", "by_id", "list", "leavers"}


class Stage:
    """One account, and a client of it that writes or not."""

    def __init__(self, there: stand_in.Account, made: stand_in.MakeAs, up: Upstreams, metrics: Metrics) -> None:
        self.there, self.made, self.up, self.metrics = there, made, up, metrics
        self.client = up.vendors["v"].targets[A].client

    async def write(self, lists: list[str] | None = None) -> str:
        """Return what came of it: lists that took the user, left it out, and whether consent was kept; or the error."""
        try:
            written = await self.client.write(documents(), permit=self._permit, limit_s=lambda: 5.0, lists=lists)
        except ConsumerError as error:
            return error.code
        return f"{written.taken} {written.left_out} {written.consent_kept}"

    async def _permit(self) -> None:
        """Let everything through."""

    @property
    def calls(self) -> set[str]:
        return {op for (_, op), count in self.made.calls.items() if count}


@asynccontextmanager
async def stage(case: str, *, dry_run: bool) -> AsyncIterator[Stage]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    if case != "new":
        status = "unsubscribed" if case == "left" else "active"
        there.contact(ANN, email_status=status, tags=["Quiz", "sesamy_old"], lists=[] if case == "left" else ["1"])
    if case == "left-one":
        there.leave(ANN, list_id="2")
    async with serving(made.app()) as url:
        given = settings(url)
        metrics = Metrics(given)
        async with upstreams(given, metrics, heals=True, dry_run=dry_run) as up:
            await read(up)
            yield Stage(there, made, up, metrics)


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of each line that says what would be written."""
    lines: list[Any] = [one.msg for one in caplog.records]
    return [one for one in lines if isinstance(one, dict) and one["event"] == "would write"]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="consumer")


@pytest.mark.parametrize("lists", [None, ["1"], ["2"]])
@pytest.mark.parametrize("case", ["new", "known", "left", "left-one"])
async def test_it_decides_as_the_client_that_writes_and_nothing_but_questions_reach_the_account(case: str, lists: list[str] | None) -> None:
    async with stage(case, dry_run=False) as real:
        expected = await real.write(lists)
        assert real.calls - READS, "it writes"
    async with stage(case, dry_run=True) as dry:
        before = {email: dict(row) for email, row in dry.there.contacts.items()}
        said = await dry.write(lists)

    assert said == expected
    assert dry.calls <= READS
    assert (dry.there.contacts, dry.there.products, dry.there.subscriptions, dry.there.written) == (before, {}, {}, {})


async def test_what_would_be_written_is_one_line_and_counted_by_kind_without_any_value(caplog: pytest.LogCaptureFixture) -> None:
    async with stage("known", dry_run=True) as dry:
        await dry.write()
        sample = dry.metrics.registry.get_sample_value
        counted = {
            kind: sample("sesamy_makeas_would_write_total", {"account": A, "kind": kind}) for kind in ("contact", "fields", "tags", "lists")
        }

    (line,) = told(caplog)
    assert {name: line[name] for name in ("vendor", "user", "account", "list", "kind", "fields", "tags_added", "tags_removed")} == {
        "vendor": "v",
        "user": "email|ann",
        "account": "1001",
        "list": "1,2",
        "kind": "fields,tags,lists" if line["lists_added"] else "fields,tags",
        "fields": "firstname,external_id",
        "tags_added": 1,
        "tags_removed": 1,
    }
    assert not any(value in str(line) for value in (ANN, "Quiz", "sesamy_"))
    assert counted["tags"] == counted["fields"] == 1
    assert counted["contact"] is None


async def test_where_nothing_would_be_another_there_is_no_line_and_it_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with stage("known", dry_run=False) as real:
        await real.write()
        there = real.there
        async with serving(real.made.app()) as url:
            given = settings(url)
            metrics = Metrics(given)
            async with upstreams(given, metrics, heals=True, dry_run=True) as up:
                await read(up)
                await Stage(there, real.made, up, metrics).write()
    assert told(caplog) == []
    assert metrics.registry.get_sample_value("sesamy_makeas_would_write_total", {"account": A, "kind": "nothing"}) == 1


async def test_without_a_lease_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def no_lease() -> float:
        raise Held("no", code="lease")

    async with stage("known", dry_run=True) as dry:
        with pytest.raises(Held):
            await dry.client.write(documents(), permit=dry._permit, limit_s=no_lease)
    assert told(caplog) == []


def test_there_is_no_call_in_it_that_writes() -> None:
    """What writes stands in the other client, which is none of its bases."""
    assert issubclass(Shadow, MakeReader)
    assert not issubclass(Shadow, MakeAs)
    assert {name for name in vars(MakeAs) if not name.startswith("__")} & set(dir(MakeReader)) == set()
