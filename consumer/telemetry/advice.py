"""The advice on the settings of a process that runs: a line each, behind the line that says what runs."""

from collections.abc import Iterable

from ..settings.findings import Finding
from .logs import log

_log = log(__name__)


def advise(findings: Iterable[Finding]) -> None:
    """Warn of each of the findings."""
    for one in findings:
        _log.warning("settings: to think about", field=one.shown or one.path, cause=f"{one.what}; {one.cure}")
