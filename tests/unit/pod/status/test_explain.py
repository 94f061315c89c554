"""Why a user is not synced yet: every state, of a service that was brought there by hand."""

import time
from typing import Any, Final

import anyio
from msgspec.structs import replace

from consumer.core.errors import Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.list_doors import ListDoors
from consumer.core.letters.record import parse
from consumer.core.model import AccountId, Event, Job, Letter, Place, Result, UserKey, Verdict
from consumer.pod.reader.facts import Explanation
from consumer.pod.service import Service
from consumer.pod.status.explain import explain
from consumer.pod.status.told.upstreams import points
from tests.clock import virtual
from tests.unit.pod.status.test_report import status, well

ANN: Final = UserKey("v1", "ann")
A, B = AccountId("1"), AccountId("2")
DONE: Final = Result(Verdict.DONE)


def pod(*owned: int, partitions: int = 1) -> Service:
    made = well()
    made.backlog.topic_partitions = partitions
    for partition in owned:
        made.backlog.begin(partition, 0)
    return made


def submit(made: Service) -> None:
    made.backlog.schedule.submit(Event(ANN, "contract.1#update"), 0, 7, since_ms=0, now=anyio.current_time())


async def begun(made: Service) -> Job:
    """Let the user's run begin, a second after its event."""
    submit(made)
    await anyio.sleep(1)
    return taken(made)


def taken(made: Service) -> Job:
    job = made.backlog.schedule.take(made.up.gates, now=anyio.current_time())
    assert job is not None
    return job


def end(made: Service, job: Job, at_b: Result) -> None:
    """End a run that was done at all accounts but one."""
    made.backlog.schedule.end_run(job, DONE, {A: DONE, B: at_b}, now=anyio.current_time(), uniform=0.5)


def fail_often(gate: Gate, error: Retryable) -> None:
    for number in range(5):
        gate.failed(UserKey("v1", f"u{number}"), error, now=anyio.current_time())


def why(made: Service, user: UserKey = ANN) -> Explanation:
    return explain(made, user.vendor, user.user)


@virtual
async def test_who_is_not_known_is_told_from_whose_partition_is_anothers_and_from_a_pod_without_any() -> None:
    assert (why(pod(0)).state, why(pod(0)).is_ours, why(pod(0)).partition) == ("unknown", True, 0)
    assert why(pod()).state == "not-ready"
    other = pod(*(number for number in range(8) if number != why(pod(0, partitions=8)).partition), partitions=8)
    assert (why(other).state, why(other).is_ours) == ("elsewhere", False)
    stranger = why(pod(0), UserKey("v9", "ann"))
    assert (stranger.state, stranger.vendors) == ("unknown-vendor", tuple(pod(0).up.vendors))
    assert f"(known: {', '.join(stranger.vendors)})" in stranger.sentence


@virtual
async def test_a_user_goes_from_waiting_to_due_to_running_to_what_is_owed() -> None:
    made = pod(0)
    submit(made)
    assert (why(made).state, why(made).due_s, why(made).tokens) == ("waiting", 1.0, ("0:7",))
    await anyio.sleep(1)
    assert (why(made).state, why(made).due_s) == ("due", 0)
    job = taken(made)
    made.workers._since[ANN] = anyio.current_time()
    await anyio.sleep(3)
    assert (why(made).state, why(made).since_s) == ("running", 3)

    del made.workers._since[ANN]
    end(made, job, Result(Verdict.RETRY, "http-500"))
    said = why(made)
    assert (said.state, [(one.account, one.attempts, one.code, one.gate) for one in said.owed]) == ("owed", [("2", 1, "http-500", "open")])
    assert 0 < said.owed[0].next_try_s <= 0.5


@virtual
async def test_what_is_owed_behind_a_shut_gate_says_why_it_is_shut_and_until_when() -> None:
    made = pod(0)
    job = await begun(made)
    made.up.gates.accounts[B].failed(ANN, Retryable("no", code="http-429", retry_after_s=40.0), now=anyio.current_time())
    end(made, job, Result(Verdict.HELD, "http-429"))
    await anyio.sleep(10)

    ((account, gate, cause, next_try_s),) = [(one.account, one.gate, one.gate_cause, one.gate_next_try_s) for one in why(made).owed]
    assert (account, gate, cause, next_try_s) == ("2", "closed", "retry-after", 30)


@virtual
async def test_an_upstream_that_answers_too_often_is_told_so_by_its_last_failure() -> None:
    made = pod(0)
    often = Retryable("no", code="http-429", delay_s=60.0)
    end(made, await begun(made), Result(Verdict.RETRY, "http-429"))
    fail_often(made.up.gates.accounts[B], often)
    assert "account 2 failed for five users in a row, since" in why(made).sentence
    made.resync.tally.failed(B, often)
    assert "account 2 answers that we ask too often (http-429), since" in why(made).sentence

    made = pod(0)
    made.resync.tally.failed("sesamy:v1", often)
    fail_often(made.up.gates.vendors["v1"], often)
    submit(made)
    await anyio.sleep(10)
    assert why(made).sentence.startswith("Sesamy answers that we ask too often (http-429), since")


@virtual
async def test_where_who_left_is_not_known_yet_that_is_what_it_waits_for() -> None:
    made = pod(0)
    job = await begun(made)
    end(made, job, Result(Verdict.HELD, "", tried=False))
    made.up.gates.ready = lambda account, _: account != B

    assert [(one.account, one.code) for one in why(made).owed] == [("2", "register")]


