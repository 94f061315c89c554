"""Resync given users now: the same walk, for users that somebody names."""

from collections.abc import Callable, Sequence
from typing import Final

import anyio

from ..core.errors import Exit
from ..core.model import GateState, UserKey
from ..kafka import rights
from ..resync.clients import Upstreams, upstreams
from ..settings.model import Settings
from ..telemetry.metrics import Metrics
from .batch import Batch, Synced

_NOTICE_S: Final = 5.0


async def sync(
    settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[Synced], None], notice: Callable[[str], None]
) -> int:
    """
    Resync users of one vendor now; return the exit status: 0, or 1 where some failed.

    Args:
        report: is told each user's end.
        notice: is told every 5 s what is waited for.

    Raises:
        Fatal: the topic can't be followed, so that a pod's newer write could be overwritten.
    """
    await rights.require(settings.kafka, "replay")
    metrics = Metrics(settings)
    failed = False

    def tell(one: Synced) -> None:
        nonlocal failed
        failed = failed or one.outcome == "failed"
        report(one)

    async with upstreams(settings, metrics) as up, anyio.create_task_group() as tasks:
        batch = Batch(settings, up, metrics, report=tell)
        tasks.start_soon(_notify, batch, up, vendor, notice)
        await batch.run(UserKey(vendor, user) for user in users)
        tasks.cancel_scope.cancel()
    return Exit.SOME_FAILED if failed else Exit.FINE


async def _notify(batch: Batch, up: Upstreams, vendor: str, notice: Callable[[str], None]) -> None:
    """Say again and again who is left, and which gates are shut; one whom Sesamy does not know yet is looked up twice."""
    while True:
        await anyio.sleep(_NOTICE_S)
        now = anyio.current_time()
        states = [(f"sesamy:{vendor}", up.gates.vendors[vendor].state(now=now))]
        states += [(one, up.gates.accounts[one].state(now=now)) for one in up.account_ids[vendor]]
        shut = [f"{name} is shut ({one.cause}){_next_try(one)}" for name, one in states if one.state != "open"]
        notice(f"{batch.left} of the users left: {'; '.join(shut) or 'they wait for a rate, a second try or a second look'}")


def _next_try(gate: GateState) -> str:
    """Say when it is tried next, where the gate knows: what is stopped from outside is asked by others."""
    return "" if gate.cause in {"filter", "unproven"} else f", next try in {gate.next_try_s:.0f} s"
