"""A first load: which readers may be written from what was read in bulk."""

import anyio

from consumer.commands.reconcile.first_load import FirstLoad
from consumer.core.answers.snapshot import Profile
from consumer.core.drift.contacts import Finding
from consumer.core.drift.findings import Findings
from consumer.core.model import AccountId, UserKey
from tests.clock import virtual
from tests.simulation.settings import SETTINGS

ANN, BO = UserKey("v1", "ann"), UserKey("v1", "bo")


def loaded(*users: UserKey) -> FirstLoad:
    made = FirstLoad(SETTINGS, ["v1", "v2"])
    for user in users:
        made.bulks[user.vendor].take_users([(user.user, Profile(user_id=user.user))], now=anyio.current_time())
    return made


def missing(user: UserKey, *accounts: str) -> list[Finding]:
    return [Finding(kind="missing", vendor=user.vendor, user=user.user, account=AccountId(one)) for one in accounts]


def found(*findings: Finding) -> Findings:
    made = Findings()
    made.take(findings, lists_of=lambda _: ("10",))
    return made


@virtual
async def test_a_reader_that_is_nowhere_is_given_as_it_was_read() -> None:
    load = loaded(ANN)
    assert await load.keep_new(found(*missing(ANN, "1", "2"))) == 1
    snapshot = load.snapshot(ANN)
    assert snapshot is not None
    assert (snapshot.user, load.written) == (ANN, 1)


@virtual
async def test_a_reader_that_is_at_one_account_or_of_whom_else_something_was_found_is_fetched() -> None:
    load = loaded(ANN, BO)
    moved = Finding(kind="moved", vendor="v1", user="bo", account=AccountId("1"), repairs=False)
    assert await load.keep_new(found(*missing(ANN, "2"), *missing(BO, "1", "2"), moved)) == 0
    assert (load.snapshot(ANN), load.snapshot(BO), load.written) == (None, None, 0)


@virtual
async def test_an_event_of_a_reader_has_it_fetched_whenever_it_comes() -> None:
    load = loaded(ANN, BO)
    load.settling.seen(ANN, 0, 5)
    await load.keep_new(found(*missing(ANN, "1", "2"), *missing(BO, "1", "2")))
    assert load.snapshot(ANN) is None
    load.settling.seen(UserKey("v2", "bo"), 0, 6)
    assert load.snapshot(BO) is not None
    load.settling.seen(BO, 0, 7)
    assert load.snapshot(BO) is None


@virtual
async def test_records_that_were_lost_may_have_been_of_anybody() -> None:
    load = loaded(ANN)
    load.settling.missed(0)
    assert load.snapshot(ANN) is None


@virtual
async def test_what_it_is_told_of_the_topic_settles_runs_as_ever() -> None:
    load = loaded(ANN)
    load.settling.started(ANN)
    load.settling.seen(ANN, 0, 5)
    load.settling.ended(ANN)
    load.settling.end_is([ANN], {0: 6})
    load.settling.read(0, 6)
    assert load.settling.settled() == ([], [ANN])


@virtual
async def test_what_was_read_an_hour_ago_is_fetched() -> None:
    load = loaded(ANN)
    await anyio.sleep(3601)
    assert load.snapshot(ANN) is None


@virtual
async def test_what_is_tried_again_is_fetched() -> None:
    load = loaded(ANN)
    assert load.snapshot(ANN) is not None
    assert (load.snapshot(ANN), load.written) == (None, 1)


@virtual
async def test_a_reader_that_may_have_opted_out_unseen_at_one_account_is_not_given() -> None:
    load = loaded(ANN, BO)
    unseen = Finding(kind="unseen", vendor=ANN.vendor, user=ANN.user, account=AccountId("2"), repairs=False)

    assert await load.keep_new(found(*missing(ANN, "1"), unseen, *missing(BO, "1", "2"))) == 1
    assert (load.snapshot(ANN), load.snapshot(BO) is None) == (None, False)
