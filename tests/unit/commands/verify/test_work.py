"""`verify` against stand-ins over real HTTP, set to each of the answers that no document settles."""

import os
import signal
from typing import Any, Literal

import anyio
import pytest

from consumer.commands.verify.plan import possible, reading, writing
from consumer.sandbox.stand_ins.faults import Fault
from tests.generated.metrics_table import one_of_each
from tests.unit.commands.verify.both_sides import CONTACTS, EMAIL, EMAIL_2, LEFT, Sides, row, writes

OTHERS: Any = [
    ("subscriber_key", "subscriber_email"),
    ("subscriber_key", "subscriber_external_id"),
    ("bulk_body", "wrapper"),
    ("list_parameter", "subscriber_list_id"),
    ("opted_out", "hidden"),
    ("dates", "date_time"),
    ("tags", "ids"),
]
ALL: Any = [("bulk_body", "array"), *OTHERS]


@pytest.fixture
def sides() -> Sides:
    sides = Sides()
    sides.account.contact(LEFT, lists=["7"], email_status="unsubscribed")
    return sides


# ---- What is seen ----


@pytest.mark.parametrize(("setting", "value"), OTHERS)
async def test_each_other_way_is_seen_and_its_setting_is_named_and_no_other(sides: Sides, setting: str, value: str) -> None:
    setattr(sides.account.ways, setting, value)
    found = await sides.verify(writes=True, opted_out_email=LEFT, **CONTACTS)

    assert writes(found) == {f"makeas.{setting}": value}
    assert found.status == 1


@pytest.mark.parametrize(("setting", "value"), ALL)
async def test_with_that_setting_nothing_is_to_be_written(sides: Sides, setting: str, value: str) -> None:
    setattr(sides.account.ways, setting, value)
    sides.makes = {setting: value}
    found = await sides.verify(writes=True, opted_out_email=LEFT, **CONTACTS)

    assert writes(found) == {}
    assert [one.unknown for one in found.rows if one.verdict in {"no-answer", "bad"}] == []
    assert found.status == 0


@pytest.mark.parametrize(("setting", "value"), OTHERS)
async def test_a_setting_that_is_wrong_the_other_way_is_set_right(sides: Sides, setting: str, value: str) -> None:
    sides.makes = {setting: value}
    found = await sides.verify(writes=True, opted_out_email=LEFT, **CONTACTS)
    usual = getattr(one_of_each().makeas, setting)

    assert writes(found) == {f"makeas.{setting}": usual}


@pytest.mark.parametrize(("setting", "value"), [("subscriber_key", "subscriber_email"), ("dates", "date_time")])
async def test_a_server_that_drops_in_silence_gets_no_answer_put_into_its_mouth(sides: Sides, setting: str, value: str) -> None:
    """What it kept has the form as its name, for people to see."""
    setattr(sides.account.ways, setting, value)
    sides.account.ways.is_silent = True
    found = await sides.verify(writes=True, **CONTACTS)

    assert writes(found) == {}
    assert (
        row(found, "names the subscriber").verdict == row(found, "how dates").verdict == row(found, "share a call").verdict == "no-answer"
    )
    assert sides.account.subscriptions
    assert all(value in one["name"] for one in sides.account.subscriptions.values())


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_filter_that_is_ignored_is_bad(sides: Sides, resource: str) -> None:
    sides.sesamy.unfiltered = {resource}
    found = await sides.verify()

    assert [one.unknown for one in found.rows if one.verdict == "bad"] == [f"whether {resource} are filtered by user"]
    assert found.status == 1


async def test_sesamy_alone_is_only_read_and_all_is_well(sides: Sides) -> None:
    found = await sides.verify(user="u1")

    assert found.status == 0
    assert not sides.makeas.calls
    assert "createdAt: date (ISO, fractions, UTC)" in row(found, "reader's profile").seen
    assert {one.seen for one in found.rows if one.verdict == "not-asked"} == {"not asked: takes --email, --email-2 and --list"}


