"""One customer's data at Make.as' stand-in, and what persons and other tools do with it."""

import itertools
from typing import Any, Literal

from msgspec import structs

from .makeas_reads import Reads, stamp
from .makeas_ways import Catalogue, Ways

Row = dict[str, Any]


class Account:
    """One customer's data: contacts by address (lower case), products and subscriptions by external id."""

    def __init__(self, user_id: str, key: str, lists: set[str]) -> None:
        self.user_id, self.key, self.lists = user_id, key, lists
        self.contacts: dict[str, Row] = {}
        self.products: dict[str, Row] = {}
        self.subscriptions: dict[str, Row] = {}
        self.violations: list[str] = []
        """What must never happen: a contact that left was put back on a list."""
        self.trials: set[str] = set()
        """Addresses (lower case) of contacts that are there to try the API with: of those that left, too."""
        self.by_hand: dict[str, set[str]] = {}
        """Contact's address -> tags of other tools, which must never be lost."""
        self.bought_once: set[str] = set()
        """Addresses of contacts that were put there with the tag of a single purchase, which is permanent."""
        self.refuses: dict[str, int] = {}
        """List id -> the status that any call answers which names the list."""
        self.bad_rows: set[str] = set()
        """External ids of subscriptions that are never taken; nor is anything that comes in the same call."""
        self.drops: set[str] = set()
        """Fields that are taken, and not kept."""
        self.always: Literal["replace", "merge"] | None = None
        """Do so whatever `tag` asks for; None: as it asks, and replace where it does not."""
        self.reads, self.ways, self.catalogue = Reads(), Ways(), Catalogue()
        self.left: dict[str, dict[str, str]] = {}
        """Contact's address -> list -> status there, where it is another than the contact's own."""
        self.in_flight = self.most_in_flight = 0
        self.written: dict[str, list[tuple[float, Row]]] = {}
        """Contact's address -> each accepted write of it, with its time."""
        self.rows_written: dict[str, list[tuple[float, Row]]] = {}
        """Subscription's external id -> each accepted write of it, with its time."""
        self._ids = itertools.count(1)
        self._by_id: dict[str, Row] = {}
        """Also those that are gone."""

    def contact(self, email: str, **fields: Any) -> Row:  # noqa: ANN401 - any of Make's fields
        """Put a contact there by hand, as another tool would."""
        row: Row = {"id": next(self._ids), "email": email, "tags": [], "lists": [], "email_status": "active"}
        row |= {"date_updated": stamp(), **fields}
        self.contacts[email.lower()] = self._by_id[str(row["id"])] = row
        self.by_hand[email.lower()] = {tag for tag in row["tags"] if not tag.startswith("sesamy_")}
        self.catalogue.add(row["tags"])
        if "sesamy_made_single_purchase" in row["tags"]:
            self.bought_once.add(email.lower())
        return row

    def by_id(self, contact_id: str) -> Row | None:
        """Return a contact; None: it is not there."""
        row = self._by_id.get(contact_id)
        return row if row is not None and self.contacts.get(row["email"].lower()) is row else None

    def remove(self, email: str) -> None:
        """Let a person delete a contact that is there, with all that Make knows of it."""
        for known in (self.contacts, self.by_hand, self.left):
            known.pop(email.lower(), None)
        self.bought_once.discard(email.lower())

    def move(self, email: str, there: str) -> None:
        """Let a person give a contact that is there another address, at which none is."""
        row = self.contacts.pop(email.lower())
        row |= {"email": there, "date_updated": stamp()}
        self.contacts[there.lower()] = row
        self.by_hand[there.lower()] = self.by_hand.pop(email.lower(), set())
        self.left[there.lower()] = self.left.pop(email.lower(), {})
        if email.lower() in self.bought_once:
            self.bought_once = self.bought_once - {email.lower()} | {there.lower()}

    def left_lists(self, email: str) -> set[str]:
        """Return the lists that a contact has left, though not mail altogether."""
        return {one for one, status in self.left.get(email.lower(), {}).items() if status != "active"}

    def leave(self, email: str, status: str = "unsubscribed", *, list_id: str | None = None) -> None:
        """Let a contact that is there leave a list, or (None) mail altogether; `active`: come back."""
        if list_id is None:
            self.contacts[email.lower()]["email_status"] = status
        else:
            self.left.setdefault(email.lower(), {})[list_id] = status
        self.contacts[email.lower()]["date_updated"] = stamp()

    def add_tag(self, email: str, tag: str) -> None:
        """Let another tool tag a contact that is there."""
        self.contacts[email.lower()]["tags"].append(tag)
        self.by_hand[email.lower()].add(tag)
        self.catalogue.add([tag])

    @property
    def told(self) -> Reads:
        """Return how the reading calls answer, given the ways."""
        return structs.replace(self.reads, row_tags="objects", contact_tags="objects") if self.ways.tags == "ids" else self.reads

    def put_back(self, email: str, lists: list[str]) -> None:
        """Let a contact that left get mail of these lists again, as a write does that nobody should have made."""
        if lists:
            self.contacts[email.lower()]["email_status"] = "active"
        for one in lists:
            self.left.get(email.lower(), {}).pop(one, None)