@virtual
async def test_what_is_given_up_is_being_parked_and_in_a_dry_run_it_would_be() -> None:
    made = pod(0)
    job = await begun(made)
    end(made, job, Result(Verdict.REFUSED, "http-422"))
    assert (why(made).state, why(made).why) == ("parking", "what is owed is being written to the dead-letter topic")

    made.up = replace(made.up, dry_run=True)
    assert (why(made).state, why(made).why) == ("parking", "what is owed would be parked: this pod is a dry run and parks nothing")
    assert why(made).sentence == "Would be parked: this pod is a dry run and parks nothing"


@virtual
async def test_while_nothing_is_read_nobody_is_said_to_be_done_with() -> None:
    made = pod(0)
    intake: Any = type("Intake", (), {"paused": True, "out": {}})()
    made.membership.intake = intake
    assert why(made).state == "paused"
    intake.paused, intake.out = False, {0: 1.0}
    assert why(made).state == "paused"
    intake.out = {1: 1.0}
    assert why(made).state == "unknown"


# ---- The answer ----


@virtual
async def test_an_id_that_nobody_knows_is_not_called_clean() -> None:
    said = why(pod(0), UserKey("v1", "nobody"))

    assert said.state == "unknown"
    assert said.why == "nothing is known of this user on this pod: it may be synced, or not exist"
    assert said.sentence.startswith("Nothing known of this user on this pod since ")
    assert {one.state for one in said.lists} == {"unknown"}


@virtual
async def test_of_whom_only_the_end_of_a_letter_is_remembered_no_run_is_known_and_that_is_said() -> None:
    made = pod(0)
    made.history.healed(ANN, [Place(0, 1)])

    assert why(made).state == "clean"
    assert why(made).sentence.startswith("No run of this user is remembered on this pod since ")


@virtual
async def test_a_run_of_the_pod_is_remembered_and_answered_from() -> None:
    made = pod(0)

    async def run(_: Job) -> tuple[Result, dict[AccountId, Result]]:
        return DONE, {A: DONE, B: DONE}

    made.backlog.submit(Event(ANN, "contract.1#update"), 0, 7, since_ms=0, now=anyio.current_time())
    await anyio.sleep(1)
    job = made.backlog.take(made.up.gates, now=anyio.current_time())
    assert job is not None
    ended = await made.history.running(run)(job)
    made.backlog.end_run(job, *ended, now=anyio.current_time(), uniform=0.5)

    said = why(made)
    assert (said.state, [(one.what, one.code) for one in said.history]) == ("clean", [("event", "contract.1#update"), ("written", "")])
    assert said.sentence.endswith(f" to {len(said.lists)} of {len(said.lists)} lists, and nothing is owed")
    assert {one.state for one in said.lists} == {"well"}


@virtual
async def test_a_busy_users_last_write_is_told_though_its_history_is_full_of_other_things() -> None:
    made = pod(0)
    failed = Result(Verdict.RETRY, "http-500")

    async def run(job: Job) -> tuple[Result, dict[AccountId, Result]]:
        return (DONE, {A: DONE, B: DONE}) if not job.since_ms[A] else (failed, {})

    for since_ms in range(10):
        await made.history.running(run)(Job(user=ANN, accounts=(A, B), started_at=0.0, since_ms={A: since_ms, B: since_ms}))

    assert {one.what for one in why(made).history} == {"event", "failed"}
    assert all(one.written_at is not None for one in why(made).lists)


@virtual
async def test_a_list_that_is_left_out_has_the_cause_and_the_cure_that_the_status_has() -> None:
    made = pod(0)
    job = await begun(made)
    end(made, job, Result(Verdict.RETRY, "http-404"))
    account = next(one for one in made.settings.accounts_of("v1") if one.id == B)
    made.up.gates.lists = ListDoors()
    made.up.gates.lists.doubt(B, account.lists, now=anyio.current_time())

    point = next(one for one in points({"pod": status(made)}, now=time.time()) if "left out" in one.text)
    of = next(one for one in why(made).lists if one.account == B)
    assert (of.state, of.cure) == ("owed", point.cure)
    assert of.text.partition(": ")[2] == point.text.partition(": ")[2]


@virtual
async def test_the_runs_and_the_letters_of_a_pod_go_into_its_memory() -> None:
    """The workers, the letter writer and the backlog each tell it."""
    made = pod(0)
    letter = Letter(code="http-422", stage="makeas", partition=0, offset=7, user=ANN, account=A)
    made.writer._count((letter,))
    made.backlog.on_healed(ANN, [Place(3, 17)])

    assert [(one.what, one.code, one.place) for one in made.history.of(ANN)] == [("parked", "http-422", ""), ("healed", "", "3:17")]
    assert "remembered" in made.workers._run.__qualname__


@virtual
async def test_a_letter_says_why_and_since_when_it_is_parked() -> None:
    made = pod(0)
    headers = [("error.code", b"http-422"), ("makeas.account", b"1"), ("parked_at", b"2026-11-27T03:00:00.000Z")]
    value = b'{"eventType":"contract.1#update","vendorId":"v1","userId":"ann"}'
    made.backlog.healing.book.read(Place(3, 17), parse(headers, value, None, timestamp_ms=0, now=0.0))

    (letter,) = why(made).letters
    assert (letter.place, letter.code, letter.parked_at, letter.heals) == ("3:17", "http-422", 1_795_748_400.0, False)
    assert "(http-422) at 3:17: `sesamy-makeas dead-letters requeue 3:17`" in why(made).sentence
