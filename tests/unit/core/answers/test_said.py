"""What a refusal says in words, and all that it must not say."""

import json
from base64 import b64encode
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers import said as module
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
        ("call 22 33 44 55 or +47-22334455 of 2026-11-27", "call … or … of …"),
        (f"the key {KEY} is wrong", "the key … is wrong"),
        ("the key " + SENT.login.split()[1] + " is wrong", "the key … is wrong"),
        ("'what was sent' is not \"right\"", "… is not …"),
        ("see https://make.example/s?email=x#y for more", "see … for more"),
        ("Kari Nordmann is already registered", "… is already registered"),
        ("Duplicate contact. Nordmann exists", "Duplicate contact. … exists"),
        ("NORDMANN KARI", ""),
        ("contact kari nordmann is blocked", "contact … is blocked"),
        ("contact \u0414\u043c\u0438 \u0418\u0432\u0430 exists", "contact … exists"),
        ("contact Šime Łukasz exists", "contact … exists"),
        ("the contact A\u030ase exists", "the contact … exists"),
        ("Will May Price pay", ""),
        ("you may try when it will be read", "you may try when it will be read"),
        ("the contact at kari\uff20firma.no exists", "the contact at … exists"),
        ("the contact at kari@data.no exists", "the contact at … exists"),
        ("the key abcdefgh... is wrong", "the key … is wrong"),
        ("the key list... is wrong", "the key … is wrong"),
        ("the user auth…|abcdefg… is unknown", "the user … is unknown"),
        ("contact O&#39;Brien exists", "contact … exists"),
        ("call \uff11\uff12 \uff13 now", "call … now"),
        ("tag SESAMY_PREMIUM is not known", "tag … is not known"),
        ("its place is Oslo", "its place is …"),
        ("the Email is wrong, the API says so", "the Email is wrong, the API says so"),
    ],
)
def test_no_value_of_the_exchange_is_in_it(message: str, expected: str) -> None:
    assert said(json.dumps({"message": message, "given": {"city": "Oslo"}}).encode(), SENT) == expected


def test_a_value_that_came_back_is_not_in_it() -> None:
    assert said(b'{"message":"taken by bergen-7","owner":{"slug":"bergen-7"}}') == "taken by …"


def test_a_value_that_is_a_common_word_is_not_in_it_either() -> None:
    sent = Sent(json={"title": "Daily Access", "status": "Pending"})

    assert said(b"ACCESS is not given while pending, status: pending", sent) == "… is not given while … status: …"


def test_a_key_that_is_a_common_word_is_not_in_it_either() -> None:
    login = "Basic " + b64encode(b"1001:secret, not access").decode()

    assert said(b"access is not valid", Sent(login=login)) == "… is … valid"
    assert said(b"access is not valid", Sent(login="Bearer access")) == "… is not valid"


def test_a_key_of_an_answer_that_is_a_value_is_no_name_of_a_field() -> None:
    body = json.dumps({"errors": {MAIL: [f"{MAIL} is taken"], "auth0|5f7c": ["x"]}}).encode()

    assert said(body) == "… is taken"
    assert said(b'{"errors":{"Kari":["Kari is taken"]},"name":"kari"}') == "… is taken"


def test_names_of_fields_that_were_sent_are_shown() -> None:
    assert said(b"The firstName_x field of 'optin-source' is required", Sent(json={"firstname_x": "a", "optin-source": "b"})) == (
        "The firstName_x field of 'optin-source' is required"
    )


def test_each_value_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(value: str) -> str:
        nonlocal looked
        looked += 1
        return unquote(value)

    monkeypatch.setattr(module, "unquote", counted)
    said(b"word and " * 400, Sent(json=[f"value number {number}" for number in range(4000)]))

    assert looked <= 4010


def test_more_values_than_are_looked_at_leave_nothing_to_say() -> None:
    assert said(json.dumps({"message": "no", "rows": ["x"] * 5000}).encode()) == ""


@given(st.text(max_size=400), st.lists(st.text(alphabet="abcdefgæ0123|@. ", min_size=3, max_size=20), max_size=5))
def test_it_is_short_printable_and_without_what_was_sent(message: str, values: list[str]) -> None:
    text = said(json.dumps({"message": message + " " + " ".join(values)}).encode(), Sent(json=values))

    assert len(text) <= LIMIT
    assert text.isprintable()
    assert not any(f" {value.strip()} " in f" {text} " for value in values if any(map(str.isalnum, value)))
    assert not any(one.isdecimal() for one in text)
