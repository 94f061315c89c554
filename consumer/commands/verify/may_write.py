"""The rule of which address may be written to: the operator's own, for tests, and nothing else's."""

from typing import Final

from ...core.answers.address import canonical
from ...core.mapping.consent import Standing
from ...core.mapping.contact import Contact
from .make_reads import by_email, contact_of, on_list
from .question import Known, Question, Seen, Unknown, Walk

TAG: Final = "sesamy_verify"
SECOND_TAG: Final = "sesamy_verify_2"
EXTERNAL_ID: Final = "sesamy-makeas-verify"
_MISSING: Final = 404

MAY_WRITE: Final = Unknown("T1", "whether the test contacts may be written to")


def same_twice(*emails: str) -> bool:
    """Say whether two of the addresses are one."""
    there = [canonical(one) for one in emails if one]
    return len(set(there)) < len(there)


def external_id(known: Known, email: str) -> str:
    """Return the id that a test contact is given."""
    return f"{EXTERNAL_ID}-{1 if email == known.email else 2}"


def objection(contact: Contact, *, list_id: str) -> str:
    """Return why a contact is none for tests; empty: it may be written to."""
    ours = {TAG, SECOND_TAG}
    if any(title.casefold() not in ours for title in contact.titles):
        return "it has other tags than those of this command"
    if contact.external_id is not None and not str(contact.external_id).startswith(EXTERNAL_ID) and contact.external_id != "":
        return "it has an external id: it is a reader's"
    if contact.list_ids is None:
        return "it does not show its lists: take an address that Make.as does not know yet"
    if contact.list_ids - {list_id}:
        return "it is on other lists"
    return "it opted out" if contact.standing is Standing.LEFT else ""


def may_write(known: Known) -> Walk:
    """Look at each test contact: one that could be somebody's is not written to."""
    for option, email in (("--email", known.email), ("--email-2", known.email_2)):
        reply = yield by_email(email)
        contact = contact_of(reply, email)
        if contact is None and reply.status != _MISSING:
            return (_no(f"{option} can't be looked at: {'unknown shape' if reply.is_there else reply.refusal}"),)
        left = yield from on_list(known, email, status="unsubscribed")
        why = (
            "it left the list"
            if not isinstance(left, bool)
            else _unseen(left)
            if contact is None
            else objection(contact, list_id=known.list_id)
        )
        if why:
            return (_no(f"{option}: {why}"),)
    return (Seen(unknown=MAY_WRITE, text="yes"),)


def _unseen(is_read: bool) -> str:  # noqa: FBT001 - the only thing it is about
    """Return why one that no address shows is none for tests: it may be hidden, for it opted out; empty: it is new."""
    return (
        ""
        if is_read
        else "no contact is shown, and the list's leavers can't be read: it may have opted out. Put it on the list by hand first"
    )


def _no(why: str) -> Seen:
    return Seen(unknown=MAY_WRITE, text=f"NO: {why}; nothing is written", is_bad=True)


GUARD: Final = Question(unknowns=(MAY_WRITE,), ask=may_write)
