"""All users, contracts and entitlements of one vendor, read page by page, and reduced as they come."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from typing import Any, Final, Literal, Protocol

import anyio
from anyio import to_thread
from msgspec import Struct, field

from ...core.answers.snapshot import Contract, Entitlement, Profile
from ...core.drift.bulk import Bulk
from ...core.drift.prints import NONE
from ...core.drift.readers import Readers
from ...core.drift.reduced import Access, Deal, Known, access, deal, known
from ...core.drift.sound import check_readers, check_usable
from ...core.drift.walk import Walk
from ...core.errors import Refused
from ...core.model import UserKey
from ..sesamy import Page, Sesamy
from .turns import CantBeListed, Permit, Turns

Rest = Literal["contracts", "entitlements"]
Listed = Literal["users", "contracts", "entitlements", "each contracts", "each entitlements"]
"""A list, or what was asked for reader by reader in its place."""
_RESTS: Final[tuple[Rest, ...]] = ("contracts", "entitlements")
_EACH: Final[Mapping[Rest, Listed]] = {"contracts": "each contracts", "entitlements": "each entitlements"}
_GUESSED: Final[Mapping[Listed, int]] = {"users": 1, "contracts": 1, "entitlements": 2}
"""Rows a reader, until a list says how many it has: assumed."""
_PAGE_ROWS: Final = 100
_SHARED_ROWS: Final = 5
"""A page begins with the last rows of the one before."""
MAX_PAGES: Final = 100_000
Rows = Sequence[Known] | Sequence[Deal] | Sequence[Access]


class Mark(Struct, kw_only=True):
    """How far a list is read."""

    end: int = 0
    """The offset behind its last page; of what is asked for reader by reader: how many readers are done."""
    tail: tuple[str, ...] = ()
    longest: int = 0
    """How many rows its longest page has."""
    is_whole: bool = False
    total: int | None = None
    """How many rows there are, where Sesamy says so."""
    unusable: int = 0
    """Rows that have no id, or can't be read."""
    nameless: int = 0
    """Rows that name no user."""
    code: str = ""
    """Why the list can't be had; empty: it can."""


class Progress(Struct, kw_only=True):
    """How far a vendor is read."""

    marks: dict[Listed, Mark] = field(default_factory=dict)

    def mark(self, listed: Listed) -> Mark:
        """Return how far a list is read, to be changed."""
        return self.marks.setdefault(listed, Mark())

    @property
    def not_told(self) -> dict[Rest, str]:
        """Return what the lists don't tell of each reader, and why: a code, or `nameless`, rows without a user."""
        found: dict[Rest, str] = {}
        for rest in _RESTS:
            mark = self.mark(rest)
            if why := mark.code or ("nameless" if mark.nameless else ""):
                found[rest] = why
        return found

    @property
    def tells_tags(self) -> bool:
        """Say whether all is known that makes tags: whose each contract and each entitlement is."""
        return all(self.mark(_EACH[rest]).is_whole for rest in self.not_told)


class Keep(Protocol):
    """What keeps a page that was read."""

    def __call__(self, listed: Listed, rows: Rows, mark: Mark) -> None:
        """Keep it, before the next is asked for."""


