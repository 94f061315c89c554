"""Each call to Make.as by itself: its lease, its permit, what each answer to it means; against the stand-in."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from consumer.core.mapping.consent import Consent, Row, Standing
from consumer.resync.http import exchange as http
from consumer.resync.http.answers import Answer
from consumer.resync.make_reader import Limit
from consumer.resync.makeas import REFUSES, MakeAs
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.faults import Fault, Kind
from consumer.sandbox.stand_ins.makeas_reads import Reads
from consumer.sandbox.stand_ins.server import serving
from tests.fakes.answers import BAD_ANSWERS
from tests.unit.resync.test_makeas import ANN, documents, no_limit, permit

WRITES = ("upsert", "update", "products", "subscriptions")


class Leased:
    """The API, where each call that asks how long it may last is told, and the lease is over for one of them."""

    def __init__(self, api: http.Http, over: str) -> None:
        self._api, self._over, self.asked = api, over, Counter[str]()

    async def exchange(self, op: str, *args: Any, limit_s: Limit | None = None, **more: Any) -> Answer:
        def limit() -> float:
            assert limit_s is not None
            self.asked[op] += 1
            if op == self._over:
                raise Held("over", code="lease")
            return limit_s()

        return await self._api.exchange(op, *args, limit_s=None if limit_s is None else limit, **more)


@asynccontextmanager
async def account(
    *, over: str = "", timeout_s: float = 30.0, consent: Consent | None = None
) -> AsyncIterator[tuple[MakeAs, stand_in.Account, stand_in.MakeAs, Leased]]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    async with serving(made.app()) as url, http.session(connections=8) as session:
        base_url = f"{url}/api/public/v2"
        leased = Leased(http.Http(session, upstream="1001", base_url=base_url, timeout_s=timeout_s, refuses=REFUSES), over)
        api: Any = leased
        yield MakeAs(api, user_id="1001", api_key=lambda: "k", lists=["1", "2"], consent=consent), there, made, leased


def hidden(there: stand_in.Account) -> Consent:
    """Let Ann have left, be hidden from her address, and be known by a register."""
    contact = there.contact(ANN, email_status="unsubscribed", tags=["Quiz", "sesamy_old"])
    there.reads = Reads(hides_left=True)
    consent = Consent(["1", "2"], salt=b"s")
    for register in consent.registers.values():
        register.refuse("not-asked")
        register.left([Row(contact["id"], ANN, Standing.LEFT)])
    return consent


# ---- The lease ----


@pytest.mark.parametrize("op", WRITES)
async def test_no_write_of_any_kind_starts_without_a_lease(op: str) -> None:
    """The others have one: so it is this call that asks."""
    async with account(over=op) as (client, there, made, leased):
        if op == "update":
            there.contact(ANN, email_status="unsubscribed")
        with pytest.raises(Held) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (caught.value.code, leased.asked[op], made.calls["1001", op]) == ("lease", 1, 0)


@pytest.mark.parametrize("op", ["products", "subscriptions"])
async def test_each_thousand_rows_ask_anew_whether_there_is_a_lease(op: str) -> None:
    async with account() as (client, _, made, leased):
        await client.write(documents(rows=2001), permit=permit, limit_s=no_limit)

    # Each is asked when it begins, and when it has its connection.
    assert (leased.asked[op], made.calls["1001", op]) == (6, 3)


async def test_what_is_only_read_needs_no_lease() -> None:
    async with account(over="contact") as (client, _, made, leased):
        await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (leased.asked["contact"], made.calls["1001", "contact"]) == (0, 1)


# ---- The permits ----


class Permits:
    """So many permits, and none after that."""

    def __init__(self, count: int) -> None:
        self.left, self.taken = count, 0

    async def __call__(self) -> None:
        if self.left == 0:
            raise Held("none is left", code="gate")
        self.left, self.taken = self.left - 1, self.taken + 1


@pytest.mark.parametrize("who", ["new", "known", "left", "hidden", "refused by one list", "of 1001 rows"])
async def test_no_call_is_made_that_is_not_paid_for_before(who: str) -> None:
    costs = {"new": 4, "known": 4, "left": 4, "hidden": 5, "refused by one list": 6, "of 1001 rows": 6}[who]
    for count in range(costs + 1):
        async with account() as (client, there, made, _):
            if who in {"known", "left"}:
                there.contact(ANN, email_status="active" if who == "known" else "bounce")
            if who == "hidden":
                client._consent = hidden(there)
            if who == "refused by one list":
                there.refuses["2"] = 404
            permits = Permits(count)
            write = client.write(documents(rows=1001 if who == "of 1001 rows" else 1), permit=permits, limit_s=no_limit)
            if count < costs:
                with pytest.raises(Held) as caught:
                    await write
                assert caught.value.code == "gate"
            else:
                await write
            assert made.calls.total() <= permits.taken == count
    assert made.calls.total() == costs


# ---- What an answer means ----


@pytest.mark.parametrize("op", ["contact", "by_id", *WRITES])
@pytest.mark.parametrize(("kind", "code"), [*BAD_ANSWERS, ("drip", "timeout")])
async def test_no_bad_answer_is_taken_for_success(op: str, kind: Kind, code: str) -> None:
    # Short only where the time limit is what ends it: a large answer takes a busy machine longer.
    async with account(timeout_s=0.5 if code == "timeout" else 30.0) as (client, there, made, _):
        if op == "by_id":
            client._consent = hidden(there)
        if op == "update":
            there.contact(ANN, email_status="unsubscribed")
        made.faults.add(Fault(kind=kind, op=op))
        with pytest.raises(ConsumerError) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (type(caught.value), caught.value.code) == (Retryable, code)
    assert made.faults.seen == made.calls["1001", op] == (2 if code == "cut" else 1)


MEANINGS: dict[type[ConsumerError], tuple[int, ...]] = {
    Refused: (400, 404, 409, 413, 422),
    Retryable: (402, 405, 406, 408, 410, 411, 415, 425, 429, 431, 451, 500, 502, 503, 504),
    Denied: (401,),
    Forbidden: (403,),
}


@pytest.mark.parametrize("op", WRITES)
async def test_what_each_status_of_a_write_means(op: str) -> None:
    said: dict[type[ConsumerError], list[int]] = {}
    async with account() as (client, there, made, _):
        if op == "update":
            there.contact(ANN, email_status="unsubscribed")
        for status in sorted(status for some in MEANINGS.values() for status in some):
            made.faults.clear()
            made.faults.add(Fault(kind="status", op=op, status=status))
            with pytest.raises(ConsumerError) as caught:
                await client.write(documents(), permit=permit, limit_s=no_limit)
            assert caught.value.code == f"http-{status}"
            said.setdefault(type(caught.value), []).append(status)

    assert {kind: tuple(some) for kind, some in said.items()} == MEANINGS


@pytest.mark.parametrize(
    "body", [{"failed": [{"row": 0}]}, {"failed": 1, "inserted": 0}, {"errors": ["x"]}, {"status": "422 Unprocessable"}]
)
@pytest.mark.parametrize("op", WRITES)
async def test_a_success_that_counts_failures_is_none(op: str, body: object) -> None:
    async with account() as (client, there, made, _):
        if op == "update":
            there.contact(ANN, email_status="unsubscribed")
        made.faults.add(Fault(kind="body", op=op, body=body))
        with pytest.raises(Refused) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (caught.value.code, made.faults.seen >= 1) == ("rows", True)


# ---- Whose contact it is ----


class Told:
    """An API that finds a contact of the given id, and keeps what it is asked."""

    def __init__(self, contact_id: str) -> None:
        self._id, self.asked = contact_id, list[tuple[str, str, str]]()

    async def exchange(self, op: str, method: str, path: str, **_: object) -> Answer:
        self.asked.append((op, method, path))
        status = "unsubscribed"
        return Answer(200, b'{"id": "%s", "email_status": "%s"}' % (self._id.encode(), status.encode()))


@pytest.mark.parametrize(
    ("contact_id", "path"), [("7", "7"), ("7/8", "7%2F8"), ("..", "%2E%2E"), ("a?tag=replace#", "a%3Ftag%3Dreplace%23")]
)
async def test_a_contacts_id_stays_one_segment_of_the_path(contact_id: str, path: str) -> None:
    told = Told(contact_id)
    api: Any = told
    client = MakeAs(api, user_id="1001", api_key=lambda: "k", lists=["1"])
    await client.write(documents(rows=0), permit=permit, limit_s=no_limit)

    assert told.asked == [("contact", "POST", "/subscribers/by_email"), ("update", "PATCH", f"/subscribers/{path}")]


@pytest.mark.parametrize(("contact_id", "path"), [(7, "7"), ("7/8", "7%2F8"), ("..", "%2E%2E")])
async def test_a_hidden_contacts_id_stays_one_segment_too(contact_id: int | str, path: str) -> None:
    class Hides(Told):
        async def exchange(self, op: str, method: str, path: str, **_: object) -> Answer:
            answer = await super().exchange(op, method, path)
            return Answer(404, b"") if op == "contact" else answer

    told, consent = Hides(str(contact_id)), Consent(["1"], salt=b"s")
    consent.registers["1"].refuse("not-asked")
    consent.registers["1"].left([Row(contact_id, ANN, Standing.LEFT)])
    api: Any = told
    client = MakeAs(api, user_id="1001", api_key=lambda: "k", lists=["1"], consent=consent)
    written = await client.write(documents(rows=0), permit=permit, limit_s=no_limit)

    assert (told.asked[1:], written.consent_kept) == (
        [("by_id", "GET", f"/subscribers/{path}"), ("update", "PATCH", f"/subscribers/{path}")],
        True,
    )


async def test_a_hidden_contact_is_updated_by_its_id_and_keeps_what_others_have_tagged() -> None:
    async with account() as (client, there, made, _):
        client._consent = hidden(there)
        written = await client.write(documents(), permit=permit, limit_s=no_limit)

    assert (there.contacts[ANN]["tags"], there.contacts[ANN]["lists"], there.violations) == (["Quiz", "sesamy_a"], [], [])
    assert (written.consent_kept, written.taken, made.calls["1001", "upsert"], made.calls["1001", "update"]) == (True, (), 0, 1)


# ---- What is paused ----


@asynccontextmanager
async def pausing(*paused: str) -> AsyncIterator[tuple[MakeAs, stand_in.Account, stand_in.MakeAs]]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    async with serving(made.app()) as url, http.session(connections=8) as session:
        api = http.Http(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=30.0, refuses=REFUSES)
        yield MakeAs(api, user_id="1001", api_key=lambda: "k", lists=["1", "2"], paused=paused), there, made


@pytest.mark.parametrize("lists", [None, ["1", "2"]])
async def test_a_paused_list_is_named_by_no_write_even_where_the_caller_asks_for_it(lists: list[str] | None) -> None:
    """Who asks for it hears that the user is owed to it still."""
    async with pausing("2") as (client, there, _):
        written = await client.write(documents(), permit=permit, limit_s=no_limit, lists=lists)

    assert there.contacts[ANN.lower()]["lists"] == ["1"]
    assert (written.taken, written.left_out) == (("1",), ("2",))


async def test_nothing_at_all_is_asked_or_written_where_every_list_is_paused() -> None:
    async with pausing("1", "2") as (client, there, made):
        with pytest.raises(Held) as caught:
            await client.write(documents(), permit=permit, limit_s=no_limit)
    assert caught.value.code == "paused"

    assert (there.contacts, there.products, sum(made.calls.values())) == ({}, {}, 0)


async def test_no_row_is_sent_of_a_contact_that_no_list_took_though_a_paused_one_might_have() -> None:
    """Rows belong to a contact, and it may not be there."""
    async with pausing("2") as (client, there, made):
        there.refuses["1"] = 404
        written = await client.write(documents(), permit=permit, limit_s=no_limit)
        assert (written.refused, written.taken, made.calls["1001", "subscriptions"]) == ({"1": "http-404"}, (), 0)

        there.refuses.clear()
        await client.write(documents(), permit=permit, limit_s=no_limit)
        assert made.calls["1001", "subscriptions"] > 0
