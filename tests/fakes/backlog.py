"""A backlog of users alone: no letter was ever parked."""

from consumer.core.backlog import Backlog
from consumer.core.gates.gates import Gates
from consumer.core.letters.healing import Healing
from consumer.core.users.schedule import Schedule


def backlog(schedule: Schedule, *partitions: int, gates: Gates | None = None) -> Backlog:
    """Return a backlog with these partitions, each read from its first record on."""
    made = Backlog(schedule, Healing(schedule, gates or Gates({}, {}), {}))
    for partition in partitions:
        made.begin(partition, 0)
    return made
