"""The standard `sesamy_` tags, as they follow from a snapshot."""

from collections.abc import Callable, Collection, Container, Hashable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from ..answers import bounds
from ..answers.address import canonical
from ..answers.snapshot import Contract, Entitlement, Profile, Snapshot

V = TypeVar("V", bound=Hashable)

PREFIX: Final = "sesamy_"
MAX_CHARS: Final = 99
"""Sesamy's documented limit on a whole tag, in code points."""
SINGLE_PURCHASE: Final = "sesamy_made_single_purchase"
_FIXED: Final = frozenset(
    {
        "sesamy_active_subscriber",
        "sesamy_overdue_contract",
        SINGLE_PURCHASE,
        "sesamy_has_external_access",
        "sesamy_has_gifted_subscription",
    }
)
_ENTITLEMENT, _SKU, _SKU_OPTION, _CUSTOM = "sesamy_active_entitlement_", "sesamy_active_sku_", "sesamy_active_sku_po_", "sesamy_tag_"
_VARIABLE: Final = (_ENTITLEMENT, _SKU, _SKU_OPTION, _CUSTOM)
_RUNNING: Final = frozenset({"active", "overdue", "pending", "paused", "trial", "trialing"})
_ONCE: Final = frozenset({"own", "single"})
"""Words for what is bought once. Assumption: OWN is what Sesamy says in public, `single` what its documents do."""
_NO: Final = frozenset({"", "false", "no", "none", "off", "0"})


class Wanted(Generic[V]):
    """The tags that a contact is to have of us, as they are or (`form`) by what each comes to, so that no tag itself need be kept."""

    def __init__(self, exactly: Iterable[V], folded: Iterable[V], form: Callable[[str], V]) -> None:
        """Take what the tags come to as they are, and without case."""
        self._exactly, self.folded, self._form = frozenset(exactly), frozenset(folded), form

    @classmethod
    def of(cls, tags: Iterable[str], form: Callable[[str], V]) -> "Wanted[V]":
        """Return these tags."""
        there = tuple(tags)
        return cls(map(form, there), (form(tag.casefold()) for tag in there), form)

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and self._form(tag) in self._exactly

    def has_folded(self, tag: str) -> bool:
        """Say whether one of them is `tag`, but for case."""
        return self._form(tag.casefold()) in self.folded

    def lacking(self, found: Iterable[str]) -> frozenset[V]:
        """Return what those come to, without case, that are not among `found`."""
        return self.folded - {self._form(tag.casefold()) for tag in found}


def in_clear(tags: Iterable[str]) -> Wanted[str]:
    """Return wanted tags that are kept as they are."""
    return Wanted.of(tags, str)


