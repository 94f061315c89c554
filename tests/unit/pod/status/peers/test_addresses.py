"""Where the pods are: names resolved, each pod once, and which of them is this one."""

import socket
from collections.abc import Sequence

import anyio
import pytest

from consumer.pod.status.peers.addresses import MOST, RESOLVED_S, Peer, Peers, resolved
from tests.clock import virtual


class Names:
    """A resolver that a test may change, and that counts."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known, self.asked = known, list[str]()

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError(host)
        return self.known[host]


@virtual
async def test_a_name_stands_for_all_its_addresses_and_the_own_one_is_marked() -> None:
    names = Names(pods=["10.0.0.8", "10.0.0.7"], me=["10.0.0.8"])
    peers = Peers(("dns://pods:8080", "https://other.example/pod/"), resolve=names, hostname=lambda: "me")
    await peers.look(8080)

    assert peers.known == (
        Peer(url="http://10.0.0.7:8080", name="10.0.0.7:8080"),
        Peer(url="http://10.0.0.8:8080", name="10.0.0.8:8080", is_own=True),
        Peer(url="https://other.example/pod", name="other.example/pod"),
    )


@virtual
async def test_another_port_of_this_machine_is_another_pod_and_one_named_twice_is_one() -> None:
    peers = Peers(("http://127.0.0.1:1/", "http://127.0.0.1:1", "http://[::1]:2"), resolve=Names(), hostname=lambda: "me")
    await peers.look(2)

    assert [(one.url, one.is_own) for one in peers.known] == [("http://127.0.0.1:1", False), ("http://[::1]:2", True)]


@virtual
async def test_a_name_that_is_lost_keeps_what_it_had_and_is_said_until_it_is_back() -> None:
    names = Names(pods=["10.0.0.7"])
    peers = Peers(("dns://pods:8080", "dns://gone:1"), resolve=names, hostname=lambda: "me")
    await peers.look(8080)
    assert (len(peers.known), peers.unresolved) == (1, ("gone",))

    names.known = {"gone": ["10.0.0.9"]}
    await peers.look(8080)
    assert [one.url for one in peers.known] == ["http://10.0.0.7:8080", "http://10.0.0.9:1"]
    assert peers.unresolved == ("pods",)


@virtual
async def test_names_are_asked_for_every_thirty_seconds_and_no_more_often() -> None:
    names = Names(pods=["10.0.0.7"])
    peers = Peers(("dns://pods:8080",), resolve=names, hostname=lambda: "me")
    with anyio.move_on_after(RESOLVED_S * 2.5):
        await peers.run(8080)

    assert names.asked == ["me", "pods"] * 3


@virtual
async def test_no_more_pods_are_shown_than_there_may_be() -> None:
    peers = Peers(("dns://pods:1",), resolve=Names(pods=[f"10.0.{n // 250}.{n % 250}" for n in range(MOST + 9)]), hostname=lambda: "me")
    await peers.look(1)

    assert len(peers.known) == MOST


async def test_a_pod_with_addresses_of_both_kinds_is_one_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    v4, v6 = (2, 1, 6, "", ("10.0.0.7", 0)), (10, 1, 6, "", ("fd00::7", 0, 0, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [v6, v4])
    assert [*await resolved("pods")] == ["10.0.0.7"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [v6])
    assert [*await resolved("pods")] == ["fd00::7"]
