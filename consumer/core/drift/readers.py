"""All readers of one vendor, as Sesamy lists them, in few bytes each."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from struct import Struct as Packing
from typing import Final

import msgspec
from msgspec import structs

from ..answers.snapshot import Contract, Entitlement, Origin, Profile, Snapshot
from ..mapping.tags import Wanted, standard_tags
from ..model import UserKey
from .prints import NONE, Prints
from .reduced import FIELDS, Access, Deal, Known

_ROW: Final = Packing("<QQI")
"""Of a contract or entitlement: its id, its contract's id, its fact."""
_TAG: Final = Packing("<QQ")


class Readers:
    """
    The readers of a vendor.

    It promises: no name, no address and no contract of any reader is kept but as a print; a row that comes twice counts once, as it came
    last; memory is about 300 bytes a reader with its rows.
    """

    def __init__(self, vendor: str, prints: Prints) -> None:
        """Begin with none."""
        self.vendor, self.prints = vendor, prints
        self.ids: list[str] = []
        self._index: dict[str, int] = {}
        self._values = array("Q")
        self._skips: dict[int, str] = {}
        # Of each reader: packed rows, and what its profile asks for; gone once they are settled.
        self._rows: list[bytes] = []
        self._asked: list[bytes] = []
        # The same fact, or set of tags, of many readers is kept once.
        self._facts: dict[bytes, int] = {}
        self._kinds: list[Contract | Entitlement] = []
        self._sets: dict[bytes, int] = {}
        self._set_list: list[bytes] = []
        self._tags = array("I")
        self._addresses = array("Q")
        self._by_address = array("I")
        self.of_nobody = 0
        """Rows that name a user that the list of users does not have."""
        self.rows = 0
        """Contracts and entitlements that name their user."""
        self.has_tags = False
        """Whether it is known which tags each is to have."""

    def __len__(self) -> int:
        return len(self.ids)

    # ---- As the lists are read ----

    def take_users(self, rows: Iterable[Known]) -> None:
        """Take readers."""
        for one in rows:
            number = self._index.get(one.id)
            if number is None:
                number = self._index[one.id] = len(self.ids)
                self.ids.append(one.id)
                self._rows.append(b"")
                self._asked.append(b"")
                self._values.extend([NONE] * len(FIELDS))
            self._skips.pop(number, None)
            if one.skip:
                self._skips[number] = one.skip
            start = number * len(FIELDS)
            self._values[start : start + len(FIELDS)] = array("Q", one.values or [NONE] * len(FIELDS))
            self._asked[number] = self._one(b"".join(_TAG.pack(*pair) for pair in one.tags))

    def take_contracts(self, rows: Iterable[Deal]) -> None:
        """Take contracts of readers that were taken."""
        for one in rows:
            self._add(one.user, one.id, NONE, one.fact)

    def take_entitlements(self, rows: Iterable[Access]) -> None:
        """Take entitlements of readers that were taken."""
        for one in rows:
            self._add(one.user, one.id, one.contract, one.fact)

    def _add(self, user: str, id_: int, contract: int, fact: Contract | Entitlement) -> None:
        number = self._index.get(user)
        if number is None:
            self.of_nobody += 1
            return
        self.rows += 1
        encoded = type(fact).__name__.encode() + msgspec.json.encode(fact)
        place = self._facts.setdefault(encoded, len(self._kinds))
        if place == len(self._kinds):
            self._kinds.append(fact)
        self._rows[number] += _ROW.pack(id_, contract, place)

    def settle(self, *, has_tags: bool) -> None:
        """End the reading: make the tags of each reader, where all that makes them is known, and let the rows go."""
        self.has_tags = has_tags
        for number, rows in enumerate(self._rows):
            self._tags.append(self._place(self._made(rows, self._asked[number]) if has_tags else b""))
        self._rows, self._asked, self._kinds = [], [], []
        self._facts.clear()
        order = sorted((number for number in range(len(self.ids)) if number not in self._skips), key=self.address)
        self._by_address = array("I", order)
        self._addresses = array("Q", map(self.address, order))

    def _made(self, rows: bytes, asked: bytes) -> bytes:
        contracts, entitlements = dict[int, Contract](), dict[int, Entitlement]()
        for id_, contract, place in _ROW.iter_unpack(rows):
            fact = self._kinds[place]
            if isinstance(fact, Contract):
                contracts[id_] = structs.replace(fact, id=f"{id_}")
            else:
                from_ = fact.origin and Origin(type=fact.origin.type, contract_id=f"{contract}" if contract else None)
                entitlements[id_] = structs.replace(fact, id=f"{id_}", origin=from_)
        snapshot = Snapshot(
            user=UserKey(self.vendor, "-"),
            profile=Profile(),
            contracts=tuple(contracts.values()),
            entitlements=tuple(entitlements.values()),
        )
        pairs = {(self.prints.of(tag), self.prints.of(tag.casefold())) for tag in standard_tags(snapshot)}
        pairs.update(_TAG.iter_unpack(asked))
        return b"".join(_TAG.pack(*pair) for pair in sorted(pairs))

    def _one(self, tags: bytes) -> bytes:
        """Return the one object that stands for these tags."""
        return self._set_list[self._place(tags)]

    def _place(self, tags: bytes) -> int:
        place = self._sets.setdefault(tags, len(self._set_list))
        if place == len(self._set_list):
            self._set_list.append(tags)
        return place

    # ---- Once they are settled ----

    def find(self, user: str) -> int | None:
        """Return the number of a reader; None: Sesamy's list does not have it."""
        return self._index.get(user)

    def at(self, address: str) -> int | None:
        """Return the number of the reader with this address, in the form in which it is compared; None: none has it."""
        wanted = self.prints.of(address)
        place = bisect_left(self._addresses, wanted)
        return self._by_address[place] if place < len(self._addresses) and self._addresses[place] == wanted else None

    def with_address_of(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the readers with a reader's address, itself among them, in the order of the list of users."""
        address = self.address(number)
        begin, end = bisect_left(self._addresses, address), bisect_right(self._addresses, address)
        return tuple(sorted(self._by_address[begin:end]))

    def is_at(self, number: int, address: str) -> bool:
        """Say whether this is a reader's address."""
        return self.prints.of(address) == self.address(number)

    def address(self, number: int) -> int:
        """Return the print of a reader's address."""
        return self._values[number * len(FIELDS)]

    @property
    def written(self) -> int:
        """Return how many readers are written."""
        return len(self.ids) - len(self._skips)

    def skip(self, number: int) -> str:
        """Return why nothing is written of a reader; empty: it is written."""
        return self._skips.get(number, "")

    def values(self, number: int) -> dict[str, int | None]:
        """Return the prints of a reader's fields, as a contact is to have them."""
        start = number * len(FIELDS)
        given = {name: self._values[start + place] or None for place, name in enumerate(FIELDS)}
        return {**given, "external_id": self.prints.of(self.ids[number])}

    def wanted(self, number: int, *, lasting: Iterable[str] = ()) -> Wanted[int]:
        """Return the tags that a reader is to have; `lasting`: those that it keeps, too."""
        pairs = [*_TAG.iter_unpack(self._set_list[self._tags[number]]), *((self.prints.of(one),) * 2 for one in lasting)]
        return Wanted((one for one, _ in pairs), (folded for _, folded in pairs), self.prints.of)

    def doubled(self) -> Iterator[int]:
        """Give the readers whose address another has, too."""
        addresses = self._addresses
        for place, number in enumerate(self._by_address):
            before = place > 0 and addresses[place - 1] == addresses[place]
            after = place + 1 < len(addresses) and addresses[place + 1] == addresses[place]
            if before or after:
                yield number
