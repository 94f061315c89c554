"""A contact as Make.as has it, and what a resync changes of it."""

from collections.abc import Collection, Hashable, Sequence
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from ..answers.address import canonical
from .consent import ContactId, Standing, standing
from .documents import Documents, Product, Subscriber, Subscription
from .tags import in_clear, others, stale

V = TypeVar("V", bound=Hashable)
_FIELDS: Final = Subscriber.__struct_fields__
PERSONAL: Final = frozenset(_FIELDS) - {"external_id"}
"""Fields whose values are a person's: all that are written, but for what is known to be none."""

Action = Literal["add", "change", "remove", "same", "keep", "unknown", "paused"]
_DRIFT: Final = frozenset[Action]({"add", "change", "remove"})


class _Tag(Struct, frozen=True):
    title: str
    id: int | str | None = None


class Contact(Struct, frozen=True, kw_only=True):
    """
    A subscriber as Make.as has it: each field of `Subscriber`, and what a resync reads beside them.

    Assumption: tags come by title or as `{id, title}`, and belong to the account.
    """

    id: int | str
    tags: list[str | _Tag] | None = None
    email: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    external_id: str | int | None = None
    email_status: object = None
    # What might stand in its place: believed only where it says that mail is not wanted.
    status: object = None
    email_status_: object = field(default=None, name="emailStatus")
    lists: object = None
    """Assumption: ids, or objects with an `id`; where it is neither, it tells us nothing."""

    @property
    def list_ids(self) -> set[str] | None:
        """Return the lists it is on; None: it does not say."""
        if not isinstance(self.lists, list):
            return None
        ids = [one.get("id") if isinstance(one, dict) else one for one in self.lists]
        return {str(one) for one in ids} if all(isinstance(one, int | str) for one in ids) else None

    @property
    def titles(self) -> list[str]:
        """Return its tags, each once; a blank one, which could not be sent back, is none."""
        titles = dict.fromkeys(tag if isinstance(tag, str) else tag.title for tag in self.tags or ())
        return [title for title in titles if title.strip()]

    @property
    def tag_ids(self) -> dict[str, ContactId]:
        """Return the ids of its tags, by title, where it shows them."""
        return {one.title: one.id for one in self.tags or () if isinstance(one, _Tag) and one.id is not None}

    def twins(self, titles: Collection[str], ids: Collection[ContactId]) -> list[ContactId]:
        """Return the ids of its tags with these titles that are not among `ids`: an account may have several tags of one title."""
        shown = [one for one in self.tags or () if isinstance(one, _Tag) and one.title in titles]
        return [one.id for one in shown if one.id is not None and one.id not in ids]

    @property
    def standing(self) -> Standing:
        """Return what it says of mail: that it is wanted, that it is not, or nothing that can be read."""
        return standing(self.email_status, self.status, self.email_status_)

    @property
    def opted_out(self) -> bool:
        """Say whether it says that mail must not be sent."""
        return self.standing is Standing.LEFT


# ---- What is sent of it ----


def tag_change(found: Sequence[str], wanted: Sequence[str]) -> tuple[str, list[str]]:
    """
    Return the mode and the tags to send: the others found, then the wanted ones.

    The mode is `merge` where nothing stale is there, so that another hand's new tag is at risk only when it must be. The
    others go along in either mode: Make.as' default is `replace`, and a server that does not heed the mode would wipe them.
    """
    return "replace" if stale(found, in_clear(wanted)) else "merge", [*others(found, wanted), *wanted]


def fields(row: Subscriber | Product | Subscription) -> dict[str, object]:
    """Return the fields of a row as they are sent. Assumption: a key without value is left out, and so leaves what is there."""
    return {name: value for name, value in msgspec.to_builtins(row).items() if value is not None}


# ---- What becomes of it ----


class Change(Struct, frozen=True, kw_only=True):
    """One field of one account."""

    field: str
    action: Action
    """`keep`: another hand's, or the reader's own will: a resync leaves it. `unknown`: Make.as can't be asked for it. `paused`: a resync
    leaves it until the list's pause is over."""
    now: str | None = None
    wanted: str | None = None

    @property
    def is_drift(self) -> bool:
        """Say whether a resync would change it."""
        return self.action in _DRIFT

    def masked(self) -> "Change":
        """Return the same without a person's values."""
        if self.field not in PERSONAL:
            return self
        now, wanted = (None if value is None else "•••" for value in (self.now, self.wanted))
        return Change(field=self.field, action=self.action, now=now, wanted=wanted)


