"""Which questions are asked, and which calls each may make."""

from pathlib import Path

from msgspec import structs

from consumer.commands.verify import make_contact, make_rows, sesamy
from consumer.commands.verify.may_write import GUARD
from consumer.commands.verify.plan import folded, possible, reading, unasked, writing
from consumer.commands.verify.question import Call, Known
from tests.unit.commands.verify.walks import KNOWN

BARE: Known = structs.replace(KNOWN, user="", email="", email_2="", opted_out_email="", list_id="")


def test_without_a_test_address_make_as_is_asked_nothing() -> None:
    calls = [call for question in reading(BARE, writes=False) for call in possible(question, BARE)]

    assert calls
    assert {call.side for call in calls} == {"token", "sesamy"}
    assert {option for _, option in unasked(BARE, writes=False)} == {"takes --user", "takes --email, --email-2 and --list"}


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


def test_what_kept_from_writing_is_told_where_write_was_given_and_other_options_are_named_as_ever() -> None:
    left = {why for _, why in unasked(structs.replace(KNOWN, user="", opted_out_email=""), writes=False, why="you said no")}

    assert left == {"you said no", "takes --user", "takes --opted-out-email"}


def test_pages_are_one_line_of_a_plan() -> None:
    def page(number: int, status: str) -> Call:
        return Call(side="makeas", op="leavers", path="/by_list", query=(("page", str(number)), ("status", status)))

    calls = [Call(side="makeas", op="list", path="/x"), *(page(one, "active") for one in range(1, 51)), page(1, "left"), page(2, "left")]

    assert folded(calls) == [
        "GET /x",
        "GET /by_list?page=1, 2, … up to 50&status=active",
        "GET /by_list?page=1&status=left",
        "GET /by_list?page=2&status=left",
    ]


def test_no_question_of_a_plan_is_long() -> None:
    for question in (*reading(KNOWN, writes=True), *writing(KNOWN)):
        calls = possible(question, KNOWN)
        assert len(folded(calls)) <= 16
        assert "\n".join(folded(one for one in calls if one.writes)) == "\n".join(one.told for one in calls if one.writes)


def test_each_unknown_has_an_id_of_its_own_that_the_design_tells() -> None:
    every = [one.id for question in (*reading(KNOWN, writes=True), *writing(KNOWN), make_contact.TIDYING) for one in question.unknowns]
    design = (Path(__file__).parents[4] / "consumer/DESIGN.md").read_text(encoding="utf-8")

    assert all(every)
    assert len(every) - len(set(every)) == 0
    assert [one for one in every if f"\n| {one} |" not in design] == []
