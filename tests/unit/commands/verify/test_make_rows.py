"""What rows tell, though none can be read back."""

from typing import Any

import pytest

from consumer.commands.verify.make_rows import products, subscriptions, two
from consumer.commands.verify.question import Call, Reply
from tests.unit.commands.verify.walks import asked, no, ok, seen


def rows(call: Call) -> list[dict[str, Any]]:
    assert isinstance(call.body, list)
    return call.body


@pytest.mark.parametrize(
    ("replies", "value"),
    [
        ([no(), ok()], "array"),
        ([no(), no(400), ok()], "wrapper"),
        ([no(), no(500), ok()], "wrapper"),
        ([no(), ok({"errors": [1]}), ok()], "wrapper"),
        ([no(), no(), no()], None),
        # A server that takes anything says nothing by it.
        ([ok(), ok()], None),
    ],
    ids=str,
)
def test_the_body_that_is_taken_is_right_where_another_is_refused(replies: list[Reply], value: str | None) -> None:
    (one,) = seen(products, replies)

    assert (one.value, one.is_answer) == (value, value is not None)
    assert value is None or one.text.endswith("a wrong one was refused, so it is believed")
    assert ("anything is taken there: look at Make.as" in one.text) is all(reply.is_taken for reply in replies)


def test_the_first_form_is_the_present_one_and_the_others_come_until_one_is_taken() -> None:
    def answer(call: Call) -> Reply:
        row = rows(call)[0]
        return ok() if "subscriber_email" in row and row["start_date"] == "2026-01-02 03:04:05" else no()

    calls, (key, dates, refused) = asked(subscriptions, answer)

    assert (key.value, dates.value, refused.is_answer) == ("subscriber_email", "date_time", True)
    assert "email" in rows(calls[1])[0]
    assert [row["start_date"] for call in calls[1:5] for row in rows(call)] == ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05"] * 2


def test_by_external_id_goes_to_the_other_path() -> None:
    calls, (key, *_) = asked(subscriptions, lambda call: ok() if call.path.endswith("bulkinsert_by_external_id") else no())

    assert key.value == "subscriber_external_id"
    assert rows(calls[-1])[0]["subscriber_external_id"] == "sesamy-makeas-verify-1"


def test_no_form_that_is_taken_is_no_answer() -> None:
    _, found = asked(subscriptions, lambda _: no())

    assert [(one.value, one.is_answer) for one in found] == [(None, False), (None, False), (None, True)]


def test_where_a_date_that_is_none_is_taken_dates_have_no_answer() -> None:
    _, (key, dates, _) = asked(subscriptions, lambda call: ok() if "email" in rows(call)[0] else no())

    assert (key.value, dates.value, dates.is_answer) == ("email", None, False)


def test_where_a_row_that_names_nobody_is_taken_people_are_shown_which_was_kept() -> None:
    """Each form goes as a subscription of its own, named after it: which of them are there is seen in Make.as alone."""
    calls, (key, dates, refused) = asked(subscriptions, lambda _: ok())
    names = [row["name"] for call in calls[1:] for row in rows(call)]

    assert [one.is_answer for one in (key, dates, refused)] == [False, False, True]
    assert (key.value, dates.value) == (None, None)
    assert len({row["external_id"] for call in calls for row in rows(call)}) == 7
    assert names[:3] == [f"sesamy-makeas verify, {form}" for form in ("email, iso", "email, date_time", "subscriber_email, iso")]
    assert "lost in silence" in refused.text


@pytest.mark.parametrize(
    ("replies", "value", "is_answer"),
    [([no(), ok(), ok()], True, True), ([no(), ok(), no()], False, True), ([no(), no()], None, False), ([ok()], None, False)],
    ids=str,
)
def test_rows_of_two_contacts(replies: list[Reply], value: bool | None, *, is_answer: bool) -> None:
    (one,) = seen(two, replies)

    assert (one.value, one.is_answer) == (value, is_answer)


def test_what_may_be_refused_is_an_ended_subscription_of_a_test_contact() -> None:
    for ask in (subscriptions, two):
        calls, _ = asked(ask, lambda _: no())
        assert all(row["status"] == "cancelled" and row["external_id"].startswith("sesamy-makeas-verify") for c in calls for row in rows(c))
