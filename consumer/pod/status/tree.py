"""The tree of what a pod says of itself, frozen: for `/status.json`, the page, the probes and the metrics. No personal data."""

from typing import Final, Literal

from msgspec import Struct

from ...core.model import Failure, GateCause
from .hour.shapes import LastHour

NOT_A_MEMBER: Final = "not a member of the group"
TOPIC_MISSING: Final = "the topic is missing"
"""Reasons of `Status.not_ready` that others look for."""


class GroupStatus(Struct, frozen=True, kw_only=True):
    """Our place in the consumer group."""

    generation: int = -1
    """-1: not a member."""
    lease_left_s: float = 0.0
    topic_partitions: int = 0
    """Of all pods together; 0: not known yet."""


class PartitionStatus(Struct, frozen=True, kw_only=True):
    """One partition of ours; offsets are next ones, -1 where not known."""

    partition: int
    position: int = -1
    end: int = -1
    committed: int = -1
    open: int = 0
    """Users with an event here that no resync has covered."""
    paused: bool = False
    oldest_open_at: float | None = None
    """Wall time (s) of the oldest such event; None: there is none."""
    out: bool = False
    """Left out: its records can't be fetched; it is tried every minute."""

    @property
    def lag(self) -> int | None:
        """Return how many records stand between what is committed and the end; None: not known."""
        return max(0, self.end - self.committed) if min(self.end, self.committed) >= 0 else None

    @property
    def unread(self) -> int | None:
        """Return how many records stand between the next one to read and the end; None: not known."""
        return max(0, self.end - self.position) if min(self.end, self.position) >= 0 else None


class CauseStatus(Struct, frozen=True, kw_only=True):
    """Why some users are still dirty."""

    cause: Literal["debounce", "backoff", "held", "ready", "running", "parking"]
    """See `core/users/counts`."""
    users: int = 0
    oldest_s: float | None = None
    """Age of their oldest event; None: there are none."""


class UserCounts(Struct, frozen=True, kw_only=True):
    """How many users are dirty, and why they still are."""

    dirty: int = 0
    limit: int = 0
    """Where partitions are paused."""
    causes: tuple[CauseStatus, ...] = ()
    """Looked at now and then: may lag behind `dirty` by some seconds where very many are dirty."""


class GateStatus(Struct, frozen=True, kw_only=True):
    """One upstream's gate."""

    name: str
    """An account's id, or `sesamy:` and the vendor's id."""
    kind: Literal["sesamy", "makeas"]
    state: Literal["open", "closed", "probing"] = "open"
    cause: GateCause = ""
    closed_s: float = 0.0
    next_try_s: float = 0.0
    waiting_users: int = 0
    """Users that are due and owed here."""
    held_users: int = 0
    """Users, and letters that will be tried again, that wait for nothing but this gate to open."""
    rate_share: float = 1.0
    in_use: int = 0
    limit_per_minute: float = 0.0
    """Requests a minute that all pods together may make; 0: a pod that does not say it."""
    not_kept: tuple[str, ...] = ()
    """What an account takes and does not keep, as contacts show that were read once more after a write: `lists`, `tags`, `others_tags`."""
    not_kept_s: float = 0.0
    """For how long that has been known."""


class ReconcileStatus(Struct, frozen=True, kw_only=True):
    """The last look at every reader of a list."""

    at: float
    """When it ended (wall time, s)."""
    ended: str
    """`agreed`, `differs`, `too-many`, `declined` or `cut-off`."""
    readers: int
    repaired: int
    left: int
    """Differences that were there at its end."""


class ListStatus(Struct, frozen=True, kw_only=True):
    """One Make.as list of one vendor."""

    vendor: str
    account: str
    list: str
    last_write_at: float | None = None
    """Wall time (s); None: nothing written since the start."""
    freshness_last_s: float | None = None
    """How long the last write's event took to get there."""
    oldest_pending_s: float | None = None
    """Age of the oldest event not covered yet, or of the oldest letter that will be tried again; None: nothing pending."""
    oldest_due_s: float | None = None
    """The same, without users that wait for the end of a burst and for nothing else."""
    owed_users: int = 0
    register: Literal["unread", "whole", "none"] = "unread"
    """The register of those that left the list: not read yet (nothing was to be written), read, or not to be had."""
    register_code: str = ""
    """Why there is none."""
    left: int = 0
    """Contacts known to have left."""
    door: Literal["open", "left-out", "probing"] = "open"
    """Left out: it refuses users that its siblings take; one user at a time tries it again (probing)."""
    door_code: str = ""
    """What it answered last."""
    left_out_s: float = 0.0
    """For how long it has been left out."""
    next_try_s: float = 0.0
    paused: bool = False
    """Whether the settings say that nothing is written to it, or for its vendor, for now."""
    contacts_without_status: int = 0
    """Known contacts of the account that showed none, where so many did (from 20 on) and none ever showed one; else 0."""
    name: str = ""
    """For people, from the settings; empty: it has none."""
    reconciled: ReconcileStatus | None = None
    """None: no result is in the dead-letter topic, as far as it is read."""

    @property
    def title(self) -> str:
        """Return how people are told of it: `Morgenbrev (1466)`, or the id alone."""
        return f"{self.name} ({self.list})" if self.name else self.list


