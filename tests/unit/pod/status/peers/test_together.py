"""All pods on one sheet: a silent one is said first, and nothing is called well that nobody told."""

from consumer.pod.status.peers.addresses import Peer
from consumer.pod.status.peers.together import together
from consumer.pod.status.tables import Cell
from consumer.pod.status.tree import GroupStatus, PartitionStatus, Status, UserCounts

A, B = Peer(url="http://a:1", name="a:1"), Peer(url="http://b:1", name="b:1")


def pod(host: str, *partitions: int, dirty: int = 0) -> Status:
    return Status(
        host=host,
        state="consuming",
        ready=True,
        group=GroupStatus(generation=1, topic_partitions=4),
        partitions=tuple(PartitionStatus(partition=one) for one in partitions),
        users=UserCounts(dirty=dirty),
    )


def test_each_pod_has_its_row_with_a_link_and_the_sums_are_of_all() -> None:
    shown = together({A: pod("pod-a", 0, 1, dirty=3), B: pod("pod-b", 2, dirty=1000)})

    assert shown.state == Cell("all pods: 2 of 2 answer", "good")
    assert shown.facts == (Cell("2 pods hold 3 of 4 partitions", "bad"),)
    assert [table.title for table in shown.tables][:2] == ["Pods", "Lists"]
    assert [(row[0].text, row[1].link, row[4].text, row[5].text) for row in shown.tables[0].rows] == [
        ("pod-a", "http://a:1", "3", "2"),
        ("pod-b", "http://b:1", "1,000", "1"),
    ]


def test_a_silent_pod_makes_the_whole_unknown_and_is_named() -> None:
    shown = together({A: pod("pod-a"), B: "no usable answer (no answer in time)"})

    assert shown.verdict.level in {"unknown", "trouble"}
    assert any(point.text.startswith("1 of 2 pods silent, b:1") and point.cure for point in shown.verdict.points)
    assert shown.state == Cell("all pods: 1 of 2 answer", "bad")
    assert [cell.text for cell in shown.tables[0].rows[1]][:4] == ["?", "b:1", "silent", "no usable answer (no answer in time)"]


def test_no_pod_at_all_is_not_well() -> None:
    shown = together({})

    assert [point.text for point in shown.verdict.points] == ["no pod was asked"]
    assert shown.verdict.level == "unknown"
