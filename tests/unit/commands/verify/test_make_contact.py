"""What writes of a test contact tell, by answers that no stand-in gives."""

from typing import Any

import pytest
from msgspec import structs

from consumer.commands.verify.make_contact import consent, list_parameter, modes, tag_case, tags, tags_of, tidy
from consumer.commands.verify.question import Call, Reply
from tests.unit.commands.verify.walks import KNOWN, asked, contact, no, ok, seen

BY_ID = structs.replace(KNOWN, ways={**KNOWN.ways, "makeas.tags": "ids"}, tag_ids={"sesamy_verify": 11})
SECOND = "sesamy_verify_2"
LEFT: Any = {"id": 3, "email": "c@x.no", "email_status": "unsubscribed", "lists": ["7"]}


# ---- The list ----


@pytest.mark.parametrize(
    ("replies", "value"),
    [
        ([no(404), ok(), ok(), contact()], "subscriber_list_id[]"),
        (
            [no(404), ok(), ok(), contact(lists=[]), ok(), ok(), contact(), contact(), ok(), contact(lists=[]), ok(), contact()],
            "subscriber_list_id",
        ),
        # What was written under the first name may show late: then the second does not do it alone.
        (
            [no(404), ok(), ok(), contact(lists=[]), ok(), ok(), contact(), contact(), ok(), contact(lists=[]), ok(), contact(lists=[])],
            None,
        ),
        ([no(404), ok(), ok(), contact(lists=[]), ok(), ok(), contact(), contact(), no(404), contact()], None),
        ([no(404), no(500), no(500), ok(), ok(), contact(), contact(), ok(), contact(lists=[]), ok(), contact(lists=[])], None),
        ([no(404), no(), no(), ok(), ok(), contact()], "subscriber_list_id"),
        ([no(404), no(), no(), no(), no()], None),
        # What was on the list before says nothing, unless it could be taken off.
        ([contact(), no(404), contact(), ok(), ok()], None),
        ([contact(), ok(), contact(lists=[]), ok(), ok(), contact()], "subscriber_list_id[]"),
        # A contact that does not show its lists is looked for among the list's rows.
        ([no(404), ok(), ok(), contact(lists=None), ok([{"id": 1, "email": "a@x.no"}])], "subscriber_list_id[]"),
        ([no(404), ok(), ok(), contact(lists=None), no(403), ok(), ok(), contact(lists=None), no(403)], None),
    ],
    ids=str,
)
def test_the_name_of_a_list_is_the_one_that_puts_a_contact_on_it(replies: list[Reply], value: str | None) -> None:
    (one,) = seen(list_parameter, replies)

    assert (one.value, one.is_answer) == (value, value is not None)


# ---- Tags ----


@pytest.mark.parametrize(
    ("replies", "value", "learnt"),
    [
        ([contact(), ok(), contact(tags=["sesamy_verify"])], "titles", {}),
        (
            [contact(), ok(), contact(), ok([{"id": 4, "title": "sesamy_verify"}]), ok([]), ok({"id": 5}), ok(), contact(tags=[SECOND])],
            "ids",
            {"sesamy_verify": 4, SECOND: 5},
        ),
        # What was written by its title shows late: it is not there by an id.
        (
            [
                contact(),
                ok(),
                contact(),
                ok([{"id": 4, "title": "sesamy_verify"}]),
                ok([]),
                ok({"id": 5}),
                ok(),
                contact(tags=["sesamy_verify"]),
            ],
            None,
            {},
        ),
        # What was there before says nothing, unless it could be taken off.
        ([contact(tags=["sesamy_verify"]), ok(), contact(), ok(), contact(tags=["sesamy_verify"])], "titles", {}),
        ([contact(tags=["sesamy_verify"]), ok(), contact(tags=["sesamy_verify"])], None, {}),
        ([contact(), no(), contact(), ok([]), no(403), ok([]), no(403)], None, {}),
        ([contact(), ok(), contact(), ok([]), no(), ok([]), ok({"data": {"id": "x"}}), ok(), contact()], None, {}),
    ],
    ids=str,
)
def test_a_tag_that_is_not_there_by_its_title_is_tried_by_its_id(
    replies: list[Reply], value: str | None, learnt: dict[str, object]
) -> None:
    (one,) = seen(tags, replies)

    assert (one.value, one.is_answer, one.learnt) == (value, value is not None, learnt)


def test_tags_are_written_as_was_seen_to_be_right() -> None:
    assert tags_of(KNOWN, "sesamy_verify", "sesamy_verify_2") == ["sesamy_verify", "sesamy_verify_2"]
    assert tags_of(BY_ID, "sesamy_verify", "sesamy_verify_2") == [11]


