"""A broker that asks who is there, by a password or by a certificate: who is refused is told so at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.town import VENDORS, town
from tests.integration.conftest import lacking
from tests.integration.harness import Stage, staged
from tests.integration.kafka_tools import certificates

WRONG, RIGHT = "not-the-one", "the-one"
_SECURED = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'username="admin" password="a" user_admin="a" user_reader="{RIGHT}";',
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def secured(session_broker: Broker | str) -> AsyncIterator[Broker]:
    """Give a broker that lets nobody in without a login; where there is a session's broker on the JVM there may be another."""
    if isinstance(session_broker, str) or session_broker.kind != "jvm":
        lacking("this needs a broker on the JVM")
    async with broker("jvm", report=lambda _: None, overrides=_SECURED) as found:
        yield found


@pytest_asyncio.fixture
async def stage(secured: Broker, kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    for name, value in (("SECURITY_PROTOCOL", "SASL_PLAINTEXT"), ("SASL_MECHANISM", "PLAIN"), ("SASL_USERNAME", "reader")):
        monkeypatch.setenv(f"KAFKA_{name}", value)
    monkeypatch.setenv("ADMIN_PORT", "0")
    async with town(tmp_path, readers=1) as here, staged(here, kafka, "none", tmp_path) as made:
        made.kafka = secured
        yield made


@pytest.mark.parametrize("command", ["run", f"sync {VENDORS[0]} ann", "replay --from-time 2020-01-01 --yes", "dead-letters list"])
async def test_a_wrong_password_is_77_and_names_the_setting(stage: Stage, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", WRONG)
    said = await stage.command(*command.split())
    assert (said.status, "kafka.sasl_" in said.err, WRONG in said.out + said.err) == (77, True, False), said

    monkeypatch.setenv("KAFKA_SASL_PASSWORD", RIGHT)
    said = await stage.command(*command.split())
    assert (said.status, "is not there: create it, or correct kafka." in said.err) == (69, True), said


# ---- By certificate ----


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mutual(session_broker: Broker | str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Broker, Path]]:
    """Give a broker that speaks TLS with those alone who show a certificate of its authority, and the folder with one."""
    if isinstance(session_broker, str) or session_broker.kind != "jvm":
        lacking("this needs a broker on the JVM")
    folder = tmp_path_factory.mktemp("mutual")
    protocols = {"listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT", "ssl.client.auth": "required"}
    protocols |= {"inter.broker.listener.name": "PLAINTEXT"}
    async with broker("jvm", report=lambda _: None, overrides=protocols | certificates(folder)) as found:
        yield found, folder


async def test_a_certificate_of_ours_lets_us_in(
    mutual: tuple[Broker, Path], kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, or with a broker that is not whom it says it is, the finding names the settings to look at."""
    found, folder = mutual
    files = {"SSL_CAFILE": "ca.pem", "SSL_CERTFILE": "client.pem", "SSL_KEYFILE": "client.key"}
    for name, file in files.items():
        monkeypatch.setenv(f"KAFKA_{name}", str(folder / file))
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    async with town(tmp_path, readers=1) as here, staged(here, kafka, "none", tmp_path) as stage:
        stage.kafka = found
        said = await stage.command("check", "--online", "--for", "replay")
        assert (said.status, " reached" in said.out, "create the topic" in said.out) == (69, True, True), said

        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", found.bootstrap.replace("127.0.0.1", "localhost"))
        said = await stage.command("check", "--online", "--for", "replay")
        assert (said.status, "correct kafka.ssl_*" in said.out) == (69, True), said

        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", found.bootstrap)
        for name in ("SSL_CERTFILE", "SSL_KEYFILE"):
            monkeypatch.delenv(f"KAFKA_{name}")
        said = await stage.command("check", "--online", "--for", "replay")
        assert (said.status, "kafka.ssl_certfile" in said.out) == (69, True), said
