"""Whose the partitions were, as the pods' logs have it: who takes one up takes it from another."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tests.history.operations import Owned


def owned(logs: Mapping[str, Path]) -> list[Owned]:
    """Return, for each partition that was taken up, all that its pod had from then on; `logs`: of each pod, by its name."""
    owners: dict[int, str] = {}
    found = []
    for at, pod, partition in sorted(one for name, log in logs.items() for one in _taken_up(name, log)):
        owners[partition] = pod
        found.append(Owned(at=at, pod=pod, partitions=tuple(one for one, owner in owners.items() if owner == pod)))
    return found


def _taken_up(pod: str, log: Path) -> Iterator[tuple[float, str, int]]:
    if not log.exists():
        return
    for line in log.read_text(encoding="utf-8", errors="replace").split("\n"):
        if '"partition taken up"' in line and line.startswith("{") and line.endswith("}"):
            said = json.loads(line)
            yield datetime.fromisoformat(said["timestamp"]).timestamp(), pod, said["partition"]
