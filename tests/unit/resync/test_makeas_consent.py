"""Nobody who left is put on a list, and everybody else is: end states at the stand-in, whatever its answers show of consent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import pytest
from msgspec import structs

from consumer.commands.check.online import _consent
from consumer.core.errors import Held, Refused
from consumer.core.mapping.consent import Row, Standing
from consumer.core.mapping.documents import Documents, Subscriber
from consumer.core.model import AccountId, Door
from consumer.resync.clients import Upstreams, upstreams
from consumer.resync.makeas import MakeAs
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.makeas_reads import Reads
from consumer.sandbox.stand_ins.server import serving
from consumer.settings.model import ListSettings, MakeAsSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics

A = AccountId("1001")
ANN, BO, CY, DAN, EVE = (f"{name}@example.com" for name in ("Ann", "Bo", "Cy", "Dan", "Eve"))


def settings(url: str, *, unreadable: Literal["leave", "add"] = "leave") -> Settings:
    key = Secret("text", "k")
    return Settings(
        makeas=MakeAsSettings(
            base_url=f"{url}/api/public/v2", requests_per_second=100_000, burst=100_000, timeout_s=5, unreadable_status=unreadable
        ),
        vendors=(
            VendorSettings(
                id="v",
                sesamy=SesamyCredentials(client_id="c", client_secret=Secret("text", "s")),
                makeas=tuple(ListSettings(user_id="1001", api_key=key, list_id=one) for one in ("1", "2")),
            ),
        ),
    )


@asynccontextmanager
async def town(reads: Reads, *, unreadable: Literal["leave", "add"] = "leave") -> AsyncIterator[tuple[stand_in.Account, Upstreams, MakeAs]]:
    """An account where Ann reads both lists, Bo and Cy left them, Dan left the first only, and nobody knows Eve."""
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    for email, status in ((ANN, "active"), (BO, "unsubscribed"), (CY, "bounce"), (DAN, "active")):
        there.contact(email, lists=["1"] if email == DAN else ["1", "2"], email_status=status, tags=["Quiz", "sesamy_old"])
    there.leave(DAN, list_id="1")
    there.reads = reads
    async with serving(made.app()) as url:
        the_settings = settings(url, unreadable=unreadable)
        async with upstreams(the_settings, Metrics(the_settings)) as up:
            client = up.vendors["v"].targets[A].client
            assert isinstance(client, MakeAs)
            yield there, up, client


async def permit() -> None:
    """Let everything through."""


async def write(client: MakeAs, email: str, *, only_new: bool = False) -> bool:
    documents = Documents(
        subscriber=Subscriber(email=email, firstname="New", external_id=f"email|{email}"),
        tags=("sesamy_a",),
        products=(),
        subscriptions=(),
        only_new=only_new,
    )
    return (await client.write(documents, permit=permit, limit_s=lambda: 10.0)).consent_kept


async def read(up: Upstreams) -> None:
    """Let the registers be read, as for somebody who is due."""
    rung = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(up.registers.run, lambda: [("v", A)], rung.set)
        await rung.wait()
        tasks.cancel_scope.cancel()


def lists_of(there: stand_in.Account) -> dict[str, list[str]]:
    return {contact["email"].partition("@")[0]: contact["lists"] for contact in there.contacts.values()}


BOTH = ["1", "2"]


@pytest.mark.parametrize(
    "reads",
    [
        Reads(),
        Reads(hides_left=True),
        Reads(contact_status=""),
        Reads(contact_status="state"),
        Reads(contact_status="", hides_left=True),
        Reads(page_cap=1),
        Reads(page_cap=2, repeats=1, hides_left=True),
        Reads(row_status="status", contact_status="status"),
    ],
)
async def test_where_a_register_can_be_read_nobody_who_left_is_put_on_a_list_and_all_others_are(reads: Reads) -> None:
    async with town(reads) as (there, up, client):
        # Somebody active on the first list only, so that it must be put on the second.
        there.contacts[ANN.lower()]["lists"] = ["1"]
        await read(up)
        for email in (ANN, BO, CY, DAN, EVE):
            await write(client, email)

    # Who left a list is among its rows still: Dan's first one is not taken away from it.
    assert (there.violations, lists_of(there)) == ([], dict.fromkeys(("Ann", "Bo", "Cy", "Dan", "Eve"), BOTH))
    assert {tuple(contact["tags"]) for contact in there.contacts.values() if contact["email"] != EVE} == {("Quiz", "sesamy_a")}
    assert {contact["firstname"] for contact in there.contacts.values()} == {"New"}


@pytest.mark.parametrize(
    ("reads", "unreadable", "ann"),
    [
        (Reads(refuses=403), "leave", BOTH),
        (Reads(refuses=404), "leave", BOTH),
        (Reads(row_status=""), "leave", BOTH),
        (Reads(refuses=403, contact_status=""), "leave", ["1"]),
        (Reads(row_status="", contact_status="state"), "leave", ["1"]),
        (Reads(row_status="", contact_status=""), "add", BOTH),
    ],
)
async def test_without_a_register_only_a_status_that_can_be_read_lets_a_known_contact_in(
    reads: Reads, unreadable: Literal["leave", "add"], ann: list[str]
) -> None:
    async with town(reads, unreadable=unreadable) as (there, up, client):
        there.contacts[ANN.lower()]["lists"] = ["1"]
        del there.left[DAN.lower()]  # Without a register nothing tells who left one list and not the other.
        await read(up)
        for email in (ANN, EVE, *((BO, CY) if unreadable == "leave" else ())):
            await write(client, email)

    assert (there.violations, lists_of(there)["Ann"], lists_of(there)["Eve"]) == ([], ann, BOTH)
    assert there.contacts[ANN.lower()]["tags"] == ["Quiz", "sesamy_a"]


async def test_before_the_register_is_read_nobody_is_written_nor_let_in() -> None:
    async with town(Reads()) as (there, up, client):
        with pytest.raises(Held) as caught:
            await write(client, EVE)
        before = up.gates.account(A, now=anyio.current_time())
        await read(up)
        after = up.gates.account(A, now=anyio.current_time())

    assert (caught.value.code, before, after, EVE.lower() in there.contacts) == ("register", Door.SHUT, Door.OPEN, False)


async def test_who_left_by_a_row_without_an_id_and_is_hidden_is_put_on_no_list() -> None:
    async with town(Reads(refuses=403, hides_left=True)) as (there, up, client):
        await read(up)
        up.registers.consent(A).registers["2"].left([Row(None, BO, Standing.LEFT)])  # type: ignore[union-attr]
        with pytest.raises(Refused) as caught:
            await write(client, BO)

    assert (caught.value.code, there.violations) == ("left-no-id", [])


async def test_who_leaves_while_a_write_waits_for_its_permit_is_not_put_back() -> None:
    async with town(Reads()) as (there, up, client):
        await read(up)
        there.contacts[ANN.lower()]["lists"] = []
        permits = 0

        async def permit_late() -> None:
            nonlocal permits
            permits += 1
            if permits == 2:  # Its address is read; next is its write.
                up.registers.consent(A).registers["1"].left([Row(1, ANN, Standing.LEFT)])  # type: ignore[union-attr]

        documents = Documents(subscriber=Subscriber(email=ANN, external_id="a"), tags=(), products=(), subscriptions=())
        await client.write(documents, permit=permit_late, limit_s=lambda: 10.0)

    assert lists_of(there)["Ann"] == ["2"]


@pytest.mark.parametrize(("email", "kept"), [(ANN, False), (BO, True), (DAN, True), (EVE, False)])
async def test_a_write_says_whether_it_kept_somebody_out(email: str, *, kept: bool) -> None:
    async with town(Reads(hides_left=True)) as (_, up, client):
        await read(up)
        assert await write(client, email) is kept


@pytest.mark.parametrize(
    ("reads", "level", "word"),
    [
        (Reads(), "fine", "can be read"),
        (Reads(refuses=403), "warning", "consent hangs on email_status"),
        (Reads(row_status=""), "warning", "consent hangs on email_status"),
        (Reads(contact_status="state"), "warning", "contacts show no email_status"),
    ],
)
async def test_check_says_where_consent_hangs_on_one_field(reads: Reads, level: str, word: str) -> None:
    async with town(reads) as (_, up, client):
        found = await _consent("vendors[0].makeas[0], who left", client=client, rows=up.registers.rows(A), list_id="1")

    assert (found.level, word in found.what, found.status) == (level, True, 0)


async def test_check_warns_where_who_left_cant_be_read_for_now() -> None:
    async with town(Reads(refuses=500)) as (_, up, client):
        found = await _consent("p", client=client, rows=up.registers.rows(A), list_id="1")

    assert (found.level, "http-500" in found.what) == ("warning", True)


async def test_twenty_contacts_without_a_status_are_counted_for_the_status_page() -> None:
    async with town(Reads(contact_status="")) as (there, up, client):
        for number in range(20):
            there.contact(f"{number}@example.com", lists=["1"])
        await read(up)
        for number in range(20):
            await write(client, f"{number}@example.com")
        consent = up.registers.consent(A)

    assert consent is not None
    assert (consent.without_status, there.violations) == (20, [])


@pytest.mark.parametrize("is_paused", [False, True])
async def test_who_left_a_list_is_known_to_whoever_shares_the_credential_though_that_list_is_paused(is_paused: bool) -> None:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    there.contact(BO, lists=["1"], email_status="unsubscribed", tags=[])
    there.reads = Reads(hides_left=True)
    async with serving(made.app()) as url:
        base = settings(url)
        (vendor,) = base.vendors
        of = [structs.replace(row, paused=is_paused and row.list_id == "1") for row in vendor.makeas]
        shared = tuple(structs.replace(vendor, id=name, makeas=(row,)) for name, row in zip("vw", of, strict=True))
        base = structs.replace(base, vendors=shared)
        async with upstreams(base, Metrics(base)) as up:
            await read(up)
            client = up.vendors["w"].targets[A].client
            assert isinstance(client, MakeAs)
            assert await write(client, BO)

    assert (lists_of(there), there.violations, made.calls["1001", "upsert"]) == ({"Bo": ["1"]}, [], 0)


async def test_what_was_read_in_bulk_is_not_written_over_a_contact_that_has_come_meanwhile() -> None:
    """However it is known: by its address, or by the register of those that left."""
    async with town(Reads(hides_left=True)) as (there, up, client):
        await read(up)
        before = {email: dict(row) for email, row in there.contacts.items()}
        for email in (ANN, BO, CY, DAN):
            with pytest.raises(Held) as caught:
                await write(client, email, only_new=True)
            assert caught.value.code == "known"
        assert before == there.contacts
        await write(client, EVE, only_new=True)
        assert sorted(there.contacts[EVE.lower()]["lists"]) == ["1", "2"]
