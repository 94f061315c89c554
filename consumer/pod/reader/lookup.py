"""The lookup of one reader: Sesamy and Make.as asked now, by id or by e-mail address; nothing is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import anyio
from msgspec import Struct, structs

from ...core.answers.address import cleaned, same_address
from ...core.answers.bounds import identifier
from ...core.errors import ConsumerError, Denied
from ...core.mapping.contact import Contact, changes
from ...core.mapping.documents import Documents, Skip
from ...core.model import PAUSED, AccountId, UserKey
from ...core.text import shown
from ...resync.clients import Target, Upstreams
from ...resync.http.exchange import met
from ..status.told.words import KEY_CURE, shut
from .answer import SESAMY, called
from .compare import UNSEEN, fetched, found

LIMIT_S: Final = 30.0
"""A lookup that takes longer is given up."""
_REGISTERS_S: Final = 10.0
"""So long it may take to learn which contacts left an account's lists, where addresses hide them."""
_BUSY: Final = "Another reader is being looked up: try again in a moment"
_SKIPPED: Final = {
    "guest": "A guest: guests are put on no list; let the reader make an account at Sesamy",
    "no-email": "Sesamy has no usable e-mail address of this user, so nothing can be written; let the reader enter one there",
    "absent": "Unknown to Sesamy: is the id right, and is it this vendor's?",
}
_NAMES: Final = {"tag": "tags", "list": "lists"}
_UNTOLD: Final = frozenset({"list"})


Outcome = Literal["well", "paused", "differs", "kept-out", "failed"]
_WEIGHTS: Final[Sequence[Outcome]] = ("well", "paused", "differs", "kept-out", "failed")
_UNTIL: Final = "until `paused` is taken out of the settings"


class Found(Struct, frozen=True, kw_only=True):
    """What a lookup came to: ids, names of fields, codes; no value of a person."""

    vendor: str
    user: str = ""
    """The user's id; empty: an address that none of the lists knows."""
    outcome: Literal["well", "paused", "differs", "kept-out", "skipped", "not-found", "failed", "busy"]
    sentence: str
    refuses_key: bool = False
    """Somebody could not be asked, for our key is refused."""


class _OfAccount(Struct, frozen=True):
    """What one account came to, or some of its lists."""

    outcome: Outcome
    text: str
    """A sentence; `{lists}` stands for the names of the lists, which those of one text share."""
    lists: tuple[str, ...] = ()
    refuses_key: bool = False


