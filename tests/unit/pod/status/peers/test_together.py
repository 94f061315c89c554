"""All pods on one sheet: a silent one is said first, and nothing is called well that nobody told."""

from consumer.pod.status.peers.addresses import Peer
from consumer.pod.status.peers.asking import Answers
from consumer.pod.status.peers.together import together, with_own
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


def test_where_no_pod_answers_all_that_a_pod_could_say_is_not_known() -> None:
    shown = together({A: "it answers 502", B: "it answers 502"})

    assert shown.facts == (Cell("partitions: no pod answers: not known", "bad"),)
    assert shown.backlog == "events behind, dirty users: no pod answers: not known"
    assert {table.empty for table in shown.tables[1:]} == {"no pod answers: not known", ""}
    assert not any(table.rows for table in shown.tables[1:])


def test_what_the_silent_may_have_is_told_of_those_that_answer_only() -> None:
    shown = together({A: pod("pod-a", 0), B: "it answers 502"})

    empty = {table.title: table.empty for table in shown.tables}
    assert shown.backlog == "events behind: not known, 0 dirty users at the pods that answer"
    assert shown.facts == (Cell("1 pod holds 1 of 4 partitions", "bad"),)
    assert empty["What waits, and for what"] == "nobody waits at the pods that answer"
    assert empty["Last failures"] == "none since the start at the pods that answer"
    assert empty["Lists"] == "none in the settings"


def test_a_pod_that_the_settings_leave_out_is_shown_on_its_own_page_and_that_is_said() -> None:
    answers = with_own({A: pod("pod-a", 0, 1), B: "it answers 502"}, pod("pod-c", 2))
    shown = together(answers)

    assert shown.state.text == "all pods: 2 of 3 answer"
    assert [(row[0].text, row[1].text, row[1].link) for row in shown.tables[0].rows][-1] == ("pod-c", "this pod, not in admin.peers", ".")
    (said,) = [point for point in shown.verdict.points if "admin.peers" in point.text]
    assert said.level == "notice"
    assert said.cure.startswith("name it in admin.peers")
    assert shown.verdict.scope == "for 3 of 4 partitions: ask the other pods, too"


def test_a_pod_that_is_asked_is_not_shown_twice_by_whatever_address() -> None:
    own = Peer(url="http://127.0.0.1:1", name="127.0.0.1:1", is_own=True)

    cases: tuple[Answers, ...] = ({A: pod("pod-a"), B: pod("pod-b")}, {A: pod("pod-b"), own: "it answers 502"})
    for answers in cases:
        assert with_own(answers, pod("pod-a")) == answers
        assert not any("admin.peers" in point.text for point in together(answers).verdict.points)
