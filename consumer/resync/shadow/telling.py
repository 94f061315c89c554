"""The telling: counts and logs what a dry run would write."""

from ...settings.account import Account
from ...telemetry.logs import log
from ...telemetry.metrics import Metrics
from .client import Told
from .would import Would

_log = log(__name__)


def tell(account: Account, metrics: Metrics) -> Told:
    """Return what counts and logs what would be written to an account."""

    def one(user: str, lists: tuple[str, ...], would: Would) -> None:
        for kind in would.kinds:
            metrics.would_write.labels(account.id, kind).inc()
        if would.is_nothing:  # Counted, and no line: nothing would be another than it is.
            return
        _log.info(
            "would write",
            vendor=account.vendor,
            user=user,
            account=account.id,
            list=",".join(lists),
            kind=",".join(would.kinds),
            fields=",".join(would.fields),
            tags_added=would.tags_added or None,
            tags_removed=would.tags_removed or None,
            lists_added=",".join(would.lists_added),
            rows=would.rows or None,
        )

    return one
