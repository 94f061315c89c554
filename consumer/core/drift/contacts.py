"""The contacts of one account, compared with the readers of the vendors that write there, as they come."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, Literal

from msgspec import Struct

from ..mapping.consent import Standing
from ..mapping.contact import Contact, becomes, comparable, held_fields
from ..mapping.documents import Subscriber
from ..mapping.tags import is_ours, stale, with_lasting
from ..model import AccountId
from .readers import Readers

_SEEN, _FIELD, _TAGS, _LEFT, _LEFT_ONE, _ACTIVE = 1, 2, 4, 8, 16, 32
_THERE, _GONE = 1, 2
_LACKS: Final[Mapping[str, int]] = {name: 1 << place for place, name in enumerate((*Subscriber.__struct_fields__, "tags"))}
"""What a row does not have, a bit each."""
_ASKED: Final = 3
"""So many contacts are asked for one by one, to learn whether rows leave a field out."""
UNKNOWN_IDS_KEPT: Final = 10_000
"""Of more, the number alone is known."""
_GIVEN: Final = frozenset({"account", "readers", "lists"})
"""What of `Contacts` stays as it was given."""
_SAME: Final = "another reader has the same address"
FOREIGN: Final = "a contact of another vendor's reader may stand at its address"

UNSEEN: Final = "no register shows whether it opted out: a resync writes nothing"
Kind = Literal["missing", "unseen", "field", "tags", "list", "moved", "stranger", "doubled"]
KINDS: Final[tuple[Kind, ...]] = ("missing", "unseen", "field", "tags", "list", "moved", "doubled", "stranger")


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What differs of one reader, or contact, at one account."""

    kind: Kind
    vendor: str
    user: str
    """The reader's id; of a `stranger` its external id at Make.as, or, where that is an address, Make's id of the contact."""
    account: AccountId
    lists: tuple[str, ...] = ()
    """`list`: those it is not on; `missing`, on none of them: all of the account's."""
    contact: str = ""
    """`moved`: Make's id of the contact at an address that the reader has left; empty: nothing may be taken from it."""
    repairs: bool = True
    """Whether a resync mends it."""
    why: str = ""
    """Why it does not."""


