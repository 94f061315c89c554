"""Readers that are looked at one by one, as `diff` does, where a list can't be had."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from ...core.drift.contacts import FOREIGN, UNSEEN, Finding, Kind
from ...core.drift.findings import Findings
from ...core.errors import Exit, Fatal
from ...core.mapping.contact import Change
from ...core.model import AccountId, UserKey
from ...pod.reader.compare import AccountDiff, UserDiff, compared
from ...resync.clients import Upstreams
from ...resync.make_reader import LEFT_UNKNOWN

_FAILED_MOST: Final = 20
"""So many in a row that can't be asked are not the readers' fault."""


class OneByOne:
    """
    The look at single readers.

    It promises: what can't be asked is no finding, but counted; where twenty readers in a row can't be asked, it ends with an error.
    """

    def __init__(self, up: Upstreams, findings: Findings, *, several: Collection[AccountId] = ()) -> None:
        """Take where what differs is noted, and the accounts that several vendors write."""
        self._up, self._findings, self._several = up, findings, several

    async def look(self, vendor: str, users: Mapping[str, Collection[AccountId]], *, accounts: Collection[AccountId]) -> None:
        """
        Look at users of a vendor, and note what differs at these accounts.

        Args:
            users: user -> the accounts that have a contact with its id, as far as is known.

        Raises:
            Fatal: an upstream does not answer (69), or refuses our key (77).
        """
        in_a_row = 0
        for user, there in users.items():
            one = await compared(self._up, UserKey(vendor, user))
            in_a_row = in_a_row + 1 if one.outcome == "failed" else 0
            self._findings.unasked += one.outcome == "failed"
            if in_a_row >= _FAILED_MOST:
                why = one.reason or next((account.failed for account in one.accounts if account.failed), "")
                status = Exit.NO_PERMISSION if one.refuses_key else Exit.UNAVAILABLE
                raise Fatal(f"{vendor}: {in_a_row} readers in a row can't be asked: {why}", code=why, status=status)
            self._findings.take(
                found_of(one, accounts, there, several=self._several), lists_of=lambda _: tuple(self._lists(vendor, accounts))
            )

    def _lists(self, vendor: str, accounts: Collection[AccountId]) -> Iterator[str]:
        for account, target in self._up.vendors[vendor].targets.items():
            if account in accounts:
                yield from target.account.lists


def found_of(
    one: UserDiff, accounts: Collection[AccountId], there: Collection[AccountId], *, several: Collection[AccountId] = ()
) -> Iterator[Finding]:
    """
    Give what differs of one reader.

    Args:
        accounts: those whose differences count.
        there: those that have a contact with its id, of a reader that Sesamy may not know.
        several: those that several vendors write: another id at its address may be another vendor's reader's.
    """
    if one.outcome == "skipped" and one.reason == "absent":
        for name in there:
            said = "(an address)" if "@" in one.user else one.user
            yield Finding(kind="stranger", vendor="", user=said, account=name, repairs=False, why="Sesamy does not know this id")
    for account in one.accounts:
        if account.account in accounts and account.failed == LEFT_UNKNOWN:
            id_, lists = AccountId(account.account), account.lists
            yield Finding(kind="unseen", vendor=one.vendor, user=one.user, account=id_, lists=lists, repairs=False, why=UNSEEN)
        if account.account in accounts and not account.failed:
            if account.account in several and any(_is_of_another(change) for change in account.changes):
                id_ = AccountId(account.account)
                yield Finding(kind="doubled", vendor=one.vendor, user=one.user, account=id_, repairs=False, why=FOREIGN)
            else:
                yield from _of_account(one, account)


def _of_account(one: UserDiff, account: AccountDiff) -> Iterator[Finding]:
    drift = [change for change in account.changes if change.is_drift]
    if drift and all(change.now is None for change in account.changes):
        kinds: dict[Kind, tuple[str, ...]] = {"missing": account.lists}
    else:
        off = tuple(change.wanted for change in drift if change.field == "list" and change.wanted is not None)
        kinds = dict.fromkeys(map(_kind, drift), ())
        kinds |= {"list": off} if off else {}
    for kind, lists in kinds.items():
        yield Finding(kind=kind, vendor=one.vendor, user=one.user, account=AccountId(account.account), lists=lists)


def _is_of_another(change: Change) -> bool:
    return change.field == "external_id" and change.is_drift and bool(change.now)


def _kind(change: Change) -> Kind:
    return "tags" if change.field == "tag" else "list" if change.field == "list" else "field"
