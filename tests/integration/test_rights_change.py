"""Rights and passwords that change while a pod runs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from confluent_kafka.admin import AclOperation

from consumer.sandbox.brokers.broker import Broker
from tests.integration.guarded import LETTERS, PASSWORD, Guarded, guarding, refuse_one, rights_of, set_stage, without
from tests.integration.harness import Stage, until


@pytest_asyncio.fixture
async def guarded(session_broker: Broker | str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Give one to each test: a broker can be stopped by the loop alone that started it."""
    async with guarding(session_broker, tmp_path_factory) as made:
        yield made


@pytest_asyncio.fixture
async def stage(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with set_stage(guarded, tmp_path, monkeypatch) as made:
        yield made


async def test_letters_that_may_no_longer_be_read_are_told(stage: Stage, guarded: Guarded) -> None:
    """The pod is not ready within a minute and a bit, and knows no number of open letters; once it may read again, both are back."""
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    (read,) = (one for one in rights_of(guarded, "run") if one.name == LETTERS and one.operation is AclOperation.READ)

    async def follows() -> bool:
        status = await pod.status()
        return status is not None and status.dead_letters.readable and status.dead_letters.open == 0

    await until(follows, what=pod.said, within_s=10)

    async def blind() -> bool:
        status, metrics = await pod.status(), await pod.metrics()
        if status is None or status.not_ready != ("the dead-letter topic can't be read",):
            return False
        return status.dead_letters.open is None and "sesamy_makeas_dead_letters_readable 0.0" in metrics

    async def sees() -> bool:
        status = await pod.status()
        return status is not None and status.ready and status.dead_letters.open == 1

    async with without(guarded, read):
        await refuse_one(stage)
        await stage.touch_all()
        await until(blind, what=pod.said, within_s=90)
    await until(sees, what=pod.said, within_s=30)
    stage.town.makeas.faults.clear()


async def test_a_password_may_change_under_a_pod(stage: Stage, guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed at the broker and in its file, all connections cut: letters are written and read, and nobody restarts the pod."""
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    monkeypatch.delenv("KAFKA_SASL_PASSWORD")
    pod = stage.pod()
    text = pod.config.read_text(encoding="utf-8")
    pod.config.write_text(text.replace("[kafka]\n", f"[kafka]\nsasl_password = {{ file = '{file}' }}\n", 1), encoding="utf-8")
    await pod.start()
    await refuse_one(stage)
    await stage.touch_all()

    def written(more_than: int) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            status = await pod.status()
            return status is not None and status.ready and status.dead_letters.written > more_than and status.dead_letters.waiting == 0

        return holds

    await until(written(0), what=pod.said, within_s=30)
    file.write_text("another-canary", encoding="utf-8")
    guarded.set_password("run", "another-canary")
    await guarded.broker.stop()
    await guarded.broker.start()
    before = await pod.status()
    assert before is not None
    await stage.touch_all()
    await until(written(before.dead_letters.written), what=pod.said, within_s=90)

    async def read_back() -> bool:
        status = await pod.status()
        return status is not None and status.dead_letters.readable and status.dead_letters.open == 1

    await until(read_back, what=pod.said, within_s=60)
    assert await pod.stop() == 0


async def test_a_tls_file_that_breaks_under_a_pod_is_waited_out(
    stage: Stage, guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections go on with what they have; what has to be made anew waits until the file is good again."""
    file, good = tmp_path / "authority.pem", (guarded.folder / "ca.pem").read_bytes()
    file.write_bytes(good)
    monkeypatch.setenv("KAFKA_SSL_CAFILE", str(file))
    pod = await stage.pod().start()
    file.write_text("garbage-canary", encoding="utf-8")
    await refuse_one(stage)
    await stage.touch_all()

    async def waits() -> bool:
        status = await pod.status()
        return status is not None and status.ready and status.dead_letters.waiting == 1 and "kafka.ssl_cafile: no certificate" in pod.said()

    await until(waits, what=pod.said, within_s=20)
    assert "garbage-canary" not in pod.said()
    file.write_bytes(good)

    async def written() -> bool:
        status = await pod.status()
        return status is not None and status.dead_letters.written == 1 and status.dead_letters.waiting == 0

    await until(written, what=pod.said, within_s=30)
    assert await pod.stop() == 0
