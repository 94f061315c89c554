"""All contacts of the lists of one account, read page by page, and compared as they come."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

from ...core.drift.contacts import Contacts, has
from ...core.drift.sound import check_end, check_list
from ...core.errors import Refused
from ...core.mapping.consent import Register, Row, Standing, Walk
from ...core.mapping.contact import Contact
from ..registers.list_rows import ContactPage, ListRows, Status
from .turns import CantBeListed, Permit, Turns

_NOT_ACTIVE: Final[tuple[Status, ...]] = ("unsubscribed", "bounce")
_UNREADABLE: Final = Row(None, None, Standing.UNREADABLE)


class MakeLists:
    """
    One account's lists.

    It promises: every contact of each list was compared, as far as Make.as gives them, or an error is raised.
    """

    def __init__(
        self,
        rows: ListRows,
        turns: Turns,
        contacts: Contacts,
        *,
        by_id: Callable[[str], Awaitable[Contact]],
        may_be_empty: Collection[str] = (),
    ) -> None:
        """
        Take the account.

        Args:
            by_id: asks for one contact.
            may_be_empty: the lists that may have no contact, where Make.as' own count says so.
        """
        self._rows, self._turns, self._contacts = rows, turns, contacts
        self._by_id, self._may_be_empty = by_id, may_be_empty

    async def read(self) -> None:
        """
        Read all lists.

        Raises:
            CantBeListed: a list can't be had.
            Refused: what was read is not to be believed: `empty`, `half`, `repeats`.
            Denied, Forbidden, Retryable: as `Turns.ask`.
        """
        for list_id in self._contacts.lists:
            said = await self._said(list_id)
            put_back = self._contacts.kept()
            try:
                try:
                    await self._believed(list_id, said)
                except Refused as error:
                    if error.code != "half":
                        raise
                    # Rows may have moved while they were read: once more, and no row counts twice.
                    put_back()
                    await self._believed(list_id, said)
            except CantBeListed:
                raise
            except Refused as error:
                raise Refused(f"list {list_id}: {error}", code=error.code, said=error.said) from None
        for name in self._contacts.not_told:
            await self._learn(name)

    async def _learn(self, name: str) -> None:
        """Learn whether rows leave a field out, or no contact has it: those that should have it are asked for, a few of them."""
        asked = 0
        for contact in self._contacts.lacking(name):
            with suppress(Refused):
                found = await self._turns.ask(partial(self._contact, contact))
                if has(found, name):
                    return
                asked += 1
        if asked:
            self._contacts.tells(name)

    async def _contact(self, contact: str, _: Permit) -> Contact:
        return await self._by_id(contact)

    async def _said(self, list_id: str) -> int | None:
        """Return how many contacts a list is said to have; None: it is not said, or can't be had."""
        with suppress(Refused):
            return await self._turns.ask(partial(self._count, list_id))
        return None

    async def _count(self, list_id: str, _: Permit) -> int | None:
        return await self._rows.count(list_id)

    async def _believed(self, list_id: str, said: int | None) -> None:
        """
        Read one list, and judge it.

        Where its count does not show that all active contacts are there, the end of its pages is looked at: rows behind a short page.

        Raises:
            Refused: as `read`.
        """
        # It holds nobody: all that is asked of it is whether it is whole.
        register = Register(b"")
        register.begin()
        active, walk = await self._status(list_id, "active", register)
        others = [(await self._status(list_id, status, register))[0] for status in _NOT_ACTIVE]
        shown = check_list(active, others, said=said, may_be_empty=list_id in self._may_be_empty)
        if active and not shown:
            check_end(active, has_more=await self._has_more(list_id, walk))
        if not shown and said is not None:
            self._contacts.doubts.append(
                f"whether list {list_id} gives all its active contacts: it gives {active:,}, and {sum(others):,} that are not; "
                f"its count is {said:,}"
            )
        register.complete(read_at=0.0)
        if register.state == "whole":
            self._contacts.whole.add(list_id)

    async def _status(self, list_id: str, status: Status, register: Register) -> tuple[int, Walk]:
        """Read one status of a list to its end; return how many rows it has, and the pages."""
        walk, rows = Walk(), 0
        while True:
            page = await self._asked(list_id, status, walk.page)
            self._contacts.take(list_id, page.contacts, left=status != "active")
            kept = [Row(one.id, None, one.standing) for one in page.contacts]
            # A server that gives the last page again would seem to have given more.
            rows += 0 if kept and walk.has_seen(kept) else page.length
            if status != "active":
                register.take(kept)
            # What can't be read as a contact is a row all the same: without it the page would be a short one, and so the last.
            if not walk.goes_on([*kept, *[_UNREADABLE] * (page.length - len(kept))]):
                break
        if walk.stuck and status == "active":
            raise Refused("the same page again, whatever page is asked for", code="repeats")
        if walk.stuck:
            register.doubt("paging")
        return rows, walk

    async def _has_more(self, list_id: str, walk: Walk) -> bool:
        """Say whether there are active contacts behind the page that was taken for the last."""
        with suppress(Refused):  # There is no such page.
            page = await self._asked(list_id, "active", walk.page)
            return not walk.has_seen([Row(one.id, None, one.standing) for one in page.contacts])
        return False

    async def _asked(self, list_id: str, status: Status, page: int) -> ContactPage:
        """Return a page; of the very first it is said that it can't be had."""
        try:
            return await self._turns.ask(partial(self._page, list_id, status, page))
        except Refused as error:
            if page == 1 and status == "active":
                raise CantBeListed(f"list {list_id}: {error}", code=error.code, said=error.said) from None
            raise

    async def _page(self, list_id: str, status: Status, page: int, _: Permit) -> ContactPage:
        return await self._rows.contacts(list_id, status, page=page)
