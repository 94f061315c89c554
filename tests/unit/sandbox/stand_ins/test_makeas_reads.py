"""Make.as' stand-in, asked who left: it answers as the API does, and each switch changes one thing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.sandbox.stand_ins.makeas_reads import stamp
from tests.unit.sandbox.stand_ins.test_makeas import There, there

__all__ = ["there"]

ANN, BO, CY = "ann@example.com", "bo@example.com", "cy@example.com"


async def rows(there: There, **query: object) -> list[dict[str, Any]]:
    said = "&".join(f"{name}={value}" for name, value in {"list_id": "1", "per_page": 1000, **query}.items())
    status, answer = await there.call("GET", f"/subscribers/by_list?{said}")
    assert status == 200
    return list(answer)


def town(there: There) -> None:
    there.account.contact(ANN, lists=["1"])
    there.account.contact(BO, lists=["1"], email_status="unsubscribed")
    there.account.contact(CY, lists=["1", "2"], email_status="bounce")


@pytest.mark.parametrize(("status", "who"), [(None, ANN), ("active", ANN), ("unsubscribed", BO), ("bounce", CY)])
async def test_a_list_tells_the_active_unless_asked_for_who_left(there: There, status: str | None, who: str) -> None:
    town(there)
    assert [who] == [row["email"] for row in await rows(there, **({"status": status} if status else {}))]


async def test_who_left_one_list_left_no_other(there: There) -> None:
    there.account.contact(ANN, lists=["1", "2"])
    there.account.leave(ANN, list_id="1")
    assert [row["email"] for row in await rows(there, status="unsubscribed")] == [ANN]
    assert [row["email"] for row in await rows(there, list_id="2", status="active")] == [ANN]
    await there.call("PATCH", "/subscribers/1?subscriber_list_id[]=1&subscriber_list_id[]=2", {"email": ANN})
    assert there.account.violations == ["contact 1 had left and was put on lists ['1']"]


async def test_pages_follow_each_other_and_end_empty(there: There) -> None:
    for number in range(5):
        there.account.contact(f"{number}@example.com", lists=["1"])
    pages = [[row["id"] for row in await rows(there, per_page=2, page=page)] for page in (1, 2, 3, 4)]
    assert pages == [[1, 2], [3, 4], [5], []]


async def test_what_changed_since_a_moment_is_told_alone(there: There) -> None:
    town(there)
    there.account.contacts[ANN]["date_updated"] = stamp(datetime.now(UTC) - timedelta(hours=1))
    since = stamp(datetime.now(UTC) - timedelta(minutes=1))
    assert await rows(there, updated_after=since) == []
    there.account.leave(ANN, "active")
    assert [row["email"] for row in await rows(there, updated_after=since)] == [ANN]


async def test_a_contact_is_there_by_its_id(there: There) -> None:
    town(there)
    assert (await there.call("GET", "/subscribers/2"))[1]["email"] == BO
    assert (await there.call("GET", "/subscribers/9"))[0] == 404


@pytest.mark.parametrize("query", ["list_id=9", "list_id=1&status=gone", "list_id=1&per_page=1001", "list_id=1&page=0"])
async def test_a_wrong_question_is_refused(there: There, query: str) -> None:
    assert (await there.call("GET", f"/subscribers/by_list?{query}"))[0] == 422


async def test_each_switch_changes_one_thing(there: There) -> None:
    town(there)
    reads = there.account.reads
    reads.row_status = ""
    assert "email_status" not in (await rows(there))[0]
    reads.contact_status = "state"
    found = (await there.call("POST", "/subscribers/by_email", {"email": BO}))[1]
    assert (found["state"], "email_status" in found) == ("unsubscribed", False)
    reads.hides_left = True
    assert (await there.call("POST", "/subscribers/by_email", {"email": BO}))[0] == 404
    reads.refuses = 403
    assert (await there.call("GET", "/subscribers/by_list?list_id=1"))[0] == 403


async def test_pages_may_be_capped_repeat_rows_or_ignore_what_was_asked(there: There) -> None:
    for number in range(5):
        there.account.contact(f"{number}@example.com", lists=["1"])
    there.account.reads.page_cap = 3
    assert [row["id"] for row in await rows(there)] == [1, 2, 3]
    there.account.reads.repeats = 1
    assert [[row["id"] for row in await rows(there, page=page)] for page in (2, 3)] == [[3, 4, 5], []]
    there.account.reads.ignores = frozenset({"page", "status", "updated_after"})
    last = await rows(there, page=9, status="bounce", updated_after=stamp(datetime.now(UTC) + timedelta(hours=1)))
    assert [row["id"] for row in last] == [1, 2, 3]


async def test_a_list_gives_whole_contacts(there: There) -> None:
    fields = {"firstname": "Ann", "lastname": "Lie", "company": "Bø", "external_id": "email|ann", "tags": ["Quiz", "sesamy_a"]}
    there.account.contact(ANN, lists=["1", "2"], **fields)
    found = (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[1]
    assert await rows(there) == [found]
    assert found == {"id": 1, "email": ANN, "lists": ["1", "2"], "email_status": "active", "date_updated": found["date_updated"], **fields}


async def test_tags_and_lists_may_come_in_another_shape_or_not_at_all(there: There) -> None:
    for email in (ANN, BO):
        there.account.contact(email, lists=["1"], tags=["Quiz", "ærlig"])
    reads = there.account.reads
    reads.row_tags = "objects"
    first, second = await rows(there)
    assert [tag["title"] for tag in first["tags"]] == ["Quiz", "ærlig"]
    assert (first["tags"], len({tag["id"] for tag in first["tags"]})) == (second["tags"], 2)
    reads.contact_tags, reads.row_tags, reads.row_lists = "objects", "none", False
    assert (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[1] == first
    assert {name for row in await rows(there) for name in row} == {"id", "email", "email_status", "date_updated"}
    assert there.account.contacts[ANN]["tags"] == ["Quiz", "ærlig"]


async def test_a_list_tells_how_many_of_its_contacts_are_active(there: There) -> None:
    town(there)
    there.account.contact("dan@example.com", lists=["1", "2"])
    there.account.leave("dan@example.com", list_id="2")

    async def told(list_id: str) -> Any:
        return (await there.call("GET", f"/subscriberlists/{list_id}"))[1].get("subscriber_emails")

    assert [await told("1"), await told("2")] == [2, 0]
    there.account.reads.count = 0
    assert await told("1") == 0
    there.account.reads.count = "absent"
    assert await told("1") is None


async def test_a_page_of_the_middle_may_come_empty(there: There) -> None:
    for number in range(5):
        there.account.contact(f"{number}@example.com", lists=["1"])
    there.account.reads.empty_page = 2
    assert [[row["id"] for row in await rows(there, per_page=2, page=page)] for page in (1, 2, 3)] == [[1, 2], [], [5]]
