"""A reader as Sesamy has it now: only the fields we use, by their wire names in camelCase; `sesamy` brings odd values here."""

from typing import Annotated

from msgspec import Meta, Struct, field

from ..model import UserKey
from .shapes import EPOCH

Id = Annotated[str, Meta(pattern=r"\S")]
Date = Annotated[str, Meta(pattern=rf"^(?!{EPOCH}\Z)")]
"""As Sesamy writes it; seconds and milliseconds since 1970 have become ISO 8601, UTC."""


class Profile(Struct, frozen=True, rename="camel", kw_only=True):
    """A user as `GET /management/users/{id}` gives it."""

    user_id: str | None = None
    id: str | None = None
    sub: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    # As the schema of a profile spells these two.
    given_name_: str | None = field(default=None, name="given_name")
    family_name_: str | None = field(default=None, name="family_name")
    company: str | None = None
    tags: list[str] | None = None
    # Any of the three may mark a guest; whatever else stands there does no harm.
    is_guest: object = None
    is_guest_: object = field(default=None, name="is_guest")
    guest: object = None

    @property
    def named(self) -> frozenset[str]:
        """Return the ids that the answer gives its user; Sesamy's own name of the field goes before the others."""
        names = (self.user_id,) if self.user_id else (self.id, self.sub)
        return frozenset(name for name in names if name)


class Item(Struct, frozen=True, rename="camel", kw_only=True):
    """One line of a contract."""

    sku: str | None = None
    name: str | None = None
    title: str | None = None
    list_price_id: str | None = None
    purchase_option_id: str | None = None
    purchase_option_name: str | None = None
    option_title: str | None = None
    purchase_type: str | None = None


class Payer(Struct, frozen=True, rename="camel", kw_only=True):
    """The payer of a contract, where Sesamy names one."""

    id: str | None = None
    email: str | None = None


class Contract(Struct, frozen=True, rename="camel", kw_only=True):
    """A contract."""

    id: Id
    user_id: str | None = None
    status: str | None = None
    is_active: bool | None = None
    contract_duration: str | None = None
    recurring_interval: str | None = None
    start_date: Date | None = None
    created_at: Date | None = None
    end_date: Date | None = None
    canceled_at: Date | None = None
    ended_at: Date | None = None
    expires_at: Date | None = None
    will_cancel_at: Date | None = None
    items: list[Item] | None = None
    payer: Payer | None = None
    payer_email: str | None = None
    gift_mode: object = None
    is_gift: object = None


class Origin(Struct, frozen=True, rename="camel", kw_only=True):
    """Where an entitlement comes from: PAYMENTS with a contract, or EXTERNAL."""

    type: str | None = None
    contract_id: str | None = None


class Entitlement(Struct, frozen=True, rename="camel", kw_only=True):
    """An access. Assumption: it may name its user, and need not."""

    id: Id
    user_id: str | None = None
    sku: str | None = None
    purchase_option: str | None = None
    title: str | None = None
    type: str | None = None
    origin: Origin | None = None
    has_access: bool | None = None


class Snapshot(Struct, frozen=True, kw_only=True):
    """A user as Sesamy has it now, whole: every page of everything, or no snapshot at all."""

    user: UserKey
    profile: Profile
    contracts: tuple[Contract, ...]
    entitlements: tuple[Entitlement, ...]
