"""The lines above the tables of one pod."""

from msgspec import structs

from consumer.pod.status.told.cells import Cell
from consumer.pod.status.told.lines import facts_of
from consumer.pod.status.tree import NOT_A_MEMBER, TOPIC_MISSING, GroupStatus
from tests.unit.pod.status.told.well import NOW, ROW, but


def second(**fields: object) -> Cell:
    return [*facts_of(but(**fields), now=NOW)][1]


def test_what_is_no_member_has_no_part_of_any_limit() -> None:
    for fields in ({"group": GroupStatus(topic_partitions=2)}, {"not_ready": (NOT_A_MEMBER,)}):
        assert second(**fields) == Cell("not a member of the group: it reads nothing, and has no part of any limit", "bad")


def test_partitions_that_do_not_move_are_counted_beside_the_share() -> None:
    rows = (structs.replace(ROW, paused=True), structs.replace(ROW, partition=1, out=True, paused=True))
    assert second().text == "2 of 2 partitions: 100% of every limit"
    assert second(partitions=rows) == Cell("2 of 2 partitions: 100% of every limit; 1 paused, 1 left out", "bad")
    assert second(not_ready=(TOPIC_MISSING,)).text.endswith("; 2 lost")
    assert second(partitions=()).text == "0 of 2 partitions: 0% of every limit"
    assert second(group=GroupStatus(generation=1, lease_left_s=1, topic_partitions=1)).text.startswith("2 of 1 partition:")
