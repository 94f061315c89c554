"""Which questions are asked, and which calls each may make."""

from msgspec import structs

from consumer.commands.verify import make_contact, make_rows, sesamy
from consumer.commands.verify.may_write import GUARD
from consumer.commands.verify.plan import possible, reading, unasked, writing
from consumer.commands.verify.question import Known
from tests.unit.commands.verify.walks import KNOWN

BARE: Known = structs.replace(KNOWN, user="", email="", email_2="", opted_out_email="", list_id="")


def test_without_a_test_address_make_as_is_asked_nothing() -> None:
    calls = [call for question in reading(BARE, writes=False) for call in possible(question, BARE)]

    assert calls
    assert {call.side for call in calls} == {"token", "sesamy"}
    assert {option for _, option in unasked(BARE, writes=False)} == {"--user", "--email, --email-2 and --list"}


def test_nothing_that_is_only_read_can_write() -> None:
    calls = [call for question in reading(KNOWN, writes=True) for call in possible(question, KNOWN)]

    assert not any(call.writes for call in calls)
    assert {call.method for call in calls if call.side == "sesamy"} == {"GET"}
    assert {call.path for call in calls if call.side == "makeas" and call.method != "GET"} == {"/subscribers/by_email"}


def test_contacts_are_looked_at_before_the_first_write() -> None:
    assert GUARD in reading(KNOWN, writes=True)
    assert GUARD not in reading(KNOWN, writes=False)
    assert GUARD not in writing(KNOWN)


def test_each_question_is_asked_or_named_with_what_it_takes() -> None:
    every = {*reading(KNOWN, writes=True), *writing(KNOWN)} - {GUARD}

    for known in (KNOWN, BARE, structs.replace(KNOWN, user=""), structs.replace(KNOWN, opted_out_email="")):
        for writes in (False, bool(known.email)):
            asked = {*reading(known, writes=writes), *(writing(known) if writes else ())} - {GUARD}
            left = dict(unasked(known, writes=writes))
            assert asked | left.keys() == every
            assert not asked & left.keys()
            assert all(left.values())


def test_a_plan_has_every_form_that_may_be_tried() -> None:
    told = "\n".join(call.told for question in writing(KNOWN) for call in possible(question, KNOWN))

    for one in (
        "subscriber_list_id[]=7",
        "subscriber_list_id=7",
        '{"products":[',
        '"subscriber_email":"a@x.no"',
        '"subscriber_external_id":"',
        "2026-01-02 03:04:05",
        "POST /subscriber_tags ",
        "DELETE /subscribers/ID/subscriberlists/7",
        '{"email":"c@x.no"}',
    ):
        assert one in told
    assert len(make_contact.QUESTIONS) + len(make_rows.QUESTIONS) + 2 == len(writing(KNOWN))


def test_calls_of_a_plan_come_once_and_in_order() -> None:
    calls = [call.told for call in possible(sesamy.QUESTIONS[0], KNOWN)]

    assert len(calls) == len(set(calls)) == 3
    assert calls[0].startswith("POST the token's address")
