"""When a run outside the group counts as done: each promise of `Follow`."""

import pytest

from consumer.core.model import UserKey
from consumer.core.users.settling import Follow

ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")


def written(follow: Follow, *users: UserKey, ends: dict[int, int]) -> None:
    """Let runs end, and the topic's end be asked then."""
    for user in users:
        follow.started(user)
        follow.ended(user)
    asking = follow.asking()
    assert set(asking) == set(users)
    follow.end_is(asking, ends)


def test_nobody_is_settled_before_the_topic_is_read_up_to_his_last_write() -> None:
    follow = Follow()
    follow.read(0, 7)
    written(follow, ANN, ends={0: 9, 1: 0})

    assert follow.settled() == ([], [])
    follow.read(0, 9)
    assert follow.settled() == ([], [])
    follow.read(1, 0)
    assert follow.settled() == ([ANN], [])
    assert not follow.users


def test_an_event_between_start_and_last_write_asks_for_one_more_run() -> None:
    follow = Follow()
    follow.started(ANN)
    follow.seen(ANN, 0, 8)
    follow.seen(BO, 0, 8)
    written(follow, ANN, ends={0: 9})
    follow.read(0, 9)

    assert follow.settled() == ([], [ANN])


@pytest.mark.parametrize("place", [(0, 9), (0, 12), (1, 3)])
def test_a_later_event_means_that_a_pod_covers_it(place: tuple[int, int]) -> None:
    follow = Follow()
    follow.started(ANN)
    follow.seen(ANN, 0, 8)
    written(follow, ANN, ends={0: 9, 1: 3})
    follow.seen(ANN, *place)
    follow.read(0, 13)
    follow.read(1, 4)

    assert follow.settled() == ([ANN], [])


def test_an_event_before_the_first_run_is_of_no_matter_and_one_before_a_retry_is() -> None:
    follow = Follow()
    follow.seen(ANN, 0, 1)
    follow.started(ANN)
    follow.seen(ANN, 0, 2)
    follow.started(ANN)
    written(follow, ANN, ends={0: 3})
    follow.read(0, 3)

    assert follow.settled() == ([], [ANN])


def test_each_asks_for_the_end_once_and_of_his_own_time() -> None:
    follow = Follow()
    written(follow, ANN, ends={0: 3})
    written(follow, BO, ends={0: 5})
    follow.read(0, 3)

    assert follow.settled() == ([ANN], [])
    follow.read(0, 5)
    assert follow.settled() == ([BO], [])


def test_records_lost_to_us_may_have_been_anybodys() -> None:
    follow = Follow()
    follow.started(ANN)
    follow.missed(0)
    written(follow, ANN, ends={0: 9})
    follow.read(0, 9)

    assert follow.settled() == ([], [ANN])