class Lookup:
    """
    Looks readers up.

    It promises: one lookup at a time, and a second is told so at once; no call before a gate that is shut, none without a
    permit, and no more calls than a run of the user makes; what it gives and what it raises hold no address and no name.
    """

    def __init__(self, up: Upstreams, names: Mapping[str, str] | None = None) -> None:
        """Take clients and gates, and by list the names for people."""
        self._up, self._names, self._busy = up, names or {}, False

    async def find(self, vendor: str, *, user: str = "", email: str = "") -> Found:
        """Look a user of a known vendor up, by its id or by its address; at most 30 s."""
        if self._busy:
            return Found(vendor=vendor, user=user, outcome="busy", sentence=_BUSY)
        self._busy = True
        try:
            with anyio.move_on_after(LIMIT_S):
                return await (self._by_email(vendor, email) if email else self._by_id(UserKey(vendor, user)))
        finally:
            self._busy = False
        return Found(vendor=vendor, user=user, outcome="failed", sentence=f"No answer within {LIMIT_S:.0f} s: try again later")

    async def _by_email(self, vendor: str, email: str) -> Found:
        address = cleaned(email)
        if "@" not in address:
            return Found(vendor=vendor, outcome="not-found", sentence="This is no e-mail address")
        asked, failed, paused, unseen = list[AccountId](), list[str](), list[str](), list[str]()
        refuses_key = False
        for account, target in self._up.vendors[vendor].targets.items():
            try:
                contact, is_unsure = await self._contact(vendor, target, address)
            except ConsumerError as error:
                (paused if error.code == PAUSED else failed).append(_not_asked(account, error))
                refuses_key = refuses_key or isinstance(error, Denied)
                continue
            asked.append(account)
            unseen += [f"at account {account} one may be that opted out: {UNSEEN}"] if is_unsure else []
            user = None if contact is None or contact.external_id is None else identifier(str(contact.external_id))
            if user is not None:
                found = await self._by_id(UserKey(vendor, user), address=address, known={account: contact})
                return structs.replace(found, sentence=f"Account {account} knows the address as user {shown(user)}. {found.sentence}")
        where = f"asked: {', '.join(map(called, asked))}" if asked else "no account could be asked"
        text = f"No list's account knows a user with this address ({where}): ask with the user's id"
        outcome: Literal["failed", "paused", "not-found"] = "failed" if failed else "paused" if paused else "not-found"
        return Found(vendor=vendor, outcome=outcome, sentence="; ".join([text, *unseen, *paused, *failed]), refuses_key=refuses_key)

    async def _by_id(self, user: UserKey, *, address: str = "", known: Mapping[str, Contact | None] | None = None) -> Found:
        try:
            wanted = await fetched(self._up, user)
        except ConsumerError as error:
            if error.code == PAUSED:
                text = f"Vendor {user.vendor} is paused: nothing is fetched or written for it {_UNTIL}"
                return Found(vendor=user.vendor, user=user.user, outcome="paused", sentence=text)
            text, refuses_key = _not_asked(SESAMY, error), isinstance(error, Denied)
            return Found(vendor=user.vendor, user=user.user, outcome="failed", sentence=text, refuses_key=refuses_key)
        if isinstance(wanted, Skip):
            return Found(vendor=user.vendor, user=user.user, outcome="skipped", sentence=_SKIPPED[wanted.reason])
        told: list[_OfAccount] = []
        other = address and not same_address(address, wanted.subscriber.email)
        for account, target in self._up.vendors[user.vendor].targets.items():
            is_known = known is not None and account in known and not other
            told.extend(
                await self._of_account(user.vendor, target, wanted, known[account] if known and is_known else None, ask=not is_known)
            )
        told.sort(key=lambda one: one.outcome == "failed")  # What is so stands before what could not be asked.
        texts = [*(["Sesamy has another address for it"] if other else []), *self._texts(told)]
        outcome: Outcome = max((one.outcome for one in told), key=_WEIGHTS.index, default="well")
        refuses_key = any(one.refuses_key for one in told)
        return Found(vendor=user.vendor, user=user.user, outcome=outcome, sentence="; ".join(texts), refuses_key=refuses_key)

    async def _contact(self, vendor: str, target: Target, email: str) -> tuple[Contact | None, bool]:
        return await found(self._up, vendor, target, email, within_s=_REGISTERS_S)

    async def _of_account(
        self, vendor: str, target: Target, wanted: Documents, contact: Contact | None, *, ask: bool
    ) -> Sequence[_OfAccount]:
        if target.account.is_paused:  # A resync asks nothing, and writes nothing.
            return [_paused(target.account.lists)]
        is_unsure = False
        if ask:
            try:
                contact, is_unsure = await self._contact(vendor, target, wanted.subscriber.email)
            except ConsumerError as error:
                return [_OfAccount("failed", _not_asked(target.account.id, error), refuses_key=isinstance(error, Denied))]
        return [*self._compared(target, wanted, contact, is_unsure=is_unsure)]

    def _compared(self, target: Target, wanted: Documents, contact: Contact | None, *, is_unsure: bool) -> Iterator[_OfAccount]:
        account = target.account
        left = target.client.left(wanted.subscriber.email)
        if contact is not None and contact.opted_out:
            yield _OfAccount("kept-out", f"Not on {{lists}}: {_why_left(contact)}", tuple(account.lists))
            left = frozenset(account.lists)
        elif left:
            yield _OfAccount("kept-out", "Not on {lists}: the address has left it", tuple(one for one in account.lists if one in left))
        if paused := [one for one in account.lists if one in account.paused and one not in left]:
            yield _paused(paused)
        rest = tuple(one for one in account.lists if one not in left and one not in account.paused)
        if contact is None:
            if rest and is_unsure:
                yield _OfAccount("kept-out", f"Not on {{lists}}: {UNSEEN}", rest)
            elif rest:
                yield _OfAccount("differs", f"Not on {{lists}}: account {account.id} has no contact with the address; sync the user", rest)
            return
        whole = structs.replace(wanted, tags=target.client.wanted_tags(contact, wanted.tags))
        found = changes(contact, whole, rest)
        missing = tuple(one.wanted or "" for one in found if one.field == "list" and one.action == "add")
        fields = dict.fromkeys(_NAMES.get(one.field, one.field) for one in found if one.is_drift and one.field not in _UNTOLD)
        if missing:
            yield _OfAccount("differs", "Not on {lists}, though nothing keeps it off: sync the user", missing)
        if fields:
            yield _OfAccount("differs", f"Account {account.id} differs from Sesamy: {', '.join(fields)}; sync the user")
        elif rest and not missing:
            yield _OfAccount("well", "Written, all as Sesamy says: {lists}", rest)

    def _texts(self, told: Iterable[_OfAccount]) -> Iterator[str]:
        """Give each sentence once, with all lists that it is said of."""
        lists: dict[str, list[str]] = {}
        for one in told:
            lists.setdefault(one.text, []).extend(one.lists)
        for text, some in lists.items():
            yield text.replace("{lists}", self._called(some)) if some else text

    def _called(self, lists: Iterable[str]) -> str:
        return ", ".join(self._names.get(one, f"list {one}") for one in dict.fromkeys(lists))


def _paused(lists: Iterable[str]) -> _OfAccount:
    return _OfAccount("paused", f"Paused, nothing is written there {_UNTIL}: {{lists}}", tuple(lists))


def _why_left(contact: Contact) -> str:
    """Return why mail is not wanted. Make.as tells no date of it."""
    words = [one.strip().casefold() for one in (contact.email_status, contact.status, contact.email_status_) if isinstance(one, str)]
    if any(one.startswith("bounce") for one in words):
        return "mail to the address bounced"
    return "the address opted out" if "unsubscribed" in words else "the address takes no mail"


def _not_asked(upstream: str, error: ConsumerError) -> str:
    who = called(upstream)
    who = who[:1].upper() + who[1:]
    if error.code == "gate":
        return f"{who} is not asked, since its gate is shut: see the status, and ask again once it is open"
    if error.code == PAUSED:
        return f"{who} is not asked: its lists are paused {_UNTIL}"
    said = f'; it said "{error.said}"' if error.said else ""
    what = shut("denied", is_sesamy=upstream == SESAMY)
    refuses = f", since it {what}: {KEY_CURE}" if isinstance(error, Denied) else ""
    return f"{who} could not be asked ({met(error)}{said}){refuses}"
