"""The changes that a run would make: their kinds at one account, as names and counts, without any value."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ...core.mapping.contact import Contact, changes
from ...core.mapping.documents import Documents


class Would(Struct, frozen=True, kw_only=True):
    """What one write would change; names of fields and ids of lists, never a value."""

    is_new: bool
    """There is no such contact yet."""
    fields: tuple[str, ...] = ()
    """Fields that would get another value."""
    tags_added: int = 0
    tags_removed: int = 0
    lists_added: tuple[str, ...] = ()
    """Lists that it would be put on, and is not on as far as the contact says."""
    rows: int = 0
    """Products and subscriptions, which are written each time: Make.as can't be asked for them."""

    @property
    def is_nothing(self) -> bool:
        """Say whether the contact is as it is to be; rows that are written each time are no change."""
        return [*self.kinds] == ["nothing"]

    @property
    def kinds(self) -> Iterator[str]:
        """Give the kinds of change, as the metric names them; `nothing`: the contact is as it is to be."""
        found = {
            "contact": self.is_new,
            "fields": bool(self.fields) and not self.is_new,
            "tags": bool(self.tags_added or self.tags_removed),
            "lists": bool(self.lists_added),
        }
        yield from [kind for kind, holds in found.items() if holds] or ["nothing"]


def would_write(contact: Contact | None, documents: Documents, lists: Sequence[str]) -> Would:
    """
    Return what a write would change.

    Args:
        contact: None: there is none yet.
        documents: with all tags that the contact is to have of us.
        lists: those whose ids would be sent.
    """
    found = [one for one in changes(contact, documents, lists) if one.is_drift]
    tags = [one.action for one in found if one.field == "tag"]
    return Would(
        is_new=contact is None,
        fields=tuple(one.field for one in found if one.field not in {"tag", "list"}),
        tags_added=tags.count("add"),
        tags_removed=tags.count("remove"),
        lists_added=tuple(one.wanted for one in found if one.field == "list" and one.wanted is not None),
        rows=len(documents.products) + len(documents.subscriptions),
    )