class Contacts:
    """
    What is known of one account's contacts.

    It promises: nothing of a contact is kept but Make's id of one that its reader has left, and of a few that lack a field; a reader is
    judged by the same code as `diff`; what no row of the account has is compared only where contacts, asked for singly, don't have it
    either; a contact of another vendor that writes to the account is not told as unknown.
    Memory is two bytes a reader for the account, and one for each of its lists.
    """

    def __init__(
        self,
        account: AccountId,
        lists: Mapping[str, Collection[str]],
        readers: Mapping[str, Readers],
        *,
        keep_single_purchase: bool,
        gathers: bool = False,
        shared: bool = False,
    ) -> None:
        """
        Take the account.

        Args:
            lists: list -> the vendors that write it.
            readers: by vendor, settled; of one whose users can't be listed there are none.
            gathers: whether all external ids without a reader are kept.
            shared: whether a vendor writes there, too, of which there are no readers: an id that nobody has may be its reader's.
        """
        self.account, self.readers = account, readers
        self.lists: Mapping[str, tuple[str, ...]] = {one: tuple(vendors) for one, vendors in lists.items()}
        self._keeps, self._most, self._shared = keep_single_purchase, None if gathers else UNKNOWN_IDS_KEPT, shared
        self.rows = 0
        """Of all lists."""
        self._marks = {vendor: bytearray(len(of)) for vendor, of in readers.items()}
        # What a row lacks and should have: whether that is a difference shows once it is known whether any row has it.
        self._lacks = {vendor: bytearray(len(of)) for vendor, of in readers.items()}
        self._told = 0
        self._lacking: dict[str, list[str]] = {}
        # Whether a reader that left one list is active on another: else one that leaves a list may leave all, which a resync heeds.
        self._is_of_one_list = False
        self.left_elsewhere = 0
        """Readers that left one list and are not on another, where no reader shows that this can be; known once `findings` are given."""
        self._places = {(vendor, one): bytearray(len(readers[vendor])) for one, vendors in lists.items() for vendor in vendors}
        # With the reason why; the first one stays.
        self._doubled = {vendor: dict.fromkeys(of.doubled(), _SAME) for vendor, of in readers.items()}
        self._moved: dict[tuple[str, int], dict[str, None]] = {}
        # External id -> what is told in its place, where it is an address; empty: itself.
        self._unknown_ids: dict[str, str] = {}
        self.unknown_ids = 0
        """Contacts with an external id that no reader has; beyond the first 10,000 one counts on each of its lists."""
        self.no_account = 0
        """Rows of contacts without an external id, at an address that no reader has."""
        self.whole: set[str] = set()
        """Lists of which it is known which contacts left."""
        self.tells_new = True
        """Whether a reader without a contact is known to have none; else one that opted out may be there, hidden."""
        self.doubts: list[str] = []
        """What could not be told of whole lists, in words."""

    def kept(self) -> Callable[[], None]:
        """Keep all that is known; return what puts it back, once: for a list that is to be read anew."""
        known = deepcopy({name: value for name, value in vars(self).items() if name not in _GIVEN})
        return lambda: vars(self).update(known)

    def take(self, list_id: str, contacts: Sequence[Contact], *, left: bool) -> None:
        """
        Take a page of a list.

        Args:
            left: whether those were asked for that left it.
        """
        vendors = self.lists[list_id]
        self.rows += len(contacts)
        for contact in contacts:
            self._told |= _told(contact)
            found = self._of(vendors, contact)
            if found is None:
                continue
            of, number = found
            if contact.email:
                self._note_doubled(comparable("email", contact.email), _SAME, of=of, number=number)
            standing = contact.standing
            if of in vendors:
                is_gone = standing is Standing.LEFT or (left and standing is not Standing.ACTIVE)
                self._places[of, list_id][number] |= _GONE if is_gone else _THERE
            marks = self._marks[of]
            if standing is Standing.LEFT and not left:
                marks[number] |= _LEFT
            elif standing is (Standing.LEFT if left else Standing.ACTIVE):
                marks[number] |= _LEFT_ONE if left else _ACTIVE
            if not marks[number] & _SEEN:
                marks[number] |= _SEEN | self._compare(of, number, contact)

    def findings(self) -> Iterator[Finding]:
        """Give what differs, vendor by vendor, then the ids that Sesamy does not know."""
        both = _LEFT_ONE | _ACTIVE
        self._is_of_one_list = any(mark & both == both for marks in self._marks.values() for mark in marks)
        self.left_elsewhere = 0
        for vendor in self.readers:
            lists, of = self.lists_of(vendor), self.readers[vendor]
            for number in (one for one in range(len(of)) if not of.skip(one)):
                yield from self._of_reader(vendor, number, lists)
        for name, instead in self._unknown_ids.items() if self._most is not None else ():
            yield Finding(
                kind="stranger", vendor="", user=instead or name, account=self.account, repairs=False, why="Sesamy does not know this id"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Return the external ids that no reader has, as many as are kept."""
        return tuple(self._unknown_ids)

    @property
    def not_told(self) -> tuple[str, ...]:
        """Return the fields that no row has, so that they are not compared; none where there is no row."""
        return tuple(name for name, bit in _LACKS.items() if self.rows and not self._told & bit and name != "email")

    def lacking(self, name: str) -> tuple[str, ...]:
        """Return Make's ids of some contacts whose rows lack a field that they are to have."""
        return tuple(self._lacking.get(name, ()))

    def tells(self, name: str) -> None:
        """Note that rows do tell a field, though none has it: what lacks it differs."""
        self._told |= _LACKS[name]

    def lists_of(self, vendor: str) -> tuple[str, ...]:
        """Return the account's lists that a vendor writes."""
        return tuple(one for one, vendors in self.lists.items() if vendor in vendors)

    def _of_reader(self, vendor: str, number: int, lists: tuple[str, ...]) -> Iterator[Finding]:
        of = self.readers[vendor]

        def found(kind: Kind, **more: Any) -> Finding:  # noqa: ANN401 - its other fields
            return Finding(kind=kind, vendor=vendor, user=of.ids[number], account=self.account, **more)

        for contact in self._moved.get((vendor, number), ()):
            why = "its contact stands at an address that it has left"
            # Where another vendor writes, too, it may be its reader's by now.
            yield found("moved", contact="" if self._shared else contact, repairs=False, why=why)
        if number in self._doubled[vendor]:
            yield found("doubled", repairs=False, why=self._doubled[vendor][number])
            if not self._is_first_of_none(of, number):
                return
        marks = self._marks[vendor][number]
        if not marks & _SEEN:
            yield found("missing", lists=lists) if self.tells_new else found("unseen", lists=lists, repairs=False, why=UNSEEN)
            return
        lacks = self._lacks[vendor][number] & self._told
        if marks & _FIELD or lacks & ~_LACKS["tags"]:
            yield found("field")
        if marks & _TAGS or lacks & _LACKS["tags"]:
            yield found("tags")
        known, unknown = self._off(vendor, number, lists)
        if known:
            yield found("list", lists=known)
        if unknown:
            yield found("list", lists=unknown, repairs=False, why="who left the list can't be read")

    def _off(self, vendor: str, number: int, lists: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the lists that a reader is not on, though it has not left: those of which that is known, and the others."""
        has_left = self._marks[vendor][number] & _LEFT
        off = () if has_left else tuple(one for one in lists if not self._places[vendor, one][number])
        if off and self._marks[vendor][number] & _LEFT_ONE and not self._is_of_one_list:
            self.left_elsewhere += 1
            return (), ()
        return tuple(one for one in off if one in self.whole), tuple(one for one in off if one not in self.whole)

    def _is_first_of_none(self, of: Readers, number: int) -> bool:
        """Say whether no reader with this one's address has a contact, and it is the first of them: one is written, so that mail comes."""
        same = of.with_address_of(number)
        return number == same[0] and not any(self._marks[of.vendor][one] & _SEEN for one in same)

    def _of(self, writing: tuple[str, ...], contact: Contact) -> tuple[str, int] | None:
        """Return whose contact it is; None: no reader's, or none that is written."""
        name = "" if contact.external_id is None else str(contact.external_id)
        vendors = (*writing, *(one for one in self.readers if one not in writing))
        owners = [(of, number) for of in vendors if name and (number := self.readers[of].find(name)) is not None]
        address = comparable("email", contact.email) if contact.email else ""
        written = [(of, number) for of, number in owners if not self.readers[of].skip(number)]
        if owners and not written:
            return None
        # One id may be a reader's of two vendors: it is the one's that is at the address.
        here = next(((of, number) for of, number in written if not address or self.readers[of].is_at(number, address)), None)
        if here is not None:
            return here
        owner = next(iter(written), None)
        if self._shared and name and owner is None and address:
            self._note_doubled(address, FOREIGN)
        else:
            for vendor in vendors if address else ():
                at = self.readers[vendor].at(address)
                if at is not None:
                    return vendor, at  # The address is a reader's, whatever id stands there.
        if owner is not None:
            # One without a tag of ours was retired, or never was ours.
            if contact.tags is None or any(map(is_ours, contact.titles)):
                self._moved.setdefault(owner, {})[str(contact.id)] = None
        else:
            self._note_unknown_id(name, contact)
        return None

    def _note_doubled(self, address: str, why: str, *, of: str = "", number: int = 0) -> None:
        """Note that readers of two vendors have an address, `of` one of them that is known: each would take the contact from the other."""
        for other in (one for one in self.readers if one != of):
            at = self.readers[other].at(address)
            if at is not None:
                if of:
                    self._doubled[of].setdefault(number, why)
                self._doubled[other].setdefault(at, why)
                self._marks[other][at] |= _SEEN  # A contact is there; whose it is to be, nothing tells.

    def _note_unknown_id(self, name: str, contact: Contact) -> None:
        if not name:
            self.no_account += 1
        elif name not in self._unknown_ids:
            self.unknown_ids += 1
            if self._most is None or len(self._unknown_ids) < self._most:
                self._unknown_ids[name] = f"contact {contact.id}" if "@" in name else ""

    def _compare(self, vendor: str, number: int, contact: Contact) -> int:
        of = self.readers[vendor]
        held = {name: of.prints.of(comparable(name, value)) for name, value in held_fields(contact).items()}
        actions = {name: becomes(held.get(name), value) for name, value in of.values(number).items()}
        lacks, marks = sum(_LACKS[name] for name, action in actions.items() if action == "add"), 0
        if "change" in actions.values():
            marks |= _FIELD
        if of.has_tags:
            found, tags = contact.titles, of.wanted(number, lasting=with_lasting((), contact.titles) if self._keeps else ())
            if stale(found, tags) or (contact.tags is not None and tags.lacking(found)):
                marks |= _TAGS
            elif tags.lacking(found):
                lacks |= _LACKS["tags"]
        self._lacks[vendor][number] = lacks
        for name, bit in _LACKS.items():
            if lacks & bit and len(some := self._lacking.setdefault(name, [])) < _ASKED:
                some.append(str(contact.id))
        return marks


def has(contact: Contact, name: str) -> bool:
    """Say whether a contact has a value in a field, or, of tags, tells them at all."""
    return bool(_told(contact) & _LACKS[name])


def _told(contact: Contact) -> int:
    """Return what a row has, a bit each."""
    tags = _LACKS["tags"] if contact.tags is not None else 0
    return sum(_LACKS[name] for name in held_fields(contact)) | tags
