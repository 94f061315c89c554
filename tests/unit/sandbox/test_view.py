"""The line above the live table puts its numbers into words."""

from consumer.pod.status.tree import LetterCounts, PartitionStatus, Status, UserCounts
from consumer.sandbox.view import glance

ONE = {"events_in": 1, "resyncs": 1, "calls": 1, "kills": 1, "posted_again": 1}
MANY = {"events_in": 1015, "resyncs": 237, "calls": 1937, "kills": 0, "posted_again": 0}
BEFORE = "1015 events, 237 resyncs, 1937 calls"


def test_one_is_not_many() -> None:
    status = Status(
        users=UserCounts(dirty=1), partitions=(PartitionStatus(partition=0, committed=6, end=7),), dead_letters=LetterCounts(written=1)
    )

    consumer = "1 user dirty, 1 record not committed on 1 partition, 1 letter"
    assert glance(ONE, status) == f"1 event, 1 resync, 1 call, {consumer}, 1 kill, 1 webhook posted again"


def test_what_is_not_committed_stands_beside_no_dirty_user() -> None:
    """Nobody waits, and the commit follows within seconds: both are seen."""
    status = Status(partitions=(PartitionStatus(partition=0, committed=4, end=9), PartitionStatus(partition=1, committed=2, end=9)))

    assert glance(MANY, status) == f"{BEFORE}, 0 users dirty, 12 records not committed on 2 partitions, 0 letters"


def test_a_consumer_that_is_silent_has_no_numbers() -> None:
    assert glance(MANY, None) == f"{BEFORE}, the consumer does not answer"
