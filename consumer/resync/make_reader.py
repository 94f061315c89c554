"""Make.as' API in our nouns: what is asked for, and nothing that writes."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

import anyio
from msgspec import Struct

from ..core.answers.address import same_address
from ..core.answers.makeas import Reading, read
from ..core.errors import ConsumerError, Held, Refused, Retryable
from ..core.mapping.consent import NAMELESS, Choice, Consent, ContactId, Found
from ..core.mapping.contact import Contact
from ..core.mapping.documents import Documents
from ..core.mapping.tags import with_lasting
from ..core.model import PAUSED
from .http.answers import Answer, decoded, shaped
from .http.exchange import Http, basic, segment
from .ways.words import Ways

LEFT_UNKNOWN: Final = "left-unknown"
"""The code of a contact that is not written, for it may have left unseen."""
_NOT_FOUND: Final = 404

Permit = Callable[[], Awaitable[None]]
Limit = Callable[[], float]


class Lately(Protocol):
    """Lets the registers learn which contacts left lately."""

    async def __call__(self, *, permit: Permit) -> bool:
        """Return whether they could."""


Unknown = Callable[[str, str], None]
"""Is told the operation and the answer's shape, without any value."""


class MakeReader:
    """What an account is asked for, and what its lists' registers say: nothing here writes, or can."""

    def __init__(
        self,
        http: Http,
        *,
        user_id: str,
        api_key: Callable[[], str],
        lists: Sequence[str],
        paused: Collection[str] = (),
        consent: Consent | None = None,
        keep_single_purchase: bool = True,
        unknown: Unknown | None = None,
        ways: Ways | None = None,
        lately: Lately | None = None,
    ) -> None:
        """
        Take the API; the key is read at each call.

        Args:
            paused: those of the lists that are never written to.
            consent: the registers of those that left the lists; None: there are none.
            keep_single_purchase: whether `sesamy_made_single_purchase` stays where it is found.
            unknown: told each answer to a write that says nothing we know.
            ways: which way the API is; None: as assumed.
            lately: lets the registers learn which contacts left lately, and says whether they could; None: they can't.
        """
        self._consent = Consent.without(lists) if consent is None else consent
        self._http, self._user_id, self._api_key, self._lists = http, user_id, api_key, tuple(lists)
        self._open = tuple(one for one in self._lists if one not in paused)
        self._keep_single_purchase, self.ways, self._lately = keep_single_purchase, ways or Ways(), lately
        self._unknown = unknown or (lambda _op, _shape: None)

    async def contact(self, email: str, *, permit: Permit) -> Contact | None:
        """
        Return the contact of an address; None: there is none.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`.
            Held: from `permit`.
        """
        await permit()
        answer = await self._exchange("contact", "POST", "/subscribers/by_email", json={"email": email}, also=(_NOT_FOUND,))
        if answer.status == _NOT_FOUND:
            return None
        return _contact(answer, email)

    async def by_id(self, contact: ContactId, *, email: str | None = None, permit: Permit) -> Contact:
        """
        Return a contact by Make's id of it: one that its address does not show, say.

        Args:
            email: the address that it must have; None: any.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `http-404`: there is none.
            Held: from `permit`.
        """
        await permit()
        return _contact(await self._exchange("by_id", "GET", f"/subscribers/{segment(str(contact))}"), email)

    def wanted_tags(self, contact: Contact | None, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that a contact is to have of us: the wanted ones, and what is on it for good."""
        return with_lasting(wanted, contact.titles if contact is not None and self._keep_single_purchase else ())

    def left(self, email: str) -> frozenset[str]:
        """Return the lists whose registers know that this address left; without a register: none."""
        return frozenset(one for one in self._lists if self._consent.registers[one].find(email) is not None)

    @property
    def hides_left(self) -> bool:
        """Say whether an address does not show a contact that left mail."""
        return self._consent.hides_left

    @property
    def can_tell_new(self) -> bool:
        """Say whether a contact that neither its address nor a register shows can be known to be new; by what is known now."""
        return not self.hides_left or (self._consent.tells_new and all(one.since is not None for one in self._consent.registers.values()))

    async def as_written(self, email: str, *, permit: Permit) -> tuple[Contact | None, bool]:
        """
        Return the contact of an address as a write finds it, and whether there may be one that left unseen, so that none is written.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `contact` and `by_id`; `left-no-id`: it left, and can't be read.
            Held: from `permit`.
        """
        contact, choice = await self._look(email, permit=permit)
        return contact, choice.is_unsure

    def dated(self, documents: Documents) -> Documents:
        """Return documents with dates as they are written."""
        return self.ways.dated(documents)

    async def list_title(self, list_id: str) -> str:
        """
        Return the title of a list: the key is good and the list is there.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `http-404`, or `rows` in a success: no such list.
        """
        answer = await self._exchange("list", "GET", f"/subscriberlists/{segment(list_id)}")
        self._believe(answer, "list")
        return shaped(decoded(answer, "list"), _List, "list").title or ""

    def _given(self, lists: Collection[str] | None) -> tuple[str, ...]:
        """
        Return those of the account's lists that a user may be put on; `lists`: the caller's choice, None: all.

        Raises:
            Held: `paused`, where all lists are; `register`, where it is not known yet which contacts left a list.
        """
        if not self._open:
            raise Held("all lists of the account are paused", code=PAUSED)
        self._consent.require(now=anyio.current_time())
        return tuple(one for one in self._open if lists is None or one in lists)

    async def _look(self, email: str, *, permit: Permit) -> tuple[Contact | None, Choice]:
        """Read the contact of an address, and choose how it is to be written."""
        contact = await self.contact(email, permit=permit)
        found = Found(contact.id, contact.standing) if contact else None
        choice = self._consent.choose(self._lists, email, found)
        if found is None and self._consent.hides_left and not choice.is_hidden and not choice.is_unsure:
            # It may have left since the registers were read, and its address would not say so.
            is_known = self._lately is not None and await self._lately(permit=permit)
            choice = self._consent.choose(self._lists, email, None) if is_known else Choice(is_unsure=True)
        if choice.is_hidden and choice.contact == NAMELESS:
            raise Refused("the contact left, and nothing tells its id", code="left-no-id")
        if choice.is_hidden and choice.contact is not None:
            contact = await self.by_id(choice.contact, email=email, permit=permit)
        return contact, choice

    def _believe(self, answer: Answer, op: str) -> None:
        """Refuse a success that is none; count one that says nothing we know."""
        reading = read(decoded(answer, op)) if answer.body.strip() else Reading("done")
        if reading.says == "refused":
            raise Refused(f"{op}: rows were refused", code="rows", said=answer.said)
        if reading.says == "unknown":
            self._unknown(op, reading.shape)

    async def _exchange(
        self,
        op: str,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        json: object = None,
        also: tuple[int, ...] = (),
        limit_s: Limit | None = None,
    ) -> Answer:
        headers = basic(self._user_id, self._api_key())
        return await self._http.exchange(op, method, path, query=query, headers=headers, json=json, also=also, limit_s=limit_s)


def unsure(lists: Iterable[str]) -> dict[str, ConsumerError]:
    """Return why a contact that may have left is put on none of these lists."""
    text = "Make.as hides contacts that opted out, and no register shows which they are"
    return {one: Refused(text, code=LEFT_UNKNOWN) for one in lists}


class _List(Struct, frozen=True):
    title: str | None = None


def _contact(answer: Answer, email: str | None) -> Contact:
    tree = decoded(answer, "contact")
    if isinstance(tree, dict) and "id" not in tree:
        tree = tree.get("data", tree.get("subscriber"))
    contact = shaped(tree, Contact, "contact")
    if email is not None and contact.email is not None and not same_address(contact.email, email):
        raise Retryable("contact: the answer is another contact", code="foreign-contact")
    return contact