class UnknownVendor(Struct, frozen=True, kw_only=True):
    """A vendor that events name and the settings don't."""

    vendor: str
    """As `shown` gives it: it comes from outside."""
    events: int
    first_offset: str
    """`P:N`."""
    replay: str
    """The command that makes good for it, on all partitions, once it is in the settings."""


class UnknownType(Struct, frozen=True, kw_only=True):
    """An event type that is none of the eight, of vendors that the settings know."""

    type: str
    """As `shown` gives it: it comes from outside."""
    events: int
    first_offset: str
    """`P:N`."""
    replay: str
    """The command that makes good for it, on all partitions; empty: its users are resynced as they come."""


class IgnoredFilter(Struct, frozen=True, kw_only=True):
    """One time that Sesamy gave rows whichever user it was asked for: what was written before it was found may be another's."""

    vendor: str
    resource: str
    """`contracts` or `entitlements`."""
    found_at: float
    """Wall time (s)."""
    obeyed_at: float | None = None
    """When it was found to be well again; None: not yet, and nothing is written for the vendor."""
    replay: str
    """The command that makes good for it, since the last good verdict, on all partitions; once it is well again."""


class LetterGroup(Struct, frozen=True, kw_only=True):
    """Open letters that are alike."""

    code: str = ""
    """Empty: all that are in no other group."""
    account: str = ""
    """Make's user id; empty: all accounts, or none in particular."""
    lists: tuple[str, ...] = ()
    needs_a_person: int = 0
    heals: int = 0
    """Tried again without anybody: held ones once their gate is open, and those that were asked for."""
    unreadable: bool = False
    """Of records that can't be read: nobody can try them."""


class LetterCounts(Struct, frozen=True, kw_only=True):
    """The dead-letter topic, as this pod knows it."""

    written: int = 0
    waiting: int = 0
    writable: bool = True
    readable: bool = True
    """False: the topic could not be followed for a minute, so that nothing heals."""
    open: int | None = None
    """Letters of users in the topic that nothing has closed, of all pods' partitions; None: not known, for the topic has not been read."""
    oldest_s: float | None = None
    """For how long the oldest of them has been open; None: there is none, or not known."""
    need_person: int | None = None
    """Of the open ones, those that are not tried again by themselves and that nobody has requeued; None: not known."""
    to_retry: int = 0
    """Of this pod's partitions, those that will be tried again: by themselves once a gate is open, or since an operator asked."""
    unreadable: int | None = None
    """Letters of records that can't be read, beside `open`: only retention takes them. Counted up to 10,000; None: not known."""
    groups: tuple[LetterGroup, ...] = ()
    """Those that are open or unreadable, of all pods' partitions, the largest groups first."""


class UnknownAnswer(Struct, frozen=True, kw_only=True):
    """Successes of a write whose body says nothing that we know; taken for done."""

    upstream: str
    op: str
    shape: str
    """The names of its fields; without any value."""
    count: int


class Status(Struct, frozen=True, kw_only=True):
    """All of it."""

    build: str = ""
    host: str = ""
    """The pod's name."""
    at: float = 0.0
    """Wall time (s) of all this, by the pod's clock: ages are told by it, not by the reader's."""
    state: Literal["starting", "consuming", "draining"] = "starting"
    ready: bool = False
    not_ready: tuple[str, ...] = ()
    """Why not; constant words, for people."""
    live: bool = True
    started_at: float = 0.0
    group: GroupStatus = GroupStatus()
    partitions: tuple[PartitionStatus, ...] = ()
    users: UserCounts = UserCounts()
    upstreams: tuple[GateStatus, ...] = ()
    lists: tuple[ListStatus, ...] = ()
    unknown_vendors: tuple[UnknownVendor, ...] = ()
    unknown_types: tuple[UnknownType, ...] = ()
    ignored_filters: tuple[IgnoredFilter, ...] = ()
    """Since the start; of each vendor the last few."""
    dead_letters: LetterCounts = LetterCounts()
    recent_failures: tuple[Failure, ...] = ()
    unknown_answers: tuple[UnknownAnswer, ...] = ()
    settings_fingerprint: str = ""
    dry_run: bool = False
    """Whether nothing is written: neither to Make.as, nor a letter."""
    last_hour: LastHour | None = None
    """None: not known."""

    @property
    def is_member(self) -> bool:
        """Say whether the pod is a member of the consumer group."""
        return self.group.generation >= 0 and NOT_A_MEMBER not in self.not_ready