def changes(contact: Contact | None, wanted: Documents, lists: Sequence[str], *, paused: Collection[str] = ()) -> list[Change]:
    """
    Return every field with what becomes of it.

    Args:
        contact: None: there is none yet.
        lists: ids of the account's lists.
        paused: those of them that nothing puts the contact on for now.
    """
    return [*_of_fields(contact, wanted), *_of_tags(contact, wanted), *_of_lists(contact, lists, paused), *_of_rows(wanted)]


def is_as_wanted(contact: Contact | None, wanted: Documents, lists: Sequence[str]) -> bool:
    """
    Say whether a contact states, to the letter, all that a write would make of it: what it does not state is written.

    Args:
        wanted: with all tags that the contact is to have of us.
        lists: those whose ids would be sent; none: membership is not compared.
    """
    if contact is None or contact.tags is None:
        return False
    held, titles, on = held_fields(contact), contact.titles, contact.list_ids
    has_fields = all(held.get(name) == str(value) for name, value in fields(wanted.subscriber).items())
    has_tags = set(wanted.tags) <= set(titles) and not stale(titles, in_clear(wanted.tags))
    return has_fields and has_tags and (not lists or (on is not None and on.issuperset(lists)))


def held_fields(contact: Contact) -> dict[str, str]:
    """Return the values of the fields that we write, where there are any."""
    values = {name: getattr(contact, name) for name in _FIELDS}
    return {name: str(value) for name, value in values.items() if value is not None and value != ""}


def comparable(name: str, value: str) -> str:
    """Return a field's value in the form in which it is compared."""
    return canonical(value) if name == "email" else value


def becomes(now: V | None, wanted: V | None) -> Action:
    """Return what becomes of a field; both values are in the form in which they are compared, or what that comes to."""
    if wanted is None:
        return "keep"
    return "same" if now == wanted else "add" if now is None else "change"


def _of_fields(contact: Contact | None, wanted: Documents) -> list[Change]:
    given = {name: str(value) for name, value in fields(wanted.subscriber).items()}
    held = held_fields(contact) if contact is not None else {}
    found: list[Change] = []
    for name in [one for one in _FIELDS if one in given or one in held]:
        now, value = held.get(name), given.get(name)
        forms = [None if one is None else comparable(name, one) for one in (now, value)]
        found.append(Change(field=name, action=becomes(*forms), now=now, wanted=value))
    return found


def _of_tags(contact: Contact | None, wanted: Documents) -> list[Change]:
    held, tags = contact.titles if contact is not None else [], in_clear(wanted.tags)
    lacking = tags.lacking(held)
    found = [Change(field="tag", action="add" if tag.casefold() in lacking else "same", wanted=tag) for tag in wanted.tags]
    stays, goes = set(others(held, wanted.tags)), set(stale(held, tags))
    for tag in held:
        if tag in stays:
            found.append(Change(field="tag", action="keep", now=tag))
        elif tag in goes:
            found.append(Change(field="tag", action="remove", now=tag))
    return found


def _of_lists(contact: Contact | None, lists: Sequence[str], paused: Collection[str]) -> list[Change]:
    if contact is None:
        return [Change(field="list", action=_joins(one, paused), wanted=one) for one in lists]
    held = contact.list_ids
    found = []
    for one in lists:
        if contact.opted_out:
            found.append(Change(field="list", action="keep", now=str(contact.email_status), wanted=None))
        elif held is None:
            found.append(Change(field="list", action="unknown", wanted=one))
        else:
            found.append(Change(field="list", action="same" if one in held else _joins(one, paused), wanted=one))
    return found


def _joins(one: str, paused: Collection[str]) -> Action:
    return "paused" if one in paused else "add"


def _of_rows(wanted: Documents) -> list[Change]:
    """Assumption: neither products nor subscriptions can be read back."""
    found = [Change(field=f"product {one.external_id}", action="unknown", wanted=one.name) for one in wanted.products]
    for one in wanted.subscriptions:
        text = ", ".join(f"{name} {value}" for name, value in fields(one).items() if name != "external_id")
        found.append(Change(field=f"subscription {one.external_id}", action="unknown", wanted=text))
    return found
