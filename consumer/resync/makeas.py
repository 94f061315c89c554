"""Make.as' API in our nouns."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

import anyio
import msgspec
from msgspec import Struct

from ..core.answers.address import same_address
from ..core.answers.makeas import Reading, read
from ..core.errors import ConsumerError, Forbidden, Held, Refused, Retryable
from ..core.mapping.consent import NAMELESS, Choice, Consent, ContactId, Found
from ..core.mapping.contact import Contact, fields, tag_change
from ..core.mapping.documents import Documents
from ..core.mapping.tags import with_lasting
from ..core.model import PAUSED
from .http.answers import Answer, decoded, shaped
from .http.exchange import Http, segment
from .waits import together

REFUSES: Final = frozenset({400, 404, 409, 413, 422})
MAX_ROWS: Final = 1000
"""A bulk call takes no more."""
_NOT_FOUND: Final = 404
_PRODUCTS_PATH: Final = "/subscribers/subscriptions/products/bulkinsert"
_SUBSCRIPTIONS_PATH: Final = "/subscribers/subscriptions/bulkinsert"
"""Assumption: the call by address, whose rows name the subscriber by the next key."""
_SUBSCRIBER_KEY: Final = "email"
_LIST_KEY: Final = "subscriber_list_id[]"

Permit = Callable[[], Awaitable[None]]
Limit = Callable[[], float]
Unknown = Callable[[str, str], None]
"""Is told the operation and the answer's shape, without any value."""


