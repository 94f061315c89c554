"""What a refusal says in words, and all that it must not say."""

import json
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.said import LIMIT, Sent, said

MAIL, NAME, USER, KEY = "ann.nilsen@example.no", "Ann Nilsen", "auth0|5f7c", "hunter2-canary"
SENT = Sent(
    path=f"/subscribers/{quote(USER, safe='')}",
    query=[("listId", "1466")],
    json=[{"email": MAIL, "name": NAME, "tags": ["sesamy_premium"], "age": 41}],
    login="Basic " + b64encode(f"1001:{KEY}".encode()).decode(),
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message":"The given data was invalid."}', "The given data was invalid."),
        (b'{"error":"invalid_client","error_description":"Client authentication failed"}', "Client authentication failed"),
        (b'{"error":{"message":"No such list","code":404}}', "No such list"),
        (b'{"errors":{"email":["has already been taken"]}}', "has already been taken"),
        (b'{"errors":[{"detail":"is not allowed"}]}', "is not allowed"),
        (b"Too many\r\n requests", "Too many requests"),
        (b'"no"', "no"),
        (b"<html><title>502</title>", ""),
        (b"", ""),
        (b"[1, 2]", ""),
        (b'{"a":' * 9000, ""),
        (b'{"message":"The \\"email\\" is required"}', 'The "email" is required'),
    ],
)
def test_the_message_is_found(body: bytes, expected: str) -> None:
    assert said(body, SENT) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"{MAIL} is taken", "… is taken"),
        ("no contact ann.nilsen", "no contact …"),
        ("Value ola.nordmann@example.com was refused", "Value … was refused"),
        (f"{NAME} has left", "… has left"),
        ("for Ann there is nothing", "for … there is nothing"),
        ("the contact Kari Nordmann exists", "the contact … exists"),
        (f"{USER} or {quote(USER, safe='')} is unknown", "… or … is unknown"),
        ("call 22 33 44 55 or +47-22334455 of 2026-11-27", "call … or +… of …"),
        (f"the key {KEY} is wrong", "the key … is wrong"),
        ("the key " + SENT.login.split()[1] + " is wrong", "the key … is wrong"),
        ("'what was sent' is not \"right\"", "… is not …"),
        ("see https://make.example/s?email=x#y for more", "see … for more"),
        ("tag SESAMY_PREMIUM is not known", "tag … is not known"),
        ("its place is Oslo", "its place is …"),
        ("the Email is wrong, the API says so", "the Email is wrong, the API says so"),
    ],
)
def test_no_value_of_the_exchange_is_in_it(message: str, expected: str) -> None:
    assert said(json.dumps({"message": message, "given": {"city": "Oslo"}}).encode(), SENT) == expected


def test_a_value_that_came_back_is_not_in_it() -> None:
    assert said(b'{"message":"taken by bergen-7","owner":{"slug":"bergen-7"}}') == "taken by …"


def test_more_values_than_are_looked_at_leave_nothing_to_say() -> None:
    assert said(json.dumps({"message": "no", "rows": ["x"] * 5000}).encode()) == ""


@given(st.text(max_size=400), st.lists(st.text(alphabet="abcdefgæ0123|@. ", min_size=3, max_size=20), max_size=5))
def test_it_is_short_printable_and_without_what_was_sent(message: str, values: list[str]) -> None:
    text = said(json.dumps({"message": message + " " + " ".join(values)}).encode(), Sent(json=values))

    assert len(text) <= LIMIT
    assert text.isprintable()
    assert not any(value.strip() in text for value in values if len(value.strip()) >= 3)
    assert not any(one.isdecimal() for one in text)
