"""A reader looked up at Sesamy and Make.as."""

from collections.abc import Collection
from typing import Any, Final

import anyio
import pytest

from consumer.core.errors import Denied, Retryable
from consumer.core.model import UserKey
from consumer.pod.reader.lookup import Found, Lookup
from consumer.pod.status.told.words import KEY_CURE
from tests.clock import virtual
from tests.fakes.sides import EVENING, MORNING, Sides

WELL: Final = {"lists": ["1466", "1467", "2466"], "firstname": "Canaria"}
ANN: Final = "ann@x.no"
NAMES: Final = {"1466": "Morgenbrev"}


def sides(*, paused: Collection[str] = (), vendor_paused: bool = False, **morning: Any) -> Sides:
    """Give a vendor whose user ann is on every list; `morning`: what its contact at the first account says instead."""
    made = Sides(paused=paused, vendor_paused=vendor_paused)
    made.morning.add(ANN, "ann", **{**WELL, **morning})
    made.evening.add(ANN, "ann", **WELL)
    return made


async def find(made: Sides, user: str = "ann", *, email: str = "") -> Found:
    return await Lookup(made.up(), NAMES).find("v", user="" if email else user, email=email)


@virtual
async def test_one_that_is_written_as_sesamy_says_is_said_to_be() -> None:
    found = await find(sides())

    assert (found.outcome, found.sentence) == (
        "well",
        "Written, all as Sesamy says: Morgenbrev, list 1467, list 2466",
    )


@virtual
async def test_lists_of_one_verdict_are_one_sentence_also_of_two_accounts() -> None:
    left, gone = sides(email_status="unsubscribed"), sides(lists=[])
    left.evening.add(ANN, "ann", **WELL, email_status="unsubscribed")
    gone.evening.add(ANN, "ann", **{**WELL, "lists": []})

    assert (await find(left)).sentence == "Not on Morgenbrev, list 1467, list 2466: the address opted out"
    assert (await find(gone)).sentence == "Not on Morgenbrev, list 1467, list 2466, though nothing keeps it off: sync the user"
    paused = await find(sides(paused=["1467", "2466"]))
    assert paused.sentence == f"Paused, {UNTIL}: list 1467, list 2466; Written, all as Sesamy says: Morgenbrev"


@virtual
async def test_what_differs_is_named_without_its_value() -> None:
    found = await find(sides(firstname="Other", tags=["sesamy_tag_stale"], lists=["1466"]))

    assert found.outcome == "differs"
    assert "Not on list 1467, though nothing keeps it off: sync the user" in found.sentence
    assert "Account 1001 differs from Sesamy: firstname, tags; sync the user" in found.sentence
    assert not any(value in found.sentence for value in ("Other", "Canaria", "stale", "@"))


@pytest.mark.parametrize(
    ("status", "why"),
    [("unsubscribed", "the address opted out"), ("bounced", "mail to the address bounced"), ("x", "the address takes no mail")],
)
def test_who_left_is_said_to_have_left(status: str, why: str) -> None:
    @virtual
    async def found() -> None:
        said = await find(sides(email_status=status))
        assert said.outcome == "kept-out"
        assert said.sentence.startswith(f"Not on Morgenbrev, list 1467: {why}; Written, all as Sesamy says: list 2466")

    found()


@virtual
async def test_who_left_one_list_by_its_register_is_said_to_be_on_the_other() -> None:
    made = sides()
    made.morning.hidden[ANN] = frozenset({"1466"})
    made.evening.contacts.clear()
    found = await find(made)

    assert found.sentence == (
        "Not on Morgenbrev: the address has left it; Written, all as Sesamy says: list 1467; "
        "Not on list 2466: account 2001 has no contact with the address; sync the user"
    )


