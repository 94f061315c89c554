"""Consent: which readers left a list, and what that means for a write."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from math import inf
from typing import Final, Literal

from msgspec import Struct

from ..answers.address import canonical
from ..errors import Held

ContactId = int | str
Unreadable = Literal["leave", "add"]
_ACTIVE: Final = "active"
_SIXTY_BITS: Final = 2**60 - 1
"""A larger number takes half as much memory again."""
_WORDS_OF_LEAVING: Final = frozenset({"unsubscribed", "bounce", "bounced"})
NAMELESS: Final = ""
"""Stands for the id of a contact that is known to have left, where no row says the id."""
_BLIND: Final = 20
"""So many known contacts without a status, and none with one, show that there is none to be read."""
STALE_S: Final = 900.0
"""What was read longer ago says nothing of contacts that have left since: it is read again before the next write."""


class Standing(Enum):
    """What a contact, or a row of a list, says of itself."""

    ACTIVE = "active"
    LEFT = "left"
    UNREADABLE = "unreadable"


def standing(status: object, *others: object) -> Standing:
    """
    Read a status: that mail is wanted is believed under its documented name only, that it is not under `others`, too.

    Args:
        status: what stands under `email_status`.
        others: what stands under names that might mean the same.
    """
    if any(isinstance(one, str) and one.strip().casefold() in _WORDS_OF_LEAVING for one in others):
        return Standing.LEFT
    if not isinstance(status, str) or not status.strip():
        return Standing.UNREADABLE
    return Standing.ACTIVE if status.strip().casefold() == _ACTIVE else Standing.LEFT


class Row(Struct, frozen=True, gc=False):
    """What one row of a list says."""

    id: ContactId | None
    email: str | None
    standing: Standing
    updated_at: float | None = None
    """The server's own time (s); None: it does not say."""


class Walk:
    """The pages of one question, one after the other; a page that is shorter than asked for may be the server's own cap."""

    def __init__(self) -> None:
        self.page = 1
        self._seen: set[ContactId | None] = set()
        self._first: tuple[ContactId | None, ...] = ()
        self._longest = 0
        self.stuck = False
        """The second page was the first once more: whatever else there is can't be reached."""

    def has_seen(self, rows: Sequence[Row]) -> bool:
        """Say whether each of these came already."""
        return self._seen.issuperset(row.id for row in rows)

    def goes_on(self, rows: Sequence[Row]) -> bool:
        """Take a page; return whether the next is to be asked for: not after an empty or shorter one, nor one without a new contact."""
        ids = tuple(row.id for row in rows)
        ends = not ids or self._seen.issuperset(ids) or len(ids) < self._longest
        self.stuck = self.stuck or (self.page == 2 and bool(ids) and ids == self._first)  # noqa: PLR2004 - the second
        self._first = self._first or ids
        self._seen.update(ids)
        self._longest = max(self._longest, len(ids))
        self.page += 1
        return not ends


class Register:
    """
    The contacts that left one list: a salted hash of each address, and Make's id of the contact; nothing else.

    It promises: only a row that says itself that it is not active enters; where a row of those that left does not say
    so, or has no id to tell pages apart by, the register is none: it is believed that a contact in it left, another may have left all
    the same. A reading of the whole takes the place of the one before at once, when it is complete.
    """

    def __init__(self, salt: bytes) -> None:
        """Take the process's own salt."""
        self._salt = salt
        self.state: Literal["unread", "whole", "none"] = "unread"
        self.code = ""
        """Why there is none."""
        self.read_at = -inf
        """The moment (the loop's, s) up to which everything is known."""
        self.since: float | None = None
        """The server's time (s) from which on changes are to be asked for; None: it never said, so the whole is read again and again."""
        # Both keys and ids are small numbers, where Make's are: 116 bytes an entry at 100,000.
        self._left: dict[int, ContactId] = {}
        self._coming: dict[int, ContactId] | None = None
        self._doubt = ""

    def __len__(self) -> int:
        return len(self._left)

    def find(self, email: str) -> ContactId | None:
        """Return Make's id of the contact with this address that left (`NAMELESS`: not known); None: it is not in here."""
        return self._left.get(self._key(email))

    # ---- The whole ----

    def begin(self) -> None:
        """Begin to read the whole anew; what is known stays till it is complete."""
        self._coming, self._doubt = {}, ""

    def take(self, rows: Iterable[Row]) -> None:
        """Take a page of those that left, of the whole."""
        assert self._coming is not None
        self._enter(rows, self._coming)

    def doubt(self, code: str) -> None:
        """Note that this reading can't be the whole."""
        self._doubt = self._doubt or code

    def complete(self, *, read_at: float) -> None:
        """Put what was read in the place of what was known; `read_at`: when the reading began."""
        assert self._coming is not None
        self._left, self._coming = self._coming, None
        self.state, self.code = ("none", self._doubt) if self._doubt else ("whole", "")
        self.read_at = read_at

    def refuse(self, code: str) -> None:
        """Note that the register can't be read; a contact that is known to have left stays so."""
        self.state, self.code = "none", code

    # ---- What changed since ----

    def left(self, rows: Iterable[Row]) -> None:
        """Take rows of those that left lately."""
        for into in (self._left, self._coming):
            if into is not None:
                self._enter(rows, into)
        if self._doubt and self.state == "whole":
            self.state, self.code = "none", self._doubt

    def returned(self, rows: Iterable[Row]) -> None:
        """Take rows of the list's members: one that states to be active is no longer in here."""
        for row in rows:
            if row.standing is Standing.ACTIVE and row.email:
                key = self._key(row.email)
                self._left.pop(key, None)
                if self._coming is not None:
                    self._coming.pop(key, None)

    def _enter(self, rows: Iterable[Row], into: dict[int, ContactId]) -> None:
        for row in rows:
            if row.standing is not Standing.LEFT or row.id is None:
                self.doubt("silent" if row.standing is not Standing.ACTIVE else "contradicts")
            if row.standing is Standing.LEFT and row.email and row.email.strip():  # One without an address is not written.
                key = self._key(row.email)
                into[key] = row.id if row.id is not None else into.get(key, NAMELESS)

    def _key(self, email: str) -> int:
        digest = blake2b(canonical(email).encode(), key=self._salt, digest_size=8).digest()
        return int.from_bytes(digest, "big") & _SIXTY_BITS


