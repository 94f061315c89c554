"""Asking pods: of those that answer, the one that knows; of those that don't, why; and no more in an address than where a pod is."""

from contextlib import AsyncExitStack
from typing import Any

import anyio
import msgspec
import pytest

from consumer.commands import pods as ask
from consumer.core.errors import Fatal
from consumer.pod.reader.facts import Explanation
from consumer.pod.status.tree import (
    Status,
)
from consumer.sandbox.ports import free_port
from tests.pods import answering, nobody
from tests.unit.telemetry.test_metrics import settings

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


# ---- Explaining ----


async def test_one_pod_that_answers_is_enough() -> None:
    gone = nobody()
    async with answering(explanation("owed", is_ours=True)) as there:
        found = await ask.explain([gone, there], "v", "u")

    assert (found.best.state, found.is_known) == ("owed", True)
    assert [str(one).startswith(f"{gone}: no usable answer") for one in found.silent] == [True]


@pytest.mark.parametrize("state", ["elsewhere", "not-ready", "parked", "clean", "unknown"])
async def test_where_the_user_is_nobodys_a_silent_pod_may_know_more(state: str) -> None:
    async with answering(explanation(state)) as there:
        found = await ask.explain([there, nobody()], "v", "u")

    assert (found.best.state, found.is_known, len(found.silent)) == (state, False, 1)


async def test_no_answer_at_all_names_every_pod() -> None:
    urls = [nobody(), nobody()]

    with pytest.raises(Fatal) as caught:
        await ask.explain(urls, "v", "u")

    assert caught.value.status == 69
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == urls


async def test_of_two_that_know_letters_the_users_own_pod_is_heard() -> None:
    async with answering(explanation("parked")) as other, answering(explanation("running", is_ours=True)) as own:
        found = await ask.explain([other, own], "v", "u")

    assert (found.best.state, found.silent) == ("running", ())


# ---- What is no pod ----


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"state": "hunter2-canary"}', "a pod of another version"),
        (b'{"upstreams": [{"name": "x", "kind": "makeas", "state": "closed", "cause": "hunter2-canary"}]}', "a pod of another version"),
        (b'{"users": "hunter2-canary"}', "a pod of another version"),
        (b'{"x":' * 100_000, "no usable answer (what it says is no JSON)"),
        (b"hunter2-canary", "no usable answer (what it says is no JSON)"),
        (b'{"host": "\xff", "why": "\xff"}', "no usable answer (what it says is no JSON)"),
        (b" " * (4 * 1024 * 1024 + 1), "more than 4194304 bytes"),
    ],
)
async def test_what_can_not_be_read_is_said_and_not_quoted(body: bytes, said: str) -> None:
    async with answering({"/status.json": body, "/explain.json": body}) as there:
        (status,) = (await ask.statuses([there])).values()
        with pytest.raises(Fatal) as caught:
            await ask.explain([there], "v", "u")

    assert isinstance(status, Fatal)
    for error in (status, caught.value):
        assert error.status == 69
        assert said in str(error)
        assert CANARY not in str(error)


# ---- Names that stand for all pods ----


@pytest.mark.parametrize("name", ["pods", "pods:0", "pods:65536", "pods:http", f"{CANARY}@pods:80", f"http://{CANARY}:80", ":80", "a b:80"])
def test_a_name_is_a_name_and_a_port(name: str) -> None:
    with pytest.raises(Fatal, match="--url-dns wants NAME:PORT") as caught:
        ask.named([], [name])

    assert caught.value.status == 64
    assert CANARY not in str(caught.value)


async def test_a_name_stands_for_all_its_addresses_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    async def resolved(name: str, port: int, **_: object) -> list[tuple[object, ...]]:
        hosts = {"pods": ("::1", "127.0.0.2", "127.0.0.1", "127.0.0.1")}[name]
        return [(0, 0, 0, "", (host, port)) for host in hosts]

    monkeypatch.setattr(anyio, "getaddrinfo", resolved)
    found = await ask.statuses(ask.named([f"http://127.0.0.1:{port}"], [f"pods:{port}"]))

    assert [*found] == [f"http://127.0.0.1:{port}", f"http://127.0.0.2:{port}", f"http://[::1]:{port}"]


async def test_a_real_name_is_resolved_and_asked() -> None:
    async with answering({"/status.json": Status(host="a")}) as url:
        found = await ask.statuses(ask.named([], [f"localhost:{url.rpartition(':')[2]}"]))

    assert isinstance(found[url], Status)


async def test_a_name_that_is_none_is_said_plainly_and_ends_with_69() -> None:
    ((urls, one),) = (await ask.statuses(ask.named([], ["no-such-name.invalid:8080"]))).items()

    assert isinstance(one, Fatal)
    assert (urls, one.status) == ("dns://no-such-name.invalid:8080", 69)
    assert "can't be resolved" in str(one)
    with pytest.raises(Fatal, match="can't be resolved"):
        await ask.explain(ask.named([], ["no-such-name.invalid:8080"]), "v", "u")
