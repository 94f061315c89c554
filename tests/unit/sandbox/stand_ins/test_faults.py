"""Each fault at a stand-in does what its name says, to whom it is meant for."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator

import aiohttp
import pytest

from consumer.sandbox.stand_ins.faults import Fault, Kind
from consumer.sandbox.stand_ins.makeas import Account, MakeAs
from consumer.sandbox.stand_ins.server import serving

ANN = "ann@example.com"


class There:
    """A stand-in with one contact, and a plain client of it."""

    def __init__(self, makeas: MakeAs, account: Account, session: aiohttp.ClientSession, url: str) -> None:
        self.makeas, self.account, self._session, self._url = makeas, account, session, url

    async def write(self, email: str = ANN) -> tuple[int, bytes, str | None]:
        """Return the status, the body as it came and how long to wait."""
        auth = {"Authorization": "Basic " + b64encode(b"1001:k").decode()}
        url = f"{self._url}/api/public/v2/subscribers?subscriber_list_id[]=1"
        body = {"email": email, "firstname": "Ann"}
        async with self._session.post(url, json=body, headers=auth, allow_redirects=False) as answer:
            return answer.status, await answer.read(), answer.headers.get("Retry-After")

    async def rows(self, *emails: str) -> int:
        """Write a subscription of each reader in one call; return the status."""
        auth = {"Authorization": "Basic " + b64encode(b"1001:k").decode()}
        self.account.products["p"] = {}
        for email in emails:
            self.account.contacts.setdefault(email, {})
        body = [{"email": one, "external_id": f"of {one}", "product_external_id": "p", "status": "active"} for one in emails]
        async with self._session.post(f"{self._url}/api/public/v2/subscribers/subscriptions/bulkinsert", json=body, headers=auth) as answer:
            return answer.status


@pytest.fixture
async def there() -> AsyncIterator[There]:
    makeas = MakeAs()
    account = makeas.add_account("1001", key="k", lists={"1"})
    timeout = aiohttp.ClientTimeout(total=0.3)
    async with serving(makeas.app()) as url, aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        yield There(makeas, account, session, url)


async def test_a_status_comes_so_often_as_said(there: There) -> None:
    there.makeas.faults.add(Fault(kind="status", status=429, retry_after="7", times=2))
    answers = [await there.write() for _ in range(3)]
    assert [(status, wait) for status, _, wait in answers] == [(429, "7"), (429, "7"), (200, None)]
    assert there.makeas.faults.seen == 2
    assert not there.makeas.faults.active


@pytest.mark.parametrize(
    ("kind", "status", "begins"),
    [
        ("html", 200, b"<html>"),
        ("half-json", 200, b'{"id": 1, "tags": ['),
        ("gzip", 200, b"\x1f\x8b"),
        ("redirect", 302, b""),
        ("shape", 200, b"[["),
    ],
)
async def test_another_body_comes_and_nothing_is_applied(there: There, kind: Kind, status: int, begins: bytes) -> None:
    there.makeas.faults.add(Fault(kind=kind))
    found = await there.write()
    assert (found[0], found[1][: len(begins)]) == (status, begins)
    assert not there.account.contacts


@pytest.mark.parametrize("kind", ["hang", "drip"])
async def test_no_whole_answer_comes(there: There, kind: Kind) -> None:
    there.makeas.faults.add(Fault(kind=kind))
    with pytest.raises(asyncio.TimeoutError):
        await there.write()
    assert not there.account.contacts


@pytest.mark.parametrize(("kind", "applied"), [("cut", False), ("cut-after", True)])
async def test_the_connection_is_cut(there: There, kind: Kind, applied: bool) -> None:
    there.makeas.faults.add(Fault(kind=kind))
    with pytest.raises(aiohttp.ClientConnectionError):
        await there.write()
    assert bool(there.account.contacts) is applied


async def test_a_delay_is_kept_and_the_answer_is_whole(there: There) -> None:
    there.makeas.faults.add(Fault(kind="delay", delay_s=0.1))
    begun = time.monotonic()
    assert (await there.write())[0] == 200
    assert time.monotonic() - begun >= 0.1


async def test_failed_rows_stand_in_a_success(there: There) -> None:
    there.makeas.faults.add(Fault(kind="rows"))
    status, body, _ = await there.write()
    assert (status, b'"errors": [{' in body) == (200, True)


@pytest.mark.parametrize(
    ("fault", "fits"),
    [
        (Fault(kind="status", upstream="1001", op="upsert", user=ANN), True),
        (Fault(kind="status", upstream="1002"), False),
        (Fault(kind="status", op="products"), False),
        (Fault(kind="status", user="bo@example.com"), False),
    ],
)
async def test_a_fault_is_for_whom_it_names(there: There, fault: Fault, fits: bool) -> None:
    there.makeas.faults.add(fault)
    assert (await there.write())[0] == (500 if fits else 200)


async def test_faults_can_be_taken_away(there: There) -> None:
    first = there.makeas.faults.add(Fault(kind="status"))
    there.makeas.faults.add(Fault(kind="status", status=503))
    there.makeas.faults.remove(first)
    there.makeas.faults.remove(first)
    assert (await there.write())[0] == 503
    there.makeas.faults.clear()
    assert (await there.write())[0] == 200


async def test_a_hanging_handler_does_not_hold_up_the_end() -> None:
    makeas = MakeAs()
    makeas.add_account("1001", key="k", lists={"1"})
    makeas.faults.add(Fault(kind="hang"))
    async with aiohttp.ClientSession() as session:
        async with serving(makeas.app()) as url:
            there = There(makeas, makeas.accounts["1001"], session, url)
            asking = asyncio.create_task(there.write())
            while not makeas.faults.seen:
                await asyncio.sleep(0.01)
            begun = time.monotonic()
        assert time.monotonic() - begun < 2
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_a_body_is_said_though_the_work_is_done(there: There) -> None:
    there.makeas.faults.add(Fault(kind="body", body={"success": False}))
    assert (await there.write())[:2] == (200, b'{"success": false}')
    assert ANN in there.account.contacts


async def test_a_fault_of_one_reader_is_met_by_each_call_that_has_a_row_of_it(there: There) -> None:
    there.makeas.faults.add(Fault(kind="status", status=422, user="bo@example.com"))
    statuses = [await there.rows(*emails) for emails in ((ANN,), (ANN, "bo@example.com"), ("bo@example.com",))]
    assert statuses == [200, 422, 422]


async def test_a_fault_may_be_of_each_third_call_that_has_the_rows_of_several(there: There) -> None:
    there.makeas.faults.add(Fault(kind="status", status=500, least=2, every=3))
    several = [await there.rows(ANN, "bo@example.com") for _ in range(6)]
    assert several == [200, 200, 500, 200, 200, 500]
    assert [await there.rows(ANN) for _ in range(3)] == [200, 200, 200]


async def test_a_call_may_hang_once_its_work_is_done(there: There) -> None:
    there.makeas.faults.add(Fault(kind="hang-after"))
    with pytest.raises(TimeoutError):
        await there.write()
    assert len(there.account.written[ANN]) == 1


async def test_a_row_that_is_never_taken_is_named_and_nothing_beside_it_is_taken(there: There) -> None:
    there.account.bad_rows = {"of bo@example.com"}
    assert await there.rows(ANN, "bo@example.com") == 200
    assert there.account.rows_written == {}
    assert await there.rows(ANN) == 200
    assert set(there.account.rows_written) == {f"of {ANN}"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("by_email", {"email": ANN}),
        ("", {"email": ANN, "tags": []}),
        ("/subscriptions/bulkinsert", [{"email": "bo@example.com"}, {"email": ANN}]),
        ("/subscriptions/bulkinsert", {"subscriptions": [{"subscriber_email": ANN}]}),
    ],
    ids=["look", "write", "rows", "rows in a wrapper"],
)
async def test_a_fault_of_one_reader_is_met_by_each_call_that_is_about_it(there: There, path: str, body: object) -> None:
    there.makeas.faults.add(Fault(kind="status", status=503, user=ANN))
    auth = {"Authorization": "Basic " + b64encode(b"1001:k").decode()}
    url = f"{there._url}/api/public/v2/subscribers{path if path.startswith('/') or not path else '/' + path}"
    async with there._session.post(url, json=body, headers=auth) as answer:
        assert answer.status == 503
