"""The nouns that every room shares: plain, frozen, without behaviour."""

from collections.abc import Mapping
from enum import Enum
from math import inf
from typing import Annotated, Final, Literal, NewType

from msgspec import Meta, Struct, field

from .foreign import EPOCH

AccountId = NewType("AccountId", str)
"""One conversation with Make.as: Make's user id, with `-2`, `-3` … behind it where one user id has several keys."""


SESAMY: Final = AccountId("")
"""Stands where an account could: what a user owes to the fetch itself."""


class Door(Enum):
    """What a gate says to the next user."""

    SHUT = "shut"
    OPEN = "open"
    PROBE = "probe"
    """One user may try whether the upstream is there again."""


StopCause = Literal["filter"]
"""What somebody outside may stop a gate for: `filter`, an upstream that ignores which user is asked for."""
GateCause = Literal["", "breaker", "denied", "absent", "filter", "unproven", "retry-after"]
"""Why a gate is not open; empty: it is."""


class GateState(Struct, frozen=True, kw_only=True):
    """A gate as an operator sees it; times in seconds from now."""

    state: Literal["open", "closed", "probing"]
    cause: GateCause
    closed_s: float
    next_try_s: float
    share: float
    in_use: int


class UserKey(Struct, frozen=True, order=True, gc=False):
    """A user is always the pair: two vendors may know one user id."""

    vendor: str
    user: str


class Event(Struct, frozen=True, gc=False):
    """Something about `user` changed; what changed is not our business."""

    user: UserKey
    type: str


# ---- What Sesamy says. Only the fields we use, by their wire names in camelCase; `sesamy_answers` brings odd values here. ----

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
    """Who pays for a contract, where Sesamy says so."""

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


# ---- What Make.as is told. ----


class Subscriber(Struct, frozen=True, kw_only=True):
    """A Make contact's own fields; None: Sesamy has no value, so the key is left out."""

    email: str
    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    external_id: str


class Product(Struct, frozen=True):
    """A row of the product catalogue."""

    external_id: str
    name: str


class Subscription(Struct, frozen=True, kw_only=True):
    """One contract, linked to a product of the catalogue."""

    external_id: str
    product_external_id: str
    start_date: str | None = None
    end_date: str | None = None
    name: str
    status: Literal["active", "cancelled"]


class Documents(Struct, frozen=True, kw_only=True):
    """All that one resync writes to an account."""

    subscriber: Subscriber
    tags: tuple[str, ...]
    """The wanted `sesamy_` tags, sorted; may be empty."""
    products: tuple[Product, ...]
    subscriptions: tuple[Subscription, ...]
    skipped_contracts: int = 0
    """Contracts without an item or a SKU, so that there is nothing to link to, or with an id that can be none."""


class Skip(Struct, frozen=True):
    """Nothing is to be written for this user; not an error."""

    reason: Literal["no-email", "guest", "absent"]


# ---- What is owed and cannot be given. ----


class Letter(Struct, frozen=True, kw_only=True):
    """What is to be parked: a record that can't be read (no user), or a user, for one account or (no account) for all."""

    code: str
    stage: Literal["intake", "sesamy", "makeas"]
    partition: int
    offset: int
    """The oldest event not covered; -1 where the user has no token."""
    user: UserKey | None = None
    type: str | None = None
    account: AccountId | None = None
    lists: tuple[str, ...] = ()
    """Lists of the account that it is about; empty: all of them."""
    attempts: int = 0
    key: bytes | None = None
    """The record's key; None, for a user: `vendor|user`, as usual."""
    partitions: int | None = None
    """How many the source topic had when an older letter told of the source, 0: that did not say; None: as many as now."""


class Reopened(Struct, frozen=True, kw_only=True):
    """What a letter said is owed, to be tried again: without a token, after all who are due."""

    user: UserKey
    type: str
    accounts: tuple[AccountId, ...]
    partition: int
    offset: int
    """Of the letter's source."""
    partitions: int = 0
    """Of the source topic, when the letter was parked; 0: it does not say."""
    key: bytes | None = None
    """The letter's; None: the usual one."""
    since_ms: int
    tried_at: float
    """When a run was last made for it; -inf: never."""


# ---- A run. ----


class Verdict(Enum):
    """How a run ended at one upstream."""

    DONE = "done"
    RETRY = "retry"
    """Failed, and it counts against the user."""
    HELD = "held"
    """Not tried, or failed for a reason that is not the user's: owed as before."""
    REFUSED = "refused"
    """It is to be parked; with `lists`, those alone are owed, and the rest of the account is done."""
    ABSENT = "absent"
    """Sesamy only: no such user."""
    SKIPPED = "skipped"
    """Sesamy only: nothing is to be written for this user."""


class Result(Struct, frozen=True):
    """A verdict, the code of the error behind it, and whether the upstream was really asked."""

    verdict: Verdict
    code: str = ""
    tried: bool = True
    delay_s: float = 0.0
    """The upstream asks that this user is not tried again before (s)."""
    lists: Mapping[str, str] = {}
    """List -> code, of the account's lists that are owed the user where its others have all; none: it is about the whole account."""


class Job(Struct, frozen=True, kw_only=True):
    """One run to make: fetch `user`, write to `accounts`."""

    user: UserKey
    accounts: tuple[AccountId, ...]
    started_at: float
    since_ms: Mapping[AccountId, int]
    """By account, the time of the oldest event that it has not had (ms)."""
    begins_at: float = -inf
    """When its calls can be made: it waits till then, before the fetch."""


class Ended(Struct, frozen=True, kw_only=True):
    """What follows from the end of a run or of a parking."""

    closed: tuple[tuple[int, int], ...] = ()
    """(partition, offset) of the tokens that are covered now."""
    letters: tuple[Letter, ...] = ()
    """To be parked; the user's tokens stay open until `parked` is called."""
    owed: tuple[AccountId, ...] = ()
