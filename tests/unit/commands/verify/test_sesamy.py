"""What Sesamy's answers say of it."""

from typing import Any

import pytest
from msgspec import structs

from consumer.commands.verify.question import Reply
from consumer.commands.verify.sesamy import AUDIENCE, TOKEN, filters, kind, lists, rate, reader, token
from tests.unit.commands.verify.walks import KNOWN, asked, no, ok, seen


@pytest.mark.parametrize(
    ("mine", "replies", "value", "is_answer"),
    [
        ("", [ok(), ok([]), ok(), ok([])], "", True),
        ("", [ok(), ok([]), no(403)], "", True),
        ("", [no(403), ok(), ok([])], AUDIENCE, True),
        ("", [ok(), no(401), ok(), ok([])], AUDIENCE, True),
        ("mine", [no(403), ok(), no(404)], "", True),
        ("mine", [ok(), ok([]), ok(), ok([])], "mine", True),
        ("", [no(403), no(403)], None, False),
        ("", [ok(), no(401), ok(), no(401)], None, False),
    ],
)
def test_the_audience_is_what_gives_a_token_that_is_good(mine: str, replies: list[Reply], value: str | None, *, is_answer: bool) -> None:
    """Both ways are tried, and what the settings say stays where it works."""
    (one,) = seen(token, replies, structs.replace(KNOWN, ways={**KNOWN.ways, TOKEN.setting: mine}))

    assert (one.value, one.is_answer) == (value, is_answer)


@pytest.mark.parametrize(
    ("reply", "is_bad", "is_answer"),
    [
        (ok([]), False, True),
        (ok({"data": []}), False, True),
        (no(404), False, True),
        (no(400), False, True),
        (ok([{"id": "c"}]), True, True),
        (ok({"data": [{"id": "c"}]}), True, True),
        (ok({"what": 1}), False, False),
        (ok({"error": "x", "data": []}), False, False),
        (no(403), False, False),
    ],
    ids=str,
)
def test_a_user_that_can_not_be_must_have_no_rows(reply: Reply, *, is_bad: bool, is_answer: bool) -> None:
    """What can't be read is no empty list."""
    found = seen(filters, [reply, ok([])])
    other = seen(filters, [ok([]), reply])

    assert [(one.is_bad, one.is_answer) for one in found] == [(is_bad, is_answer), (False, True)]
    assert [(one.is_bad, one.is_answer) for one in other] == [(False, True), (is_bad, is_answer)]


def test_the_filters_are_asked_for_nobody() -> None:
    calls, _ = asked(filters, lambda _: ok([]))

    assert [call.query[0] for call in calls] == [("userId", "email|0")] * 2
    assert not any(call.writes for call in calls)


def test_lists_say_envelope_pages_totals_and_whether_entitlements_name_their_user() -> None:
    rows: Any = [{"id": "1", "userId": "u"}, {"id": "2", "userId": "v"}]
    found = seen(lists, [ok({"data": rows, "pagination": {"total": 9}}), ok(rows), ok({"entitlements": [*rows, {"id": "3"}]})])

    assert [one.text for one in found] == [
        "users: an object of data, pagination; contracts: a bare array; entitlements: an object of entitlements",
        "entitlements: 3 rows where 2 were asked for; total told of users",
        "yes, and contracts and entitlements, too",
        "2 of 3 do",
    ]


def test_lists_that_are_refused_are_an_answer_to_one_question_only() -> None:
    found = seen(lists, [no(403), no(403), no(403)])

    assert [one.is_answer for one in found] == [False, False, True, False]
    assert found[2].text.startswith("users: refused, 403")


@pytest.mark.parametrize(
    ("limit", "ours", "value"),
    [
        ("60", 100, 60),
        ("60", 100.0, 60),
        ("100", 100.0, None),
        ("100", 100, None),
        ("600", 100, None),
        (None, 100, None),
        ("60", "auto", None),
    ],
)
def test_a_limit_below_ours_is_to_be_written(limit: str | None, ours: float | str, value: int | None) -> None:
    known = structs.replace(KNOWN, ways={**KNOWN.ways, "sesamy.requests_per_minute": ours})
    (one,) = seen(rate, [Reply(status=200, tree=[], limit=limit)], known)

    assert (one.value, one.is_answer) == (value, True)


def test_a_reader_is_shown_by_names_and_kinds_and_never_by_a_value() -> None:
    profile = {"userId": "u1", "email": "ann@secret.example", "createdAt": "2026-01-02T03:04:05Z", "ann@secret.example": "Ann"}
    found = seen(reader, [ok({"data": profile}), ok([{"id": "c-77", "endedAt": None}, {"id": "c-78", "endedAt": 1767323045}]), ok([])])
    text = "\n".join(one.text for one in found)

    assert [one.text for one in found] == [
        "*: text, createdAt: date (ISO, UTC), email: text, userId: text",
        "endedAt: date (since 1970), id: text",
        "the reader has none",
    ]
    assert not any(value in text for value in ("ann", "Ann", "2026", "c-7", "u1"))


@pytest.mark.parametrize(
    ("value", "is_of"),
    [
        (None, "none"),
        (True, "true/false"),
        (3, "number"),
        (1767323045, "date (since 1970)"),
        ("1767323045", "date (since 1970, as text)"),
        ("2026-01-02", "date (day)"),
        ("2026-01-02 03:04:05", "date (with a space, no zone)"),
        ("2026-01-02T03:04:05.1+01:00", "date (ISO, fractions, with a zone)"),
        ("Ann", "text"),
        ([], "list"),
        (["a"], "list of text"),
        ({"b": 1, "a": 2}, "{a, b}"),
    ],
    ids=str,
)
def test_kinds(value: object, is_of: str) -> None:
    assert kind(value) == is_of
