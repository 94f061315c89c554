"""The first line of a pod: what runs, on which settings."""

from typing import Final

from ...settings.model import Settings
from ...telemetry.logs import log
from ...telemetry.metrics import version
from .standing import lists_of, named

_log = log(__name__)
_NAMED: Final = 10


def hello(settings: Settings) -> None:
    """Say which version begins, where it reads and which lists it writes; no secret and no address of one."""
    lists = {(one.vendor, one.list): one for some in lists_of(settings).values() for one in some}
    vendors = [vendor.id for vendor in settings.vendors]
    more = f" and {len(vendors) - _NAMED:,} more" if len(vendors) > _NAMED else ""
    _log.info(
        "starting",
        version=version(),
        fingerprint=settings.fingerprint(),
        topic=settings.kafka.topic,
        group=settings.kafka.group_id,
        vendors=f"{len(vendors)}: {', '.join(vendors[:_NAMED])}{more}",
        lists=f"{len(lists)}: {named(tuple(lists.values()))}",
    )