def standard_tags(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the tags that the user is to have now, sorted, without doubles."""
    return tuple(sorted(set(_tags(snapshot))))


def with_lasting(wanted: Sequence[str], found: Collection[str]) -> tuple[str, ...]:
    """Return the wanted tags of a contact, sorted: once made, a single purchase stays, whatever Sesamy still lists."""
    lasts = any(_is_form(tag) and tag.lower() == SINGLE_PURCHASE for tag in found)
    return tuple(sorted({*wanted, SINGLE_PURCHASE})) if lasts else tuple(wanted)


def is_ours(tag: str, wanted: Container[str] = ()) -> bool:
    """
    Say whether a tag found at Make.as is ours to remove.

    What begins with `sesamy_` to the letter is, whatever follows. In other capitals a tag is ours only where it would be, in lower
    case, one of `wanted` or a standard tag: one taken from its owner by mistake is not to be had back.
    Assumption: Make.as gives a title back as it was written.
    """
    return tag.startswith(PREFIX) or (_is_form(tag) and (tag.lower() in wanted or _is_standard(tag.lower())))


def others(found: Sequence[str], wanted: Collection[str]) -> list[str]:
    """Return the tags found that are another hand's, which a write leaves."""
    exactly = frozenset(wanted)
    return [tag for tag in found if not is_ours(tag, exactly)]


def stale(found: Sequence[str], wanted: Wanted[V]) -> list[str]:
    """
    Return the tags found that are ours and must go.

    One that begins in our letters and differs from a wanted one in capitals only stays; one in capitals from its
    beginning on goes, for the wanted one is written beside it.
    """
    return [tag for tag in found if is_ours(tag, wanted) and not (tag.startswith(PREFIX) and wanted.has_folded(tag.strip()))]


def _is_form(tag: str) -> bool:
    """Say whether a tag can be a form of ours: one in capitals is no longer than ours may be."""
    return len(tag) <= MAX_CHARS


def _is_standard(lowered: str) -> bool:
    """Say whether a lower-case tag is one that we could write: fixed, or a prefix with a slug behind it."""
    if lowered in _FIXED:
        return True
    return any(
        lowered.startswith(prefix) and lowered != prefix and slug(lowered[len(prefix) :]) == lowered[len(prefix) :] for prefix in _VARIABLE
    )


def slug(text: str) -> str:
    """
    Return `text` in lower case with hyphens for all but letters and digits; æøå stay. Assumption: Make.as takes them.

    Only its first 512 characters count.
    """
    lowered = bounds.normal(bounds.text(text).lower())
    return "-".join("".join(one if one.isalnum() else " " for one in lowered).split())


def _tags(snapshot: Snapshot) -> Iterator[str]:
    contracts, entitlements = snapshot.contracts, snapshot.entitlements
    active = [one for one in entitlements if one.has_access is True]
    if any(is_active(one) and _is_subscription(one) for one in contracts):
        yield "sesamy_active_subscriber"
    if any(_status(one) == "overdue" for one in contracts):
        yield "sesamy_overdue_contract"
    subscribed = {one.id for one in contracts if _is_subscription(one) and not _is_single_purchase(one)}
    if any(_is_bought_article(one, subscribed) for one in entitlements) or any(map(_is_single_purchase, contracts)):
        yield SINGLE_PURCHASE
    if any(one.origin is not None and bounds.word(one.origin.type) == "external" for one in active):
        yield "sesamy_has_external_access"
    if any(is_gifted(one, snapshot.user.user, snapshot.profile.email) for one in contracts if not has_ended(one)):
        yield "sesamy_has_gifted_subscription"
    for one in active:
        yield from _tag(_ENTITLEMENT, one.title)
        sku, option = bounds.identifier(one.sku), bounds.identifier(one.purchase_option)
        yield from _tag(_SKU, sku)
        if sku and option and slug(sku) and slug(option):
            yield from _tag(_SKU_OPTION, f"{sku}-{option}")
    yield from custom_tags(snapshot.profile)


def custom_tags(profile: Profile) -> Iterator[str]:
    """Give the tags that a profile asks for itself."""
    for tag in (profile.tags or ())[: bounds.TAGS]:
        yield from _tag(_CUSTOM, tag)


def _tag(prefix: str, text: str | None) -> Iterator[str]:
    variable = slug(text or "")
    if variable:
        yield (prefix + variable)[:MAX_CHARS].rstrip("-")


def _status(contract: Contract) -> str:
    return bounds.word(contract.status)


def is_active(contract: Contract) -> bool:
    """Say whether a contract is ACTIVE; where it has no status, `isActive` decides. Assumption: OVERDUE is not active."""
    return contract.is_active is True if not _status(contract) else _status(contract) == "active"


def has_ended(contract: Contract) -> bool:
    """Say whether a contract is over. Assumption: with every status but a running contract's; without one, if it is not active."""
    return not is_active(contract) and _status(contract) not in _RUNNING


def _is_subscription(contract: Contract) -> bool:
    """Assumption: recurring or renewable; where neither field is there, a contract is a subscription."""
    duration = bounds.word(contract.contract_duration)
    return duration in {"recurring", "renewable"} or bool(contract.recurring_interval) or not duration


def _is_single_purchase(contract: Contract) -> bool:
    """Assumption: a perpetual contract or an item bought singly, whatever became of it: the tag is permanent."""
    items = contract.items or []
    return bounds.word(contract.contract_duration) == "perpetual" or any(bounds.word(one.purchase_type) in _ONCE for one in items)


def _is_bought_article(entitlement: Entitlement, subscribed: Collection[str]) -> bool:
    """
    Say whether an article was bought for itself; one that comes with a subscription was not.

    Assumption: where its contract is not listed, it was bought once: such contracts leave the list.
    """
    origin = entitlement.origin
    paid = origin is not None and bounds.word(origin.type) == "payments" and origin.contract_id not in subscribed
    return paid and bounds.word(entitlement.type) == "article"


def is_gifted(contract: Contract, user_id: str, email: str | None) -> bool:
    """
    Say whether another pays a reader's contract. Assumption: where a gift flag stands on it, or a payer that is not the user.

    Args:
        email: the reader's address.
    """
    if _is_set(contract.gift_mode) or _is_set(contract.is_gift):
        return True
    payer_id, payer_email = (contract.payer.id, contract.payer.email) if contract.payer else (None, None)
    payer_email = canonical(payer_email) or canonical(contract.payer_email)
    if payer_email and (mine := canonical(email)):
        return payer_email != mine  # A payer's id may be another system's, an address is not.
    return bool(payer_id) and payer_id != user_id


def _is_set(flag: object) -> bool:
    """Assumption: a flag is a boolean, 1, or a word that is none of the usual ones for no."""
    return flag is True or flag == 1 or (isinstance(flag, str) and bounds.word(flag) not in _NO)
