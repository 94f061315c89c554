"""The look back at a contact: when it is due, and whether the account has kept what was written, three in a row."""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final, Literal, get_args

from msgspec import Struct

from ..model import AccountId, UserKey
from .consent import Standing
from .contact import Contact
from .tags import in_clear, others, stale

What = Literal["lists", "tags", "others_tags"]
KINDS: Final[tuple[What, ...]] = get_args(What)
"""On the lists it was put on; the tags of ours that it is to have, and no more; the tags of others that it had."""

EVERY_S: Final = 3600.0
"""An account that keeps all is looked at again after so long."""
APART_S: Final = 60.0
"""Two looks at an account are so far apart, at least."""
CURE: Final = "makeas.list_parameter or makeas.tags is not as this account has it: run `sesamy-makeas verify`"
"""What to do where something is not kept."""
_IN_A_ROW: Final = 3
"""Reads may lag behind writes: so many different readers say it before it is believed."""


class Asked(Struct, frozen=True, kw_only=True):
    """What a write that was taken was to make of a contact."""

    email: str
    before: Contact | None
    """None: it was new."""
    lists: tuple[str, ...]
    """Those that it was put on."""
    tags: tuple[str, ...]
    """Those that it is to have of us."""

    @property
    def tells(self) -> frozenset[What]:
        """Return what a look at it can prove: what it has had all along says nothing of the write."""
        return frozenset(self._tells())

    def _tells(self) -> Iterator[What]:
        before = self.before
        if before is None:
            if self.lists:
                yield "lists"
            if self.tags:
                yield "tags"
            return
        on, titles = before.list_ids, before.titles
        if self.lists and on is not None and not on.issuperset(self.lists):
            yield "lists"
        if in_clear(self.tags).lacking(titles) or stale(titles, in_clear(self.tags)):
            yield "tags"
        if others(titles, self.tags):
            yield "others_tags"


def judged(asked: Asked, after: Contact | None, *, hides_left: bool) -> Mapping[What, bool]:
    """
    Return of what was written whether it was kept; what the contact does not show is left out.

    Args:
        after: None: the address shows no contact.
        hides_left: whether one that opted out is not shown; then none says nothing.
    """
    if after is None:
        return {} if hides_left else dict.fromkeys(asked.tells, False)
    found: dict[What, bool] = {}
    on, tells = after.list_ids, asked.tells
    if "lists" in tells and on is not None and after.standing is not Standing.LEFT:  # Opted out, it is rightly on none.
        found["lists"] = on.issuperset(asked.lists)
    if after.tags is None and (asked.before is None or asked.before.tags is None):
        return found  # It shows none, be there some or not.
    titles, wanted = after.titles, in_clear(asked.tags)
    if "tags" in tells:
        found["tags"] = not wanted.lacking(titles) and not stale(titles, wanted)
    if "others_tags" in tells and asked.before is not None:
        found["others_tags"] = set(map(_plain, titles)).issuperset(map(_plain, others(asked.before.titles, asked.tags)))
    return found


def _plain(title: str) -> str:
    return title.strip().casefold()


class Kept:
    """
    Whether one account keeps what is written.

    It promises: a look is due for what was never seen to be kept, then once an hour, and at each contact that can tell while one was not
    kept, but never twice a minute; what three different readers in a row did not show is not kept, until the first that shows it.
    """

    def __init__(self, account: AccountId) -> None:
        """Begin with nothing seen."""
        self.account, self.apart_s = account, APART_S
        self.told: Callable[[frozenset[What]], None] | None = None
        """Is told what is not kept, whenever that changes."""
        self._looked_at = -inf
        # What was seen to be kept, or could not be seen: no look is due for it before the hour is over.
        self._seen: set[What] = set()
        self._lacking: dict[What, set[UserKey]] = {}
        self._since: dict[What, float] = {}

    def not_kept(self) -> tuple[What, ...]:
        """Return what is held not to be kept."""
        return tuple(what for what in KINDS if what in self._since)

    def not_kept_s(self, *, now: float) -> float:
        """Return for how long something has not been kept (s); 0: all is."""
        return max((now - since for since in self._since.values()), default=0.0)

    def is_due(self, asked: Asked, *, now: float) -> bool:
        """Say whether to look back at a contact that was just written."""
        if now - self._looked_at < self.apart_s:
            return False
        tells = asked.tells
        return bool(tells - self._seen) or (bool(tells) and now - self._looked_at >= EVERY_S)

    def looks(self, *, now: float) -> None:
        """Note that a look begins: whatever comes of it, the next is not before a minute is over."""
        self._looked_at = now

    def learn(self, user: UserKey, asked: Asked, after: Contact | None, *, hides_left: bool, now: float) -> None:
        """Take what a look brought; `after`: see `judged`."""
        held, verdicts = self.not_kept(), judged(asked, after, hides_left=hides_left)
        for what in asked.tells:
            if verdicts.get(what) is False:
                self._seen.discard(what)
                lacking = self._lacking.setdefault(what, set())
                if len(lacking) < _IN_A_ROW:
                    lacking.add(user)
                if len(lacking) == _IN_A_ROW:
                    self._since.setdefault(what, now)
            elif what in verdicts:
                self._seen.add(what)
                self._lacking.pop(what, None)
                self._since.pop(what, None)
            elif what not in self._lacking:  # It can't be seen; what is in doubt stays so.
                self._seen.add(what)
        if self.told is not None and self.not_kept() != held:
            self.told(frozenset(self.not_kept()))
