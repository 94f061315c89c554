"""How a replay and a sync end, what they keep, and what they may use: a batch that does as a test says stands for the work."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import msgspec
import pytest

from consumer.commands import sync as syncing
from consumer.commands.batch import Synced
from consumer.commands.replay import work as replaying
from consumer.commands.replay.files import Report, State
from consumer.commands.replay.plan import Asked, Plan, Range, Scanned
from consumer.commands.replay.work import Options, replay
from consumer.commands.sync import sync
from consumer.core.errors import Fatal
from consumer.core.model import GateCause, GateState, UserKey
from consumer.settings.model import Settings, WorkerSettings
from tests.clock import virtual
from tests.generated.metrics_table import one_of_each

RANGES = (Range(partition=0, start=5, end=90),)
USERS = [UserKey("v", f"u{number}") for number in range(6)]
ASKED = Asked(from_offsets={0: 5})
SETTINGS: Settings = msgspec.structs.replace(one_of_each(), workers=WorkerSettings(concurrency=4))


class Listener:
    """Who is told of a replay, and lets it run, or not."""

    def __init__(self, *, may_run: bool = True) -> None:
        self._may_run = may_run
        self.plans: list[Plan] = []
        self.reports: list[Report] = []
        self.heard: list[tuple[int, int, float]] = []
        self.asked = 0

    def scanning(self, offsets: int, of: int) -> None:
        assert offsets <= of

    def planned(self, plan: Plan) -> None:
        self.plans.append(plan)

    async def may_run(self) -> bool:
        self.asked += 1
        return self._may_run

    def running(self, done: int, of: int, *, left_s: float) -> None:
        self.heard.append((done, of, left_s))

    def ended(self, report: Report) -> None:
        self.reports.append(report)


class Work:
    """What happens to users who are run, and what the replay asked for to do it."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.signal_after = -1
        self.error: Exception | None = None
        self.each_s = 0.0
        self.ran: list[UserKey] = []
        self.upstreams: list[dict[str, Any]] = []
        self.purposes: list[str] = []
        self.denied: Exception | None = None
        self.keeps_ends: list[bool] = []
        self.resolved = 0
        self.unknown: dict[UserKey, None] = {}
        self.is_shut = True
        self.cause: GateCause = "retry-after"

    def batch(self, *_: object, report: Callable[[Synced], None], unsaved: Callable[[], int] | None = None) -> "Batch":
        self.keeps_ends.append(unsaved is not None)
        return Batch(self, report)

    @asynccontextmanager
    async def open(self, settings: Settings, _: object, **options: Any) -> AsyncIterator[Any]:
        assert settings
        self.upstreams.append(options)
        state = GateState(state="closed", cause=self.cause, closed_s=1.0, next_try_s=7.0, share=1.0, in_use=0)
        well = msgspec.structs.replace(state, state="open", cause="")
        yield SimpleNamespace(
            gates=SimpleNamespace(vendors={"v": _Gate(well)}, accounts={"1001": _Gate(state if self.is_shut else well)}),
            account_ids={"v": ("1001",)},
        )

    async def require(self, kafka: object, purpose: str, *, command: str = "") -> None:
        assert kafka
        self.purposes.append(command or purpose)
        if self.denied is not None:
            raise self.denied

    async def resolve(self, *_: object) -> tuple[Range, ...]:
        self.resolved += 1
        return RANGES

    async def scan(self, _: object, ranges: object, *, vendors: list[str], asked: Asked, progress: Callable[[int, int], None]) -> Scanned:
        assert (ranges, vendors) == (RANGES, ["v"])
        progress(1, 85)
        return Scanned(users=dict.fromkeys(user for user in USERS if asked.wants(user)), records={0: 7})


class _Gate:
    def __init__(self, state: GateState) -> None:
        self._state = state
        self.refuses_key = state.cause == "denied"

    def state(self, *, now: float) -> GateState:
        assert now >= 0
        return self._state


class Batch:
    """Runs users one after the other."""

    def __init__(self, work: Work, report: Callable[[Synced], None]) -> None:
        self._work, self._report = work, report
        self.resyncs = self.left = 0
        self.unknown: dict[UserKey, None] = work.unknown

    async def run(self, users: Iterable[UserKey]) -> None:
        for number, user in enumerate(users):
            if number == self._work.signal_after:
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep_forever()
            await anyio.sleep(self._work.each_s)
            self.resyncs += 1
            self._work.ran.append(user)
            outcome: Any = self._work.outcomes.get(user.user, "synced")
            failed = {"1001": "http-422"} if outcome == "failed" else {}
            self._report(Synced(vendor=user.vendor, user=user.user, outcome=outcome, failed=failed))
        if self._work.error is not None:
            raise self._work.error