async def test_rows_of_two_that_are_refused_together_are_not_to_be_shared(sides: Sides) -> None:
    sides.makeas.faults.add(Fault(kind="status", op="subscriptions", least=2, status=422))

    assert writes(await sides.verify(writes=True, **CONTACTS)) == {"makeas.rows_shared": False}


@pytest.mark.parametrize(
    ("always", "unknown", "bad"),
    [("merge", "tag=replace takes", True), ("replace", "tag=merge keeps", False)],
)
async def test_a_server_that_does_not_heed_the_mode_of_tags(
    sides: Sides, always: Literal["merge", "replace"], unknown: str, *, bad: bool
) -> None:
    """Where tags can't be taken away, that is said of the test contact, too."""
    sides.account.always = always
    found = await sides.verify(writes=True, **CONTACTS)

    assert row(found, unknown).seen.startswith("NO")
    assert (row(found, unknown).verdict == "bad") is bad
    assert (f"tags on {EMAIL}" in row(found, "what is left").seen) is (always == "merge")


async def test_contacts_that_show_no_status_and_tags_as_objects(sides: Sides) -> None:
    sides.account.reads.contact_status, sides.account.reads.contact_tags = "", "objects"
    found = await sides.verify(writes=True, opted_out_email=LEFT, **CONTACTS)

    assert writes(found) == {}
    assert "must stay `leave`" in row(found, "opted out is found").seen
    assert row(found, "shows its tags").seen == "as objects with a title"
    assert row(found, "what a contact shows").seen.endswith("no status")


async def test_a_lower_limit_is_to_be_written(sides: Sides) -> None:
    sides.sesamy.limit("v", requests_per_minute=60, burst=200)

    assert writes(await sides.verify()) == {"sesamy.requests_per_minute": 60}


# ---- What is written ----


@pytest.mark.parametrize(("setting", "value"), ALL)
async def test_what_is_left_is_what_is_said(sides: Sides, setting: str, value: str) -> None:
    """Contacts without a tag, one product, ended subscriptions; nothing of another list, and no other contact."""
    sides.account.ways.takes_off = False
    other = dict(sides.account.contact("reader@x.no", tags=["vip"], lists=["8"], external_id="u1"))
    setattr(sides.account.ways, setting, value)
    found = await sides.verify(writes=True, **CONTACTS)
    account, left = sides.account, row(found, "what is left").seen

    assert account.contacts["reader@x.no"] == other
    assert account.contacts.keys() == {"reader@x.no", EMAIL, EMAIL_2, LEFT}
    assert [(account.contacts[one]["tags"], account.contacts[one]["lists"]) for one in (EMAIL, EMAIL_2)] == [([], ["7"])] * 2
    assert account.products.keys() == {"sesamy-makeas-verify|product"}
    assert account.subscriptions.keys() == {"sesamy-makeas-verify-1", "sesamy-makeas-verify-2"}
    assert {one["status"] for one in account.subscriptions.values()} == {"cancelled"}
    assert account.violations == []
    for word in (f"{EMAIL} on the list", f"{EMAIL_2} on the list", "the contacts themselves", "the tags", "products and subscriptions"):
        assert word in left


async def test_where_contacts_can_be_taken_from_the_list_they_are_and_a_second_run_tells_as_much(sides: Sides) -> None:
    for _ in range(2):
        found = await sides.verify(writes=True, **CONTACTS)

        assert row(found, "names a list").verdict == "as-set"
        assert [sides.account.contacts[one]["lists"] for one in (EMAIL, EMAIL_2)] == [[], []]
        assert "on the list" not in row(found, "what is left").seen


async def test_a_contact_that_stays_on_the_list_tells_nothing_of_it_the_second_time(sides: Sides) -> None:
    sides.account.ways.takes_off = False
    for verdict in ("as-set", "no-answer"):
        assert row(await sides.verify(writes=True, **CONTACTS), "names a list").verdict == verdict