class WriteOutcome(Struct, frozen=True):
    """What a write came to."""

    consent_kept: bool
    """It kept a contact out of the lists that it has left."""
    refused: Mapping[str, str] = {}
    """List id -> code of each list that refused a contact which another list took, or was left out of."""
    taken: tuple[str, ...] = ()
    """The lists that took it."""
    left_out: tuple[str, ...] = ()
    """The lists that it belongs on, and the caller left out."""
    errors: Mapping[str, ConsumerError] = {}
    """Of each list in `refused`."""


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
    ) -> None:
        """
        Take the API; the key is read at each call.

        Args:
            paused: those of the lists that are never written to.
            consent: the registers of those that left the lists; None: there are none.
            keep_single_purchase: whether `sesamy_made_single_purchase` stays where it is found.
            unknown: told each answer to a write that says nothing we know.
        """
        self._consent = Consent.without(lists) if consent is None else consent
        self._http, self._user_id, self._api_key, self._lists = http, user_id, api_key, tuple(lists)
        self._open = tuple(one for one in self._lists if one not in paused)
        self._keep_single_purchase = keep_single_purchase
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

    async def _hidden(self, contact: ContactId, email: str, *, permit: Permit) -> Contact:
        """Read a contact that its address does not show, for its tags."""
        await permit()
        return _contact(await self._exchange("by_id", "GET", f"/subscribers/{segment(str(contact))}"), email)

    def wanted_tags(self, contact: Contact | None, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that a contact is to have of us: the wanted ones, and what is on it for good."""
        return with_lasting(wanted, contact.titles if contact is not None and self._keep_single_purchase else ())

    def left(self, email: str) -> frozenset[str]:
        """Return the lists whose registers know that this address left; without a register: none."""
        return frozenset(one for one in self._lists if self._consent.registers[one].find(email) is not None)

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
        choice = self._consent.choose(self._lists, email, Found(contact.id, contact.standing) if contact else None)
        if choice.is_hidden and choice.contact == NAMELESS:
            raise Refused("the contact left, and nothing tells its id", code="left-no-id")
        if choice.is_hidden and choice.contact is not None:
            contact = await self._hidden(choice.contact, email, permit=permit)
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
        credentials = b64encode(f"{self._user_id}:{self._api_key()}".encode()).decode("ascii")
        headers = {"Authorization": f"Basic {credentials}"}
        return await self._http.exchange(op, method, path, query=query, headers=headers, json=json, also=also, limit_s=limit_s)


class MakeAs(MakeReader):
    """
    One account: one key, and all its lists in one conversation.

    It promises: the contact is read before it is written; `status` is never sent; a contact that opted out or bounced is updated
    without list ids, be it known from the contact itself or from a list's register of those that left; a paused list is never
    named; tags of others stay; subscriptions come after the contact and the products; a list that refuses keeps no user off another.
    """

    async def write(self, documents: Documents, *, permit: Permit, limit_s: Limit, lists: Collection[str] | None = None) -> WriteOutcome:
        """
        Write all of a user.

        Args:
            permit: awaited before each call.
            limit_s: asked before each try of a write how long it may last (s).
            lists: the account's lists to put the user on, but for paused ones; None: all. With none a known contact is updated.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `rows`, where the answer to a write names failed rows. That a list
                refuses is raised only where no list takes the contact, and none that it belongs on is left out. `left-no-id`, of a
                contact that left and can't be updated by an id.
            Held: from `permit` and `limit_s`; `paused`, where all lists are; `register`, where it is not known yet which contacts left a
                list; `no-list`, where an unknown contact is to be put on none.
        """
        given = self._given(lists)
        written = WriteOutcome(consent_kept=False)

        async def write_contact() -> None:
            nonlocal written
            written = await self._write_contact(documents, given, permit, limit_s)

        async def write_products() -> None:
            await self._bulk("products", _PRODUCTS_PATH, msgspec.to_builtins(documents.products), permit, limit_s)

        await together(write_contact, write_products)
        if written.refused and not written.taken:
            return written  # The contact may not be there.
        rows = [{_SUBSCRIBER_KEY: documents.subscriber.email, **fields(one)} for one in documents.subscriptions]
        await self._bulk("subscriptions", _SUBSCRIPTIONS_PATH, rows, permit, limit_s)
        return written

    async def _write_contact(self, documents: Documents, lists: tuple[str, ...], permit: Permit, limit_s: Limit) -> WriteOutcome:
        email = documents.subscriber.email
        contact, choice = await self._look(email, permit=permit)
        mode, tags = tag_change(contact.titles if contact else [], self.wanted_tags(contact, documents.tags))
        body = {**fields(documents.subscriber), "tags": tags}

        async def put(lists: tuple[str, ...]) -> None:
            await permit()
            lists = self._consent.still(lists, email)  # It may have left while we waited.
            query = [*((_LIST_KEY, list_id) for list_id in lists), ("tag", mode)]
            if lists:
                op, method, path = "upsert", "POST", "/subscribers"
            elif contact is not None:
                op, method, path = "update", "PATCH", f"/subscribers/{segment(str(contact.id))}"
            else:
                raise Held("the contact is to be put on no list", code="no-list")
            self._believe(await self._exchange(op, method, path, query=query, json=body, limit_s=limit_s), op)

        sent = tuple(one for one in choice.lists if one in lists)
        left_out = tuple(one for one in choice.lists if one not in lists)
        try:
            errors = await _each_alone(put, sent)
        except ConsumerError as error:
            if not sent or not left_out or not _is_of_lists(error):
                raise
            errors = dict.fromkeys(sent, error)  # Those that were left out have refused nobody, and are owed by themselves.
        refused = {one: error.code for one, error in errors.items()}
        return WriteOutcome(choice.left, refused, tuple(one for one in sent if one not in refused), left_out, errors)

    async def _bulk(self, op: str, path: str, rows: Sequence[object], permit: Permit, limit_s: Limit) -> None:
        """Assumption: a bare array, which updates what it finds by `external_id`."""
        for start in range(0, len(rows), MAX_ROWS):
            await permit()
            answer = await self._exchange(op, "POST", path, json=rows[start : start + MAX_ROWS], limit_s=limit_s)
            self._believe(answer, op)


class _List(Struct, frozen=True):
    title: str | None = None


async def _each_alone(put: Callable[[tuple[str, ...]], Awaitable[None]], lists: tuple[str, ...]) -> Mapping[str, ConsumerError]:
    """
    Put a contact on all lists at once, and on each alone where that is refused; return list id -> error of those that refuse.

    Raises:
        ConsumerError: from `put`; where all lists refuse, it is the user that is refused.
    """
    try:
        await put(lists)
    except ConsumerError as together_refused:
        if not lists[1:] or not _is_of_lists(together_refused):
            raise
        refused: dict[str, ConsumerError] = {}
        for one in lists:
            try:
                await put((one,))
            except ConsumerError as error:
                if not _is_of_lists(error):
                    raise
                refused[one] = error
        if len(refused) == len(lists):
            raise
        return refused
    return {}


def _is_of_lists(error: ConsumerError) -> bool:
    """Say whether one list may be behind it: a refusal, or a 403, which says nothing of the key."""
    return isinstance(error, Refused | Forbidden)


def _contact(answer: Answer, email: str) -> Contact:
    tree = decoded(answer, "contact")
    if isinstance(tree, dict) and "id" not in tree:
        tree = tree.get("data", tree.get("subscriber"))
    contact = shaped(tree, Contact, "contact")
    if contact.email is not None and not same_address(contact.email, email):
        raise Retryable("contact: the answer is another contact", code="foreign-contact")
    return contact
