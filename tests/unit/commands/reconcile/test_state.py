"""A reconcile that was killed goes on from its file, which is of that reconcile alone, and holds nothing of a person."""

import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from consumer.commands.reconcile.plan import Asked
from consumer.commands.reconcile.state import State, prints_of
from consumer.core.errors import Exit, Fatal
from consumer.core.model import UserKey
from consumer.resync.listing.sesamy_lists import Mark
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.sesamy_lists import RESOURCES, Lists
from consumer.sandbox.town import VENDORS, Town
from tests.raising import raising

from .looks import NAMING, agreeing, expected, look, refused, sown_in

CAPPED: Final = Lists(naming=NAMING, page_cap=25)


def pages(here: Town) -> int:
    """Return how many pages Sesamy was asked for."""
    return sum(here.sesamy.calls[vendor, f"all-{resource}"] for vendor in VENDORS for resource in RESOURCES)


async def test_what_was_read_is_asked_for_by_nobody_again_wherever_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path, lists=CAPPED) as here:
        sown = sown_in(here)
        await look(here, state=path)
        whole, asked = path.read_bytes().splitlines(keepends=True), pages(here)
        assert len(whole) == asked + 1
        for kept in (1, 2, len(whole) // 2, len(whole) - 1, len(whole)):
            path.write_bytes(b"".join(whole[:kept]) + (whole[kept][:7] if kept < len(whole) else b""))
            before = pages(here)
            seen = await look(here, state=path)
            assert (seen.told, pages(here) - before) == (expected(sown), len(whole) - kept)


async def test_a_line_that_was_cut_off_at_any_byte_counts_as_not_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path, readers=12, lists=CAPPED) as here:
        sown_in(here, {"missing": 1})
        await look(here, state=path)
        prints = {vendor: prints_of(vendor, f"secret-of-{vendor}") for vendor in VENDORS}
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        for length in range(len(whole) - len(lines[-1]), len(whole)):
            path.write_bytes(whole[:length])
            state = State(path, Asked(), prints)
            state.close(remove=False)
            assert (len(list(state.take_pages())), path.read_bytes()) == (len(lines) - 2, b"".join(lines[:-1]))


async def test_it_holds_no_name_and_no_address_and_is_for_our_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path, readers=12) as here:
        sown_in(here, {"missing": 1})
        for vendor in VENDORS:
            here.sesamy.users[vendor][here.reader(vendor)]["profile"] |= {
                "firstName": "Kanari",
                "lastName": "Fugl",
                "email": "kanari@fugl.no",
            }
        await look(here, state=path)
        text = path.read_text().casefold()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [word for word in ("kanari", "fugl", "@", "secret") if word in text] == []
        assert here.reader(VENDORS[0]) in text


def _selection(head: dict[str, Any]) -> None:
    head["asked"]["lists"] = ["1466"]


def _secret(head: dict[str, Any]) -> None:
    head["keys"][VENDORS[0]] += 1


def _vendors(head: dict[str, Any]) -> None:
    del head["keys"][VENDORS[0]]


def _version(head: dict[str, Any]) -> None:
    head["version"] += 1


@pytest.mark.parametrize(
    ("change", "said"),
    [(_vendors, "other vendors"), (_selection, "another selection"), (_secret, "other secrets"), (_version, "this version")],
)
async def test_a_file_of_another_reconcile_is_refused_with_its_cure(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path, readers=12) as here:
        sown_in(here, {"missing": 1})
        await look(here, state=path)
        first, *rest = path.read_bytes().splitlines(keepends=True)
        head = msgspec.json.decode(first)
        change(head)
        there = msgspec.json.encode(head) + b"\n" + b"".join(rest)
        path.write_bytes(there)
        error = await refused(here, state=path)
        assert (error.status, said in str(error), "name another file, or delete it" in str(error)) == (Exit.USAGE, True, True)
        assert path.read_bytes() == there


@pytest.mark.parametrize("body", [b"what\n", b"{}\n", b"[1]\n", b'{"type":"done"}\n', b"\x00\xff", b"half a line"])
def test_what_is_no_state_is_refused_and_left_as_it_is(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(body)
    with raising(Fatal, "state"):
        State(path, Asked(), {"v": prints_of("v", "s")})
    assert path.read_bytes() == body


OURS: Final = {"v": prints_of("v", "s")}
ANN, BO, CY = (UserKey("v", one) for one in ("ann", "bo", "cy"))


def reopened(path: Path) -> list[UserKey]:
    """Return the readers that are not done, as the next run finds them."""
    state = State(path, Asked(), OURS)
    state.close(remove=False)
    return list(state.unfinished)


def test_who_was_to_be_resynced_and_is_not_done_is_known_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = State(path, Asked(), OURS)
    state.keep_todo([ANN, BO])
    state.keep_done(ANN)
    state.close(remove=False)
    assert reopened(path) == [BO]
    state = State(path, Asked(), OURS)
    state.keep_todo([ANN, CY, BO])
    state.keep_done(CY)
    state.close(remove=False)
    assert reopened(path) == [BO, ANN]


@pytest.mark.parametrize("is_spoilt", [False, True])
def test_it_goes_once_all_are_done_and_stays_for_those_that_are_not(tmp_path: Path, is_spoilt: bool) -> None:
    path = tmp_path / "state"
    for done, left in (((ANN,), [BO]), ((BO,), [])):
        state = State(path, Asked(), OURS)
        state.keep_page("v", "users", [], Mark(end=1))
        state.keep_todo([ANN, BO] if not state.unfinished else state.unfinished)
        for one in done:
            state.keep_done(one)
        if is_spoilt:
            state.spoil()
        state.close(remove=not is_spoilt)
        assert path.exists() is bool(left)
        if left:
            state = State(path, Asked(), OURS)
            state.close(remove=False)
            assert (list(state.unfinished), list(state.take_pages())) == (left, []), "the pages were of no use any more"


def test_after_a_day_what_was_read_is_of_no_use_and_who_is_not_done_still_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    state = State(path, Asked(), OURS)
    state.keep_page("v", "users", [], Mark(end=1))
    state.keep_todo([ANN])
    state.close(remove=False)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    state = State(path, Asked(), OURS)
    assert (list(state.unfinished), list(state.take_pages())) == ([ANN], [])
    state.keep_page("v", "users", [], Mark(end=2))
    state.close(remove=False)
    state = State(path, Asked(), OURS)
    assert [page.mark.end for page, _ in state.take_pages()] == [2]
    state.close(remove=True)


def test_two_at_once_do_not_share_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = State(path, Asked(), OURS)
    with raising(Fatal, "state"):
        State(path, Asked(), OURS)
    first.keep_todo([ANN])
    first.close(remove=False)
    assert reopened(path) == [ANN]


async def test_what_was_refused_when_it_was_read_is_looked_at_one_by_one_again(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path) as here:
        sown_in(here, {"missing": 1, "field": 2})
        here.sesamy.faults.add(Fault(kind="status", status=403, op="all-users"))
        first = await look(here, state=path)
        again = await look(here, state=path)
        assert first.told == again.told != set()


async def test_what_was_not_believed_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with agreeing(tmp_path, lists=CAPPED) as here:
        sown = sown_in(here)
        here.sesamy.odd["all-users"] = lambda body: {**body, "total": 10_000}
        error = await refused(here, state=path)
        assert (error.code, path.exists()) == ("half", False)
        here.sesamy.odd.clear()
        assert (await look(here, state=path)).told == expected(sown)