@virtual
async def test_whom_sesamy_does_not_know_and_who_gets_nothing_is_told_apart() -> None:
    made = sides()
    made.absent, made.emails = {"nobody"}, {"bare": None}

    said = {user: (await find(made, user)).sentence for user in ("nobody", "bare", "guest|1")}
    assert said["nobody"] == "Unknown to Sesamy: is the id right, and is it this vendor's?"
    assert said["bare"].startswith("Sesamy has no usable e-mail address of this user")
    assert said["guest|1"].startswith("A guest: guests are put on no list")
    assert made.morning.asked == []
    assert made.asked == ["nobody", "bare"]


@virtual
async def test_what_can_not_be_asked_is_said_with_its_code_and_the_others_are_asked() -> None:
    made = sides()
    made.morning.error = Denied("no", code="http-401", said="bad key")
    found = await find(made)
    assert (found.outcome, found.sentence) == (
        "failed",
        (
            'Written, all as Sesamy says: list 2466; Account 1001 could not be asked (http-401; it said "bad key")'
            f", since it refuses the key: {KEY_CURE}"
        ),
    )

    made.sesamy_error = Retryable("no", code="timeout")
    assert (await find(made)).sentence == "Sesamy could not be asked (no answer in time)"


@virtual
async def test_a_refused_key_is_told_from_an_outage() -> None:
    made = sides()
    assert not (await find(made)).refuses_key
    made.morning.error = Denied("no", code="http-401")
    assert (await find(made)).refuses_key
    for error, is_refused in ((Denied("no", code="http-400"), True), (Retryable("no", code="timeout"), False)):
        made.sesamy_error = error
        assert (await find(made)).refuses_key is is_refused


# ---- Paused ----

UNTIL: Final = "nothing is written there until `paused` is taken out of the settings"


@virtual
async def test_a_paused_list_is_said_to_be_paused_and_no_sync_is_advised_for_it() -> None:
    found = await find(sides(paused=["1467"], lists=["1466"]))
    assert (found.outcome, found.sentence) == (
        "paused",
        f"Paused, {UNTIL}: list 1467; Written, all as Sesamy says: Morgenbrev, list 2466",
    )

    made = sides(paused=["1467"])
    made.morning.contacts.clear()
    found = await find(made)
    assert found.outcome == "differs"
    assert found.sentence.startswith(f"Paused, {UNTIL}: list 1467; Not on Morgenbrev: account 1001 has no contact")


@virtual
async def test_whoever_left_a_paused_list_is_said_to_have_left_it() -> None:
    found = await find(sides(paused=["1467"], email_status="unsubscribed"))

    assert found.sentence.startswith("Not on Morgenbrev, list 1467: the address opted out; Written")


@virtual
async def test_an_account_all_of_whose_lists_are_paused_is_not_asked_and_that_is_an_answer() -> None:
    made = sides(paused=["1466", "1467"], firstname="Other")
    found = await find(made)

    assert (found.outcome, found.sentence) == (
        "paused",
        f"Paused, {UNTIL}: Morgenbrev, list 1467; Written, all as Sesamy says: list 2466",
    )
    assert made.morning.asked == []

    made.evening.contacts.clear()
    found = await find(made, email=ANN)
    assert found.outcome == "paused"
    assert found.sentence.endswith("Account 1001 is not asked: its lists are paused until `paused` is taken out of the settings")


@virtual
async def test_a_paused_vendor_is_said_to_be_paused_which_is_no_failure() -> None:
    made = sides(vendor_paused=True)
    found = await find(made)

    assert (found.outcome, found.sentence) == (
        "paused",
        "Vendor v is paused: nothing is fetched or written for it until `paused` is taken out of the settings",
    )
    assert made.asked == []
    assert (await find(made, email=ANN)).user == "ann"


# ---- By address ----


