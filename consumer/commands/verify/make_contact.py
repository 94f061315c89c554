"""The questions that a test contact answers once it is written: its list, its tags, and whether one that opted out stays so."""

from collections.abc import Generator, Sequence
from typing import Final

from ...core.mapping.consent import Standing
from ...core.mapping.contact import Contact
from ...resync.http.exchange import segment
from .make_reads import by_email, contact_of, on_list
from .may_write import SECOND_TAG, TAG, external_id, objection
from .question import Call, Known, Part, Question, Reply, Seen, Unknown, Walk, unsure

LIST_PARAMETER: Final = Unknown("U11", "what names a list", "makeas.list_parameter")
TAGS: Final = Unknown("U13b", "whether tags are written by title or by id", "makeas.tags")
MERGE: Final = Unknown("N6", "whether tag=merge keeps tags")
OMITTED: Final = Unknown("U9", "whether a field that is left out stays")
REPLACE: Final = Unknown("M4", "whether tag=replace takes tags away")
TAG_CASE: Final = Unknown("M5", "whether tags have upper and lower case")
CONSENT: Final = Unknown("N3", "whether a write with a list, without a status, puts back one that opted out")
TIDY: Final = Unknown("T2", "what is left of this")
_BROKE: Final = 500
"""Such an answer to a write leaves open whether it was done."""
_LIST_NAMES: Final = ("subscriber_list_id[]", "subscriber_list_id")


# ---- Calls ----


def upsert(known: Known, email: str, *, mode: str = "merge", parameter: str | None = None, **fields: object) -> Call:
    """Return the call that writes a test contact, on the list; `parameter`: another name of the list than is known."""
    query = ((parameter or known.way("makeas.list_parameter"), known.list_id), ("tag", mode))
    return Call(side="makeas", op="upsert", method="POST", path="/subscribers", query=query, body={"email": email, **fields}, writes=True)


def tags_of(known: Known, *titles: str) -> list[object]:
    """Return tags as they are written."""
    return list(titles) if known.way("makeas.tags") == "titles" else [known.tag_ids[one] for one in titles if one in known.tag_ids]


def _titles(contact: Contact | None) -> list[str]:
    return contact.titles if contact is not None else []


def _take_off(known: Known, contact: Contact) -> Call:
    path = f"/subscribers/{segment(str(contact.id))}/subscriberlists/{segment(known.list_id)}"
    return Call(side="makeas", op="off_list", method="DELETE", path=path, writes=True)


def _is_on(known: Known, email: str, contact: Contact | None) -> Generator[Call, Reply, bool | None]:
    """Say whether a contact is on the list, by what it shows, else by the list's rows; None: neither tells."""
    if contact is None or contact.list_ids is not None:
        return contact is not None and known.list_id in (contact.list_ids or ())
    row = yield from on_list(known, email, status="active")
    return True if not isinstance(row, bool) else False if row else None


# ---- The list ----


def list_parameter(known: Known) -> Walk:
    """Write both test contacts on the list, under one name of it and then the other, until they are on it."""
    contact = contact_of((yield by_email(known.email)), known.email)
    is_on = yield from _off(known, contact)
    told, may_come = [], False
    for name in known.forms("makeas.list_parameter", *_LIST_NAMES):
        reply = yield from _both(known, name)
        if not reply.is_taken:
            told.append(f"{name}: refused, {reply.refusal}")
            may_come = may_come or reply.status >= _BROKE
            continue
        if is_on:
            text = f"{name} is taken, but the contact was on the list before: take it off by hand, and ask again"
            return (unsure(LIST_PARAMETER, text),)
        now_on = yield from _is_on(known, known.email, contact_of((yield by_email(known.email)), known.email))
        if now_on and may_come and not (yield from _once_more(known, name)):
            return (unsure(LIST_PARAMETER, "what is written shows late: take the contact off the list by hand, and ask again"),)
        if now_on:
            return (Seen(unknown=LIST_PARAMETER, text=f"{name} puts a contact on the list", value=name),)
        told.append(f"{name}: taken, {'and the contact is not on the list' if now_on is not None else 'and nothing tells its lists'}")
        may_come = True
    return (unsure(LIST_PARAMETER, "; ".join(told)),)


def _off(known: Known, contact: Contact | None) -> Generator[Call, Reply, bool | None]:
    """Take the first contact off the list where it is on it; say whether it still is."""
    is_on = yield from _is_on(known, known.email, contact)
    if not is_on or contact is None:
        return is_on
    yield _take_off(known, contact)
    return (yield from _is_on(known, known.email, contact_of((yield by_email(known.email)), known.email)))


