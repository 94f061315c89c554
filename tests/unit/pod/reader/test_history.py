"""What a pod remembers of its last users."""

from collections.abc import Mapping
from typing import Final

import anyio
import pytest

from consumer.core.model import AccountId, Job, Letter, Place, Result, UserKey, Verdict
from consumer.pod.reader.answer import told
from consumer.pod.reader.history import ENTRIES, History
from tests.clock import virtual

ANN, BO, CAT = (UserKey("v", one) for one in ("ann", "bo", "cat"))
A, B = AccountId("1001"), AccountId("2001")
DONE: Final = Result(Verdict.DONE)


class Memory:
    """A history, its clock, and the runs that it remembers."""

    def __init__(self, users: int = 20_000, *, is_dry: bool = False) -> None:
        self.now = 1000.0
        lists = {("v", A): ("1466", "1467"), ("v", B): ("2466",)}
        self.kept = History(lists, types=lambda _: "contract.1#update", users=users, is_dry=is_dry, wall_clock=lambda: self.now)

    async def run(self, user: UserKey, sesamy: Result, accounts: Mapping[AccountId, Result], *, since_s: float = 990.0) -> None:
        async def run(_: Job) -> tuple[Result, Mapping[AccountId, Result]]:
            assert self.of(user)[-1] == ("began", "", "", ())
            self.now += 2
            return sesamy, accounts

        made = Job(user=user, accounts=(A, B), started_at=0.0, since_ms={A: int(since_s * 1000), B: int(since_s * 1000)})
        assert await self.kept.running(run)(made) == (sesamy, accounts)

    def of(self, user: UserKey) -> list[tuple[str, str, str, tuple[str, ...]]]:
        return [(one.what, one.code, one.account, one.lists) for one in self.kept.of(user)]


@virtual
async def test_a_run_leaves_its_event_what_was_written_and_what_failed_where() -> None:
    memory = Memory()
    await memory.run(ANN, DONE, {A: DONE, B: Result(Verdict.RETRY, "http-500")})

    assert memory.of(ANN) == [
        ("event", "contract.1#update", "", ()),
        ("written", "", "", ("1466", "1467")),
        ("failed", "http-500", "2001", ()),
    ]
    assert [one.at for one in memory.kept.of(ANN)] == [990.0, 1002.0, 1002.0]
    assert memory.of(BO) == []


@virtual
async def test_a_list_that_refuses_is_not_among_the_written_ones() -> None:
    memory = Memory()
    await memory.run(ANN, DONE, {A: Result(Verdict.REFUSED, "http-422", lists={"1467": "http-422"}), B: DONE})

    assert memory.of(ANN)[1:] == [("written", "", "", ("1466", "2466")), ("failed", "http-422", "1001", ("1467",))]


@virtual
async def test_a_list_that_the_address_has_left_is_kept_off_and_not_written() -> None:
    memory = Memory()
    await memory.run(ANN, DONE, {A: Result(Verdict.DONE, kept_off=("1467",)), B: Result(Verdict.DONE, kept_off=("2466",))})

    assert memory.of(ANN)[1:] == [("kept-off", "", "", ("1467", "2466")), ("written", "", "", ("1466",))]


@virtual
async def test_what_a_dry_run_would_write_is_not_called_written() -> None:
    memory = Memory(is_dry=True)
    await memory.run(ANN, DONE, {A: DONE})

    assert memory.of(ANN)[1:] == [("would-write", "", "", ("1466", "1467"))]


def test_what_a_dry_run_would_park_is_not_called_parked() -> None:
    memory = Memory(is_dry=True)
    memory.kept.parked((Letter(code="held", stage="makeas", partition=0, offset=1, user=ANN, account=A, lists=("1467",)),))

    assert memory.of(ANN) == [("would-park", "held", "1001", ("1467",))]
    assert "would be parked for account 1001 1467 (held)" in told(memory.kept.of(ANN)[0], now=0.0)


