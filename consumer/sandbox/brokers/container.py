"""A broker in a container, by testcontainers; importing this needs the extra `local`."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio import to_thread
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.core.docker_client import get_docker_host

from .unavailable import Unavailable

_ANSWER_S: Final = 15.0
_START_S: Final = 90


@asynccontextmanager
async def container_kafka(*, report: Callable[[str], None]) -> AsyncIterator[tuple[str, str]]:
    """
    Run a broker in a container; gives its address and its image.

    Raises:
        Unavailable: No engine answers, or it can't start the image.
    """
    container = await to_thread.run_sync(_engine)
    report(f"starting a container of {container.image}")
    try:
        try:
            await to_thread.run_sync(_start, container)
            address = await to_thread.run_sync(container.get_bootstrap_server)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise Unavailable("the container did not start: see the engine's log") from error
        yield address, container.image
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(container.stop)


def _engine() -> KafkaContainer:
    """Return a container to start, if a container engine answers here."""
    host = get_docker_host() or "unix:///var/run/docker.sock"
    try:
        if host.startswith("unix://"):  # The docker package leaks its socket where nobody listens.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_ANSWER_S)
                probe.connect(host.removeprefix("unix://"))
        container = KafkaContainer().with_kraft()
        container.get_docker_client().client.ping()
    except (DockerException, OSError) as error:
        raise Unavailable("no container engine answers") from error
    return container


def _start(container: KafkaContainer) -> None:
    try:
        container.start(timeout=_START_S)
    except DockerException as error:
        raise Unavailable(f"the container engine has no {container.image}, or can't start it") from error
