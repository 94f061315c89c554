"""How much is to be done, and how long that takes."""

from msgspec import structs

from consumer.pod.status.hour.shapes import LastHour
from consumer.pod.status.told.backlog import backlog, in_words
from consumer.pod.status.tree import CauseStatus, UserCounts
from tests.unit.pod.status.told.well import NOW, ROW, WELL, but

BEHIND = but(
    partitions=(structs.replace(ROW, position=50, end=110, committed=10), structs.replace(ROW, partition=1, end=-1)),
    users=UserCounts(dirty=40, limit=100),
    last_hour=LastHour(resyncs=(500, None, *([5] * 10))),
)


def test_of_no_pod_nothing_is_known() -> None:
    assert in_words(backlog([]), now=NOW) == "events behind, dirty users: no pod answers: not known"


def test_known_lags_are_summed_and_the_unknown_are_counted() -> None:
    found = backlog([BEHIND])

    assert (found.behind, found.unknown, found.dirty) == (100, 1, 40)
    assert backlog([but(partitions=(structs.replace(ROW, end=-1),))]).behind is None


def test_it_takes_as_long_as_the_rate_of_the_last_minutes_says() -> None:
    found = backlog([BEHIND])

    assert (found.to_do, found.per_minute, found.left_s) == (100, 5.0, 1200.0)
    assert backlog([BEHIND, BEHIND]).left_s == 1200.0


def test_at_no_rate_or_an_unknown_one_nothing_is_promised() -> None:
    never = structs.replace(BEHIND, last_hour=LastHour(resyncs=(0, 0)))
    assert (backlog([never]).per_minute, backlog([never]).left_s) == (0.0, None)
    for hour in (None, LastHour(), LastHour(resyncs=(None,))):
        assert backlog([structs.replace(BEHIND, last_hour=hour)]).left_s is None
    assert backlog([BEHIND, structs.replace(BEHIND, last_hour=None)]).per_minute is None
    assert backlog([WELL]).left_s == 0.0


def test_behind_shut_gates_no_end_is_promised() -> None:
    users = UserCounts(dirty=40, limit=100, causes=(CauseStatus(cause="held", users=30), CauseStatus(cause="ready", users=10)))
    said = in_words(backlog([structs.replace(BEHIND, users=users)]), now=NOW)

    assert said.endswith("40 dirty users: 30 of them wait for gates that are shut, so when it is done is not known")
