"""A list that is gone for an hour, on a virtual clock: its siblings must not notice, and nobody is to mend by hand what it held."""

import functools
from collections import Counter

import anyio
import pytest
from msgspec import structs

from consumer.core.model import AccountId
from tests.simulation.settings import MANY_LISTS
from tests.simulation.storm import hash_of
from tests.simulation.test_stories import READERS, SLOW, Stage
from tests.simulation.test_stories import story as story_of

pytestmark = pytest.mark.timeout(600)

story = functools.partial(story_of, settings=structs.replace(MANY_LISTS, workers=SLOW.workers))
ACCOUNT = AccountId("1")
FIFTY = READERS[:50]


def on(stage: Stage, one: str) -> set[str]:
    """Return who is on a list of account 1 as of now."""
    return {
        user.user
        for (account, list_id, user), version in stage.world.on_list.items()
        if (account, list_id) == (ACCOUNT, one) and version == stage.world.versions[user]
    }


def letters(stage: Stage) -> Counter[tuple[str, tuple[str, ...]]]:
    """Return how many letters there are, by code and lists."""
    return Counter((letter.said["error.code"], letter.lists) for letter in stage.world.letters if "error.code" in letter.said)


NAMES = {user.user for user in FIFTY}


@story
async def test_a_list_that_is_gone_for_an_hour_keeps_nobody_off_its_siblings_and_heals_by_itself(stage: Stage) -> None:
    stage.world.gone[ACCOUNT, "12"] = "http-404"
    for user in FIFTY:
        stage.touch(user)
        await anyio.sleep(60)
        assert user.user in on(stage, "11") & on(stage, "13")
    await anyio.sleep(600)
    assert (on(stage, "12"), stage.gate("1"), stage.committed_all()) == (set(), "open", True)
    seen = letters(stage)
    assert (seen.pop(("http-404", ("12",))), set(seen)) == (4, {("held", ("12",))})
    # One for each of 46 users, and one for each probe: at most every minute.
    assert seen["held", ("12",)] <= 46 + 60 + 4
    status = {row.list: (row.door, row.owed_users) for row in stage.lists() if row.account == "1"}
    assert status == {"11": ("open", 0), "12": ("left-out", 46), "13": ("open", 0)}

    calls = stage.world.calls
    stage.world.gone.clear()
    await anyio.sleep(120)
    assert (stage.world.held_open(), len(on(stage, "12"))) == (set(), 46)
    # Each is fetched and written once; a few fail in passing.
    assert stage.world.calls - calls < 46 * 6 * 1.5
    assert letters(stage)["http-404", ("12",)] == 4


@story
async def test_a_pod_that_begins_while_a_list_is_gone_has_nobody_who_was_held_mended_by_hand(stage: Stage) -> None:
    """It knows nothing of the list; the first whose letters it tries must not be refused as users."""
    stage.world.gone[ACCOUNT, "12"] = "http-422"
    stage.touch(*FIFTY[:20])
    await anyio.sleep(60)
    assert letters(stage)["http-422", ("12",)] == 4
    for _ in range(3):
        stage.restart()
        await anyio.sleep(300)
    assert letters(stage)["http-422", ("12",)] == 4

    stage.world.gone.clear()
    await anyio.sleep(120)
    assert (stage.world.held_open(), len(on(stage, "12"))) == (set(), 16)


@story
async def test_whom_one_list_refuses_and_another_holds_is_not_tried_in_a_circle(stage: Stage) -> None:
    """Of one letter for both, the door of the list that is well would say yes again and again."""
    stage.world.gone[ACCOUNT, "13"] = "http-404"
    for user in FIFTY[:5]:
        stage.touch(user)
        await anyio.sleep(5)
    stage.world.refused_there = {(ACCOUNT, "12", FIFTY[9])}
    stage.touch(FIFTY[9])
    await anyio.sleep(20)
    letters_then = len(stage.world.letters)
    await anyio.sleep(600)
    # A probe each minute, and what it leaves behind.
    assert len(stage.world.letters) - letters_then < 20
    assert letters(stage)["http-409", ("12",)] < 10

    stage.world.gone.clear()
    await anyio.sleep(120)
    assert (stage.world.held_open(), FIFTY[9].user in on(stage, "13")) == (set(), True)
    closed = len(stage.world.letters)
    await anyio.sleep(300)
    assert len(stage.world.letters) == closed


@story
async def test_while_two_lists_of_three_are_gone_each_is_probed_and_comes_back_alone(stage: Stage) -> None:
    stage.world.gone.update({(ACCOUNT, "12"): "http-404", (ACCOUNT, "13"): "http-403"})
    for user in FIFTY:
        stage.touch(user)
        await anyio.sleep(5)
    assert (on(stage, "11"), stage.gate("1")) == (NAMES, "open")
    del stage.world.gone[ACCOUNT, "13"]
    await anyio.sleep(180)
    assert (len(on(stage, "13")), len(on(stage, "12"))) == (46, 0)

    stage.world.gone.clear()
    await anyio.sleep(180)
    assert (stage.world.held_open(), len(on(stage, "12"))) == (set(), 46)


@story
async def test_whom_a_list_refuses_for_its_own_sake_is_not_each_probe_of_it(stage: Stage) -> None:
    """Its letter is written anew each time, as if it had never been tried; a held one of another partition waits for its turn."""
    refused, held = FIFTY[4], FIFTY[5]
    assert hash_of(refused) % 3 != hash_of(held) % 3
    stage.world.refused_there = {(ACCOUNT, "12", refused)}
    stage.world.gone[ACCOUNT, "12"] = "http-404"
    for user in FIFTY[:5]:
        stage.touch(user)
        await anyio.sleep(5)
    await anyio.sleep(20)
    stage.touch(held)
    await anyio.sleep(60)
    assert held.user not in on(stage, "12")

    stage.world.gone.clear()
    await anyio.sleep(600)
    assert (stage.world.held_open(), held.user in on(stage, "12")) == (set(), True)
