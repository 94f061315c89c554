"""How long we may believe that our partitions are ours."""

from math import inf

from consumer.core.lease import Lease


def test_it_lasts_from_the_moment_the_proof_was_sent() -> None:
    lease = Lease(30)
    assert lease.left_s(now=0) == -inf
    lease.prove(sent_at=100)
    assert (lease.left_s(now=105), lease.left_s(now=130)) == (25, 0)


def test_an_older_proof_does_not_shorten_it() -> None:
    lease = Lease(30)
    lease.prove(sent_at=100)
    lease.prove(sent_at=90)
    assert lease.left_s(now=100) == 30


def test_once_ended_only_a_later_proof_revives_it() -> None:
    lease = Lease(30)
    lease.prove(sent_at=100)
    lease.end(now=110)
    lease.prove(sent_at=105)
    assert lease.left_s(now=110) == -inf
    lease.prove(sent_at=111)
    assert lease.left_s(now=111) == 30


def test_without_a_group_it_has_no_end() -> None:
    assert Lease.unbound().left_s(now=1e9) == inf