@pytest.fixture(autouse=True)
def blockbuster() -> None:
    """Let it write its files as it goes: a command holds up nobody but itself."""


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    for module in (replaying, syncing):
        monkeypatch.setattr(module, "Batch", made.batch)
        monkeypatch.setattr(module, "upstreams", made.open)
        monkeypatch.setattr(module.rights, "require", made.require)
    monkeypatch.setattr(replaying, "resolve", made.resolve)
    monkeypatch.setattr(replaying, "scan", made.scan)
    return made


def options(**more: Any) -> Options:
    return Options(**({"asked": ASKED} | more))


def state_in(path: Path) -> State:
    return msgspec.json.decode(path.read_bytes(), type=State)


# ---- How it ends ----


@pytest.mark.parametrize(("outcomes", "status"), [({}, 0), ({"u1": "skipped"}, 0), ({"u1": "failed"}, 1)])
async def test_its_status_says_whether_somebody_failed(work: Work, outcomes: dict[str, str], status: int) -> None:
    work.outcomes = outcomes
    listener = Listener()

    assert await replay(SETTINGS, options(), listener) == status
    assert work.ran == USERS
    (report,) = listener.reports
    assert (report.complete, report.users, report.resyncs, len(report.failures)) == (True, 6, 6, status)
    assert report.synced + report.skipped + report.failed == 6
    assert report.started_at.endswith("Z")


async def test_a_signal_ends_it_with_75_and_what_is_done_is_kept(work: Work, tmp_path: Path) -> None:
    state, report = tmp_path / "state", tmp_path / "report"
    work.signal_after, work.outcomes = 3, {"u1": "failed"}
    listener = Listener()

    assert await replay(SETTINGS, options(state=state, report=report), listener) == 75
    assert [user for _, user in state_in(state).done] == ["u0", "u1", "u2"]
    assert [one.user for one in state_in(state).failed] == ["u1"]
    assert (listener.reports[0].complete, msgspec.json.decode(report.read_bytes())["complete"]) == (False, False)


async def test_it_goes_on_with_who_is_left_and_remembers_who_failed_before(work: Work, tmp_path: Path) -> None:
    """Else a second run would say that all is well."""
    state, report = tmp_path / "state", tmp_path / "report"
    work.signal_after, work.outcomes = 3, {"u1": "failed"}
    assert await replay(SETTINGS, options(state=state), Listener()) == 75
    work.signal_after, work.ran = -1, []
    listener = Listener()

    assert await replay(SETTINGS, options(state=state, report=report), listener) == 1
    assert work.ran == USERS[3:]
    assert work.resolved == 1, "the range is that of the first run, whatever has come since"
    assert (listener.plans[0].users, listener.plans[0].done_before) == (6, 3)
    (told,) = listener.reports
    assert (told.complete, told.synced, told.failed, told.resyncs) == (True, 3, 0, 6)
    assert [one.user for one in told.failures] == ["u1"]
    assert not state.exists(), "what is complete leaves nothing to go on with"


async def test_an_error_keeps_what_is_done_and_is_no_end(work: Work, tmp_path: Path) -> None:
    state = tmp_path / "state"
    work.error = Fatal("no", code="no-broker", status=69)
    listener = Listener()
    with pytest.raises(ExceptionGroup) as raised:
        await replay(SETTINGS, options(state=state), listener)

    assert raised.group_contains(Fatal)
    assert len(state_in(state).done) == 6
    assert not listener.reports[0].complete


async def test_who_has_nobody_left_asks_nothing_and_is_done(work: Work, tmp_path: Path) -> None:
    listener = Listener(may_run=False)

    assert await replay(SETTINGS, options(asked=Asked(users=("nobody",)), state=tmp_path / "state"), listener) == 0
    assert (work.upstreams, listener.asked, listener.reports[0].complete) == ([], 0, True)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("dry_run", "may_run", "asked"), [(True, True, 0), (False, False, 1)])
async def test_a_dry_run_and_a_no_write_nothing(work: Work, tmp_path: Path, dry_run: bool, may_run: bool, asked: int) -> None:
    listener = Listener(may_run=may_run)

    assert await replay(SETTINGS, options(dry_run=dry_run, state=tmp_path / "s", report=tmp_path / "r"), listener) == 0
    assert (len(listener.plans), listener.asked, work.upstreams, work.ran) == (1, asked, [], [])
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - ruff takes iterdir for a wait


# ---- What it needs and takes ----


async def test_a_right_that_is_missing_ends_it_before_anything_is_asked(work: Work) -> None:
    work.denied = Fatal("no", code="kafka-denied", status=77)
    with pytest.raises(Fatal):
        await replay(SETTINGS, options(), Listener())
    with pytest.raises(Fatal):
        await sync(SETTINGS, "v", ["u"], report=lambda _: None, notice=lambda _: None)

    assert (work.purposes, work.resolved, work.upstreams) == (["replay", "sync"], 0, [])