class SesamyLists:
    """
    One vendor's lists.

    It promises: the readers are whole, as far as Sesamy tells, or an error is raised; where a list can't be had, or does not say whose
    its rows are, that is noted, and asked for reader by reader where that is wanted.
    """

    def __init__(
        self, vendor: str, sesamy: Sesamy, turns: Turns, *, readers: Readers, progress: Progress, keep: Keep, bulk: Bulk | None = None
    ) -> None:
        """
        Take the vendor.

        Args:
            readers: what is known already, as `progress` says.
            keep: is given each page.
            bulk: keeps each reader whole; None: nothing does.
        """
        self._vendor, self._sesamy, self._turns, self._readers = vendor, sesamy, turns, readers
        self.progress, self._keep, self._bulk = progress, keep, bulk
        self.calls = 0
        """Pages, and readers asked for singly, so far."""

    def take(self, listed: Listed, rows: Rows, mark: Mark) -> None:
        """Take a page that was read before."""
        self.progress.marks[listed] = mark
        _TAKES[listed.rpartition(" ")[2]](self._readers, rows)

    async def read(self, *, deep: bool) -> None:
        """
        Read what is not read yet, to the end.

        Args:
            deep: whether what the lists don't tell is asked for reader by reader.

        Raises:
            CantBeListed: the users can't be listed.
            Refused: what was read is not to be believed: `empty`, `half`, `repeats`, `moves`.
            Denied, Forbidden, Retryable: as `Turns.ask`.
        """
        await self._walk("users", self._sesamy.users_page, self._take_users)
        check_readers(self._readers, said=self.progress.mark("users").total)
        for listed, ask, reduce in (
            ("contracts", self._sesamy.contracts_page, self._contracts),
            ("entitlements", self._sesamy.entitlements_page, self._entitlements),
        ):
            with suppress(CantBeListed):
                await self._walk(listed, ask, reduce)  # type: ignore[arg-type]
        check_readers(self._readers, said=self.progress.mark("users").total)
        for rest in self.progress.not_told if deep else ():
            await self._each(rest)
        # In a thread: of 100,000 readers it takes seconds.
        await to_thread.run_sync(partial(self._readers.settle, has_tags=self.progress.tells_tags))

    async def _walk(self, listed: Listed, ask: Callable[[int, Permit], Awaitable[Page]], reduce: Callable[[Page, Mark], Rows]) -> None:
        mark = self.progress.mark(listed)
        if mark.code:
            raise CantBeListed(f"{listed}: refused when they were read before", code=mark.code)
        walk = Walk(end=mark.end, tail=mark.tail, longest=mark.longest)
        for _ in range(0 if mark.is_whole else MAX_PAGES):
            asked_at = anyio.current_time()
            try:
                page = await self._turns.ask(partial(ask, walk.offset))
            except Refused as error:
                if walk.end:
                    raise
                mark.code, mark.is_whole = error.code, True
                self._keep(listed, (), mark)
                raise CantBeListed(f"{listed}: {error}", code=error.code, said=error.said) from None
            goes_on = walk.take([row_id(row) for row in page.rows], length=page.length, said=page.said)
            mark.end, mark.tail, mark.longest = walk.end, walk.tail, walk.longest
            mark.total, mark.is_whole = walk.total, not goes_on
            mark.unusable += page.length - len(page.rows)
            self._take_whole(page.rows, asked_at)
            rows = reduce(page, mark)
            _TAKES[listed](self._readers, rows)
            self._note(listed, rows, mark)
            if not goes_on:
                break
        check_usable(mark.unusable, of=mark.end)
        if not mark.is_whole:
            raise Refused(f"{listed}: more than {MAX_PAGES} pages", code="too-many-pages")

    @property
    def readers(self) -> int:
        """Return how many readers there are, as far as is known."""
        users = self.progress.marks.get("users", Mark())
        return users.total or users.end

    def left(self, *, deep: bool) -> int:
        """Return how many calls are left, as far as is known; until its list says more, a reader has a contract and two entitlements."""
        marks, left, readers = self.progress.marks, 0, self.readers
        for listed, each in _GUESSED.items():
            mark = marks.get(listed, Mark())
            if not mark.is_whole and not mark.code:
                rows = max(0, (mark.total or readers * each) - mark.end)
                left += ceil(rows / max(1, (mark.longest or _PAGE_ROWS) - _SHARED_ROWS))
        for rest in self.progress.not_told if deep else ():
            mark = marks.get(_EACH[rest], Mark())
            left += 0 if mark.is_whole else max(0, readers - mark.end)
        return left

    def _note(self, listed: Listed, rows: Rows, mark: Mark) -> None:
        self._keep(listed, rows, mark)
        self.calls += 1

    async def _each(self, rest: Rest) -> None:
        """Ask for contracts or entitlements reader by reader."""
        mark, readers = self.progress.mark(_EACH[rest]), self._readers
        for number in range(mark.end, len(readers)):
            mark.end = number + 1
            if readers.skip(number):
                continue
            user = UserKey(self._vendor, readers.ids[number])
            found = await self._turns.ask(partial(self._sesamy.rows_of, rest, user))
            rows: Rows = [
                deal(user.user, one, readers.address(number), readers.prints)
                if isinstance(one, Contract)
                else access(user.user, one, readers.prints)
                for one in found
            ]  # type: ignore[assignment]
            _TAKES[rest](readers, rows)
            self._note(_EACH[rest], rows, mark)
        mark.is_whole = True
        self._keep(_EACH[rest], (), mark)

    def _take_whole(self, rows: Sequence[Profile | Contract | Entitlement], asked_at: float) -> None:
        if self._bulk is not None:
            self._bulk.take_users([(row_id(one), one) for one in rows if isinstance(one, Profile)], now=asked_at)
            self._bulk.take_rows([one for one in rows if not isinstance(one, Profile)])

    def _take_users(self, page: Page, _: Mark) -> Rows:
        return [known(row_id(one), one, self._readers.prints) for one in page.rows if isinstance(one, Profile)]

    def _contracts(self, page: Page, mark: Mark) -> Rows:
        rows = []
        for one in page.rows:
            if isinstance(one, Contract) and one.user_id:
                number = self._readers.find(one.user_id)
                email = NONE if number is None else self._readers.address(number)
                rows.append(deal(one.user_id, one, email, self._readers.prints))
        mark.nameless += len(page.rows) - len(rows)
        return rows

    def _entitlements(self, page: Page, mark: Mark) -> Rows:
        rows = [access(one.user_id, one, self._readers.prints) for one in page.rows if isinstance(one, Entitlement) and one.user_id]
        mark.nameless += len(page.rows) - len(rows)
        return rows


_TAKES: Final[Mapping[str, Callable[[Readers, Any], None]]] = {
    "users": Readers.take_users,
    "contracts": Readers.take_contracts,
    "entitlements": Readers.take_entitlements,
}


def row_id(row: Profile | Contract | Entitlement) -> str:
    """Return a row's own id."""
    if isinstance(row, Profile):
        return row.user_id or row.id or row.sub or ""
    return row.id
