"""The registers: which contacts left each list, read and kept fresh for all accounts of a process."""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from secrets import token_bytes
from typing import Final

import anyio

from ...core.mapping.consent import Consent
from ...core.model import AccountId
from ...settings.model import Settings
from .account_registers import AccountRegisters, Source
from .list_rows import ListRows

_LOOK_S: Final = 0.25
_SILENT_S: Final = 10.0

Due = Callable[[], Iterable[tuple[str, AccountId]]]


class Registers:
    """
    The registers of all accounts.

    It promises: a list is read only once there is something to write to it, and then at most every minute, the whole once a day; its
    calls take at most a tenth of the account's rate, half while users wait for them, and none passes a shut gate but as
    its probe; what fails in passing is tried again for ever, what is refused makes the register none, asked again after an hour;
    where only changes can't be had, the whole is read instead, again and again.
    """

    def __init__(
        self,
        sources: Mapping[AccountId, Source] | None = None,
        *,
        vendors: Iterable[Collection[AccountId]] = (),
        hold_s: float = inf,
        look_s: float = _LOOK_S,
    ) -> None:
        """
        Take the accounts; none: every account is ready.

        Args:
            vendors: the accounts of each vendor, which are written with one fetch.
            hold_s: how long users may wait for a list that does not answer.
            look_s: how often it looks whether there is something to write.
        """
        self._look_s, self._hold_s = look_s, hold_s
        self._silent = set[AccountId]()
        self._siblings: dict[AccountId, set[AccountId]] = {}
        for accounts in vendors:
            for account in accounts:
                self._siblings.setdefault(account, set()).update(accounts)
        self._accounts = {account: AccountRegisters(account, source) for account, source in (sources or {}).items()}

    def ready(self, account: AccountId, now: float) -> bool:
        """
        Say whether an account may be written: of each of its lists it is known which contacts left, or that this can't be known.

        The accounts of a vendor wait a little for each other, so that a user is not fetched once for each.
        """
        one = self._accounts.get(account)
        if one is None:
            return True
        return one.consent.ready(now=now) and not any(self._accounts[other].soon(now=now) for other in self._siblings.get(account, ()))

    def late(self, account: AccountId, now: float) -> bool:
        """Say whether users wait too long for an account, one of whose lists has not answered all the while."""
        one = self._accounts.get(account)
        return one is not None and not one.consent.ready(now=now) and one.silent_s(now=now) >= self._hold_s

    def consent(self, account: AccountId) -> Consent | None:
        """Return what is known of an account's lists; None: nothing is kept."""
        one = self._accounts.get(account)
        return None if one is None else one.consent

    def rows(self, account: AccountId) -> ListRows:
        """Return what reads an account's lists."""
        return self._accounts[account].rows

    async def read(self, account: AccountId, *, within_s: float = inf) -> None:
        """
        Read an account's lists now, as though a user waited for them; return once it is known which left, or that this can't be known.

        Args:
            within_s: how long to wait; it is given up before, where a list has not answered for 10 s, and then not waited for again.
        """
        one = self._accounts.get(account)
        if one is None:
            return
        with anyio.move_on_after(within_s):
            async with anyio.create_task_group() as tasks:
                began = now = anyio.current_time()
                while not one.consent.ready(now=now) and account not in self._silent:
                    one.consent.asked = True  # No user is due, and none must be parked for it; where they are kept fresh, it is read on.
                    one.want(now=now, due=False)
                    one.start(tasks, _nothing, now=now)
                    await anyio.sleep(min(self._look_s, _LOOK_S))
                    now = anyio.current_time()
                    if one.silent_s(now=now, since=began) >= _SILENT_S:
                        self._silent.add(account)
                if one.consent.ready(now=now):
                    self._silent.discard(account)
                tasks.cancel_scope.cancel()

    async def run(self, due: Due, ring: Callable[[], None]) -> None:
        """
        Read what is to be read, for ever.

        Args:
            due: gives vendor and account of all users that could be written now.
            ring: is called when an account became ready.
        """
        if not self._accounts:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            while True:
                now = anyio.current_time()
                wanted = {account for _, account in due()}
                for account, one in self._accounts.items():
                    one.want(now=now, due=account in wanted)
                    one.start(tasks, ring, now=now)
                await anyio.sleep(self._look_s)


def _nothing() -> None:
    """Wake nobody."""


def consents(settings: Settings) -> dict[AccountId, Consent]:
    """Return what is to be known of each account's lists, of all vendors that share it."""
    salt, makeas = token_bytes(32), settings.makeas
    lists: dict[AccountId, dict[str, None]] = {}
    for account in settings.accounts:
        lists.setdefault(account.id, {}).update(dict.fromkeys(account.lists))
    hides_left = makeas.opted_out == "hidden"
    return {account: Consent(of, salt=salt, unreadable=makeas.unreadable_status, hides_left=hides_left) for account, of in lists.items()}
