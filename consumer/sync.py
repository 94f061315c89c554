"""Resync given users now: the same walk, for users that somebody names."""

from collections.abc import Callable, Sequence

from . import grants
from .batch import Batch, Synced
from .model import UserKey
from .settings import Settings
from .telemetry import Metrics
from .upstreams import upstreams


async def sync(settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[Synced], None]) -> int:
    """
    Resync users of one vendor now; return the exit status: 0, or 1 where some failed.

    Raises:
        Fatal: the topic can't be followed, so that a pod's newer write could be overwritten.
    """
    await grants.require(settings.kafka, "replay")
    metrics = Metrics(settings)
    failed = False

    def tell(one: Synced) -> None:
        nonlocal failed
        failed = failed or one.outcome == "failed"
        report(one)

    async with upstreams(settings, metrics) as up:
        await Batch(settings, up, metrics, report=tell).run(UserKey(vendor, user) for user in users)
    return 1 if failed else 0
