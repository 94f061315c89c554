"""The tally of the runs: what is counted, logged and shown of each."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from ..core.errors import ConsumerError
from ..core.model import AccountId, Failure, Job, Result, Verdict
from ..core.users.debts import HELD
from ..telemetry.logs import log
from ..telemetry.loop import loop_time
from ..telemetry.metrics import CUT_OFF, Metrics
from .course import STOPPING, Course

_log = log(__name__)
_FAILURES: Final = 50


class Tally:
    """What all runs of a process have brought; one line of the log each."""

    def __init__(self, lists: Mapping[tuple[str, AccountId], Sequence[str]], metrics: Metrics, *, writes: bool = True) -> None:
        """Take the lists by vendor and account; `writes`: whether a run writes at all: if not, no list counts as written."""
        self._lists, self._metrics, self._writes = lists, metrics, writes
        # Looking a child up by its labels costs more than counting.
        self._freshness, self._resyncs = cache(metrics.freshness.labels), cache(metrics.resyncs.labels)
        self._by_vendor: dict[str, dict[AccountId, Sequence[str]]] = {}
        for (vendor, account), some in lists.items():
            self._by_vendor.setdefault(vendor, {})[account] = some
        self.written: dict[tuple[AccountId, str, str], tuple[float, float]] = {}
        """Per account, list and vendor: wall time of the last write, and how long its event took to get there (s)."""

        self.failures: dict[tuple[str, str], Failure] = {}
        """The last failures, one per upstream and code."""

        self.half_written = 0
        """Runs that had begun to write and were cut off."""

    def failed(self, upstream: str, error: ConsumerError) -> None:
        """Count a failure."""
        before = self.failures.pop((upstream, error.code), None)
        count = before.count + 1 if before else 1
        said = error.said or (before.said if before else "")
        self.failures[upstream, error.code] = Failure(code=error.code, upstream=upstream, count=count, last_at=time.time(), said=said)
        if len(self.failures) > _FAILURES:
            del self.failures[next(iter(self.failures))]

    def outcome(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], skip: str) -> str:
        """Return how a run ended, as `outcome_of`."""
        return outcome_of(sesamy, accounts, skip, self._by_vendor.get(job.user.vendor, {}))

    def ended(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], outcome: str, course: Course) -> None:
        """Count a run that has ended, and write its line."""
        took_s = loop_time() - course.taken_at
        vendor, now = job.user.vendor, time.time()
        done = [account for account, result in accounts.items() if result.verdict is Verdict.DONE]
        fresh_after_s = {account: max(0.0, now - since_ms / 1000) for account, since_ms in job.since_ms.items()}
        for account, result in accounts.items():
            for list_id in served(self._lists[vendor, account], result) if self._writes else ():
                self.written[account, list_id, vendor] = (now, fresh_after_s[account])
                self._freshness(account, list_id).observe(fresh_after_s[account])
        self._resyncs(vendor, outcome).inc()
        self._metrics.resync_seconds.observe(took_s)
        is_half = outcome == CUT_OFF and course.begun and self._writes
        if is_half:
            self.half_written += 1
            self._metrics.resyncs_half_written.labels(vendor=vendor).inc()
        codes = {account: result.code for account, result in accounts.items() if result.code}
        _log.info(
            "resync" if self._writes else "dry resync",
            vendor=vendor,
            user=job.user.user,
            outcome=outcome,
            code=sesamy.code,
            accounts_done=len(done),
            accounts_owed=",".join(f"{account}:{code}" for account, code in codes.items()),
            half_written=is_half or None,
            took_s=round(took_s, 3),
            freshness_s=round(max(fresh_after_s.values()), 3),
        )


def outcome_of(sesamy: Result, accounts: Mapping[AccountId, Result], skip: str, lists: Mapping[AccountId, Sequence[str]]) -> str:
    """
    Return how a run ended, as metrics and log name it.

    Args:
        skip: why nothing was to be written.
        lists: those of each account.
    """
    if any(result.code == STOPPING for result in (sesamy, *accounts.values())):
        return CUT_OFF
    if skip:
        return f"skipped_{skip.replace('-', '_')}"
    if sesamy.verdict is not Verdict.DONE:
        return "failed"
    if all(result.verdict is Verdict.DONE for result in accounts.values()):
        return "synced"
    if any(result.verdict is Verdict.DONE or served(lists[account], result) for account, result in accounts.items()):
        return "partial"
    return HELD if all(result.code == HELD and not result.tried for result in accounts.values()) else "failed"


def served(lists: Sequence[str], result: Result) -> tuple[str, ...]:
    """Return those of an account's lists that have had all of what a run brought."""
    if result.verdict is not Verdict.DONE and not result.lists:
        return ()
    return tuple(one for one in lists if one not in result.lists)
