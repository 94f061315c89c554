"""The rights that `deploy/kafka` grants are enough, and not one too many: on a broker with TLS, SCRAM and an authorizer."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio
import pytest
import pytest_asyncio
import trustme
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import VENDORS
from tests.generated.rules import ROOT
from tests.integration.guarded import (
    GROUP,
    LETTERS,
    PASSWORD,
    PRINCIPALS,
    RECEIVE_SECRET,
    TOPIC,
    Guarded,
    check,
    guarding,
    login,
    refuse_one,
    rights_of,
    set_stage,
    without,
)
from tests.integration.harness import Stage, until
from tests.integration.kafka_tools import remove


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded(session_broker: Broker | str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    async with guarding(session_broker, tmp_path_factory) as made:
        yield made


@pytest_asyncio.fixture
async def stage(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with set_stage(guarded, tmp_path, monkeypatch) as made:
        yield made


async def test_the_topics_are_as_the_script_says(guarded: Guarded) -> None:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in (TOPIC, LETTERS)]
    found = {resource.name: future.result(30) for resource, future in guarded.admin.describe_configs(resources).items()}

    assert {name: (one["cleanup.policy"].value, int(one["retention.ms"].value) // 86_400_000) for name, one in found.items()} == {
        TOPIC: ("delete", 30),
        LETTERS: ("delete", 14),
    }
    await guarded.apply("acls.sh")  # Once more does no harm.


async def test_run_replay_and_requeue_work_with_these_rights_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod parks what a list refuses, a replay runs beside it, and a requeue heals it, each with its own login."""
    await refuse_one(stage)
    pod = await stage.pod().start()
    await stage.touch_all()

    async def parked() -> bool:
        status = await pod.status()
        return status is not None and (status.dead_letters.open or 0) > 0 and status.users.dirty == 0

    await until(parked, what=pod.said, within_s=60)
    stage.town.makeas.faults.clear()

    login(monkeypatch, "replay")
    replayed = await stage.command("replay", "--from-time", "2020-01-01", "--yes")
    assert replayed.status == 0, replayed
    login(monkeypatch, "dead-letters")
    listed = await stage.command("dead-letters", "list", "--output", "json")
    assert json.loads(listed.out), listed
    requeued = await stage.command("dead-letters", "requeue", "--all", "--yes", "--wait")
    assert requeued.status == 0, requeued
    await stage.agree()
    await stage.idle(pod)
    assert await pod.stop() == 0