@virtual
async def test_the_accounts_are_asked_for_an_address_until_one_knows_the_user() -> None:
    made = sides()
    made.morning.contacts.clear()
    found = await find(made, email=" ANN@x.no".replace("ANN", "ann"))

    assert (found.user, found.outcome) == ("ann", "differs")
    assert found.sentence.startswith(
        "Account 2001 knows the address as user ann. Not on Morgenbrev, list 1467: account 1001 has no contact"
    )
    # Each account is asked for the address once: what it said is compared.
    assert made.evening.asked == [ANN]


@virtual
async def test_an_address_that_none_knows_is_said_with_what_was_asked() -> None:
    made = sides()
    made.evening.add("nameless@x.no", None)
    found = await find(made, email="nameless@x.no")

    assert (found.user, found.outcome) == ("", "not-found")
    assert found.sentence == "No list's account knows a user with this address (asked: account 1001, account 2001): ask with the user's id"
    assert made.asked == []

    made.morning.error = Denied("no", code="http-401")
    found = await find(made, email="nameless@x.no")
    assert found.outcome == "failed"
    assert found.sentence.endswith(f"Account 1001 could not be asked (http-401), since it refuses the key: {KEY_CURE}")
    assert found.refuses_key
    assert (await find(made, email="no-address")).sentence == "This is no e-mail address"


@virtual
async def test_a_user_that_has_another_address_at_sesamy_by_now_is_said_to() -> None:
    made = sides()
    made.emails["ann"] = "new@x.no"
    found = await find(made, email=ANN)

    assert "Account 1001 knows the address as user ann. Sesamy has another address for it; Not on Morgenbrev" in found.sentence
    assert "@" not in found.sentence
    assert made.morning.asked == [ANN, "new@x.no"]


# ---- Limits ----


@virtual
async def test_a_gate_that_is_shut_is_not_asked_behind_and_that_is_said() -> None:
    made = sides()
    wait = Retryable("no", code="http-429", retry_after_s=100.0)
    made.gates.accounts[MORNING].failed(UserKey("v", "x"), wait, now=anyio.current_time())
    found = await find(made)
    assert "; Account 1001 is not asked, since its gate is shut: see the status" in found.sentence
    assert made.morning.asked == []

    made.gates.vendors["v"].stop("filter", now=anyio.current_time())
    made.asked.clear()
    assert (await find(made)).sentence.startswith("Sesamy is not asked, since its gate is shut")
    assert made.asked == []


@virtual
async def test_it_pays_as_a_run_does_and_leaves_no_trace_at_the_gates() -> None:
    made = sides()
    before = anyio.current_time()
    for _ in range(40):
        assert (await find(made)).outcome == "well"
    spent_s = anyio.current_time() - before

    gate = made.gates.vendors["v"]
    assert spent_s >= (40 * 3 - gate.pace._burst) / gate.pace.rate_per_s - 3
    assert gate.state(now=anyio.current_time()).in_use == 0
    assert made.gates.accounts[EVENING].state(now=anyio.current_time()).in_use == 0


@virtual
async def test_a_wish_that_we_wait_is_heeded_by_all() -> None:
    made = sides()
    made.morning.error = Retryable("no", code="http-429", retry_after_s=60.0)
    await find(made)

    assert made.gates.accounts[MORNING].closed(now=anyio.current_time())
    assert not made.gates.accounts[EVENING].closed(now=anyio.current_time())


@virtual
async def test_one_at_a_time_and_none_for_ever() -> None:
    made = sides()
    made.takes_s = 100.0
    lookup, found = Lookup(made.up()), list[Found]()

    async def one() -> None:
        found.append(await lookup.find("v", user="ann"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await anyio.sleep(1)
        tasks.start_soon(one)
        await anyio.sleep(1)
        assert [(of.outcome, of.sentence) for of in found] == [("busy", "Another reader is being looked up: try again in a moment")]
    assert found[1].sentence == "No answer within 30 s: try again later"
    assert made.gates.vendors["v"].state(now=anyio.current_time()).in_use == 0

    made.takes_s = 0.0
    assert (await lookup.find("v", user="ann")).outcome == "well"