@virtual
async def test_a_second_try_has_no_second_event_but_a_new_event_has() -> None:
    memory = Memory()
    failed = Result(Verdict.RETRY, "http-500")
    await memory.run(ANN, failed, {})
    await memory.run(ANN, failed, {})
    await memory.run(ANN, DONE, {A: DONE}, since_s=1001.0)

    assert [what for what, *_ in memory.of(ANN)] == ["event", "failed", "failed", "event", "written"]
    assert memory.of(ANN)[1] == ("failed", "http-500", "sesamy", ())


@pytest.mark.parametrize(
    ("sesamy", "kept"),
    [
        (Result(Verdict.SKIPPED, "no-email"), ("skipped", "no-email")),
        (Result(Verdict.SKIPPED, "guest", tried=False), ("skipped", "guest")),
        (Result(Verdict.ABSENT, "absent"), ("skipped", "absent")),
    ],
)
def test_a_user_that_is_skipped_is_remembered_with_the_reason(sesamy: Result, kept: tuple[str, str]) -> None:
    @virtual
    async def skipped() -> None:
        memory = Memory()
        await memory.run(ANN, sesamy, {})
        assert [one[:2] for one in memory.of(ANN)] == [("event", "contract.1#update"), kept]

    skipped()


@virtual
async def test_a_run_that_is_cut_off_is_no_end() -> None:
    memory = Memory()

    async def forever(_: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.move_on_after(1):
        await memory.kept.running(forever)(Job(user=ANN, accounts=(A,), started_at=0.0, since_ms={A: 1}))
    assert [what for what, *_ in memory.of(ANN)] == ["event", "cut-off"]


def test_letters_are_remembered_with_their_users_and_so_is_that_one_is_dealt_with() -> None:
    memory = Memory()
    memory.kept.parked((Letter(code="http-422", stage="makeas", partition=0, offset=1, user=ANN, account=A, lists=("1467",)),))
    memory.kept.parked((Letter(code="json", stage="intake", partition=0, offset=2),))
    memory.kept.healed(ANN, [Place(3, 17)])

    assert memory.of(ANN) == [("parked", "http-422", "1001", ("1467",)), ("healed", "", "", ())]
    assert memory.kept.of(ANN)[-1].place == "3:17"
    assert len(memory.kept) == 1


@virtual
async def test_the_last_eight_things_are_kept_and_the_user_touched_longest_ago_gives_way() -> None:
    memory = Memory(users=2)
    for number in range(9):
        await memory.run(ANN, DONE, {A: DONE}, since_s=number)
    assert len(memory.of(ANN)) == ENTRIES

    await memory.run(BO, DONE, {A: Result(Verdict.DONE, kept_off=("1467",))})
    await memory.run(ANN, DONE, {A: DONE})
    await memory.run(CAT, DONE, {A: DONE})
    assert [bool(memory.of(one)) for one in (ANN, BO, CAT)] == [True, False, True]
    assert [bool(memory.kept.written(one)) for one in (ANN, BO, CAT)] == [True, False, True]
    assert not memory.kept.kept_off(BO)


@virtual
async def test_the_last_write_of_each_list_is_known_however_much_came_since() -> None:
    memory = Memory()
    await memory.run(ANN, DONE, {A: DONE, B: Result(Verdict.DONE, kept_off=("2466",))})
    await memory.run(ANN, DONE, {A: Result(Verdict.REFUSED, "http-422", lists={"1467": "http-422"})})
    for number in range(9):
        await memory.run(ANN, Result(Verdict.RETRY, "http-500"), {}, since_s=number)

    assert {what for what, *_ in memory.of(ANN)} == {"event", "failed"}
    assert memory.kept.written(ANN) == {(A, "1466"): 1004.0, (A, "1467"): 1002.0}
    assert memory.kept.kept_off(ANN) == {(B, "2466"): 1002.0}


@virtual
async def test_a_dry_run_leaves_no_time_of_a_write() -> None:
    memory = Memory(is_dry=True)
    await memory.run(ANN, DONE, {A: DONE})

    assert memory.kept.written(ANN) == {}