@pytest.mark.parametrize("purpose", list(PRINCIPALS))
async def test_each_right_that_is_missing_is_named(stage: Stage, guarded: Guarded, monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    login(monkeypatch, purpose)
    monkeypatch.setenv("RECEIVE_SECRET", RECEIVE_SECRET)
    said = await check(stage, purpose)
    assert said.status == 0, said
    mine = rights_of(guarded, purpose)
    assert len(mine) == {"run": 4, "replay": 1, "dead-letters": 2, "dry-run": 2, "receive": 1}[purpose]

    for one in mine:
        async with without(guarded, one):
            said = await check(stage, purpose)
        assert said.status == 77, (one, said)
        path = {TOPIC: "kafka.topic", LETTERS: "kafka.dead_letter_topic", GROUP: "kafka.group_id", f"{GROUP}-dry-run": "kafka.group_id"}[
            one.name
        ]
        (finding,) = [found for found in json.loads(said.out) if found["level"] == "error"]
        assert (finding["path"], one.operation.name in finding["cure"]) == (path, True), (one, finding)


async def test_run_ends_where_a_right_is_missing_at_the_start(stage: Stage, guarded: Guarded) -> None:
    """Each of its rights: 77 at once, with the right and its cure."""
    for one in rights_of(guarded, "run"):
        async with without(guarded, one):
            pod = await stage.pod().start(ready=False)
            with anyio.fail_after(20):
                status = await pod.ended()
        assert (status, f"grant {one.operation.name} on the" in pod.said()) == (77, True), (one, pod.said())
        assert {TOPIC: "kafka.topic", LETTERS: "kafka.dead_letter_topic", GROUP: "kafka.group_id"}[one.name] + ":" in pod.said()


_TOOLS: Final = {
    f"sync {VENDORS[0]} ann": "replay",
    "replay --from-time 2020-01-01 --yes": "replay",
    "replay --from-offset 0:0 --yes": "replay",
    "dead-letters list": "dead-letters",
    "dead-letters show 0:0": "dead-letters",
    "dead-letters requeue --all --yes": "dead-letters",
}


@pytest.mark.parametrize("command", list(_TOOLS))
async def test_a_command_ends_where_a_right_is_missing(
    stage: Stage, guarded: Guarded, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whatever the topics hold. Who only looks at letters need not be allowed to write them."""
    login(monkeypatch, _TOOLS[command])
    for one in rights_of(guarded, _TOOLS[command]):
        async with without(guarded, one):
            said = await stage.command(*command.split())
        needed = one.operation is AclOperation.READ or "requeue" in command
        assert (said.status == 77) == needed, (one, said)
        assert (f"grant {one.operation.name} on the topic" in said.err) == needed, (one, said)


async def test_a_dead_letter_topic_that_is_not_there_is_created_where_that_is_allowed(stage: Stage, guarded: Guarded) -> None:
    """`check` asks, and creates nothing; `run` ends as `check` said."""
    await guarded.drop(LETTERS)
    try:
        said = await check(stage, "run")
        (finding,) = [found for found in json.loads(said.out) if found["level"] == "error"]
        assert (said.status, finding["path"], "CREATE" in finding["cure"]) == (77, "kafka.dead_letter_topic", True), said
        pod = await stage.pod().start(ready=False)
        with anyio.fail_after(20):
            assert await pod.ended() == 77, pod.said()

        literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        create = AclBinding(ResourceType.TOPIC, LETTERS, literal, f"User:{PRINCIPALS['run']}", "*", AclOperation.CREATE, allow)
        guarded.grant(create)
        try:
            said = await check(stage, "run")
            assert (said.status, "`run` will create it" in said.out) == (0, True), said
            assert LETTERS not in guarded.admin.list_topics(timeout=30).topics
            pod = await stage.pod().start()
            assert LETTERS in guarded.admin.list_topics(timeout=30).topics
            assert await pod.stop() == 0
        finally:
            remove(guarded.admin, create)
    finally:
        await guarded.apply("topics.sh", REPLICAS="1", MIN_INSYNC="1", PARTITIONS="4")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_each_mechanism_lets_us_in_with_the_right_password_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", mechanism)
    said = await check(stage, "run")
    assert said.status == 0, said

    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "another")
    said = await check(stage, "run")
    assert (said.status, "kafka.sasl_" in said.out) == (77, True), said


async def test_a_stranger_to_the_brokers_certificate_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broker whose certificate nobody of ours vouches for gets no password from us."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("KAFKA_SSL_CAFILE", str(tmp_path / "other.pem"))
    said = await check(stage, "run")

    assert said.status == 69, said
    assert "correct kafka.ssl_*" in said.out
    assert PASSWORD not in said.out + said.err

    pod = await stage.pod().start(ready=False)

    async def tells() -> bool:
        return "no TLS: correct kafka.ssl_*" in pod.said()

    await until(tells, what=pod.said, within_s=20)
    assert PASSWORD not in pod.said()


@pytest.mark.parametrize(("component", "purposes"), [("strimzi-user", ["run", "dry-run"]), ("receiver-strimzi-user", ["receive"])])
def test_a_strimzi_user_has_the_same_rights(guarded: Guarded, component: str, purposes: list[str]) -> None:
    """What the operator grants is what the script grants to `run` and `run --dry-run`, and to `receive`."""
    path = ROOT / f"deploy/kustomize/components/{component}/kafkauser.yaml"
    user = yaml.safe_load(path.read_text(encoding="utf-8"))
    theirs = {
        (acl["resource"]["type"], acl["resource"]["name"].replace("sesamy-makeas", GROUP), operation.upper())
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    ours = {
        (one.restype.name.lower(), one.name, one.operation.name)
        for one in guarded.granted()
        if one.principal in {f"User:{PRINCIPALS[purpose]}" for purpose in purposes}
    }
    assert theirs == ours
    assert user["metadata"]["name"] == PRINCIPALS[purposes[0]]


async def test_a_receiver_may_write_events_so_that_none_is_there_twice_and_may_nothing_else(guarded: Guarded) -> None:
    """Such a producer asks for a number first: this broker gives one to whoever may write a topic."""
    login = {
        "bootstrap_servers": guarded.broker.bootstrap,
        "security_protocol": "SASL_SSL",
        "ssl_context": create_ssl_context(cafile=guarded.ca),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": PRINCIPALS["receive"],
        "sasl_plain_password": PASSWORD,
    }
    async with AIOKafkaProducer(**login, enable_idempotence=True, acks="all") as producer:
        assert (await producer.send_and_wait(TOPIC, b"{}", key=b"v|u")).offset >= 0
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(LETTERS, b"{}")
    consumer = AIOKafkaConsumer(**login)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        await consumer.seek_to_beginning()
        with pytest.raises(TopicAuthorizationFailedError), anyio.fail_after(20):
            await consumer.getone()
    finally:
        await consumer.stop()


async def test_check_for_a_receiver_asks_nobody_but_kafka(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver's pod has no key of Sesamy or Make.as, and may not reach them; it has a secret of its own."""
    login(monkeypatch, "receive")
    said = await check(stage, "receive")
    assert [one["path"] for one in json.loads(said.out) if one["level"] == "error"] == ["receive.secret"], said
    assert said.status == 78
    monkeypatch.setenv("RECEIVE_SECRET", RECEIVE_SECRET)
    said = await check(stage, "receive")

    assert (said.status, stage.town.sesamy.calls.total(), stage.town.makeas.calls.total()) == (0, 0, 0), said
    assert {one["path"].partition(".")[0].partition("[")[0] for one in json.loads(said.out)} & {"vendors", "sesamy", "makeas"} == set(), (
        said
    )


async def test_reconcile_says_what_it_may_not_before_it_asks_anybody_and_a_dry_run_needs_no_right(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a login that may not read the topic."""
    login(monkeypatch, "dead-letters")
    said = await stage.command("reconcile", "--yes", "--rate-share", "1")
    assert (said.status, "kafka.topic: we may not read it" in said.err, "reconcile needs that" in said.err) == (77, True, True), said
    assert stage.town.sesamy.calls.total() == stage.town.makeas.calls.total() == 0

    said = await stage.command("reconcile", "--dry-run", "--rate-share", "1")
    assert (said.status, "to resync: 10 readers; nothing was written" in said.out) == (1, True), said

    login(monkeypatch, "replay")
    said = await stage.command("reconcile", "--yes", "--rate-share", "1", "--max-changes", "100%")
    assert (said.status, "0 failed" in said.out, "all lists agree with Sesamy" in said.out) == (0, True, True), said
