"""The benchmarks' own arithmetic, and the stand-ins and clients that they put side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from tests.benchmarks import calls, freshness, peer, peers, pods
from tests.benchmarks.__main__ import asked_for
from tests.benchmarks.goals import Figure, table
from tests.benchmarks.peer import BARE, OURS, WARM, Did, Work
from tests.benchmarks.quick import CHANGED, KINDS, SAME, Quick

_ALL = {"profile": 1, "contracts": 1, "entitlements": 1, "by_email": 2, "upsert": 2, "products": 2, "subscriptions": 2}


@pytest.fixture(autouse=True)
def nothing_was_asked() -> None:
    Quick.calls.clear()
    Quick.times.clear()


@asynccontextmanager
async def quick() -> AsyncIterator[str]:
    async with await asyncio.get_running_loop().create_server(Quick, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def said(url: str, body: object = None) -> object:
    sent = None if body is None else msgspec.json.encode(body)
    async with aiohttp.ClientSession() as session, session.request("GET" if body is None else "POST", url, data=sent) as answer:
        return msgspec.json.decode(await answer.read())


# ---- Goals ----


def test_a_goal_is_met_at_its_bound_and_not_beyond() -> None:
    least, most = Figure(name="calls", goal=5.2, got=5.2), Figure(name="speed", goal=1.5, got=1.5, is_best="most")
    assert (least.is_met, most.is_met) == (True, True)
    worse = (Figure(name="calls", goal=5.2, got=5.21), Figure(name="speed", goal=1.5, got=1.49, is_best="most"))
    assert [one.is_met for one in worse] == [False, False]


def test_the_table_puts_each_figure_beside_its_goal() -> None:
    figures = [Figure(name="calls", goal=5.2, got=7), Figure(name="speed", goal=1.5, got=2, is_best="most", unit="x", digits=1)]
    assert table(figures).splitlines() == [
        "  figure  goal     got",
        "  calls   ≤ 5.20   7.00   NOT MET",
        "  speed   ≥ 1.5 x  2.0 x  met",
    ]


def test_rounds_are_of_the_figure_before_them_and_goals_are_all_that_have_one() -> None:
    assert asked_for(["scan", "peers", "7", "calls"]) == [("scan", []), ("peers", [7]), ("calls", [])]
    assert [name for name, _ in asked_for(["goals"])] == ["memory", "scan", "calls", "peers", "freshness", "pods", "receive"]
    assert {"scan", "pods"} <= {name for name, _ in asked_for([])}


@pytest.mark.parametrize("words", [["7"], ["calls", "7"], ["peers", "0"], ["peers", "7", "7"], ["speed"]])
def test_what_is_no_figure_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="no such figure"):
        asked_for(words)


def test_a_changed_contact_may_take_a_call_more_of_each_account() -> None:
    assert [round(calls.goal(accounts, mode), 9) for mode in (SAME, CHANGED) for accounts in (1, 8)] == [4.1, 11.8, 5.1, 19.8]


def test_clients_are_compared_round_by_round() -> None:
    """The machine is not the same from one round to the next."""
    ours, others = [Did(100, 2.0), Did(10, 20.0), Did(50, 4.0)], [Did(50, 4.0), Did(5, 40.0), Did(100, 2.0)]
    assert peers.ratios(ours, others) == (0.5, 2.0)


# ---- Freshness ----


def test_what_the_servers_took_one_after_the_other_is_no_lag() -> None:
    """Of calls that went side by side the slowest counts at Sesamy, and the quickest of the accounts."""
    seen = [
        *(("profile", 10.0, 10.1), ("contracts", 10.0, 10.3), ("entitlements", 10.0, 10.1)),
        *(("by_email", 10.4, 10.5), ("by_email", 10.4, 10.7), ("subscriptions", 10.8, 10.9), ("subscriptions", 10.8, 11.0)),
    ]
    assert freshness.lag_s(seen, 9.0) == pytest.approx(2.0 - 0.3 - 0.1 - 0.1)


def test_the_first_write_is_no_read_and_one_that_never_came_is_infinitely_late() -> None:
    seen = {"u1": [("profile", 12.0, 12.1), ("upsert", 14.0, 14.1), ("products", 13.0, 13.1)], "u2": [("profile", 12.0, 12.1)]}
    assert freshness.firsts_s(seen, {"u1": 10.0, "u2": 10.0, "u3": 10.0}) == [1.0, float("inf"), float("inf")]


def test_what_pods_do_is_told_of_the_middle_of_the_time() -> None:
    """Neither how they begin nor how the last worker ends is of the rate."""
    seen = {f"u{number}": [("profile", 0.0, 0.5), ("subscriptions", 1.0, float(number))] for number in (1, 1.5, 3, 4, 5, 8)}
    assert pods.middle_rate(seen) == 3 / 4


# ---- The stand-ins ----


async def test_the_stand_ins_count_each_call_by_its_kind_until_they_are_asked() -> None:
    async with quick() as url:
        sesamy, make = f"{url}/same/management", f"{url}/same/make/subscribers"
        await said(f"{sesamy}/users/u1")
        await said(f"{sesamy}/contracts?userId=u1&limit=100&offset=0")
        await said(f"{sesamy}/entitlements?userId=u1&limit=100&offset=0")
        await said(f"{make}/by_email", {"email": "u1@example.com"})
        await said(f"{make}?subscriber_list_id[]=1&tag=merge", {"email": "u1@example.com"})
        await said(f"{make}/subscriptions/products/bulkinsert", [{"external_id": "s0"}])
        await said(f"{make}/subscriptions/bulkinsert", [{"email": "u1@example.com"}, {"email": "u2@example.com"}])
        assert await said(f"{sesamy}/contracts?userId=nobody&limit=100&offset=0") == []
        await said(f"{make}/by_list?list_id=1")
        await said(f"{url}/same/oauth/token", {})

        assert await said(f"{url}/calls") == dict.fromkeys(KINDS, 1) | {"other": 3}
        assert await said(f"{url}/calls") == {}


async def test_the_stand_ins_tell_when_each_reader_of_a_shared_call_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quick, "tells_times", True)
    async with quick() as url:
        await said(f"{url}/same/make/subscribers/subscriptions/bulkinsert", [{"email": "u1@example.com"}, {"email": "u2@example.com"}])

        seen = msgspec.convert(await said(f"{url}/times"), dict[str, list[tuple[str, float, float]]])
    assert [*seen] == ["u1", "u2"]
    assert seen["u1"] == seen["u2"]
    kind, came, answered = seen["u1"][0]
    assert (kind, came <= answered) == ("subscriptions", True)


async def test_a_request_in_pieces_is_one_call() -> None:
    async with quick() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for part in (b"POST /same/make/subscribers/by_email HTTP/1.1\r\nContent-Le", b'ngth: 26\r\n\r\n{"email":', b'"u1@example.com"}'):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert (head.startswith(b"HTTP/1.1 200"), dict(Quick.calls)) == (True, {"by_email": 1})


# ---- The clients ----


@pytest.mark.parametrize("kind", [BARE, OURS])
@pytest.mark.parametrize("mode", [SAME, CHANGED])
async def test_both_clients_make_the_calls_of_a_resync_and_only_ours_spares_one(kind: str, mode: str) -> None:
    users = 8
    async with quick() as url:
        did = await peer.run(kind, Work(url=f"{url}/{mode}", users=users))

    counted = {name: Quick.calls[name] / (users + WARM) for name in _ALL}
    if kind == OURS:  # Rows of several readers may share a call.
        assert all(0 < counted.pop(name) <= _ALL[name] for name in ("products", "subscriptions"))
    assert counted == {name: 0 if (kind, mode, name) == (OURS, SAME, "upsert") else _ALL[name] for name in counted}
    assert min(did.rate, did.cpu_s) > 0
