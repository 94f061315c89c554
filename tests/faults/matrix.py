"""The fault matrix: one row a fault; its scene registers it, and those that are tried elsewhere or in the simulation stand here."""

from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

import anyio
from msgspec import Struct

from tests.faults.scene import Figures, Scene, publish

P = ParamSpec("P")
T = TypeVar("T")


class Row(Struct, frozen=True, kw_only=True):
    """One fault: its id and name, how it is made, and which test makes it, or why none does on real parts."""

    id: str
    fault: str
    made: str
    test: str = ""
    """A test that makes it on real parts, without a recorded history: `file::name`."""
    simulated: str = ""
    """Why it is made in the simulation alone, or not at all."""


ROWS: Final[dict[str, Row]] = {}


def row(id_: str, fault: str, made: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Register the scene of a fault; its figures are published under the id."""

    def register(scene: Callable[P, T]) -> Callable[P, T]:
        _add(Row(id=id_, fault=fault, made=made))
        return scene

    return register


def _add(one: Row) -> None:
    assert one.id not in ROWS, f"two rows are called {one.id}"
    ROWS[one.id] = one


ELSEWHERE: Final[tuple[Row, ...]] = (
    Row(
        id="F36b",
        fault="a right is taken away under a pod",
        made="an authorizer's rule that lets the dead letters be read is removed, and granted again",
        test="integration/test_rights_change.py::test_letters_that_may_no_longer_be_read_are_told",
    ),
    Row(
        id="F36c",
        fault="the password is changed under a pod",
        made="at the broker and in its file, all connections cut",
        test="integration/test_rights_change.py::test_a_password_may_change_under_a_pod",
    ),
    Row(
        id="X04",
        fault="a connection is cancelled under our hands",
        made="a client whose own task cancels the request that is under way",
        test="unit/resync/http/test_exchange.py::test_a_cancellation_of_the_clients_own_is_a_failed_exchange",
    ),
    Row(
        id="F16",
        fault="two pods with one group_instance_id",
        made="not at all",
        simulated="static membership is not offered: no setting gives a pod a group_instance_id, so that every start is a new member",
    ),
    Row(
        id="F37",
        fault="settings are read anew, and one list is broken",
        made="not at all",
        simulated="a reload is not offered: settings are read once, at the start; a rollout leaves the old pods until the new are ready",
    ),
)
for _row in ELSEWHERE:
    _add(_row)


async def play(
    scene: Scene,
    fault: str,
    trouble: Callable[[], Awaitable[None]],
    *,
    pods: int = 2,
    per_s: float = 10.0,
    before_s: float = 2.0,
    after_s: float = 1.0,
) -> Figures:
    """
    Let a fault happen to a town under load, and judge what was recorded.

    Args:
        trouble: makes the fault and mends it, and returns then.
        pods: how many are there at the beginning.
        per_s: how many users change a second.
        before_s: of load before the trouble; `after_s`: of load after it.
    """
    publish(fault, None)
    for _ in range(pods):
        await scene.pod().start()
    await scene.touch_all()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: scene.load(per_s=per_s))
        tasks.start_soon(scene.watch)
        await anyio.sleep(before_s)
        await trouble()
        scene.heal()
        await anyio.sleep(after_s)
        tasks.cancel_scope.cancel()
    return await end(scene, fault)


async def end(scene: Scene, fault: str) -> Figures:
    """Wait until all is well, judge what was recorded, and publish the figures."""
    publish(fault, None)
    scene.judge_ends()
    await scene.settle()
    violations, figures = await scene.verdict()
    assert violations == [], "\n".join([str(scene.folder / "history.jsonl"), *map(str, violations[:20])])
    assert figures.events > 0
    publish(fault, figures)
    return figures