def _once_more(known: Known, name: str) -> Generator[Call, Reply, bool]:
    """Say whether a name puts the contact on the list by itself: what was written under another may have come late."""
    if (yield from _off(known, contact_of((yield by_email(known.email)), known.email))) is not False:
        return False
    yield upsert(known, known.email, parameter=name)
    return (yield from _is_on(known, known.email, contact_of((yield by_email(known.email)), known.email))) is True


def _both(known: Known, name: str) -> Part:
    for email in (known.email_2, known.email):
        reply = yield upsert(known, email, parameter=name, external_id=external_id(known, email))
    return reply


# ---- Tags ----


def tags(known: Known) -> Walk:
    """Write a tag by its title, which a server that wants ids passes over; then another by its id in the catalogue."""
    if {TAG, SECOND_TAG}.intersection(_titles(contact_of((yield by_email(known.email)), known.email))):
        yield upsert(known, known.email, mode="replace", tags=[])
        if {TAG, SECOND_TAG}.intersection(_titles(contact_of((yield by_email(known.email)), known.email))):
            return (unsure(TAGS, "a tag was there before: take it off by hand, and ask again"),)
    reply = yield upsert(known, known.email, tags=[TAG])
    if TAG in _titles(contact_of((yield by_email(known.email)), known.email)):
        return (Seen(unknown=TAGS, text="by title", value="titles"),)
    by_title = "is taken, and not there" if reply.is_taken else f"is refused, {reply.refusal}"
    ids: dict[str, int | str] = {}
    for title in (TAG, SECOND_TAG):
        found = yield from _id_of(title)
        ids |= {} if found is None else {title: found}
    if SECOND_TAG in ids:
        # Not the first: what was written by title may show late.
        yield upsert(known, known.email, tags=[ids[SECOND_TAG]])
        if SECOND_TAG in _titles(contact_of((yield by_email(known.email)), known.email)):
            return (Seen(unknown=TAGS, text=f"by id: a title {by_title}", value="ids", learnt=ids),)
    by_id = "has no id in the account's catalogue" if SECOND_TAG not in ids else "is not there by its id, either"
    return (unsure(TAGS, f"a tag by title {by_title}, and another {by_id}"),)


def _id_of(title: str) -> Generator[Call, Reply, int | str | None]:
    """Look a tag up in the account's catalogue, and put it there where it is not."""
    reply = yield Call(side="makeas", op="tags", path="/subscriber_tags", query=(("page", "1"), ("per_page", "1000")))
    rows = reply.tree if isinstance(reply.tree, list) else reply.tree.get("data") if isinstance(reply.tree, dict) else None
    there = [row for row in rows or () if isinstance(row, dict) and row.get("title") == title]
    if not there:
        made = yield Call(side="makeas", op="tag", method="POST", path="/subscriber_tags", body={"title": title}, writes=True)
        there = [made.tree.get("data", made.tree) if "id" not in made.tree else made.tree] if isinstance(made.tree, dict) else []
    found = there[0].get("id") if there and isinstance(there[0], dict) else None
    return found if isinstance(found, int | str) else None


def modes(known: Known) -> Walk:
    """Add a second tag by `merge`, and take it away by `replace`."""
    yield upsert(known, known.email, tags=tags_of(known, TAG), external_id=external_id(known, known.email))
    yield upsert(known, known.email, tags=tags_of(known, SECOND_TAG))
    merged = contact_of((yield by_email(known.email)), known.email)
    reply = yield upsert(known, known.email, mode="replace", tags=tags_of(known, TAG))
    replaced = _titles(contact_of((yield by_email(known.email)), known.email))
    has = SECOND_TAG in _titles(merged)
    if not has:
        merge = unsure(MERGE, "the second tag was not taken")
    elif TAG in _titles(merged):
        merge = Seen(unknown=MERGE, text="yes")
    else:
        merge = Seen(unknown=MERGE, text="NO: it replaces; a tag that another tool adds meanwhile is lost")
    return merge, _of_omitted(known, merged), _of_replace(reply, replaced, could_tell=has)


def _of_omitted(known: Known, contact: Contact | None) -> Seen:
    if contact is None or contact.external_id is None:
        return unsure(OMITTED, "the contact shows no external_id")
    stays = str(contact.external_id) == external_id(known, known.email)
    return Seen(unknown=OMITTED, text="yes" if stays else "NO: it is emptied", is_bad=not stays)


