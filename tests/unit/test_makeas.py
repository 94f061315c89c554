"""Make.as' API in our nouns, against the stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer import http
from consumer.errors import ConsumerError, Denied, Held, Refused, Retryable
from consumer.makeas import REFUSES, MakeAs, tag_change
from consumer.model import Documents, Product, Subscriber, Subscription
from consumer.sandbox import makeas as stand_in
from consumer.sandbox.faults import Fault, Kind
from consumer.sandbox.server import serving

ANN = "ann@example.com"


async def permit() -> None:
    """Let everything through."""


def no_limit() -> float:
    return 10.0


def documents(*, tags: tuple[str, ...] = ("sesamy_a",), rows: int = 1, company: str | None = None) -> Documents:
    return Documents(
        subscriber=Subscriber(email=ANN, firstname="Ann", company=company, external_id="email|ann"),
        tags=tags,
        products=tuple(Product(f"p{number}", "P") for number in range(rows)),
        subscriptions=tuple(
            Subscription(external_id=f"c{number}", product_external_id=f"p{number}", name="P", status="active") for number in range(rows)
        ),
    )


@asynccontextmanager
async def account(*, timeout_s: float = 2.0, key: str = "k") -> AsyncIterator[tuple[MakeAs, stand_in.Account, stand_in.MakeAs]]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    async with serving(made.app()) as url, http.session(connections=8) as session:
        api = http.Http(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=timeout_s, refuses=REFUSES)
        yield MakeAs(api, user_id="1001", api_key=lambda: key, lists=["1", "2"]), there, made


@pytest.mark.parametrize(
    ("found", "wanted", "change"),
    [
        ([], ["sesamy_a"], ("merge", ["sesamy_a"])),
        ([], [], ("merge", [])),
        (["x"], ["sesamy_a"], ("merge", ["sesamy_a"])),
        (["x", "sesamy_a"], ["sesamy_a", "sesamy_b"], ("merge", ["sesamy_a", "sesamy_b"])),
        (["x", "sesamy_old"], ["sesamy_a"], ("replace", ["x", "sesamy_a"])),
        (["x", "sesamy_old"], [], ("replace", ["x"])),
        (["sesamy", "Sesam", "not_sesamy_x"], ["sesamy_a"], ("merge", ["sesamy_a"])),
    ],
)
def test_tags_are_replaced_only_where_a_stale_one_must_go(found: list[str], wanted: list[str], change: tuple[str, list[str]]) -> None:
    assert change == tag_change(found, wanted)


async def test_a_new_reader_is_on_every_list_with_tags_products_and_subscriptions() -> None:
    async with account() as (client, there, made):
        await client.write(documents(rows=2), permit=permit, limit_s=no_limit)

    contact = there.contacts[ANN]
    assert (contact["lists"], contact["tags"], contact["firstname"], contact["external_id"]) == (
        ["1", "2"],
        ["sesamy_a"],
        "Ann",
        "email|ann",
    )
    assert "company" not in contact
    assert {"c0", "c1"} == set(there.subscriptions)
    assert there.subscriptions["c0"] == {"email": ANN, "external_id": "c0", "product_external_id": "p0", "name": "P", "status": "active"}
    assert dict.fromkeys(("contact", "upsert", "products", "subscriptions"), 1) == {op: count for (_, op), count in made.calls.items()}


async def test_tags_of_others_stay_and_stale_ones_go() -> None:
    async with account() as (client, there, _):
        there.contact(ANN, tags=["Quiz", "sesamy_old", "sesamy"])
        await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.contacts[ANN]["tags"] == ["Quiz", "sesamy", "sesamy_a"]


@pytest.mark.parametrize(("status", "left"), [("active", False), ("unsubscribed", True), ("bounce", True), ("whatever", True)])
async def test_who_left_is_updated_but_put_on_no_list(status: str, *, left: bool) -> None:
    async with account() as (client, there, _):
        there.contact(ANN, email_status=status, tags=["sesamy_old"])
        written = await client.write(documents(), permit=permit, limit_s=no_limit)

    contact = there.contacts[ANN]
    assert (left, [] if left else ["1", "2"], ["sesamy_a"]) == (written.consent_kept, contact["lists"], contact["tags"])
    assert ([], status) == (there.violations, contact["email_status"])


@pytest.mark.parametrize("status", [None, "", 7, {"news": "active"}])
async def test_a_status_that_cant_be_read_lets_nobody_in_and_fails_nothing(status: object) -> None:
    async with account() as (client, there, _):
        there.contact(ANN, email_status=status)
        written = await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (there.contacts[ANN]["lists"], there.contacts[ANN]["tags"], written.consent_kept) == ([], ["sesamy_a"], False)


async def test_no_call_takes_more_than_a_thousand_rows() -> None:
    async with account(timeout_s=10) as (client, there, made):
        await client.write(documents(rows=2500), permit=permit, limit_s=no_limit)

    assert (len(there.subscriptions), made.calls["1001", "products"], made.calls["1001", "subscriptions"]) == (2500, 3, 3)


async def test_nothing_to_list_is_no_call() -> None:
    async with account() as (client, _, made):
        await client.write(documents(rows=0), permit=permit, limit_s=no_limit)

    assert {"contact", "upsert"} == {op for _, op in made.calls}


async def test_a_wrong_key_is_denied() -> None:
    async with account(key="wrong") as (client, _, _):
        with pytest.raises(Denied):
            await client.write(documents(), permit=permit, limit_s=no_limit)


async def test_without_a_lease_nothing_is_written() -> None:
    def over() -> float:
        raise Held("over", code="lease")

    async with account() as (client, there, _):
        with pytest.raises(Held):
            await client.write(documents(), permit=permit, limit_s=over)

    assert there.contacts == {}


@pytest.mark.parametrize("op", ["contact", "upsert", "products", "subscriptions"])
@pytest.mark.parametrize("kind", ["html", "half-json", "cut", "cut-after", "gzip", "redirect", "hang", "huge"])
async def test_no_bad_answer_is_taken_for_success(op: str, kind: Kind) -> None:
    async with account(timeout_s=0.5) as (client, _, made):
        made.faults.add(Fault(kind=kind, op=op))
        with pytest.raises(ConsumerError) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert isinstance(caught.value, Retryable)


@pytest.mark.parametrize("op", ["upsert", "products", "subscriptions"])
async def test_refused_rows_in_a_success_are_a_failure(op: str) -> None:
    async with account() as (client, _, made):
        made.faults.add(Fault(kind="rows", op=op))
        with pytest.raises(Refused) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert caught.value.code == "rows"


async def test_a_contact_of_an_unknown_shape_is_not_written_over() -> None:
    """Consent comes first: without its status a contact is not touched."""
    async with account() as (client, there, made):
        made.faults.add(Fault(kind="shape", op="contact"))
        with pytest.raises(Retryable):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.contacts == {}


async def test_subscriptions_come_after_the_contact_and_the_products() -> None:
    async with account() as (client, there, made):
        made.faults.add(Fault(kind="status", op="upsert", status=500))
        with pytest.raises(Retryable):
            await client.write(documents(), permit=permit, limit_s=no_limit)
        made.faults.clear()
        made.faults.add(Fault(kind="status", op="products", status=500))
        with pytest.raises(Retryable):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.subscriptions == {}
    assert made.calls["1001", "subscriptions"] == 0


async def test_a_lists_title_shows_that_key_and_list_are_good() -> None:
    async with account() as (client, _, _):
        assert await client.list_title("1") == "List 1"
        with pytest.raises(Refused):
            await client.list_title("9")
