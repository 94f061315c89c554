"""Reconcile at 100,000 readers: calls, time at the documented limits (on a virtual clock) and memory, beside the way of one by one."""

import asyncio
import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator

import anyio
import msgspec
from anyio import to_thread
from msgspec import structs

from consumer.core.answers import sesamy as answers
from consumer.core.answers.sesamy import CONTRACTS, ENTITLEMENTS
from consumer.core.answers.shapes import Json
from consumer.core.answers.snapshot import Snapshot
from consumer.core.drift.bulk import Bulk
from consumer.core.drift.contacts import Contacts
from consumer.core.drift.findings import Findings
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.errors import Refused
from consumer.core.gates.gates import SESAMY_CALLS, make_calls
from consumer.core.gates.server_limit import begins_at
from consumer.core.mapping.contact import Contact
from consumer.core.mapping.documents import Documents, documents
from consumer.core.model import AccountId, UserKey
from consumer.core.text import duration
from consumer.resync.clients import gates
from consumer.resync.listing.make_lists import MakeLists
from consumer.resync.listing.sesamy_lists import Progress, SesamyLists
from consumer.resync.listing.turns import Turns
from consumer.resync.registers.list_rows import ContactPage
from consumer.resync.sesamy import PAGE_ROWS, Page
from consumer.sandbox.publishers import crowd
from consumer.sandbox.stand_ins.sesamy import Sesamy as StandIn
from consumer.settings.model import MakeAsSettings, SesamySettings, Settings
from tests.clock import new_loop
from tests.simulation.settings import SETTINGS

_READERS = 100_000
_CALL_S = 0.2
"""What a call takes."""
_LISTS = ("1466", "1467")
_VENDOR = "vendor_123"
_DOCUMENTED = structs.replace(SETTINGS, sesamy=SesamySettings(), makeas=MakeAsSettings())
"""The documented limit of Sesamy, and our own for Make.as, which names none."""


class Lists:
    """Both sides' lists in memory: pages as the clients give them."""

    def __init__(self, stand_in: StandIn) -> None:
        users = stand_in.users[_VENDOR]
        self._users = [user["profile"] for user in users.values()]
        self._contracts = [row for user in users.values() for row in user["contracts"]]
        self._entitlements = [{**row, "userId": name} for name, user in users.items() for row in user["entitlements"]]
        self.sizes = (len(self._users), len(self._contracts), len(self._entitlements))
        self.calls = 0

    async def users_page(self, offset: int, _: object) -> Page:
        said = await self._said(self._users, offset)
        return Page(*answers.profiles(said), said.tree)

    async def contracts_page(self, offset: int, _: object) -> Page:
        said = await self._said(self._contracts, offset)
        return Page(*answers.rows(said, CONTRACTS), said.tree)

    async def entitlements_page(self, offset: int, _: object) -> Page:
        said = await self._said(self._entitlements, offset)
        return Page(*answers.rows(said, ENTITLEMENTS), said.tree)

    async def _said(self, rows: list[dict[str, object]], offset: int) -> Json:
        self.calls += 1
        await anyio.sleep(_CALL_S)
        page = msgspec.json.decode(msgspec.json.encode(rows[offset : offset + PAGE_ROWS]))
        return Json({"data": page, "pagination": {"total": len(rows)}})


class Rows:
    """The contacts of an account that agrees, made as they are asked for."""

    def __init__(self, wanted: list[Documents]) -> None:
        self._wanted = wanted
        self.calls = 0

    async def count(self, _: str) -> int:
        self.calls += 1
        await anyio.sleep(_CALL_S)
        return len(self._wanted)

    async def contacts(self, _: str, status: str, *, page: int) -> ContactPage:
        self.calls += 1
        await anyio.sleep(_CALL_S)
        there = self._wanted[(page - 1) * 1000 : page * 1000] if status == "active" else []
        return ContactPage(tuple(map(_contact, there)), len(there))


def _contact(one: Documents) -> Contact:
    fields = msgspec.to_builtins(one.subscriber)
    return Contact(id=one.subscriber.external_id, tags=list(one.tags), email_status="active", **fields)


