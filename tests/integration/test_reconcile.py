"""Reconcile on a real Kafka and real HTTP, beside live pods: whom it finds, what it repairs, who wins a race, and how it goes on."""

import json
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from anyio.abc import Process

from consumer.commands.reconcile.again import MOST as LOOKED_AGAIN
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import happen
from consumer.sandbox.sown import KINDS, Kind, Sown, settle, sow, undouble
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.sesamy_lists import RESOURCES, Lists
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Stage, staged, until

Difference = tuple[str, str, str, str]
"""Kind, vendor, user, account."""
READS: Final = {"contact", "by_id", "list", "leavers"}
FEW: Final[dict[Kind, int]] = dict.fromkeys(KINDS, 6) | {"doubled": 2, "stranger": 3}
"""40 readers, and strangers."""
MANY: Final[dict[Kind, int]] = dict.fromkeys(KINDS, 45) | {"doubled": 15, "stranger": 20}
"""300 readers, and strangers."""
TELLING: Final = frozenset(RESOURCES)
REPAIRED: Final[tuple[Kind, ...]] = ("missing", "field", "tags", "list", "unlinked")
SLOW: Final = Fault(kind="delay", delay_s=0.1)
CONCURRENCY: Final = 4
WORKERS: Final = f"[workers]\nconcurrency = {CONCURRENCY}\n"


@asynccontextmanager
async def settled(kafka: Broker, topic: str, folder: Path, *, readers: int) -> AsyncIterator[Stage]:
    """Set a stage with so many readers a publisher, which agree, and whose lists tell all."""
    async with town(folder, readers=readers) as here, staged(here, kafka, topic, folder) as stage:
        here.sesamy.lists = Lists(naming=TELLING)
        settle(here)
        yield stage


def expected(sown: Sown) -> set[Difference]:
    """Return what of this a look at the lists can tell: who is on no list of an account is not there."""
    lists = {place.account: len(place.lists) for place in PLACES}
    found: set[Difference] = {("stranger", "", user, account) for _, user, account in sown["stranger"]}
    for kind in KINDS:
        for one in sown[kind] if kind != "stranger" else ():
            name = {"unlinked": "field", "list": "list" if lists[one[2]] > 1 else "missing"}.get(kind, kind)
            found |= {(name, *one), *([("missing", *one)] if kind == "moved" else [])}
    return found


def told(report: Path) -> tuple[dict[str, Any], set[Difference]]:
    """Return a report, and what it found."""
    read = json.loads(report.read_bytes())
    return read, {(one["kind"], one["vendor"], one["user"], one["account"]) for one in read["findings"]}


def without(differences: Iterable[Difference], users: Iterable[str]) -> set[Difference]:
    left = set(users)
    return {one for one in differences if one[2] not in left}


def writes(stage: Stage) -> Counter[tuple[str, str]]:
    return Counter({call: count for call, count in stage.town.makeas.calls.items() if call[1] not in READS})


async def agrees(stage: Stage, *, but: Iterable[str] = ()) -> bool:
    skipped = set(but)
    return not any(stage.town.wrong(place, stage.town.readers(place.vendor) - skipped) for place in PLACES)


def disagreement(stage: Stage) -> str:
    return str({place.account: list(stage.town.wrong(place).items())[:3] for place in PLACES})


@pytest.mark.timeout(600)
async def test_drift_without_an_event_is_found_and_repaired_beside_live_pods(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """Of 5,000 readers 300 differ; pods write for some of them while all are read, compared and repaired."""
    async with settled(kafka, topic, tmp_path, readers=2500) as stage:
        sown = sow(stage.town, random.Random(2500), MANY)
        report = tmp_path / "report.json"
        doubled = {user for _, user, _ in sown["doubled"]}
        run = partial(stage.command, "reconcile", "--yes", "--rate-share", "1", "--report", str(report), within_s=300.0)

        await _looks_without_writing(stage, sown, report, within_s=300.0)

        pods = [await stage.pod().start() for _ in range(2)]
        chance = random.Random(5)
        first = [one[1] for kind in REPAIRED for one in sown[kind] if one[0] == VENDORS[0]]
        hot = chance.sample(first, 5)
        hot += chance.sample([one for one in stage.town.writable(VENDORS[0]) if one not in {*first, *doubled}], 5)
        moved = {user for _, user, _ in sown["moved"]}
        hot = [one for one in hot if one not in moved]
        stage.town.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=0.1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_happens, stage, hot, chance)
            said = await run("--max-changes", "10%")
            tasks.cancel_scope.cancel()
        stage.town.makeas.faults.clear()

        assert said.status == 1, said
        read, found = told(report)
        assert without(found, hot) == without(expected(sown), hot)
        assert (read["ended"], read["failures"], read["to_repair"]) == ("differs", [], read["repaired"])
        assert read["left"] == len(sown["moved"]) + len(sown["doubled"])
        await until(partial(agrees, stage, but=doubled), what=partial(disagreement, stage), within_s=60)
        for pod in pods:
            await stage.idle(pod)
        assert await agrees(stage, but=doubled), disagreement(stage)
        assert stage.town.violations() == []

        await _retires(stage, sown, run, report)
        undouble(stage.town, sown)
        said = await run("--retire-moved")
        assert (said.status, "all lists agree with Sesamy" in said.out) == (0, True), said
        assert await agrees(stage), disagreement(stage)
        assert stage.town.violations() == []