@pytest.mark.parametrize("name", ["state", "report"])
async def test_a_file_that_can_not_be_written_is_said_before_anything_is_asked(work: Work, tmp_path: Path, name: str) -> None:
    with pytest.raises(Fatal) as raised:
        await replay(SETTINGS, options(**{name: tmp_path / "none" / "file"}), Listener())

    assert (raised.value.status, work.purposes) == (64, [])


async def test_it_takes_its_share_of_each_rate_and_makes_way_for_pods(work: Work, tmp_path: Path) -> None:
    assert await replay(SETTINGS, options(), Listener()) == 0
    assert await replay(SETTINGS, options(rate_share=0.5, state=tmp_path / "s"), Listener()) == 0

    assert work.upstreams == [{"rate_share": 0.25, "courteous": True}, {"rate_share": 0.5, "courteous": True}]
    assert work.keeps_ends == [False, True], "only where ends are kept has it to wait for that"


async def test_who_failed_can_be_taken_from_a_report(work: Work, tmp_path: Path) -> None:
    """Of vendors that are still in the settings, and of the selection."""
    path = tmp_path / "report"
    work.outcomes = dict.fromkeys(("u1", "u3", "u4"), "failed")
    assert await replay(SETTINGS, options(report=path), Listener()) == 1
    told = msgspec.json.decode(path.read_bytes())
    told["failures"].append(told["failures"][0] | {"vendor": "gone"})
    path.write_bytes(msgspec.json.encode(told))
    work.outcomes, work.ran = {}, []

    assert await replay(SETTINGS, options(asked=Asked(users=("u1", "u4")), retry_report=path), Listener()) == 0
    assert work.ran == [USERS[1], USERS[4]]
    assert work.resolved == 1


def test_it_says_every_second_how_far_it_is_and_keeps_that(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "until_signal", lambda _: anyio.sleep_forever())
    work.each_s = 1.5
    listener, path = Listener(), tmp_path / "state"
    slow = msgspec.structs.replace(SETTINGS, workers=WorkerSettings(concurrency=100))

    @virtual
    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replay, slow, options(state=path), listener)
            await anyio.sleep(4.2)
            assert len(state_in(path).done) == 2
        assert not path.exists()

    run()
    assert [done for done, _, _ in listener.heard[:4]] == [0, 1, 2, 2]
    assert {of for _, of, _ in listener.heard} == {6}


# ---- Sync ----


@pytest.mark.parametrize(
    ("cause", "outcomes", "status"), [("denied", {"u0": "failed"}, 77), ("denied", {}, 0), ("breaker", {"u0": "failed"}, 1)]
)
async def test_a_sync_whose_readers_failed_while_its_key_was_refused_says_so_by_its_status(
    work: Work, cause: GateCause, outcomes: dict[str, str], status: int
) -> None:
    work.cause, work.outcomes = cause, outcomes

    assert await sync(SETTINGS, "v", ["u0", "u1"], report=lambda _: None, notice=lambda _: None) == status


@pytest.mark.parametrize(("outcomes", "status"), [({}, 0), ({"u1": "skipped"}, 0), ({"u0": "failed"}, 1)])
async def test_a_sync_says_by_its_status_whether_one_of_all_failed(work: Work, outcomes: dict[str, str], status: int) -> None:
    work.outcomes = outcomes
    told: list[Synced] = []

    assert await sync(SETTINGS, "v", ["u0", "u1"], report=told.append, notice=lambda _: None) == status
    assert [one.user for one in told] == ["u0", "u1"]
    assert (work.ran, work.purposes, work.upstreams) == (USERS[:2], ["sync"], [{"key_tries": 2}])


def test_a_sync_says_every_five_seconds_what_it_waits_for(work: Work) -> None:
    work.each_s = 8
    said: list[tuple[float, str]] = []

    @virtual
    async def run() -> None:
        began = anyio.current_time()

        def notice(text: str) -> None:
            said.append((anyio.current_time() - began, text))

        assert await sync(SETTINGS, "v", ["u0", "u1"], report=lambda _: None, notice=notice) == 0

    run()
    assert said == [(at, "0 of the users left: 1001 is shut (retry-after), next try in 7 s") for at in (5, 10, 15)]


def test_a_sync_says_once_whom_sesamy_does_not_know_and_why_it_asks_again(work: Work) -> None:
    work.each_s, work.is_shut = 16, False
    work.unknown = {UserKey("v", "u\x1b0"): None}
    said: list[str] = []

    @virtual
    async def run() -> None:
        assert await sync(SETTINGS, "v", ["u0", "u1"], report=lambda _: None, notice=said.append) == 0

    run()
    (line,) = said
    assert line.startswith("Sesamy does not know u\\x1b0 of v: asked once more 30 s after the first time, for an event may be ahead")
