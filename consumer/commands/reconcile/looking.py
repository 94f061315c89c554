"""Both sides read whole, and compared: vendors beside each other, then accounts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from secrets import token_bytes
from typing import Final

import anyio
import anyio.lowlevel
from anyio import to_thread
from msgspec import Struct

from ...core.drift.bulk import Bulk
from ...core.drift.contacts import Contacts
from ...core.drift.findings import Findings
from ...core.drift.prints import Prints
from ...core.drift.readers import Readers
from ...core.errors import ConsumerError, Denied, Exit, Fatal, Forbidden
from ...core.gates.server_limit import begins_at
from ...core.model import AccountId
from ...resync.clients import Upstreams
from ...resync.listing.make_lists import MakeLists
from ...resync.listing.sesamy_lists import Listed, Mark, Progress, Rows, SesamyLists
from ...resync.listing.turns import CantBeListed, Turns
from ...settings.model import Settings
from ..replay.plan import Load
from .one_by_one import OneByOne
from .plan import MINUTE_S, Asked, Scope, read_loads
from .state import State, prints_of

NEVER_COMPARED: Final = "products and subscriptions"
_CURES: Final = {
    "empty": ": that is not believed",
    "half": ": the list is not whole, try again later",
    "repeats": ": the list can't be read to its end",
}


class Looked(Struct, frozen=True, kw_only=True):
    """What was found, and how much was looked at."""

    findings: Findings
    readers: dict[str, int]
    """Vendor -> readers that are written."""
    skipped: dict[str, int]
    """Vendor -> readers that are not written: guests, and those without an address."""
    contacts: dict[str, int]
    """Account -> rows of its lists."""
    of_list: dict[str, int]
    """List -> readers that are to be on it."""
    unknown_ids: int
    no_account: int
    not_compared: tuple[str, ...]
    """What could not be told, in words."""


class Looking:
    """
    The reading part of a reconcile.

    It promises: what can't be believed ends it before anything is written, with an error that names the upstream.
    """

    def __init__(
        self,
        settings: Settings,
        asked: Asked,
        the_scope: Scope,
        up: Upstreams,
        *,
        state: State,
        prints: Mapping[str, Prints],
        rate_share: float,
        bulks: Mapping[str, Bulk] | None = None,
    ) -> None:
        """Take where it looks, and what was read before."""
        self._settings, self._asked, self._scope, self._up, self._state = settings, asked, the_scope, up, state
        self._share, self._bulks = rate_share, bulks or {}
        self._readers = {vendor: Readers(vendor, prints[vendor]) for vendor in the_scope.vendors}
        self._lists = {vendor: self._lists_of(vendor) for vendor in the_scope.vendors}
        for page, rows in state.take_pages():
            self._lists[page.vendor].take(page.listed, rows, page.mark)
        # Vendors whose users, accounts whose lists can't be had.
        self._no_users: dict[str, CantBeListed] = {}
        self._no_list: dict[AccountId, CantBeListed] = {}
        self._not_compared: list[str] = list(the_scope.left_out)

    def _lists_of(self, vendor: str) -> SesamyLists:
        sesamy, gate = self._up.vendors[vendor].sesamy, self._up.gates.vendors[vendor]
        turns = Turns(f"sesamy:{vendor}", gate, renew=sesamy.renew)

        def keep(listed: Listed, rows: Rows, mark: Mark) -> None:
            self._state.keep_page(vendor, listed, rows, mark)

        return SesamyLists(
            vendor, sesamy, turns, readers=self._readers[vendor], progress=Progress(), keep=keep, bulk=self._bulks.get(vendor)
        )

    # ---- How far it is ----

    def loads(self) -> Iterator[Load]:
        """Give what reading asks of each upstream, from the start of this run: Sesamy says how many users there are with the first page."""
        calls = {vendor: lists.calls + lists.left(deep=self._asked.deep) for vendor, lists in self._lists.items()}
        readers = {vendor: lists.readers for vendor, lists in self._lists.items()}
        return read_loads(self._settings, self._scope, calls, readers, rate_share=self._share)

    @property
    def knows_costs(self) -> bool:
        """Say whether each vendor has said how many users there are, or was read."""
        return all(lists.calls for lists in self._lists.values())

    def told(self) -> tuple[int, int, float]:
        """Return how many calls are made, how many there will be, and how long it takes from here at least (s)."""
        done = sum(lists.calls for lists in self._lists.values())
        left = [lists.left(deep=self._asked.deep) for lists in self._lists.values()]
        per_s = begins_at(self._settings.sesamy.requests_per_minute) * self._share / MINUTE_S
        return done, done + sum(left), max(left, default=0) / per_s

    # ---- Looking ----

    async def look(self, *, may_be_empty: bool) -> Looked:
        """
        Read both sides and compare them.

        Args:
            may_be_empty: whether a list without any contact is believed, where Make.as' own count says so.

        Raises:
            Fatal: an upstream can't be read, or not be believed (69), or refuses us (77).
        """
        async with anyio.create_task_group() as tasks:
            for vendor in self._scope.vendors:
                tasks.start_soon(self._read_vendor, vendor)
        contacts = {account: self._contacts(account, lists) for account, lists in self._scope.accounts.items()}
        async with anyio.create_task_group() as tasks:
            for account, one in contacts.items():
                tasks.start_soon(self._read_account, account, one, may_be_empty)
        findings = Findings()
        for account, one in contacts.items():
            if account not in self._no_list:
                shown = (found for found in one.findings() if found.kind != "stranger" or account not in self._scope.shared)
                # In a thread: of 100,000 readers it takes more than a second.
                await to_thread.run_sync(partial(findings.take, shown, lists_of=one.lists_of))
        await self._singly(findings, contacts)
        self._note_unseen(findings)
        findings.hold_back()
        return self._looked(findings, contacts)

    async def _read_vendor(self, vendor: str) -> None:
        lists = self._lists[vendor]
        try:
            await lists.read(deep=self._asked.deep)
        except CantBeListed as error:
            self._no_users[vendor] = error
            self._readers[vendor].settle(has_tags=False)
        except ConsumerError as error:
            if error.code in _CURES:
                self._state.spoil()
            raise _fatal(f"sesamy:{vendor}", error) from None
        for listed, mark in lists.progress.marks.items():
            if mark.unusable:
                self._not_compared.append(f"{mark.unusable:,} rows of the {listed} of {vendor}: they have no id, or can't be read")
        if lists.progress.not_told and vendor in self._bulks:
            self._bulks[vendor].clear()
            self._not_compared.append(f"{vendor} in bulk: its lists do not tell whose all rows are, so that each reader is fetched singly")
        for listed, why in lists.progress.not_told.items() if not lists.progress.tells_tags else ():
            what = "do not say whose they are" if why == "nameless" else f"can't be listed ({why})"
            self._not_compared.append(f"tags of {vendor}: its {listed} {what}; --deep asks for them reader by reader")
        self._not_compared.append(f"{NEVER_COMPARED} of {vendor}: Make.as does not give them back")

    def _contacts(self, account: AccountId, lists: Mapping[str, tuple[str, ...]]) -> Contacts:
        vendors = dict.fromkeys(vendor for those in lists.values() for vendor in those)
        readers = {vendor: self._readers[vendor] for vendor in vendors}
        gathers = not self._no_users.keys().isdisjoint(readers)
        keeps, shared = self._settings.makeas.keep_single_purchase, gathers or account in self._scope.shared
        return Contacts(account, lists, readers, gathers=gathers, shared=shared, keep_single_purchase=keeps)

    async def _read_account(self, account: AccountId, contacts: Contacts, may_be_empty: bool) -> None:  # noqa: FBT001 - a task's argument
        source = self._up.sources[account]
        turns = Turns(account, self._up.gates.accounts[account], renew=source.expire_key)
        client = next(one.targets[account].client for one in self._up.vendors.values() if account in one.targets)
        lists = MakeLists(
            source.rows,
            turns,
            contacts,
            by_id=partial(client.by_id, permit=anyio.lowlevel.checkpoint),
            may_be_empty=tuple(contacts.lists) if may_be_empty else (),
        )
        try:
            await lists.read()
            if client.hides_left:
                await self._up.registers.read(account)
                contacts.tells_new = client.can_tell_new
        except CantBeListed as error:
            self._no_list[account] = error
        except ConsumerError as error:
            raise _fatal(f"account {account}", error) from None

    def _note_unseen(self, findings: Findings) -> None:
        """Say what mends it that readers without a contact may have opted out."""
        unseen = Counter(one.account for one in findings.all if one.kind == "unseen")
        for account, number in unseen.items():
            self._not_compared.append(
                f"{number:,} readers that account {account} shows no contact of: Make.as hides those that opted out, and its lists do not "
                "tell who did; let the key read each list's subscribers by status (`check --online` says why it can't), or where "
                "nobody opted out and by_email shows all, set makeas.opted_out to shown"
            )

    async def _singly(self, findings: Findings, contacts: Mapping[AccountId, Contacts]) -> None:
        """Look singly at the readers of vendors whose users can't be listed, and at those of accounts whose lists can't be."""
        written = Counter(account.id for account in self._settings.accounts)
        look = OneByOne(self._up, findings, several={account for account, vendors in written.items() if vendors > 1}).look
        for vendor, error in self._no_users.items():
            mine = {account: one for account, one in contacts.items() if vendor in one.readers}
            if blind := mine.keys() & self._no_list.keys():
                raise _fatal(
                    f"sesamy:{vendor}", error, more=f"; account {min(blind)} lists nobody either, so that nobody knows its readers"
                )
            users: dict[str, tuple[AccountId, ...]] = {}
            for account, one in mine.items():
                users |= {name: (*users.get(name, ()), account) for name in one.names}
            self._not_compared.append(f"readers of {vendor} that Make.as does not know: {error}; looked at one by one were {len(users):,}")
            await look(vendor, users, accounts=tuple(mine))
        for account, error in self._no_list.items():
            for vendor in contacts[account].readers:
                users = dict.fromkeys(self._readers[vendor].ids, tuple[AccountId, ...]())
                self._not_compared.append(f"contacts of account {account}: {error}; its {len(users):,} readers were looked at one by one")
                await look(vendor, users, accounts=(account,))
        if findings.unasked:
            self._not_compared.append(f"{findings.unasked:,} readers that were to be looked at one by one: an upstream did not answer")

    def _looked(self, findings: Findings, contacts: Mapping[AccountId, Contacts]) -> Looked:
        for account, one in contacts.items():
            self._not_compared += one.doubts
            if one.not_told and account not in self._no_list:
                self._not_compared.append(f"{', '.join(one.not_told)} at account {account}: no row of its lists has them")
            if one.left_elsewhere:
                self._not_compared.append(
                    f"{one.left_elsewhere:,} readers that left one list of account {account}, and are on no other: "
                    "nothing shows that one that leaves a list may be on another"
                )
        if self._scope.shared:
            self._not_compared.append(
                f"strangers at {', '.join(sorted(self._scope.shared))}: a vendor that is not looked at writes there, too"
            )
        told = [one for account, one in contacts.items() if account not in self._scope.shared]
        return Looked(
            findings=findings,
            readers={vendor: of.written for vendor, of in self._readers.items()},
            skipped={vendor: len(of) - of.written for vendor, of in self._readers.items()},
            contacts={one.account: one.rows for one in contacts.values()},
            of_list={
                one: sum(self._readers[vendor].written for vendor in vendors)
                for lists in self._scope.accounts.values()
                for one, vendors in lists.items()
            },
            unknown_ids=sum(one.unknown_ids for one in told),
            no_account=sum(one.no_account for one in told),
            not_compared=tuple(dict.fromkeys(self._not_compared)),
        )


def _fatal(upstream: str, error: ConsumerError, *, more: str = "") -> Fatal:
    status = Exit.NO_PERMISSION if isinstance(error, Denied | Forbidden) else Exit.UNAVAILABLE
    cure = _CURES.get(error.code, "")
    return Fatal(f"{upstream}: {error}{more}{cure}; nothing was written", code=error.code, status=status)


def prints_for(settings: Settings, vendors: Iterable[str], *, kept: bool) -> dict[str, Prints]:
    """Return the prints of each vendor: of its secret where they are kept in a file, else of a key that is nowhere else."""
    secrets = {vendor.id: vendor.sesamy.client_secret for vendor in settings.vendors}
    return {one: prints_of(one, secrets[one].read()) if kept else Prints(token_bytes(32)) for one in vendors}