async def _looks_without_writing(stage: Stage, sown: Sown, report: Path, *, within_s: float) -> None:
    """Look with --dry-run, where no Kafka is: all that was sown is found, nobody else, and nothing is written."""
    contacts = json.dumps([account.contacts for account in stage.town.makeas.accounts.values()], sort_keys=True)
    real, stage.kafka = stage.kafka, Broker(kind="address", bootstrap="127.0.0.1:1", why="there is none")
    said = await stage.command("reconcile", "--dry-run", "--rate-share", "1", "--report", str(report), within_s=within_s)
    stage.kafka = real

    read, found = told(report)
    text = report.read_text(encoding="utf-8")  # noqa: ASYNC240 - a small file
    assert said.status == 1, said
    assert found == expected(sown)
    assert (read["ended"], read["repaired"], sum(stage.town.sesamy.fetched.values())) == ("dry-run", 0, 0)
    assert writes(stage) == Counter()
    assert contacts == json.dumps([account.contacts for account in stage.town.makeas.accounts.values()], sort_keys=True)
    assert "@" not in text + said.out + said.err


async def _retires(stage: Stage, sown: Sown, run: Callable[..., Awaitable[Any]], report: Path) -> None:
    """Retire those that moved: our tags go, and nothing else, of nobody else."""
    accounts = stage.town.makeas.accounts
    old = {(account, f"moved.{stage.town.address(vendor, user)}") for vendor, user, account in sown["moved"]}
    before = {(name, email): dict(row) for name, account in accounts.items() for email, row in account.contacts.items()}

    said = await run("--retire-moved")

    read, _ = told(report)
    assert (said.status, read["retired"], read["to_repair"], read["left"]) == (1, len(old), 0, len(sown["doubled"])), said
    after = {(name, email): dict(row) for name, account in accounts.items() for email, row in account.contacts.items()}
    assert {one for one in after if after[one] != before[one]} == old
    for one in old:
        kept = [tag for tag in before[one]["tags"] if not tag.startswith("sesamy_")]
        assert after[one] | {"date_updated": ""} == before[one] | {"tags": kept, "date_updated": ""}
    assert after.keys() == before.keys()


async def _happens(stage: Stage, users: list[str], chance: random.Random) -> None:
    """Let things happen to these readers, for ever."""
    while True:
        await stage.send(happen(stage.town.sesamy, VENDORS[0], chance.choice(users), chance))
        await anyio.sleep(chance.uniform(0.01, 0.15))


# ---- Cut off ----


def pages(stage: Stage) -> int:
    return sum(count for (_, op), count in stage.town.sesamy.calls.items() if op.startswith("all-"))


def fetched(stage: Stage) -> int:
    return sum(1 for times in stage.town.sesamy.fetched.values() if times)


async def _more_than(count: Callable[[Stage], int], stage: Stage, bound: int) -> bool:
    return count(stage) > bound


async def _ended(process: Process) -> int:
    try:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for stream in (process.stdout, process.stderr):
                    tasks.start_soon(_drain, stream)
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def _cut_off(stage: Stage, number: signal.Signals, args: tuple[str, ...], count: Callable[[Stage], int], bound: int) -> int:
    """Begin a reconcile, and end it once `count` is beyond its bound."""
    process = await stage.begin(*args, more=WORKERS)
    await until(partial(_more_than, count, stage, bound), what=lambda: f"{count(stage)} > {bound}", within_s=40)
    process.send_signal(number)
    return await _ended(process)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_cut_off_it_goes_on_where_it_was(kafka: Broker, topic: str, tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of reading no page is asked for again but the one under way; of repairing, no more readers than run at once."""
    async with settled(kafka, topic, tmp_path, readers=300) as stage:
        sown = sow(stage.town, random.Random(9), FEW | {"moved": 0, "doubled": 0})
        state, report = tmp_path / "reconcile.state", tmp_path / "report.json"
        args = ("reconcile", "--yes", "--rate-share", "1", "--max-changes", "100%", "--state", str(state), "--report", str(report))
        wanted = -signal.SIGKILL if number is signal.SIGKILL else 75
        said = await stage.command(*args[:4], "--dry-run", more=WORKERS)
        assert said.status == 1, said
        whole = pages(stage)
        stage.town.sesamy.calls.clear()

        stage.town.sesamy.faults.add(SLOW)
        for cut in (4, 9, 14):
            assert await _cut_off(stage, number, args, pages, cut) == wanted
            assert fetched(stage) == 0
        assert (state.stat().st_mode & 0o777, "@" in state.read_text()) == (0o600, False)
        cuts = 3
        for cut in (3, 14):
            assert await _cut_off(stage, number, args, fetched, cut) == wanted
            cuts += 1
        done = [line for line in state.read_text().splitlines() if '"done"' in line]
        assert len(done) > CONCURRENCY
        stage.town.sesamy.faults.clear()
        said = await stage.command(*args, more=WORKERS)

        assert said.status == 0, said
        assert whole <= pages(stage) <= whole + 3 * len(VENDORS)
        repaired = {user for kind in REPAIRED for _, user, _ in sown[kind]}
        assert {user for _, user in stage.town.sesamy.fetched} == repaired
        twice = sum(times - 1 for times in stage.town.sesamy.fetched.values())
        assert twice <= 2 * CONCURRENCY + LOOKED_AGAIN
        assert await agrees(stage), disagreement(stage)
        assert stage.town.violations() == []
        assert not state.exists()
