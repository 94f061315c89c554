"""Asking pods: of those that answer, the one that knows; of those that don't, why; and no more in an address than where a pod is."""

from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from consumer import ask
from consumer.errors import Fatal
from consumer.status import Explanation, Status
from tests.pods import answering
from tests.unit.test_telemetry import settings

CANARY = "hunter2-canary"


def explanation(state: Any, *, is_ours: bool = False) -> dict[str, object]:
    return {"/explain.json": Explanation(vendor="v", user="u", state=state, why=state, is_ours=is_ours)}


# ---- Addresses ----


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        (f"http://ann:{CANARY}@10.0.0.7:8080", "leave out what stands before the @"),
        (f"http://{CANARY}@10.0.0.7", "leave out what stands before the @"),
        (f"http://10.0.0.7/?key={CANARY}", "end it before the ?"),
        (f"http://10.0.0.7#{CANARY}", "end it before the ?"),
        ("http://10.0.0.7?", "end it before the ?"),
        (f"10.0.0.7:8080/{CANARY}", "an address like http://"),
        (f"ftp://{CANARY}", "an address like http://"),
        (f"http://ann:{CANARY}/x@10.0.0.7", "an address like http://"),
        (f"http:///{CANARY}", "an address like http://"),
        (f"http://[{CANARY}", "an address like http://"),
        (f"http://10.0.0.7/{CANARY}\x1b]0;x\x07", "an address like http://"),
    ],
)
def test_an_address_says_no_more_than_where_a_pod_is(url: str, cure: str) -> None:
    with pytest.raises(Fatal, match="--url") as caught:
        ask.named([url])

    assert caught.value.status == 64
    assert cure in str(caught.value)
    assert CANARY not in str(caught.value)


def test_each_address_once() -> None:
    urls = ["http://10.0.0.7:8080/", "http://10.0.0.7:8080", "https://proxy/a@b/pod-1/", "http://[::1]:8080"]

    assert ask.named(urls) == ["http://10.0.0.7:8080", "https://proxy/a@b/pod-1", "http://[::1]:8080"]


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "[::1]"),
        ("0::0", "[::1]"),
        ("fd00::7", "[fd00::7]"),
        ("10.0.0.7", "10.0.0.7"),
        ("localhost", "localhost"),
    ],
)
def test_a_pod_is_asked_at_an_address_that_it_listens_at(host: str, asked: str) -> None:
    found = settings()
    admin = msgspec.structs.replace(found.admin, host=host, port=8080)

    assert ask.urls_of(msgspec.structs.replace(found, admin=admin)) == [f"http://{asked}:8080"]


async def test_a_path_and_ipv6_are_part_of_an_address() -> None:
    async with AsyncExitStack() as stack:
        behind = await stack.enter_async_context(answering({"/pods/a/status.json": Status(host="a")}))
        six = await stack.enter_async_context(answering({"/status.json": Status(host="b")}, host="::1"))
        found = await ask.statuses(ask.named([f"{behind}/pods/a/", six]))

    assert [one.host for one in found.values() if isinstance(one, Status)] == ["a", "b"]
