"""Several pods as one."""

from msgspec import structs

from consumer.pod.status.told.merged import merged
from consumer.pod.status.tree import CauseStatus, UserCounts
from tests.unit.pod.status.told.well import GATE, LIST, NOW, ROW, WELL, but


def test_a_list_has_the_freshest_write_the_oldest_that_is_owed_and_the_sum() -> None:
    a = structs.replace(LIST, last_write_at=NOW - 5, freshness_last_s=1.0, owed_users=3, oldest_due_s=None, oldest_pending_s=7.0)
    b = structs.replace(LIST, last_write_at=None, freshness_last_s=None, owed_users=4, oldest_due_s=50.0, oldest_pending_s=60.0)
    for pods in ((a, b), (b, a)):
        (one,) = merged({str(number): but(lists=(of,)) for number, of in enumerate(pods)}).lists
        assert (one.last_write_at, one.freshness_last_s, one.owed_users) == (NOW - 5, 1.0, 7)
        assert (one.oldest_due_s, one.oldest_pending_s, one.title) == (50.0, 60.0, "Morgenbrev (1466)")


def test_a_list_that_one_pod_leaves_out_is_left_out() -> None:
    out = structs.replace(LIST, door="left-out", door_code="http-404")
    (one,) = merged({"a": but(lists=(LIST,)), "b": but(lists=(out,))}).lists

    assert (one.door, one.door_code) == ("left-out", "http-404")


def test_a_partition_has_the_pods_that_hold_it_be_it_none_or_two() -> None:
    found = merged({"a": but(partitions=(ROW,)), "b": but(partitions=(ROW,))}).partitions

    assert [(one.partition, one.pods) for one in found] == [(0, ("a", "b")), (1, ())]


def test_gates_are_one_where_the_pods_agree_and_one_for_each_way_where_they_differ() -> None:
    mine = structs.replace(GATE, held_users=1, rate_share=0.5)
    shut = structs.replace(mine, state="closed", cause="denied")
    agreed = merged({"a": but(upstreams=(mine,)), "b": but(upstreams=(mine,))}).gates
    differing = merged({"a": but(upstreams=(mine,)), "b": but(upstreams=(shut,))}).gates

    assert [(one.pods, one.gate.held_users, one.gate.rate_share) for one in agreed] == [((), 2, 1.0)]
    assert [(one.pods, one.gate.state) for one in differing] == [(("a",), "open"), (("b",), "closed")]


def test_users_are_summed_by_what_they_wait_for() -> None:
    def waiting(users: int, oldest_s: float | None) -> UserCounts:
        return UserCounts(dirty=users, limit=9, causes=(CauseStatus(cause="held", users=users, oldest_s=oldest_s),))

    found = merged({"a": but(users=waiting(2, 5.0)), "b": but(users=waiting(3, None))})
    assert (found.dirty, found.causes) == (5, (CauseStatus(cause="held", users=5, oldest_s=5.0),))
    assert merged({"a": WELL}).topic_partitions == 2


def test_what_one_pod_sees_not_kept_is_not_kept() -> None:
    mine, other = (
        structs.replace(GATE, not_kept=what, not_kept_s=since_s) for what, since_s in ((("tags",), 5.0), (("lists", "tags"), 60.0))
    )
    (one,) = merged({"a": but(upstreams=(mine,)), "b": but(upstreams=(other,)), "c": but(upstreams=(GATE,))}).gates

    assert (one.gate.not_kept, one.gate.not_kept_s) == (("tags", "lists"), 60.0)