async def test_without_write_nothing_is_written(sides: Sides) -> None:
    before = str(sides.account.contacts)
    found = await sides.verify(opted_out_email=LEFT, **CONTACTS)

    assert sides.makeas.calls.keys() == {("1001", "list"), ("1001", "contact")}
    assert str(sides.account.contacts) == before
    assert sides.asked == 0
    assert row(found, "names the subscriber").seen == "not asked: takes --write"


async def test_a_first_look_at_addresses_that_are_new_is_fine(sides: Sides) -> None:
    found = await sides.verify(opted_out_email=LEFT, **CONTACTS)

    assert row(found, "what a contact shows").seen == "not asked: 2 of 2 are not known yet; --write makes them"
    assert [one.verdict for one in found.rows if one.verdict not in {"as-set", "not-asked"}] == []
    assert found.status == 0


async def test_of_a_reader_that_sesamy_does_not_know_no_rows_are_looked_at(sides: Sides) -> None:
    found = await sides.verify(user="nobody")

    assert row(found, "reader's profile").seen.startswith("no answer: Sesamy does not know the user, 404")
    assert {row(found, one).seen for one in ("its contracts", "its entitlements")} == {"not asked: Sesamy does not know the user"}
    assert found.status == 1


async def test_a_no_to_the_question_writes_nothing(sides: Sides) -> None:
    sides.agrees = False
    found = await sides.verify(writes=True, **CONTACTS)

    assert sides.asked == 1
    assert not sides.makeas.calls.keys() & {("1001", "upsert"), ("1001", "products"), ("1001", "subscriptions"), ("1001", "tag")}
    assert row(found, "names the subscriber").seen == "not asked: the question was answered with no"


@pytest.mark.parametrize("there", [{"tags": ["vip"]}, {"lists": ["8"]}, {"external_id": "u1"}, {"email_status": "bounce"}], ids=str)
@pytest.mark.parametrize("email", [EMAIL, EMAIL_2])
async def test_a_contact_that_may_be_somebodys_is_refused_before_any_write(sides: Sides, email: str, there: dict[str, Any]) -> None:
    sides.account.contact(email, **there)
    before = str(sides.account.contacts)
    found = await sides.verify(writes=True, **CONTACTS)

    assert (found.status, sides.asked) == (64, 0)
    assert row(found, "may be written to").verdict == "bad"
    assert row(found, "names the subscriber").seen == "not asked: a test contact may not be written to, see T1"
    assert str(sides.account.contacts) == before
    assert not sides.makeas.calls.keys() & {("1001", "upsert"), ("1001", "products"), ("1001", "subscriptions")}


async def test_one_that_did_not_opt_out_is_not_written_to_as_if_it_had(sides: Sides) -> None:
    sides.account.contact("in@x.no", lists=["7"])
    found = await sides.verify(writes=True, opted_out_email="in@x.no", **CONTACTS)

    assert row(found, "puts back").verdict == "no-answer"
    assert "in@x.no" not in sides.account.written


async def test_after_a_failure_in_the_midst_the_tags_are_taken_off(sides: Sides) -> None:
    sides.makeas.faults.add(Fault(kind="status", op="products", status=503))
    found = await sides.verify(writes=True, **CONTACTS)

    assert row(found, "array or a wrapper").seen == "no answer: http-503"
    assert found.status == 69
    assert [sides.account.contacts[one]["tags"] for one in (EMAIL, EMAIL_2)] == [[], []]


async def test_stopped_in_the_midst_it_takes_the_tags_off_all_the_same(sides: Sides) -> None:
    sides.makeas.faults.add(Fault(kind="hang", op="products"))
    with anyio.CancelScope() as scope:
        sides.on_call = lambda told: scope.cancel() if "products" in told else None
        await sides.verify(writes=True, **CONTACTS)

    assert scope.cancelled_caught
    assert any("sesamy_verify" in str(sent.get("tags")) for _, sent in sides.account.written[EMAIL])
    assert [sides.account.contacts[one]["tags"] for one in (EMAIL, EMAIL_2)] == [[], []]


