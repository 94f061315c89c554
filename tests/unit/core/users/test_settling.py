"""When a run outside the group counts as done: each promise of `Settling`."""

import pytest

from consumer.core.model import UserKey
from consumer.core.users.settling import Settling

ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")


def written(settling: Settling, *users: UserKey, ends: dict[int, int]) -> None:
    """Let runs end, and the topic's end be asked then."""
    for user in users:
        settling.started(user)
        settling.ended(user)
    asking = settling.to_ask()
    assert set(asking) == set(users)
    settling.end_is(asking, ends)


def test_nobody_is_settled_before_the_topic_is_read_up_to_its_last_write() -> None:
    settling = Settling()
    settling.read(0, 7)
    written(settling, ANN, ends={0: 9, 1: 0})

    assert settling.settled() == ([], [])
    settling.read(0, 9)
    assert settling.settled() == ([], [])
    settling.read(1, 0)
    assert settling.settled() == ([ANN], [])
    assert not settling.users


def test_an_event_between_start_and_last_write_asks_for_one_more_run() -> None:
    settling = Settling()
    settling.started(ANN)
    settling.seen(ANN, 0, 8)
    settling.seen(BO, 0, 8)
    written(settling, ANN, ends={0: 9})
    settling.read(0, 9)

    assert settling.settled() == ([], [ANN])


@pytest.mark.parametrize("place", [(0, 9), (0, 12), (1, 3)])
def test_a_later_event_means_that_a_pod_covers_it(place: tuple[int, int]) -> None:
    settling = Settling()
    settling.started(ANN)
    settling.seen(ANN, 0, 8)
    written(settling, ANN, ends={0: 9, 1: 3})
    settling.seen(ANN, *place)
    settling.read(0, 13)
    settling.read(1, 4)

    assert settling.settled() == ([ANN], [])


def test_an_event_before_the_first_run_is_of_no_matter_and_one_before_a_retry_is() -> None:
    settling = Settling()
    settling.seen(ANN, 0, 1)
    settling.started(ANN)
    settling.seen(ANN, 0, 2)
    settling.started(ANN)
    written(settling, ANN, ends={0: 3})
    settling.read(0, 3)

    assert settling.settled() == ([], [ANN])


def test_each_asks_for_the_end_once_and_of_its_own_time() -> None:
    settling = Settling()
    written(settling, ANN, ends={0: 3})
    written(settling, BO, ends={0: 5})
    settling.read(0, 3)

    assert settling.settled() == ([ANN], [])
    settling.read(0, 5)
    assert settling.settled() == ([BO], [])


def test_records_lost_to_us_may_have_been_anybodys() -> None:
    settling = Settling()
    settling.started(ANN)
    settling.missed(0)
    written(settling, ANN, ends={0: 9})
    settling.read(0, 9)

    assert settling.settled() == ([], [ANN])


def test_where_records_were_lost_the_end_is_asked_anew_for_it_may_be_another_logs() -> None:
    settling = Settling()
    settling.started(ANN)
    settling.ended(ANN)
    settling.end_is(settling.to_ask(), {0: 1000})
    settling.missed(0)
    settling.read(0, 5)

    assert (settling.settled(), settling.to_ask()) == (([], []), (ANN,))
    settling.end_is([ANN], {0: 5})
    assert settling.settled() == ([], [ANN])
