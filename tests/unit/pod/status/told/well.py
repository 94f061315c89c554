"""A pod of which all is well, to be broken in one way at a time."""

from typing import Any, Final

from msgspec import structs

from consumer.pod.status.tree import GateStatus, GroupStatus, LetterCounts, ListStatus, PartitionStatus, Status, UserCounts

NOW: Final = 1_774_620_840.0
"""2026-03-27 14:14 UTC."""
LIST: Final = ListStatus(vendor="v", account="1001", list="1466", name="Morgenbrev", last_write_at=NOW - 60)
OTHER: Final = ListStatus(vendor="v", account="1002", list="7", last_write_at=NOW - 60)
GATE: Final = GateStatus(name="1001", kind="makeas")
SESAMY: Final = GateStatus(name="sesamy:v", kind="sesamy")
ROW: Final = PartitionStatus(partition=0, position=9, end=9, committed=9)
WELL: Final = Status(
    state="consuming",
    ready=True,
    host="pod-a",
    at=NOW,
    group=GroupStatus(generation=3, lease_left_s=20.0, topic_partitions=2),
    partitions=(ROW, structs.replace(ROW, partition=1)),
    users=UserCounts(dirty=0, limit=100),
    upstreams=(SESAMY, GATE, structs.replace(GATE, name="1002")),
    lists=(LIST, OTHER),
    dead_letters=LetterCounts(open=0, need_person=0),
)


def but(**fields: Any) -> Status:
    return structs.replace(WELL, **fields)
