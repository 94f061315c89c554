"""The image, on a real container engine, against a real Kafka: locked down as the manifests lock it down."""

import json
import os
import subprocess
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import pytest_asyncio
import yaml

from consumer import __version__
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import PLACES, town
from tests.generated.rules import ROOT
from tests.integration.conftest import lacking
from tests.integration.harness import Stage, staged, until

IMAGE: Final = "sesamy-makeas:test"
LOCKED: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m", "--network=host")
GRACE_S: Final = 75
ADVICE: Final = "consumer.telemetry.advice"
"""Says at the start what `check` thinks of the settings: of a town's, that all is plain and on this machine."""


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).strip()


@pytest.fixture(scope="session")
def image() -> str:
    """Build it, as `make image` does, of the base that IMAGE_BASE names."""
    try:
        docker("version")
    except (OSError, AssertionError):
        lacking("no container engine answers; cure: start dockerd")
    base = os.environ.get("IMAGE_BASE")
    if base is None:
        lacking("IMAGE_BASE names no base for the image; cure: .ci/image-base NAME, then IMAGE_BASE=NAME")
    given = "--network host --build-arg PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
    command = ["make", "image", f"BASE={base}", f"IMAGE={IMAGE}", f"ARGS={given}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return IMAGE


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def inside(image: str, script: str) -> str:
    return docker("run", "--rm", *LOCKED, "--entrypoint", "/app/bin/python", image, "-c", script)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_nothing_is_in_it_that_does_not_belong(image: str, record_property: Any) -> None:
    """No installer, no compiler, no cache, no tests; a fixed user; its size is printed."""
    (made,) = json.loads(docker("image", "inspect", image))
    assert (made["Config"]["User"], made["Config"]["Entrypoint"], made["Config"]["Cmd"]) == ("10001:10001", ["sesamy-makeas"], ["run"])
    modules, tools = ("pip", "hatchling", "pytest", "tests"), ("gcc", "cc", "make", "pip")
    wanted = f"import importlib.util as u, shutil as s; print([n for n in {modules} if u.find_spec(n)], [t for t in {tools} if s.which(t)])"
    assert inside(image, wanted) == "[] []"
    record_property("image_bytes", made["Size"])
    print(f"image: {made['Size'] / 1e6:.0f} MB")


def test_its_labels_say_what_it_is_made_of(image: str) -> None:
    """A tree with changes is not passed off as the commit that it began with."""
    (made,) = json.loads(docker("image", "inspect", image))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dirty = "-dirty" if git("status", "--porcelain") else ""
    base = os.environ["IMAGE_BASE"]
    (digest, *_) = json.loads(docker("image", "inspect", base))[0]["RepoDigests"] or [""]

    assert made["Config"]["Labels"] == {
        "org.opencontainers.image.title": project["name"],
        "org.opencontainers.image.description": "Keeps Make.as lists in step with Sesamy",
        "org.opencontainers.image.licenses": project["license"],
        "org.opencontainers.image.version": __version__,
        "org.opencontainers.image.revision": git("rev-parse", "HEAD") + dirty,
        "org.opencontainers.image.base.name": base,
    } | ({"org.opencontainers.image.base.digest": digest.partition("@")[2]} if digest else {})


def test_the_base_brings_no_installer_and_no_way_to_become_another_user(image: str) -> None:
    """Its own interpreter is asked, and every file: as root, for whom nothing is hidden."""
    interpreter = inside(image, "import os, sys; print(os.path.realpath(sys.executable))")
    assert not interpreter.startswith("/app/")
    script = """
import importlib.util, os, stat
found = [name for name in ("pip", "ensurepip", "setuptools") if importlib.util.find_spec(name)]
for folder, folders, files in os.walk("/"):
    folders[:] = [one for one in folders if not os.path.ismount(os.path.join(folder, one))]
    for path in (os.path.join(folder, one) for one in files):
        mode = os.lstat(path).st_mode
        if path.endswith(".whl") or (stat.S_ISREG(mode) and mode & 0o6000):
            found.append(path)
print(found)
"""
    assert docker("run", "--rm", "--user=0:0", *LOCKED, "--entrypoint", interpreter, image, "-c", script) == "[]"


def test_a_start_compiles_nothing(image: str) -> None:
    """All that is imported has its bytecode beside it: with a read-only root it would be compiled at every start."""
    script = """
import importlib.util, os, sys
import consumer.__main__, consumer.commands.cli, consumer.pod.process, consumer.commands.replay.command
sources = [one.__file__ for one in list(sys.modules.values()) if (getattr(one, "__file__", None) or "").endswith(".py")]
print(len(sources) > 300, [one for one in sources if not os.path.exists(importlib.util.cache_from_source(one))])
"""
    assert inside(image, script) == "True []"


def test_the_root_is_not_writable_and_nobody_may_become_root(image: str) -> None:
    fields = "(dict(l.split(':', 1) for l in open('/proc/self/status'))[n].strip() for n in ('CapEff', 'CapBnd', 'NoNewPrivs'))"
    script = f"import os; print(os.getuid(), *{fields}); open('/x', 'w')"
    done = subprocess.run(
        ["docker", "run", "--rm", *LOCKED, "--entrypoint", "/app/bin/python", image, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["10001", "0" * 16, "0" * 16, "1"]
    assert "Read-only file system" in done.stderr


def test_the_manifest_locks_it_down_as_much() -> None:
    """What is shown here holds there: the same user, no capability, no new privilege, a read-only root, the same memory."""
    text = (ROOT / "deploy/kustomize/base/deployment.yaml").read_text(encoding="utf-8")
    pod = yaml.safe_load(text)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (container["resources"]["limits"]["memory"], pod["terminationGracePeriodSeconds"]) == ("512Mi", GRACE_S)


async def test_it_runs_locked_down_and_drains_on_sigterm(stage: Stage, image: str) -> None:
    """Events in, lists right; then a SIGTERM under load: exit status 0, and what was begun is done or still in Kafka."""
    pod = stage.pod()
    for path in (stage.folder, *stage.folder.rglob("*")):  # The engine's user is not ours.
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder = f"{stage.folder}:{stage.folder}:ro"
    began = time.monotonic()
    name = docker("run", "--detach", *LOCKED, "--volume", folder, image, "run", "--config", str(pod.config))
    try:

        async def ready() -> bool:
            return (status := await pod.status()) is not None and status.ready

        await until(ready, what=lambda: docker("logs", name), within_s=60)
        took_s = time.monotonic() - began
        used = docker("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}}", name)
        print(f"ready after {took_s:.1f} s: {used}")
        await stage.touch_all()
        await stage.agree()
        await stage.idle(pod)

        await stage.touch_all(times=2)
        stopped = await anyio.run_process(["docker", "stop", f"--time={GRACE_S}", name])
        assert stopped.returncode == 0
        (state,) = json.loads(docker("inspect", "--format", "[{{json .State}}]", name))
        lines = [json.loads(line) for line in docker("logs", name).splitlines()]
        assert [
            line for line in lines if line["level"] != "info" and line["logger"].startswith("consumer.") and line["logger"] != ADVICE
        ] == []
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    finally:
        docker("rm", "--force", name, check=False)
    after = await stage.pod().start()
    await stage.agree()
    await stage.idle(after)
    assert not any(stage.town.wrong(place) for place in PLACES)