async def test_a_key_that_is_refused_is_not_tried_again(sides: Sides) -> None:
    sides.account.key = "another"
    found = await sides.verify(writes=True, **CONTACTS)

    cure = "the key is refused: correct userId and apiKey"
    assert found.status == 77
    assert sides.makeas.calls == {("1001", "401"): 1}
    assert sides.asked == 0
    assert row(found, "whether the list is there").seen == f"no answer: {cure} (http-401)"
    assert {row(found, one).seen for one in ("may be written to", "names a list", "share a call")} == {f"not asked: {cure}"}


async def test_without_a_token_sesamy_is_not_asked(sides: Sides) -> None:
    sides.sesamy.clients.clear()
    found = await sides.verify()

    cure = "the client is refused: correct client_id and client_secret"
    assert row(found, "needs an audience").verdict == "no-answer"
    assert row(found, "needs an audience").seen.endswith(f"; {cure}")
    assert {row(found, one).seen for one in ("contracts are filtered", "are wrapped")} == {f"not asked: {cure}"}
    assert {op for _, op in sides.sesamy.calls} == {"token"}
    assert found.status == 77


async def test_a_token_that_is_given_and_refused_is_told_from_a_client_that_is(sides: Sides) -> None:
    for op in ("contracts", "entitlements", "users"):
        sides.sesamy.faults.add(Fault(kind="status", op=op, status=401))
    found = await sides.verify()

    cure = "the token is refused: correct audience, or have Sesamy give the client its rights"
    assert row(found, "contracts are filtered").seen == f"no answer: {cure} (http-401)"
    assert row(found, "are wrapped").seen == f"not asked: {cure}"
    assert found.status == 77


async def test_a_token_that_can_not_be_had_is_no_matter_of_permission(sides: Sides) -> None:
    sides.sesamy.faults.add(Fault(kind="status", op="token", status=404))
    found = await sides.verify()

    assert row(found, "contracts are filtered").seen == "no answer: no-token"
    assert found.status == 69


# ---- What is shown ----


@pytest.mark.parametrize(("setting", "value"), ALL)
async def test_each_call_is_shown_and_stood_in_the_plan(sides: Sides, setting: str, value: str) -> None:
    """By its method and path: ids, and forms that were found meanwhile, are told as they are when the call is made."""
    setattr(sides.account.ways, setting, value)
    known = sides.known(one_of_each(), user="u1", opted_out_email=LEFT, **CONTACTS)
    await sides.verify(writes=True, user="u1", opted_out_email=LEFT, **CONTACTS)
    questions = (*reading(known, writes=True), *writing(known))
    planned = {_path(call.told) for question in questions for call in possible(question, known)}

    assert {_path(one) for one in sides.shown} <= planned
    assert len(sides.shown) == sum(sides.makeas.calls.values()) + sum(sides.sesamy.calls.values())


async def test_no_secret_is_shown(sides: Sides) -> None:
    sides.account.key = "k-canary"
    await sides.verify(writes=True, **CONTACTS)

    assert not any("canary" in one or "token-" in one or "Bearer" in one for one in sides.shown)


def _path(told: str) -> str:
    method, path = told.split("?", maxsplit=1)[0].split(" ")[:2]
    return f"{method} {'/'.join('ID' if part.isdigit() else part for part in path.split('/'))}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_tidy_and_what_is_left_is_said(sides: Sides, number: signal.Signals) -> None:
    sent: list[str] = []

    def on_call(told: str) -> None:
        if "sesamy_verify_2" in told and not sent:
            sent.append(told)
            os.kill(os.getpid(), number)

    before = signal.signal(number, signal.SIG_IGN)  # Else the signal ends the test where nobody heeds it.
    try:
        sides.on_call = on_call
        found = await sides.verify(writes=True, opted_out_email=LEFT, **CONTACTS)
    finally:
        signal.signal(number, before)

    assert sent
    assert found.status == 75
    assert "the contacts themselves" in row(found, "what is left").seen
    assert not any(one.unknown.startswith("whether bulk calls") and one.verdict == "as-set" for one in found.rows), "it went on"
    assert sides.account.contacts[EMAIL]["tags"] == sides.account.contacts[EMAIL]["lists"] == []
