"""What comes back is no answer: slow, cut, senseless, too large, another's."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from aiohttp import web

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.server import serving
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.faults import rude
from tests.faults.matrix import play, row
from tests.faults.rude import Answer, Rude, instead, met
from tests.faults.scene import Scene
from tests.faults.scene import scene as setting
from tests.faults.told import counted, failed, open_everywhere
from tests.history.operations import Wrote

FIRST, SECOND, THIRD = (place.account for place in PLACES)
CALM_S = 6.0


@pytest_asyncio.fixture
async def manners(scene: Scene) -> tuple[Rude, Rude]:
    """Let both stand-ins be as rude as they are told: Sesamy, Make.as."""
    scene.town.sesamy.faults, scene.town.makeas.faults = made = (Rude(), Rude())
    return made


async def in_turn(at: Rude, answers: dict[str, Answer], *, upstreams: tuple[str, ...], op: str = "*", times: int = 3) -> None:
    """Give each answer a few times at each upstream, fewer than shut it."""
    for answer in answers.values():
        given = [at.answer(answer, upstream=upstream, op=op, times=times) for upstream in upstreams]
        for one in given:
            await met(one, times)
        at.rude.clear()


async def in_turn_everywhere(
    manners: tuple[Rude, Rude], answers: dict[str, Answer], *, ops: tuple[str, str] = ("*", "*"), times: int = 3
) -> None:
    """Give them at all vendors and at all accounts, at both at once."""
    sesamy, makeas = manners
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: in_turn(sesamy, answers, upstreams=VENDORS, op=ops[0], times=times))
        tasks.start_soon(lambda: in_turn(makeas, answers, upstreams=(FIRST, SECOND, THIRD), op=ops[1], times=times))


@row("F21", "answers that drip", "a byte each 0.3 s: of the head at one account, of the body at another, for 8 s; a call's limit is 2 s")
async def test_answers_that_drip(scene: Scene, manners: tuple[Rude, Rude], monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one of the whole call; the other vendor is as fresh as ever."""
    monkeypatch.setenv("MAKEAS_TIMEOUT_S", "2")
    _, makeas = manners

    async def trouble() -> None:
        scene.trouble(FIRST, SECOND)
        head = makeas.answer(rude.slow_headers, upstream=FIRST)
        body = makeas.answer(rude.slow_body, upstream=SECOND)
        await anyio.sleep(8)
        assert min(head.met, body.met) > 0
        makeas.clear()

    await play(scene, "F21", trouble, before_s=CALM_S)
    assert await failed(scene, FIRST) == await failed(scene, SECOND) == {"timeout"}
    assert await failed(scene, THIRD) == set()