@pytest.mark.parametrize(
    ("merged", "replaced", "texts"),
    [
        (["sesamy_verify", "sesamy_verify_2"], ["sesamy_verify"], ("yes", "yes", "yes")),
        (["sesamy_verify_2"], ["sesamy_verify"], ("NO", "yes", "yes")),
        (["sesamy_verify", "sesamy_verify_2"], ["sesamy_verify", "sesamy_verify_2"], ("yes", "yes", "NO")),
        (["sesamy_verify"], ["sesamy_verify"], ("no answer", "yes", "no answer")),
    ],
)
def test_merge_keeps_and_replace_takes_away(merged: list[str], replaced: list[str], texts: tuple[str, ...]) -> None:
    mine = "sesamy-makeas-verify-1"
    found = seen(modes, [ok(), ok(), contact(tags=merged, external_id=mine), ok(), contact(tags=replaced)])

    assert tuple(one.text.split(":")[0] for one in found) == texts
    assert [one.is_bad for one in found] == [False, False, texts[2] == "NO"]


@pytest.mark.parametrize(
    ("stays", "is_bad", "is_answer"), [("sesamy-makeas-verify-1", False, True), ("", True, True), (None, False, False)]
)
def test_a_field_that_is_left_out(stays: str | None, *, is_bad: bool, is_answer: bool) -> None:
    _, omitted, _ = seen(modes, [ok(), ok(), contact(external_id=stays), ok(), contact()])

    assert (omitted.is_bad, omitted.is_answer) == (is_bad, is_answer)


def test_capitals_make_two_tags_or_one() -> None:
    answers = {("sesamy_verify", "SESAMY_VERIFY"): "yes: they are two tags", ("SESAMY_VERIFY",): "no: they are one tag", (): "no answer"}

    for titles, text in answers.items():
        assert seen(tag_case, [ok(), ok(), contact(tags=[*titles])])[0].text.startswith(text)
    assert seen(tag_case, [], BY_ID)[0].is_answer


# ---- Consent ----


@pytest.mark.parametrize(
    ("replies", "text"),
    [
        ([ok(LEFT), ok([LEFT]), ok(), ok(LEFT)], "no: it is left as it was"),
        ([no(404), ok([LEFT]), ok(), no(404), ok([LEFT])], "no: it is still among those that left"),
        ([no(404), ok([LEFT]), ok(), contact(id=3), ok([]), ok([])], "YES"),
        ([no(404), ok([LEFT]), ok(), no(404), ok([]), ok([LEFT])], "YES"),
        ([no(404), ok([LEFT]), ok(), no(404), ok([]), ok([])], "no answer"),
        ([ok(LEFT), ok([]), no(409), ok(LEFT)], "no: such a write is refused"),
        ([ok(LEFT), ok([]), no(500), contact(id=3), ok([]), ok([])], "YES"),
    ],
    ids=str,
)
def test_whether_one_that_opted_out_stays_so(replies: list[Reply], text: str) -> None:
    (one,) = seen(consent, replies)

    assert one.text.startswith(text)


@pytest.mark.parametrize(
    "replies",
    [
        [no(404), ok([])],
        [no(404), no(403)],
        [contact(), ok([])],
        [ok({**LEFT, "tags": ["vip"]}), ok([])],
        [ok({**LEFT, "lists": ["7", "8"]}), ok([])],
        [ok(LEFT), ok([{**LEFT, "external_id": "auth0|1"}])],
        [no(404), ok([{**LEFT, "external_id": "auth0|1"}])],
        [no(404), ok([{**LEFT, "lists": None}])],
    ],
    ids=str,
)
def test_one_that_may_not_have_opted_out_or_is_somebodys_is_not_written_to(replies: list[Reply]) -> None:
    each = iter(replies)
    calls, (one,) = asked(consent, lambda _: next(each))

    assert not any(call.writes for call in calls)
    assert not one.is_answer


# ---- Tidying up ----


def test_tags_and_lists_are_taken_away_and_what_stays_is_said() -> None:
    left = {"a@x.no": True, "b@x.no": False, "c@x.no": False}

    def answer(call: Call) -> Reply:
        if call.op == "contact":
            assert isinstance(call.body, dict)
            return contact(tags=["sesamy_verify"] if left[call.body["email"]] else [], lists=["7"] if left[call.body["email"]] else [])
        return no(404) if call.op == "off_list" else ok()

    calls, (one,) = asked(tidy, answer)

    assert [(call.op, call.body.get("tags")) for call in calls if call.op == "upsert" and isinstance(call.body, dict)] == [
        ("upsert", [])
    ] * 2
    assert "tags on a@x.no" in one.text
    assert "a@x.no on the list (404" in one.text
    assert "b@x.no" not in one.text
    assert "c@x.no is not opted out" in one.text
    assert "products and subscriptions" in one.text
