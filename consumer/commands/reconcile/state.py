"""
The state of a reconcile in a file: what was read of Sesamy's lists, which readers were to be resynced, and which of them are done.

Lines of JSON, each written before the next call: a head, pages, the readers, one after the other. It holds ids, products and
prints, and no name or address; the key of the prints is the vendor's own secret, which is not in it.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import blake2b
from io import BufferedRandom
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...core.drift.prints import Prints
from ...core.drift.reduced import Access, Deal, Known
from ...core.errors import Exit, Fatal
from ...core.model import UserKey
from ...resync.listing.sesamy_lists import Listed, Mark, Rows
from .plan import Asked

_OLD_S: Final = 86_400.0
_PERSON: Final = b"reconcile"
_VERSION: Final = 1
_CHECK: Final = "check"


class Head(Struct, frozen=True, kw_only=True, tag="head"):
    """What the file is of; a further one says that the pages before it are of no use any more."""

    asked: Asked
    keys: dict[str, int]
    """Vendor -> a print under its key, to tell a secret that was changed since."""
    began_at: float
    """Wall time (s)."""
    version: int = _VERSION


class PageLine(Struct, frozen=True, kw_only=True, tag="page"):
    """A page that was read."""

    vendor: str
    listed: Listed
    rows: msgspec.Raw
    mark: Mark


class TodoLine(Struct, frozen=True, kw_only=True, tag="todo"):
    """The readers that are to be resynced."""

    users: tuple[UserKey, ...]


class DoneLine(Struct, frozen=True, kw_only=True, tag="done"):
    """A reader that was resynced, or is none any more."""

    user: UserKey


_Line = Head | PageLine | TodoLine | DoneLine
_ROWS: Final[Mapping[str, Any]] = {"users": list[Known], "contracts": list[Deal], "entitlements": list[Access]}


def prints_of(vendor: str, secret: str) -> Prints:
    """Return the prints of a vendor: their key is made of its secret."""
    return Prints(blake2b(f"{vendor}\0{secret}".encode(), person=_PERSON, digest_size=32).digest())


class State:
    """
    The file.

    It promises: a line that was written is there after a crash, and one that was cut off by it counts as not written; it is for
    our eyes only.
    """

    def __init__(self, path: Path | None, asked: Asked, prints: Mapping[str, Prints]) -> None:
        """
        Take where it is kept; None: nowhere. Where a file is there, it is gone on with.

        Raises:
            Fatal: it is of another reconcile, in use, of other vendors or another secret, or can't be read or written (64).
        """
        self._path = path
        self._file: BufferedRandom | None = None
        self._is_spoilt = self._is_old = False
        self.unfinished: dict[UserKey, None] = {}
        """
        The readers that were to be resynced before, and are not done: one that was cut off may have its contact, but not its
        subscriptions, which Make.as does not give back, so that nothing else would show it.
        """
        self.pages: list[PageLine] = []
        """The pages that were read before; the rows are to be taken with `rows_of`, once."""
        if path is None:
            return
        self._asked, self._keys = asked, {vendor: one.of(_CHECK) for vendor, one in prints.items()}
        try:
            self._file = file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            flock(file, LOCK_EX | LOCK_NB)
            good = self._read(file, self._head())
            file.seek(good)
            file.truncate()
        except BlockingIOError:
            self.close(remove=False)
            raise self._unfit("is in use by another reconcile", cure="wait for its end, or name another file") from None
        except OSError as error:
            self.close(remove=False)
            raise Fatal(f"--state {path}: {error.strerror}: name a file that can be written", code="file", status=Exit.USAGE) from None
        except Fatal:
            self.close(remove=False)
            raise
        if self._is_old:
            # What was read is too old to tell what differs; what was to be resynced and is not done still is.
            self.pages.clear()
        if not good or self._is_old:
            self._write(self._head())

    def _read(self, file: BufferedRandom, ours: Head) -> int:
        good, found = 0, None
        for line in file:
            try:
                one = msgspec.json.decode(line, type=_Line) if line.endswith(b"\n") else None
            except (msgspec.MsgspecError, ValueError):
                one = None
            if one is None:
                break
            if found is None:
                found = self._checked(one, ours)
            elif isinstance(one, Head):
                self.pages.clear()
                self._is_old = ours.began_at - one.began_at > _OLD_S
            elif isinstance(one, PageLine):
                self.pages.append(one)
            elif isinstance(one, TodoLine):
                self.unfinished |= dict.fromkeys(one.users)
            elif isinstance(one, DoneLine):
                self.unfinished.pop(one.user, None)
            good += len(line)
        if found is None and file.seek(0, os.SEEK_END):
            raise self._unfit("is not a file that reconcile wrote")
        return good

    def _checked(self, head: _Line, ours: Head) -> Head:
        if not isinstance(head, Head) or head.version != _VERSION:
            raise self._unfit("is not a file that this version of reconcile wrote")
        if head.asked != ours.asked:
            raise self._unfit("is of another selection")
        if head.keys.keys() != ours.keys.keys():
            raise self._unfit("is of other vendors: one was added, taken away or paused since")
        if head.keys != ours.keys:
            raise self._unfit("is of other secrets: Sesamy's client secret has changed since")
        self._is_old = ours.began_at - head.began_at > _OLD_S
        return head

    def _unfit(self, why: str, *, cure: str = "name another file, or delete it") -> Fatal:
        return Fatal(f"--state {self._path}: it {why}; {cure}", code="state", status=Exit.USAGE)

    def _head(self) -> Head:
        return Head(asked=self._asked, keys=self._keys, began_at=time.time())

    @property
    def is_kept(self) -> bool:
        """Say whether there is a file."""
        return self._path is not None

    def keep_page(self, vendor: str, listed: Listed, rows: Rows, mark: Mark) -> None:
        """Write a page down."""
        self._write(PageLine(vendor=vendor, listed=listed, rows=msgspec.Raw(msgspec.json.encode(rows)), mark=mark))

    def keep_todo(self, users: Iterable[UserKey]) -> None:
        """Write down which readers are to be resynced."""
        line = TodoLine(users=tuple(users))
        self.unfinished |= dict.fromkeys(line.users)
        self._write(line)

    def keep_done(self, user: UserKey) -> None:
        """Write down that a reader needs nothing any more."""
        self.unfinished.pop(user, None)
        self._write(DoneLine(user=user))

    def spoil(self) -> None:
        """Note that what was read is not to be believed: the file goes when it is closed, for with it the next run would end likewise."""
        self._is_spoilt = True

    def drop_pages(self) -> None:
        """Let go what was read before: it is read anew."""
        self.pages = []

    def take_pages(self) -> Iterator[tuple[PageLine, Rows]]:
        """Give the pages that were read before, with their rows, and let them go."""
        pages, self.pages = self.pages, []
        for page in pages:
            yield page, msgspec.json.decode(page.rows, type=_ROWS[page.listed.rpartition(" ")[2]])

    def _write(self, line: _Line) -> None:
        if self._file is None:
            return
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Fatal(
                f"--state {self._path}: {error.strerror}: name a file that can be written", code="file", status=Exit.USAGE
            ) from None

    def close(self, *, remove: bool) -> None:
        """Close it; `remove`: no page of it is of use any more, and it goes unless readers are left that are to be resynced."""
        if self._file is None or self._path is None:
            return
        goes = remove or self._is_spoilt
        if goes and self.unfinished:
            self._write(self._head())
        elif goes:
            self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None