class Choice(Struct, frozen=True):
    """How a contact is to be written."""

    lists: tuple[str, ...] = ()
    """The lists whose ids may be sent; none: the contact is updated by `contact`."""
    contact: ContactId | None = None
    """Make's id of the contact; None: no contact is known by this address."""
    is_hidden: bool = False
    """No contact was found by the address, but a register knows `contact`: it must be read by its id first, and can't be by `NAMELESS`."""
    left: bool = False
    """Whether some list was left out because the contact had left."""
    is_unsure: bool = False
    """Whether there may be a contact that left, hidden from its address and from every register: nothing may be written."""


class Found(Struct, frozen=True):
    """A contact as the call by its address shows it."""

    id: ContactId
    standing: Standing


class Consent:
    """
    What is known of the contacts that left the lists of one account.

    It promises: the id of a list is chosen for no contact that its register holds, nor for a contact that says to have left, nor, unless
    the settings say `add`, for a known contact whose status can't be read where the list's register is none; nor, where
    contacts that left are hidden from their addresses, for one that no address shows, unless the registers can tell.
    """

    def __init__(self, lists: Collection[str], *, salt: bytes, unreadable: Unreadable = "leave", hides_left: bool = False) -> None:
        """Take the account's lists; all are unread. `hides_left`: whether contacts that left are hidden from their addresses."""
        self.registers: Mapping[str, Register] = {one: Register(salt) for one in lists}
        self._unreadable, self.hides_left = unreadable, hides_left
        self.stale_s = STALE_S
        self.asked = False
        """Whether something was written since this was last set back."""
        self._silent, self._spoke = 0, False

    @classmethod
    def without(cls, lists: Collection[str]) -> "Consent":
        """Return what is known where no register is read: nothing."""
        made = cls(lists, salt=b"")
        for one in made.registers.values():
            one.refuse("not-asked")
        return made

    def ready(self, *, now: float) -> bool:
        """Say whether the account may be written: of each list it is known which contacts left, or that this can't be known."""
        return all(one.state == "none" or (one.state == "whole" and now - one.read_at < self.stale_s) for one in self.registers.values())

    def require(self, *, now: float) -> None:
        """
        Let a write go on.

        Raises:
            Held: `register`, where it is not known yet which contacts left.
        """
        self.asked = True
        if not self.ready(now=now):
            raise Held("who left is not read yet", code="register")

    @property
    def without_status(self) -> int:
        """Return how many known contacts showed no status, where so many did and none ever showed one; else 0."""
        return self._silent if self._silent >= _BLIND and not self._spoke else 0

    @property
    def tells_new(self) -> bool:
        """Say whether a contact that its address does not show, and no register holds, is a new one."""
        # Where addresses hide those that left, registers must tell. One that was on one list only is in that list's register alone, so
        # all must be whole; and one must hold a contact, else they may hide the same ones.
        registers = self.registers.values()
        return not self.hides_left or (all(one.state == "whole" for one in registers) and any(len(one) for one in registers))

    def choose(self, lists: Sequence[str], email: str, found: Found | None) -> Choice:
        """Return how the contact of `email` is to be written to `lists`, given what its address shows (None: no contact)."""
        if found is not None:
            self._silent += found.standing is Standing.UNREADABLE
            self._spoke = self._spoke or found.standing is not Standing.UNREADABLE
        return choose(
            found,
            {one: (self.registers[one].state == "whole", self.registers[one].find(email)) for one in lists},
            elsewhere=[register.find(email) for one, register in self.registers.items() if one not in lists],
            unreadable=self._unreadable,
            tells_new=self.tells_new,
        )

    def still(self, lists: Sequence[str], email: str) -> tuple[str, ...]:
        """Return those of `lists` whose registers have not learnt meanwhile that the contact left."""
        return tuple(one for one in lists if self.registers[one].find(email) is None)


def choose(
    found: Found | None,
    lists: Mapping[str, tuple[bool, ContactId | None]],
    *,
    elsewhere: Sequence[ContactId | None] = (),
    unreadable: Unreadable,
    tells_new: bool = True,
) -> Choice:
    """
    Return how a contact is to be written.

    Args:
        found: what its address shows; None: no contact.
        lists: by list, whether its register is whole, and the contact's id where it is in it.
        elsewhere: its ids in the registers of the account's other lists, which another vendor writes: where its address shows
            none, they tell that it is there.
        tells_new: whether one that neither its address nor a register shows is new; else it may have left.
    """
    here = [contact for _, contact in lists.values() if contact is not None]
    if found is None:
        known = here + [contact for contact in elsewhere if contact is not None]
        registered = next((contact for contact in known if contact != NAMELESS), NAMELESS)
        if known:
            return Choice(contact=registered, is_hidden=True, left=True)
        return Choice(tuple(lists)) if tells_new else Choice(is_unsure=True)
    if found.standing is Standing.LEFT:
        return Choice(contact=found.id, left=True)
    is_sure = found.standing is Standing.ACTIVE or unreadable == "add"
    sent = tuple(one for one, (is_whole, contact) in lists.items() if contact is None and (is_sure or is_whole))
    return Choice(sent, found.id, left=bool(here))
