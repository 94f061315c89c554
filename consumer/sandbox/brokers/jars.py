"""Kafka's jars: whether this machine can run them, and a copy that is fetched once."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from ...settings.findings import reason
from .unavailable import Unavailable

KAFKA_VERSION: Final = "4.1.0"
_JAVA: Final = 17
_FETCH_S: Final = 300.0
_LAST_LINES: Final = 12

_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def cache() -> Path:
    """Return the folder of the jars, which need not be there yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sesamy-makeas" / f"kafka-{KAFKA_VERSION}"


async def why_not() -> str | None:
    """Return why no JVM Kafka can run here; None where one can."""
    version = await _java_version()
    if version is None:
        return "no java on the path"
    if version < _JAVA:
        return f"java {version} is too old, Kafka needs {_JAVA}"
    if not await anyio.Path(cache()).is_dir() and await to_thread.run_sync(shutil.which, "mvn") is None:
        return "no mvn on the path to fetch Kafka with"
    return None


async def _java_version() -> int | None:
    try:
        done = await anyio.run_process(["java", "-version"], check=False)
    except OSError:
        return None
    found = re.search(rb'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found and done.returncode == 0 else None


async def jars(*, report: Callable[[str], None]) -> Path:
    """
    Return the folder with Kafka's jars; fetch them by Maven (about 45 MB) if this machine has none yet.

    Raises:
        Unavailable: Maven could not fetch them.
    """
    lib = cache()
    if await anyio.Path(lib).is_dir():
        return lib
    report(f"fetching Apache Kafka {KAFKA_VERSION}, once")
    await anyio.Path(lib.parent).mkdir(parents=True, exist_ok=True)
    async with scratch(lib.parent) as folder:
        await anyio.Path(folder / "pom.xml").write_text(_POM, encoding="utf-8")
        copy = ["mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'lib'}"]
        try:
            with anyio.fail_after(_FETCH_S):
                done = await anyio.run_process(copy, check=False, stderr=subprocess.STDOUT)
        except (OSError, TimeoutError) as error:
            why = f"not within {_FETCH_S:.0f} s" if isinstance(error, TimeoutError) else reason(error)
            raise Unavailable(f"mvn could not fetch Kafka: {why}") from error
        if done.returncode:
            raise Unavailable(f"mvn could not fetch Kafka:\n{last_lines(done.stdout.decode(errors='replace'))}")
        try:
            await anyio.Path(folder / "lib").rename(lib)
        except OSError:  # Another process was first.
            if not await anyio.Path(lib).is_dir():
                raise
    return lib


@asynccontextmanager
async def scratch(parent: Path | None) -> AsyncIterator[Path]:
    """Give a new folder in `parent`, or where the system has such; it is gone with the block."""
    folder = Path(await to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="kafka-", dir=parent)))
    try:
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def last_lines(text: str) -> str:
    """Return the end of what a Java tool said, without its traces of the stack."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    return "\n".join(lines[-_LAST_LINES:])
