"""The questions to Make.as that write nothing: the list, and what a contact shows."""

from collections.abc import Generator
from contextlib import suppress
from typing import Final

import msgspec

from ...core.answers.address import same_address
from ...core.mapping.consent import Standing
from ...core.mapping.contact import Contact
from ...resync.http.exchange import segment
from .question import Call, Known, Question, Reply, Seen, Unknown, Walk, unasked, unsure

_MISSING: Final = 404
_PER_PAGE: Final = 1000
_PAGES: Final = 50
"""So far is a list looked through for an address."""

LIST: Final = Unknown("M1", "whether the list is there")
SHOWN: Final = Unknown("M2", "what a contact shows")
TAG_FORM: Final = Unknown("U13a", "how a contact shows its tags")
ADDRESS_CASE: Final = Unknown("M3", "whether an address has upper and lower case")
OPTED_OUT: Final = Unknown("U12", "whether a contact that opted out is found by its address", "makeas.opted_out")


def by_email(email: str) -> Call:
    """Return the call for the contact of an address."""
    return Call(side="makeas", op="contact", method="POST", path="/subscribers/by_email", body={"email": email})


def contact_of(reply: Reply, email: str) -> Contact | None:
    """Return the contact of an answer, bare or wrapped; None: it is none that can be read, or another than that of `email`."""
    tree = reply.tree
    if isinstance(tree, dict) and "id" not in tree:
        tree = tree.get("data", tree.get("subscriber"))
    if reply.is_there:
        with suppress(msgspec.ValidationError):
            contact = msgspec.convert(tree, Contact)
            # A server that does not know how it is asked may show anybody.
            return contact if contact.email is None or same_address(contact.email, email) else None
    return None


def on_list(known: Known, email: str, *, status: str) -> Generator[Call, Reply, Contact | bool]:
    """Look for an address among the rows of the list that are `status` there: the contact, or whether the list could be read."""
    for page in range(1, _PAGES + 1):
        query = (("list_id", known.list_id), ("page", str(page)), ("per_page", str(_PER_PAGE)), ("status", status))
        reply = yield Call(side="makeas", op="leavers", path="/subscribers/by_list", query=query)
        rows = reply.tree.get("data", reply.tree.get("subscribers")) if isinstance(reply.tree, dict) else reply.tree
        if not reply.is_there or not isinstance(rows, list):
            return False
        for row in rows:
            if isinstance(row, dict) and same_address(row.get("email"), email):
                with suppress(msgspec.ValidationError):
                    return msgspec.convert(row, Contact)
        if not rows:
            return True
    return False


def the_list(known: Known) -> Walk:
    """Ask for the list."""
    reply = yield Call(side="makeas", op="list", path=f"/subscriberlists/{segment(known.list_id)}")
    if reply.is_there:
        return (Seen(unknown=LIST, text="it is there"),)
    return (Seen(unknown=LIST, text=f"NO: {reply.refusal}; correct listId, or the account's userId", is_bad=True),)


def contacts(known: Known) -> Walk:
    """Ask for the two test contacts, and for the first in the other case."""
    one, two = (yield by_email(known.email)), (yield by_email(known.email_2))
    replies = [one, two]
    by_address = [contact_of(one, known.email), contact_of(two, known.email_2)]
    found = [contact for contact in by_address if contact is not None]
    missing = f"{sum(reply.status == _MISSING for reply in replies)} of 2 are not known yet"
    if not found:
        odd = [reply.refusal for reply in replies if reply.status != _MISSING]
        is_early = not odd and not known.has_written
        why = odd[0] if odd else f"{missing}{'; --write makes them' if is_early else ', though they were written'}"
        return tuple((unasked if is_early else unsure)(unknown, why) for unknown in (SHOWN, TAG_FORM, ADDRESS_CASE))
    first, email = (one, known.email) if by_address[0] is not None else (two, known.email_2)
    other = yield by_email(swapped(email))
    return (
        Seen(unknown=SHOWN, text=_shown(first, found[0])),
        Seen(unknown=TAG_FORM, text=_tag_form(found)),
        _of_case(found[0], contact_of(other, email), other),
    )


def swapped(email: str) -> str:
    """Return an address whose local part is in the other case; the domain's has no meaning."""
    local, at, domain = email.rpartition("@")
    return f"{local.swapcase()}{at}{domain}"


def _of_case(one: Contact | None, other: Contact | None, reply: Reply) -> Seen:
    if one is not None and other is not None and one.id == other.id:
        return Seen(unknown=ADDRESS_CASE, text="no: both are one contact")
    if reply.status == _MISSING:
        text = "YES: in another case it is not found; an address that Sesamy spells in another case makes a second contact"
        return Seen(unknown=ADDRESS_CASE, text=text, is_bad=True)
    return unsure(ADDRESS_CASE, reply.refusal)


def _shown(reply: Reply, contact: Contact) -> str:
    """Return the names of what a contact shows, and what a resync reads of it."""
    tree = reply.tree if "id" in reply.tree else reply.tree.get("data", reply.tree.get("subscriber"))
    lists = "its lists" if contact.list_ids is not None else "no lists that can be read"
    status = "no status" if contact.standing is Standing.UNREADABLE else f"email_status {contact.standing.value}"
    return f"{', '.join(sorted(map(str, tree)))}; {lists}; {status}"


def _tag_form(found: list[Contact]) -> str:
    tags = [tag for one in found for tag in one.tags or ()]
    if not tags:
        return "as a list that is empty" if any(one.tags is not None for one in found) else "not at all"
    return "as text" if all(isinstance(tag, str) for tag in tags) else "as objects with a title"


def opted_out(known: Known) -> Walk:
    """Ask for the contact that opted out by its address, and else for those that left the list."""
    reply = yield by_email(known.opted_out_email)
    contact = contact_of(reply, known.opted_out_email)
    if contact is not None and contact.opted_out:
        return (Seen(unknown=OPTED_OUT, text="it is found, and says that it left", value="shown"),)
    left = yield from on_list(known, known.opted_out_email, status="unsubscribed")
    if isinstance(left, bool):
        why = "it is not among those that left the list" if left else "those that left the list can't be read"
        there = "is not found by its address" if reply.status == _MISSING else f"can't be had, {reply.refusal}"
        shows = "shows nothing of it" if contact is not None else there
        return (unsure(OPTED_OUT, f"the contact {shows}, and {why}"),)
    if contact is not None:
        text = "it is found, but only the list's rows say that it left: makeas.unreadable_status must stay `leave`"
        return (Seen(unknown=OPTED_OUT, text=text, value="shown"),)
    if reply.status != _MISSING:
        why = f"it can't be looked at by its address, {reply.refusal}"
        return (unsure(OPTED_OUT, why),)
    return (Seen(unknown=OPTED_OUT, text="it is hidden: only the list's rows have it", value="hidden"),)


CONTACTS: Final = Question(unknowns=(SHOWN, TAG_FORM, ADDRESS_CASE), ask=contacts)
QUESTIONS: Final = (
    Question(unknowns=(LIST,), ask=the_list),
    Question(unknowns=(OPTED_OUT,), ask=opted_out, needs="--opted-out-email"),
)
