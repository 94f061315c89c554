"""A broker with TLS, SCRAM and an authorizer, and a stage whose pods have the rights that `deploy/kafka` grants."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.generated.rules import ROOT
from tests.integration.conftest import lacking
from tests.integration.harness import Said, Stage
from tests.integration.kafka_tools import certificates, finish, remove

TOPIC, LETTERS, GROUP = "sesamy.events", "sesamy.events.dead-letter", "readers-of-sesamy.events"
PASSWORD: Final = "scram-canary"
RECEIVE_SECRET: Final = "0123456789abcdef0123456789abcdef"
PRINCIPALS: Final = {
    "run": "sesamy-makeas",
    "replay": "sesamy-makeas-replay",
    "dead-letters": "sesamy-makeas-letters",
    "dry-run": "sesamy-makeas-dry-run",
    "receive": "sesamy-makeas-receiver",
}
FIRST: Final = PLACES[0].account


def overrides(folder: Path) -> dict[str, str]:
    """Return a broker's settings: TLS to all, a login for all, and an authorizer that allows nobody anything but its own."""
    return certificates(folder) | {
        "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="admin" password="a" user_admin="a" user_{PRINCIPALS["run"]}="{PASSWORD}";',
        "listener.name.plaintext.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "listener.name.plaintext.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The controller's own listener is this process's alone, and has no login.
        "super.users": "User:admin;User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }


class Guarded:
    """A broker that lets in these principals, and lets them do what they have been granted."""

    def __init__(self, found: Broker, folder: Path) -> None:
        self.broker, self.folder, self.ca = found, folder, str(folder / "ca.pem")
        login = {"security.protocol": "SASL_SSL", "ssl.ca.location": self.ca, "sasl.mechanism": "PLAIN"}
        self._login = login | {"sasl.username": "admin", "sasl.password": "a"}
        self.admin = AdminClient({"bootstrap.servers": found.bootstrap} | self._login)

    def set_up(self) -> None:
        for purpose in PRINCIPALS:
            self.set_password(purpose, PASSWORD)

    def set_password(self, purpose: str, password: str) -> None:
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            one = UserScramCredentialUpsertion(PRINCIPALS[purpose], info, password.encode())
            finish(self.admin.alter_user_scram_credentials([one]))

    async def apply(self, script: str, **more: str) -> None:
        """Run a script of `deploy/kafka` as it is."""
        config = self.folder / "admin.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._login.items()), encoding="utf-8")
        shim = self.folder / f"kafka-{script}"
        command = f"{sys.executable} -m tests.integration.kafka_tools {script.removesuffix('.sh')}"
        shim.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        given = {
            "BOOTSTRAP": self.broker.bootstrap,
            "COMMAND_CONFIG": str(config),
            "GROUP": GROUP,
            "DRY_RUN": PRINCIPALS["dry-run"],
            **more,
        }
        environ = {**os.environ, **given, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = await anyio.run_process([str(ROOT / "deploy/kafka" / script)], env=environ, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def granted(self) -> list[AclBinding]:
        everything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
        return sorted(self.admin.describe_acls(everything).result(30), key=str)

    async def drop(self, topic: str) -> None:
        """Delete a topic, and wait until nobody sees it any more."""
        finish(self.admin.delete_topics([topic]))
        with anyio.fail_after(20):
            while topic in self.admin.list_topics(timeout=30).topics:
                await anyio.sleep(0.2)

    def grant(self, one: AclBinding) -> None:
        (future,) = self.admin.create_acls([one]).values()
        future.result(30)


@asynccontextmanager
async def guarding(session_broker: Broker | str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Give such a broker, with the topics and rights that `deploy/kafka` makes."""
    if isinstance(session_broker, str) or session_broker.kind != "jvm":
        lacking("this needs a broker on the JVM")
    folder = tmp_path_factory.mktemp("guarded")
    async with broker("jvm", report=lambda _: None, overrides=overrides(folder)) as found:
        made = Guarded(found, folder)
        made.set_up()
        await made.apply("topics.sh", REPLICAS="1", MIN_INSYNC="1", PARTITIONS="4")
        await made.apply("acls.sh")
        yield made


@asynccontextmanager
async def set_stage(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Set the stage there; pods log in as `run`."""
    secured = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512", "SASL_PASSWORD": PASSWORD, "SSL_CAFILE": guarded.ca}
    for name, value in secured.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    login(monkeypatch, "run")
    producer = AIOKafkaProducer(
        bootstrap_servers=guarded.broker.bootstrap,
        security_protocol="SASL_SSL",
        ssl_context=create_ssl_context(cafile=guarded.ca),
        sasl_mechanism="PLAIN",
        sasl_plain_username="admin",
        sasl_plain_password="a",
    )
    await producer.start()
    async with town(tmp_path, readers=6) as here:
        made = Stage(here, guarded.broker, TOPIC, tmp_path, producer)
        try:
            yield made
        finally:
            for pod in made.pods:
                await pod.kill()
            await producer.stop()


def login(monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    monkeypatch.setenv("KAFKA_SASL_USERNAME", PRINCIPALS[purpose])


async def check(stage: Stage, purpose: str) -> Said:
    return await stage.command("check", "--online", "--for", purpose, "--output", "json")


@asynccontextmanager
async def without(guarded: Guarded, one: AclBinding) -> AsyncIterator[None]:
    """Take a right away for a while."""
    remove(guarded.admin, one)
    try:
        yield
    finally:
        guarded.grant(one)


def rights_of(guarded: Guarded, purpose: str) -> list[AclBinding]:
    return [one for one in guarded.granted() if one.principal == f"User:{PRINCIPALS[purpose]}"]


async def refuse_one(stage: Stage) -> None:
    """Let a list refuse one reader, so that it is parked."""
    user = stage.town.reader(VENDORS[0])
    email = stage.town.address(VENDORS[0], user)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=FIRST, user=email, status=422))
