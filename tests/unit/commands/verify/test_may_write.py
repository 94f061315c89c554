"""Addresses that may be somebody's are never written to."""

from typing import Any

import pytest

from consumer.commands.verify.may_write import may_write, same_twice
from consumer.commands.verify.question import Reply
from tests.unit.commands.verify.walks import contact, no, ok, seen


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"lists": []}, True),
        ({"tags": ["sesamy_verify", "SESAMY_VERIFY_2"], "external_id": "sesamy-makeas-verify-1"}, True),
        ({"tags": ["vip"]}, False),
        ({"tags": ["sesamy_active_subscriber"]}, False),
        ({"tags": [{"id": 1, "title": "vip"}]}, False),
        ({"lists": ["7", "8"]}, False),
        ({"lists": [8]}, False),
        ({"lists": None}, False),
        ({"external_id": "auth0|1"}, False),
        ({"external_id": 4711}, False),
        ({"email_status": "unsubscribed"}, False),
        ({"email_status": "bounce"}, False),
    ],
    ids=str,
)
def test_only_a_contact_that_nothing_else_knows_may_be_written_to(fields: dict[str, Any], *, may: bool) -> None:
    (first,) = seen(may_write, [contact(**fields), ok([]), *([no(404), ok([])] if may else [])])
    (second,) = seen(may_write, [no(404), ok([]), contact(**fields), ok([])])

    assert (first.is_bad, second.is_bad) == (not may, not may)
    assert (first.text == "yes") is may


def test_one_that_is_hidden_and_left_the_list_is_not_written_to() -> None:
    (one,) = seen(may_write, [no(404), ok([{"id": 1, "email": "A@X.no"}])])

    assert one.is_bad


@pytest.mark.parametrize("leavers", [no(403), no(404), no(500), ok({"x": 1})], ids=str)
def test_one_that_nothing_shows_may_have_opted_out_where_those_that_left_can_not_be_read(leavers: Reply) -> None:
    (one,) = seen(may_write, [no(404), leavers])
    assert one.is_bad

    (shown,) = seen(may_write, [contact(), leavers, contact(email="b@x.no"), leavers])
    assert shown.text == "yes"


@pytest.mark.parametrize("reply", [no(422), ok([]), no(403), contact(email="reader@x.no")], ids=str)
def test_what_can_not_be_looked_at_is_not_written_to(reply: Reply) -> None:
    (one,) = seen(may_write, [reply])

    assert one.is_bad


def test_an_address_given_twice_is_noticed_however_it_is_spelled() -> None:
    assert same_twice("A@x.no", "a@X.no")
    assert not same_twice("a@x.no", "b@x.no", "", "")
