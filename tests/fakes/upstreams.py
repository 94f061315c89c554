"""
Clients of Sesamy and Make.as that talk to nobody, for tests of what is done with them.

A simulated life has its own (`tests/simulation/upstreams.py`), which write down all they do for a judge, and stand below
Make.as' client.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import anyio

from consumer.core.answers.snapshot import Contract, Profile, Snapshot
from consumer.core.mapping.documents import Documents
from consumer.core.model import UserKey
from consumer.resync.makeas import WriteOutcome
from consumer.resync.sharing.rider import Rider

WHOLE: Final = ["upsert", "subscriptions"]

Permit = Callable[[], Awaitable[None]]


def address(user: str) -> str:
    return f"{user}@example.com"


class Sesamy:
    """
    A vendor's API: it knows every user, each by an address of its own, until a test says otherwise.

    It answers after a tenth of a second; each page after the first asks for a permit of its own.
    """

    def __init__(self) -> None:
        self.pages = 1
        self.pages_of: dict[UserKey, int] = {}
        self.takes_s, self.page_takes_s = 0.1, 0.0
        self.asked: list[UserKey] = []
        self.renewed = 0
        self.knows = True
        """Whether anybody is known at all."""
        self.absent: Counter[UserKey] = Counter()
        """How often each is not found yet."""
        self.emails: dict[UserKey, str | None] = {}
        """Addresses that are not the user's own; None: there is none."""
        self.fails: list[Exception] = []
        """What the next answers are, whoever is asked for."""
        self.fails_for: dict[UserKey, list[Exception]] = {}
        self.contracts_of: Callable[[UserKey], tuple[Contract, ...]] = lambda _: ()
        self.heeds_filters, self.filter_s = True, 0.0
        self.is_proven = True

    async def obeys_filter(self, resource: str, user_id: str, *, permit: Permit) -> bool:
        assert resource
        assert user_id
        await permit()
        await anyio.sleep(self.filter_s)
        return self.heeds_filters

    async def snapshot(self, user: UserKey, *, permit: Permit, page: Permit | None = None) -> Snapshot | None:
        assert callable(permit)
        self.asked.append(user)
        await anyio.sleep(self.takes_s)
        if errors := self.fails_for.get(user) or self.fails:
            raise errors.pop(0)
        for _ in range(1, self.pages_of.get(user, self.pages)):
            await (page or permit)()
            await anyio.sleep(self.page_takes_s)
        if not self.knows:
            return None
        if self.absent[user]:
            self.absent[user] -= 1
            return None
        profile = Profile(user_id=user.user, email=self.emails.get(user, address(user.user)))
        return Snapshot(user=user, profile=profile, contracts=self.contracts_of(user), entitlements=())

    def renew(self) -> None:
        self.renewed += 1


class Make:
    """One account: a read and two writes, a tenth of a second each; it takes all, until a test says otherwise."""

    def __init__(self, *lists: str) -> None:
        """Have these lists: those that a write leaves out are told."""
        self.lists = lists
        self.refuses: dict[str, str] = {}
        """Lists that take nobody, each with the code that it answers."""
        self.fails: list[Exception] = []
        """What the next reads are answered, whoever they are of."""
        self.fails_for: dict[str, list[Exception]] = {}
        """The same, of one user's id."""
        self.spares: set[str] = set()
        """The ids of users whose contacts are as they are to be, and that have no rows."""
        self.takes_s, self.hesitates_s = 0.1, 0.0
        self.asked: list[tuple[str, ...]] = []
        """The lists of each write that was begun."""
        self.reads = 0
        self.limits_s: list[float] = []
        self.written: list[str] = []
        """The calls that wrote."""
        self.users: list[str] = []
        """The ids of the users that were written whole."""
        self.only_new: list[bool] = []
        """Of each write that was begun, whether only a new contact was to be written."""
        self.always: list[bool] = []
        """The same, whether it was to be written also where it is as it is to be."""
        self.riders: list[Rider] = []
        """The same, the run."""

    async def write(
        self, documents: Documents, *, permit: Permit, limit_s: Callable[[], float], lists: Collection[str], always: bool, rider: Rider
    ) -> WriteOutcome:
        self.always.append(always)
        self.riders.append(rider)
        assert lists
        user = documents.subscriber.external_id
        self.asked.append(tuple(lists))
        self.only_new.append(documents.only_new)
        await permit()
        self.reads += 1
        await anyio.sleep(self.takes_s)
        if errors := self.fails_for.get(user) or self.fails:
            raise errors.pop(0)
        if user in self.spares and not always:
            return WriteOutcome(consent_kept=False, spared=tuple(lists), is_spared=True)
        for call in WHOLE:
            await permit()
            if self.hesitates_s:
                await anyio.sleep(self.hesitates_s)
            self.limits_s.append(limit_s())
            assert self.limits_s[-1] > 0
            await anyio.sleep(self.takes_s)
            self.written.append(call)
        self.users.append(user)
        refused = {one: self.refuses[one] for one in lists if one in self.refuses}
        taken = tuple(one for one in lists if one not in refused)
        return WriteOutcome(consent_kept=False, refused=refused, taken=taken, left_out=tuple(one for one in self.lists if one not in lists))