def _of_replace(reply: Reply, titles: Sequence[str], *, could_tell: bool) -> Seen:
    if not reply.is_taken or not could_tell:
        why = "the second tag was never there" if reply.is_taken else reply.refusal
        return unsure(REPLACE, why)
    gone = SECOND_TAG not in titles
    return Seen(unknown=REPLACE, text="yes" if gone else "NO: a stale tag can't be taken away", is_bad=not gone)


def tag_case(known: Known) -> Walk:
    """Write the tag in capitals beside itself."""
    if known.way("makeas.tags") == "ids":
        return (Seen(unknown=TAG_CASE, text="tags are written by id"),)
    yield upsert(known, known.email, mode="replace", tags=[TAG])
    yield upsert(known, known.email, tags=[TAG.upper()])
    titles = [one for one in _titles(contact_of((yield by_email(known.email)), known.email)) if one.casefold() == TAG]
    if not titles:
        return (unsure(TAG_CASE, "the tag is not there"),)
    return (Seen(unknown=TAG_CASE, text="yes: they are two tags" if len(titles) > 1 else "no: they are one tag"),)


# ---- Consent ----


def consent(known: Known) -> Walk:
    """Write the test contact that opted out, with the list and without a status, and look whether it is mailed again."""
    email = known.opted_out_email
    shown = contact_of((yield by_email(email)), email)
    row = yield from on_list(known, email, status="unsubscribed")
    contacts = [one for one in (shown, None if isinstance(row, bool) else row) if one is not None]
    if isinstance(row, bool) and (shown is None or not shown.opted_out):
        return (unsure(CONSENT, "nothing says that it opted out, and it is not written to"),)
    if why := next((why for one in contacts if (why := objection(one, list_id=known.list_id)) not in {"", "it opted out"}), ""):
        return (unsure(CONSENT, f"{why}, and it is not written to"),)
    reply = yield upsert(known, email)
    (after,) = yield from _still_out(known, email)
    if not reply.is_taken and after.text.startswith("no: "):
        return (Seen(unknown=CONSENT, text=f"no: such a write is refused, {reply.refusal}"),)
    return (after,)


def _still_out(known: Known, email: str) -> Walk:
    """Look whether a contact that had opted out is mailed again: a write that was answered with a failure may have been done, too."""
    after = contact_of((yield by_email(email)), email)
    if after is not None and after.opted_out:
        return (Seen(unknown=CONSENT, text="no: it is left as it was"),)
    row = yield from on_list(known, email, status="unsubscribed")
    if not isinstance(row, bool):
        return (Seen(unknown=CONSENT, text="no: it is still among those that left the list"),)
    row = yield from on_list(known, email, status="active")
    if not isinstance(row, bool) or after is not None:
        # No setting is about it: no contact that is known to have left is ever written with a list.
        return (Seen(unknown=CONSENT, text="YES: it is mailed again; opt it out once more by hand"),)
    return (unsure(CONSENT, "nothing shows it any more"),)


# ---- Tidying up ----


def tidy(known: Known) -> Walk:
    """Take the tags off and the contacts from the list; say what stays."""
    left = []
    for email in (known.email, known.email_2):
        yield upsert(known, email, mode="replace", tags=[])
        contact = contact_of((yield by_email(email)), email)
        if contact is None:
            continue
        reply = yield _take_off(known, contact)
        contact = contact_of((yield by_email(email)), email)
        is_on = yield from _is_on(known, email, contact)
        left += [f"tags on {email}"] if _titles(contact) else []
        left += [f"{email} on the list ({reply.refusal})"] if is_on is not False else []
    if known.opted_out_email:
        contact = contact_of((yield by_email(known.opted_out_email)), known.opted_out_email)
        is_mailed = contact is not None and contact.standing is Standing.ACTIVE
        left += [f"{known.opted_out_email} is not opted out"] if is_mailed else []
    ids = f"the tags {TAG} and {SECOND_TAG} in the account's catalogue"
    rows = f"products and subscriptions that begin with {external_id(known, known.email)[:-2]}"
    return (Seen(unknown=TIDY, text="; ".join([*left, "the contacts themselves", ids, rows])),)


QUESTIONS: Final = (
    Question(unknowns=(LIST_PARAMETER,), ask=list_parameter, writes=True),
    Question(unknowns=(TAGS,), ask=tags, writes=True),
    Question(unknowns=(MERGE, OMITTED, REPLACE), ask=modes, writes=True),
    Question(unknowns=(TAG_CASE,), ask=tag_case, writes=True),
)
CONSENTS: Final = Question(unknowns=(CONSENT,), ask=consent, needs="--opted-out-email", writes=True)
TIDYING: Final = Question(unknowns=(TIDY,), ask=tidy, writes=True)