_CUT: dict[str, Answer] = {
    "short": rude.short_body,
    "two lengths": rude.two_lengths,
    "bad chunk": rude.bad_chunk,
    "done, no answer": rude.reset_after_it_was_done(sent=b""),
    "done, half an answer": rude.reset_after_it_was_done(sent=b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id"'),
}


@row(
    "F22",
    "answers that are cut",
    "short bodies, lengths that contradict, bad chunks, resets after the write was done; each 3 times at each upstream",
)
async def test_answers_that_are_cut(scene: Scene, manners: tuple[Rude, Rude]) -> None:
    """Whether it was done is not known, so it is done again."""
    _, makeas = manners

    async def trouble() -> None:
        await in_turn_everywhere(manners, _CUT)
        await in_turn(makeas, _CUT, upstreams=(FIRST, THIRD), op="upsert", times=2)

    await play(scene, "F22", trouble)
    assert any(not op.known for op in scene.recorder.operations if isinstance(op, Wrote))
    assert await failed(scene, FIRST) >= {"cut"}
    await open_everywhere(scene)


_NO_READ: dict[str, Answer] = {
    "html": instead(200, b"<html><body>It works!</body></html>"),
    "half": instead(200, b'{"id": 1, "tags": ['),
    "null": instead(200, b"null"),
    "empty": instead(200, b""),
    "error": instead(200, b'{"error": {"code": "internal_error"}}'),
    "deep": instead(200, b"[" * 200_000),
    "not UTF-8": instead(200, b'{"id": "\xff\xfe"}'),
    "a list": instead(200, b'[[1, 2], "what"]'),
}
_NO_WRITE: dict[str, Answer] = {
    "html": _NO_READ["html"],
    "half": _NO_READ["half"],
    "deep": _NO_READ["deep"],
    "not UTF-8": _NO_READ["not UTF-8"],
    "error": instead(200, b'{"error": "Unknown list"}'),
    "errors": instead(200, b'{"errors": [{"row": 0}]}'),
    "no": instead(200, b'{"success": false}'),
}


@row(
    "F23",
    "200, and no answer",
    "HTML, half JSON, null, errors in the body, JSON without end, at each kind of call and upstream; nothing is done",
)
async def test_200_and_no_answer(scene: Scene, manners: tuple[Rude, Rude]) -> None:
    """None counts as a success."""
    _, makeas = manners

    async def trouble() -> None:
        await in_turn_everywhere(manners, _NO_READ, ops=("user", "contact"), times=2)
        for op in ("upsert", "products", "subscriptions"):
            await in_turn(makeas, _NO_WRITE, upstreams=(FIRST, THIRD), op=op, times=1)
        await scene.touch_all()  # An error in a success is a refusal, which parks; the user's next run makes good for it.

    await play(scene, "F23", trouble)
    assert await counted(scene, "upstream_requests", upstream=FIRST, op="contact", code="200") > 0
    assert await counted(scene, "dead_letters", code="rows") > 0
    await open_everywhere(scene)


@row(
    "F24",
    "answers that are too much",
    "gzip bomb, endless body, 10,000 headers, 1 MB header, redirects to another server; 3 times at each upstream",
)
async def test_answers_that_are_too_much(scene: Scene, manners: tuple[Rude, Rude]) -> None:
    """None is read to its end, none is followed, and no login goes anywhere else."""
    strays: list[str] = []

    async def stray(request: web.Request) -> web.Response:
        strays.append(f"{request.method} {request.headers.get('Authorization')}")
        return web.json_response({"id": 1})

    trap = web.Application()
    trap.router.add_route("*", "/{path:.*}", stray)

    async def trouble() -> None:
        async with serving(trap) as url:
            answers = {
                "bomb": rude.gzip_bomb,
                "endless": rude.endless,
                "many headers": rude.many_headers,
                "long header": rude.long_header,
                **{str(status): instead(status, b"", Location=f"{url}/latest/meta-data") for status in (301, 302, 307, 308)},
            }
            await in_turn_everywhere(manners, answers)
        assert strays == []

    await play(scene, "F24", trouble)
    for upstream in (FIRST, SECOND, THIRD):
        assert await failed(scene, upstream) == {"encoded", "too-large", "unusable", "redirect"}
    await open_everywhere(scene)


_ROW = {"external_id": "x", "message": "refused"}
REFUSALS: tuple[object, ...] = (
    *({name: [_ROW]} for name in ("error", "errors", "failed", "failure", "failures", "invalid", "rejected", "not_found", "notFound")),
    *({name: [_ROW]} for name in ("failed_rows", "failedRows", "invalid_rows", "invalidRows", "rejected_rows", "rejectedRows")),
    *({"inserted": 2, name: 1} for name in ("error_count", "errorCount", "failed_count", "failedCount")),
    {"success": False},
    {"ok": "false"},
    {"status": 422},
    {"status_code": "422 Unprocessable"},
    {"code": "error"},
    {"result": "failed"},
    {"result": False},
    *({name: [{"id": 1}, {"errors": ["x"]}]} for name in ("data", "results", "rows", "items", "records", "subscriptions")),
    {"summary": {"inserted": 1, "failed": 1}},
    {"meta": {"error_count": 1}},
    {"sku-1": {"success": True}, "sku-2": {"success": False}},
    [{"id": 1}, {"status": "error"}],
    [True, False],
    "failed",
    False,
)
"""How an answer may say that it took some rows and not others."""


@pytest_asyncio.fixture
async def wide(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give a scene of sixty readers a vendor."""
    async with town(tmp_path, readers=60) as here, setting(here, kafka, topic, tmp_path) as made:
        yield made


@row(
    "F26",
    "some rows are refused in a success",
    f"{len(REFUSALS)} forms of it, each for one user's subscriptions at one account; three users at a time",
)
async def test_some_rows_are_refused_in_a_success(wide: Scene) -> None:
    """Exactly these users are parked, for this account alone."""
    scene, vendor = wide, VENDORS[0]
    users = [user for user in sorted(scene.town.readers(vendor)) if _has_rows(scene, user)]
    assert len(users) > len(REFUSALS), "more readers are needed"
    refused = dict(zip(users, REFUSALS, strict=False))
    # The load would have them written anew, and so their letters closed, before anybody looks.
    scene.spared = {(vendor, user) for user in refused}
    good = next(user for user in users if user not in refused)

    async def trouble() -> None:
        names = list(refused)
        for three in (names[at : at + 3] for at in range(0, len(names), 3)):
            await _is_written(scene, vendor, good)  # Five in a row who fail would shut the gate: it would be the account's fault.
            faults = []
            for user in three:
                email = scene.town.address(vendor, user)
                fault = Fault(kind="body", upstream=SECOND, op="subscriptions", user=email, body=refused[user])
                faults.append(scene.town.makeas.faults.add(fault))
                await scene.change(vendor, user)
            # Until each is parked, not once: a run that met it may be cut off, by a rebalance say, and another begins anew.
            with anyio.fail_after(30):
                while not {one[0] for one in await _refused(scene)} >= set(three):
                    await anyio.sleep(0.05)
            for fault in faults:
                scene.town.makeas.faults.remove(fault)

    await play(scene, "F26", trouble)
    assert await _refused(scene) == {(user, SECOND, "1") for user in refused}
    await open_everywhere(scene)


async def _refused(scene: Scene) -> set[tuple[str, str, str]]:
    """Return user, account and attempts of all letters of refused rows so far; those that were closed are among them."""
    # More than there can be.
    letters = [one for one in await scene.letters(10 * len(REFUSALS), within_s=1) if one["value"] and one["error.code"] == "rows"]
    return {(json.loads(one["value"])["userId"], one["makeas.account"], one["attempts"]) for one in letters}


async def _is_written(scene: Scene, vendor: str, user: str) -> None:
    await scene.change(vendor, user)
    version = scene.recorder.versions[f"{vendor}|{user}"]
    with anyio.fail_after(20):
        while not any(
            isinstance(op, Wrote) and (op.account, op.user) == (SECOND, f"{vendor}|{user}") and op.version >= version
            for op in reversed(scene.recorder.operations)
        ):
            await anyio.sleep(0.05)


def _has_rows(scene: Scene, user: str) -> bool:
    row = scene.town.sesamy.users[VENDORS[0]][user]
    return not scene.town.is_skipped(VENDORS[0], user) and any(one["items"] for one in row["contracts"])


FOREIGN = {"id": 999_999, "tags": ["Fremmed"], "email_status": "active", "lists": []}


@row("X09", "another's answer", "the contact of another user, and answers sent unasked on idle connections, at all accounts, under load")
async def test_anothers_answer(scene: Scene, manners: tuple[Rude, Rude]) -> None:
    """Nothing of it is written to anybody."""
    _, makeas = manners

    async def trouble() -> None:
        other = instead(200, json.dumps({**FOREIGN, "email": "somebody.else@example.net"}).encode())
        await in_turn(makeas, {"foreign": other}, upstreams=(FIRST, SECOND, THIRD), op="contact")
        surplus = [makeas.answer(rude.and_then(FOREIGN, after_s=after_s), upstream=at) for at, after_s in ((FIRST, 0.0), (THIRD, 0.003))]
        began_at = time.time()
        for one in surplus:
            await met(one, 60)
        assert time.time() - began_at < 30
        makeas.clear()

    await play(scene, "X09", trouble)
    assert (
        await failed(scene, SECOND) == {"foreign-contact"} or await counted(scene, "retries", upstream=SECOND, code="foreign-contact") > 0
    )
    for place in PLACES:
        for rows in scene.town.account(place).written.values():
            assert not any("Fremmed" in body.get("tags", []) for _, body in rows)
    await open_everywhere(scene)
