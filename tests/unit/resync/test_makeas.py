"""Make.as' API in our nouns, against the stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
import pytest

from consumer.core.errors import ConsumerError, Denied, Held, Refused, Retryable
from consumer.core.mapping.contact import Contact
from consumer.core.mapping.documents import Documents, Product, Subscriber, Subscription
from consumer.core.model import AccountId, Job, Result, UserKey, Verdict
from consumer.resync.clients import Vendor, upstreams
from consumer.resync.http import exchange as http
from consumer.resync.makeas import REFUSES, MakeAs, WriteOutcome
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.resync.ways.words import Ways
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.faults import Fault, Kind
from consumer.sandbox.stand_ins.server import serving
from consumer.settings.model import ListSettings, MakeAsSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics
from tests.fakes.upstreams import Sesamy
from tests.raising import raising
from tests.unit.resync.test_makeas_consent import read

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
async def account(
    *, timeout_s: float = 2.0, key: str = "k", told: list[tuple[str, str]] | None = None, keep_single_purchase: bool = True
) -> AsyncIterator[tuple[MakeAs, stand_in.Account, stand_in.MakeAs]]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    async with serving(made.app()) as url, http.session(connections=8) as session:
        api = http.Http(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=timeout_s, refuses=REFUSES)
        shapes = [] if told is None else told
        unknown = lambda op, shape: shapes.append((op, shape))  # noqa: E731
        lists = ["1", "2"]
        yield (
            MakeAs(api, user_id="1001", api_key=lambda: key, lists=lists, unknown=unknown, keep_single_purchase=keep_single_purchase),
            there,
            made,
        )


def settings_of(url: str, *lists: str) -> Settings:
    client = SesamyCredentials(client_id="c", client_secret=Secret("text", "s"))
    rows = tuple(ListSettings(user_id="1001", api_key=Secret("text", "k"), list_id=one) for one in lists or ("1",))
    return Settings(makeas=MakeAsSettings(base_url=f"{url}/api/public/v2"), vendors=(VendorSettings(id="v", sesamy=client, makeas=rows),))


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


WELL: dict[str, Any] = {"firstname": "Ann", "external_id": "email|ann", "tags": ["Quiz", "sesamy_a"], "lists": ["1", "2"]}
"""As the documents say it is to be."""


async def spared(there_is: dict[str, Any], *, lists: tuple[str, ...] | None = None, always: bool = False) -> tuple[list[str], WriteOutcome]:
    """Write to a contact; return the calls that wrote, and what came of it."""
    async with account() as (client, there, made):
        there.contact(ANN, **there_is)
        outcome = await client.write(documents(), permit=permit, limit_s=no_limit, lists=lists, always=always)
        assert {"c0"} == set(there.subscriptions), "what Make.as does not give back is written"
        assert there.violations == []
    return [op for (_, op) in made.calls if op in {"upsert", "update"}], outcome


async def test_a_contact_that_is_as_it_is_to_be_is_not_written() -> None:
    calls, outcome = await spared(WELL)
    assert (calls, outcome.is_spared, outcome.spared, outcome.taken) == ([], True, ("1", "2"), ())
    calls, outcome = await spared(WELL, always=True)
    assert (calls, outcome.is_spared, outcome.spared, outcome.taken) == (["upsert"], False, (), ("1", "2"))


async def test_one_that_left_and_is_as_it_is_to_be_is_not_written_whatever_lists_it_is_on() -> None:
    calls, outcome = await spared(WELL | {"lists": [], "email_status": "unsubscribed"})
    assert (calls, outcome.is_spared, outcome.spared, outcome.consent_kept) == ([], True, (), True)


@pytest.mark.parametrize(
    "differs",
    [
        {"firstname": "ann"},
        {"firstname": None},
        {"external_id": "another"},
        {"tags": ["Quiz"]},
        {"tags": ["sesamy_a", "sesamy_old"]},
        {"lists": ["1"]},
        {"lists": "1,2"},
    ],
)
async def test_what_differs_by_a_letter_or_is_not_stated_is_written(differs: dict[str, Any]) -> None:
    calls, outcome = await spared(WELL | differs)
    assert (calls, outcome.is_spared, outcome.taken) == (["upsert"], False, ("1", "2"))


async def test_of_lists_that_no_id_would_be_sent_of_membership_is_not_compared() -> None:
    calls, outcome = await spared(WELL | {"lists": ["1"]}, lists=("1",))
    assert (calls, outcome.spared, outcome.left_out) == ([], ("1",), ("2",))


async def test_tags_of_others_stay_and_stale_ones_go() -> None:
    async with account() as (client, there, _):
        there.contact(ANN, tags=["Quiz", "sesamy_old", "sesamy"])
        await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.contacts[ANN]["tags"] == ["Quiz", "sesamy", "sesamy_a"]


@pytest.mark.parametrize("always", [None, "replace", "merge"])
@pytest.mark.parametrize("held", [["Quiz", "sesamy"], ["Quiz", "sesamy", "sesamy_a"], ["Quiz", "sesamy_old", "sesamy"]])
@pytest.mark.parametrize("status", ["active", "unsubscribed"])
@pytest.mark.parametrize("wanted", [("sesamy_a",), ()])
async def test_tags_of_others_stay_whatever_the_server_makes_of_the_mode(
    always: Literal["replace", "merge"] | None, held: list[str], status: str, wanted: tuple[str, ...]
) -> None:
    """A mode that is ignored costs others nothing: neither where a contact is upserted, nor where it is patched."""
    async with account() as (client, there, _):
        there.always = always
        there.contact(ANN, tags=[*held, ""], email_status=status)
        await client.write(documents(tags=wanted), permit=permit, limit_s=no_limit)

    assert {"Quiz", "sesamy", *wanted} <= set(there.contacts[ANN]["tags"])
    assert "" not in there.written[ANN][0][1]["tags"]
    assert ("sesamy_old" in there.contacts[ANN]["tags"]) == (always == "merge" and "sesamy_old" in held)


async def test_a_reader_without_tags_is_told_so() -> None:
    async with account() as (client, there, _):
        await client.write(documents(tags=()), permit=permit, limit_s=no_limit)

    assert there.written[ANN][0][1]["tags"] == []


@pytest.mark.parametrize(("keep", "then"), [(True, ["sesamy_a", "sesamy_made_single_purchase"]), (False, ["sesamy_a"])])
async def test_who_has_made_a_single_purchase_keeps_the_tag(keep: bool, then: list[str]) -> None:
    async with account(keep_single_purchase=keep) as (client, there, _):
        there.contact(ANN, tags=["sesamy_made_single_purchase", "sesamy_old"])
        await client.write(documents(), permit=permit, limit_s=no_limit)

    assert sorted(there.contacts[ANN]["tags"]) == then


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
        with raising(Denied, "http-401"):
            await client.write(documents(), permit=permit, limit_s=no_limit)


@pytest.mark.parametrize("op", ["upsert", "products", "subscriptions"])
async def test_refused_rows_in_a_success_are_a_failure(op: str) -> None:
    async with account() as (client, _, made):
        made.faults.add(Fault(kind="rows", op=op))
        with pytest.raises(Refused) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert caught.value.code == "rows"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
@pytest.mark.parametrize("email_status", ["", "active"])
async def test_a_list_that_refuses_keeps_nobody_off_its_sibling(status: int, email_status: str) -> None:
    async with account() as (client, there, made):
        there.refuses["2"] = status
        if email_status:
            there.contact(ANN, tags=["Quiz", "sesamy_old"])
        written = await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (there.contacts[ANN]["lists"], written.refused) == (["1"], {"2": f"http-{status}"})
    assert (written.taken, written.left_out) == (("1",), ())
    assert there.contacts[ANN]["tags"] == [*(["Quiz"] if email_status else []), "sesamy_a"]
    assert (set(there.products), set(there.subscriptions), made.calls["1001", "upsert"]) == ({"p0"}, {"c0"}, 3)


@pytest.mark.parametrize(("status", "kind"), [(403, ConsumerError), (404, Refused), (409, Refused), (422, Refused)])
async def test_where_every_list_refuses_it_is_the_user_who_is_refused(status: int, kind: type[ConsumerError]) -> None:
    async with account() as (client, there, made):
        there.refuses.update({"1": status, "2": status})
        with pytest.raises(kind) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (caught.value.code, there.contacts, made.calls["1001", "upsert"]) == (f"http-{status}", {}, 3)


async def test_a_refused_update_of_who_left_is_its_own_and_no_lists() -> None:
    async with account() as (client, there, made):
        there.contact(ANN, email_status="bounce")
        made.faults.add(Fault(kind="status", op="update", status=422))
        with raising(Refused, "http-422"):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (made.calls["1001", "update"], made.calls["1001", "upsert"], there.contacts[ANN]["lists"]) == (1, 0, [])


@pytest.mark.parametrize(("kind", "code"), [("status", "http-500"), ("html", "not-json"), ("cut", "cut")])
async def test_what_is_no_refusal_is_not_tried_list_by_list(kind: Kind, code: str) -> None:
    async with account() as (client, _, made):
        made.faults.add(Fault(kind=kind, op="upsert", status=500))
        with raising(Retryable, code):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert made.calls["1001", "upsert"] == (2 if kind == "cut" else 1)


async def test_each_list_alone_takes_a_permit_and_asks_for_how_long() -> None:
    """Once the lease is over no further list is tried."""
    permits = limits = 0

    async def counted() -> None:
        nonlocal permits
        permits += 1

    def limit_s() -> float:
        nonlocal limits
        limits += 1
        if limits > 4:
            raise Held("over", code="lease")
        return 10.0

    async with account() as (client, there, _):
        there.refuses["2"] = 404
        with raising(Held, "lease"):
            await client.write(documents(rows=0), permit=counted, limit_s=limit_s)

    # The contact, both lists, the one, and the other whose time was refused; each is asked when it begins, and when it has its connection.
    assert (permits, limits, there.contacts[ANN]["lists"]) == (4, 5, ["1"])


async def result_of_a_run(made: stand_in.MakeAs, *lists: str) -> Result:
    """Resync Ann to the one account, by a whole run."""
    account_id = AccountId("1001")
    async with serving(made.app()) as url:
        settings = settings_of(url, *lists)
        metrics = Metrics(settings)
        async with upstreams(settings, metrics) as up:
            await read(up)
            sesamy: Any = Sesamy()
            sesamy.takes_s = 0.0
            resync = Resync(
                {"v": Vendor(sesamy, up.vendors["v"].targets)},
                up.gates,
                lease_left_s=lambda: 10.0,
                waits=Waits(),
                uniform=lambda: 0.0,
                metrics=metrics,
            )
            job = Job(user=UserKey("v", "ann"), accounts=(account_id,), started_at=0.0, since_ms={account_id: 0})
            _, results = await resync.run(job)
    return results[account_id]


@pytest.mark.parametrize(("status", "calls", "delay_s"), [(500, 1, 30.0), (502, 1, 30.0), (503, 1, 0.0), (429, 1, 0.0)])
async def test_a_run_is_not_tried_again_at_once_where_it_is_asked_to_wait(status: int, calls: int, delay_s: float) -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"11"})
    made.faults.add(Fault(kind="status", op="upsert", status=status, retry_after="30"))
    result = await result_of_a_run(made, "11")

    assert (result.code, result.delay_s, made.calls["1001", "upsert"]) == (f"http-{status}", delay_s, calls)


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_run_that_one_list_refused_is_owed_to_that_list_alone(status: int) -> None:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11"})
    there.refuses["12"] = status
    result = await result_of_a_run(made, "11", "12")

    assert (result.verdict, result.code, result.lists) == (Verdict.REFUSED, f"http-{status}", {"12": f"http-{status}"})
    assert there.contacts[ANN]["lists"] == ["11"]


async def test_a_caller_may_leave_lists_out() -> None:
    async with account() as (client, there, made):
        written = await client.write(documents(), permit=permit, limit_s=no_limit, lists=["2"])
        assert there.contacts[ANN]["lists"] == ["2"]
        assert (written.taken, written.left_out) == (("2",), ("1",))
        await client.write(documents(tags=("sesamy_b",)), permit=permit, limit_s=no_limit, lists=[])

    assert (there.contacts[ANN]["lists"], there.contacts[ANN]["tags"]) == (["2"], ["sesamy_b"])
    assert (made.calls["1001", "upsert"], made.calls["1001", "update"]) == (1, 1)


async def test_who_has_left_is_owed_no_list_that_is_left_out() -> None:
    async with account() as (client, there, _):
        there.contact(ANN, email_status="unsubscribed")
        written = await client.write(documents(), permit=permit, limit_s=no_limit, lists=["2"])

    assert (written.consent_kept, written.taken, written.left_out) == (True, (), ())


async def test_a_contact_that_nobody_knows_is_not_made_on_no_list() -> None:
    async with account() as (client, there, _):
        with pytest.raises(Held) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit, lists=[])

    assert (caught.value.code, there.contacts) == ("no-list", {})


@pytest.mark.parametrize("body", [{"success": False, "message": "x"}, {"data": [{"errors": ["x"]}]}, {"inserted": 0, "invalid": [1]}])
@pytest.mark.parametrize(("op", "email_status"), [("upsert", "active"), ("update", "bounce"), ("products", ""), ("subscriptions", "")])
async def test_a_success_that_says_no_is_a_refusal_whatever_its_shape(op: str, email_status: str, body: object) -> None:
    async with account() as (client, there, made):
        if email_status:
            there.contact(ANN, email_status=email_status)
        made.faults.add(Fault(kind="body", op=op, body=body))
        with pytest.raises(Refused) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert caught.value.code == "rows"


async def test_a_success_that_says_nothing_we_know_is_done_and_told_without_values() -> None:
    told: list[tuple[str, str]] = []
    async with account(told=told) as (client, there, made):
        made.faults.add(Fault(kind="body", body={"took": ANN, ANN: 1}, op="upsert"))
        made.faults.add(Fault(kind="body", body={"took": ANN}, op="subscriptions"))
        await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.contacts[ANN]["lists"] == ["1", "2"]
    assert told == [("upsert", "*,took"), ("subscriptions", "took")]


async def test_an_unknown_answer_is_counted_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"1"})
    made.faults.add(Fault(kind="body", body={"took": ANN}, op="products"))
    async with serving(made.app()) as url:
        settings = settings_of(url)
        metrics = Metrics(settings)
        async with upstreams(settings, metrics) as up:
            await read(up)
            for _ in range(2):
                await up.vendors["v"].targets[AccountId("1001")].client.write(documents(), permit=permit, limit_s=no_limit)
            seen = up.shapes.seen()

    assert [(one.upstream, one.op, one.shape, one.count) for one in seen] == [("1001", "products", "took", 2)]
    assert metrics.registry.get_sample_value("sesamy_makeas_unknown_answers_total", {"upstream": "1001", "op": "products"}) == 2
    assert ["unknown answer shape" in line for line in caplog.messages] == [True]


async def test_a_contact_of_an_unknown_shape_is_not_written_over() -> None:
    """Consent comes first: without its status a contact is not touched."""
    async with account() as (client, there, made):
        made.faults.add(Fault(kind="shape", op="contact"))
        with raising(Retryable, "wrong-shape"):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.contacts == {}


async def test_subscriptions_come_after_the_contact_and_the_products() -> None:
    async with account() as (client, there, made):
        made.faults.add(Fault(kind="status", op="upsert", status=500))
        with raising(Retryable, "http-500"):
            await client.write(documents(), permit=permit, limit_s=no_limit)
        made.faults.clear()
        made.faults.add(Fault(kind="status", op="products", status=500))
        with raising(Retryable, "http-500"):
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert there.subscriptions == {}
    assert made.calls["1001", "subscriptions"] == 0


async def test_a_lists_title_shows_that_key_and_list_are_good() -> None:
    async with account() as (client, _, _):
        assert await client.list_title("1") == "List 1"
        with raising(Refused, "http-404"):
            await client.list_title("9")


async def test_a_success_that_says_no_shows_no_list() -> None:
    async with account() as (client, _, made):
        made.faults.add(Fault(kind="body", op="list", body={"success": False, "message": "no such list"}))
        with raising(Refused, "rows"):
            await client.list_title("1")


@pytest.mark.parametrize(
    ("held", "asked"), [("Ann@BØRS.no", "ann@xn--brs-0na.no"), ("ann@xn--brs-0na.no", "ann@børs.no"), ("ann@a.no\u200b", "ann@a.no")]
)
async def test_one_address_in_two_spellings_is_one_contact(held: str, asked: str) -> None:
    async with account() as (client, there, _):
        there.contact(asked)["email"] = held

        assert await client.contact(asked, permit=permit) is not None


async def test_another_contact_than_asked_for_is_not_believed() -> None:
    async with account() as (client, there, _):
        there.contact(ANN)["email"] = "bob@example.com"

        with pytest.raises(Retryable) as caught:
            await client.contact(ANN, permit=permit)
    assert caught.value.code == "foreign-contact"
    assert "bob" not in str(caught.value)


async def test_each_of_several_tags_with_one_title_stays_on_its_contact_where_tags_are_written_by_id() -> None:
    """An account may have two of them, and a write that replaces takes off what it does not name."""
    client = MakeAs(None, user_id="1001", api_key=lambda: "k", lists=["1"], ways=Ways(tags="ids"))
    tags = [{"id": 20, "title": "vip"}, {"id": 30, "title": "vip"}, {"id": 1, "title": "sesamy_old"}]
    contact = msgspec.convert({"id": 7, "tags": tags}, Contact)

    assert sorted(await client._tags_as_sent(contact, ["vip"], permit)) == [20, 30]  # type: ignore[type-var]