async def _look(lists: Lists, rows: Rows, share: float, *, bulk: Bulk | None = None) -> tuple[float, float, Readers, Findings]:
    """Read both sides; return the seconds of each."""
    limits = gates(_DOCUMENTED, rate_share=share, courteous=True)
    gate, account = next(iter(limits.vendors.values())), next(iter(limits.accounts))
    readers, began = Readers(_VENDOR, Prints(b"key")), anyio.current_time()
    turns = Turns("sesamy", gate, renew=lambda: None)
    reading = SesamyLists(_VENDOR, lists, turns, readers=readers, progress=Progress(), keep=lambda *_: None, bulk=bulk)  # type: ignore[arg-type]
    await reading.read(deep=False)
    sesamy_s, began = anyio.current_time() - began, anyio.current_time()
    contacts = Contacts(AccountId("1"), dict.fromkeys(_LISTS, (_VENDOR,)), {_VENDOR: readers}, keep_single_purchase=True)
    at_makeas = Turns("makeas", limits.accounts[account], renew=lambda: None)
    await MakeLists(rows, at_makeas, contacts, by_id=_no_contact).read()  # type: ignore[arg-type]
    findings = Findings()
    findings.take(contacts.findings(), lists_of=contacts.lists_of)
    return sesamy_s, anyio.current_time() - began, readers, findings


async def _no_contact(_: str) -> Contact:
    """Refuse: rows tell all here."""
    raise Refused("status 404", code="http-404")


def _on_virtual_clock(lists: Lists, rows: Rows, share: float) -> tuple[float, float, Readers, Findings]:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_look(lists, rows, share))


def _wanted(stand_in: StandIn) -> Iterator[Documents]:
    """Give what each contact is to be, by the code of a resync."""
    for name, user in stand_in.users[_VENDOR].items():
        tree = msgspec.json.decode(msgspec.json.encode(user))
        snapshot = _snapshot(name, tree)
        one = documents(snapshot)
        assert isinstance(one, Documents)
        yield one


def _snapshot(name: str, tree: dict[str, object]) -> Snapshot:
    profile = answers.profile(Json(tree["profile"]))
    contracts, _ = answers.rows(Json(tree["contracts"]), CONTRACTS)
    entitlements, _ = answers.rows(Json(tree["entitlements"]), ENTITLEMENTS)
    return Snapshot(user=UserKey(_VENDOR, name), profile=profile, contracts=tuple(contracts), entitlements=tuple(entitlements))


async def main() -> None:
    await to_thread.run_sync(_main)


def _main() -> None:
    stand_in = StandIn()
    stand_in.add_vendor(_VENDOR, client_id="c", secret="s")
    crowd(stand_in, _VENDOR, _READERS, random.Random(1))
    lists, rows = Lists(stand_in), Rows(list(_wanted(stand_in)))
    users, contracts, entitlements = lists.sizes
    print(f"  {users:,} readers, {contracts:,} contracts, {entitlements:,} entitlements, {len(_LISTS)} lists; a call takes {_CALL_S:g} s")
    made = _DOCUMENTED
    per_minute = begins_at(made.sesamy.requests_per_minute)
    for share in (1.0, 0.25, 0.1):
        lists.calls = rows.calls = 0
        sesamy_s, makeas_s, _, findings = _on_virtual_clock(lists, rows, share)
        assert not findings.all, findings.all[:3]
        naive_s = _READERS * SESAMY_CALLS / (per_minute * share) * 60
        print(
            f"  share {share:g}: {lists.calls:,} calls at Sesamy {duration(sesamy_s)}, {rows.calls:,} at Make.as {duration(makeas_s)}; "
            f"one by one {_READERS * SESAMY_CALLS:,} calls, {duration(naive_s)}: {naive_s / (sesamy_s + makeas_s):.0f} times as long"
        )
    _first_load(made, per_minute)
    _memory(lists, rows)


def _first_load(made: Settings, per_minute: float) -> None:
    """Print what bounds a first load: Make's limit, or Sesamy's where a list does not tell whose its rows are."""
    per_s = made.makeas.requests_per_second
    calls = make_calls(rows_shared=made.makeas.rows_shared)
    at_makeas_s, at_sesamy_s = _READERS * calls / per_s, _READERS * SESAMY_CALLS / per_minute * 60
    print(
        f"  first load of all, by the limits: {duration(at_makeas_s)} at Make.as ({calls} calls a reader at {per_s:g} a second); "
        f"without lists that name their user also {duration(at_sesamy_s)} at Sesamy"
    )


def _memory(lists: Lists, rows: Rows) -> None:
    def measured(what: str, read: Callable[[], object]) -> None:
        gc.collect()
        tracemalloc.start()
        kept = read()
        gc.collect()
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept is not None
        print(f"  memory{what}: {now / _READERS:,.0f} bytes a reader at the end, {peak / _READERS:,.0f} at most")

    def with_bulk() -> object:
        bulk = Bulk(_VENDOR)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return bulk, runner.run(_look(lists, rows, 1.0, bulk=bulk))

    measured("", lambda: _on_virtual_clock(lists, rows, 1.0))
    measured(" with --from-bulk", with_bulk)
