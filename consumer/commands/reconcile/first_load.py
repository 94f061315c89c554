"""The first load: readers that are nowhere at Make.as are written from what was read in bulk, while the topic is followed."""

from collections import Counter
from collections.abc import Collection, Mapping

import anyio
from anyio import to_thread

from ...core.answers.snapshot import Snapshot
from ...core.drift.bulk import Bulk
from ...core.drift.findings import Findings
from ...core.model import UserKey
from ...core.users.settling import Settling
from ...kafka.tail import Tail
from ...settings.model import KafkaSettings, Settings


class _Dropping(Settling):
    """The topic as a first load reads it: a reader with an event is dropped from what was read in bulk."""

    def __init__(self, bulks: Mapping[str, Bulk]) -> None:
        super().__init__()
        self._bulks = bulks

    def seen(self, user: UserKey, partition: int, offset: int) -> None:
        if user.vendor in self._bulks:
            self._bulks[user.vendor].drop(user.user)
        super().seen(user, partition, offset)

    def missed(self, partition: int) -> None:
        for one in self._bulks.values():
            one.clear()
        super().missed(partition)


class _Following:
    """The tail that is followed already, as a batch takes one."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    async def run(self) -> None:
        """Wait for ever: it runs elsewhere."""
        await anyio.sleep_forever()

    async def ready(self) -> None:
        """Wait until it follows."""
        await self._tail.ready()


class FirstLoad:
    """
    What may be written from what was read in bulk.

    It promises: the topic is followed since before the first page; a reader is given only where no event of it has come since, it is
    at none of its vendor's accounts, and it was read whole within the last hour; and it is given once: whatever is tried again is fetched.
    """

    def __init__(self, settings: Settings, vendors: Collection[str]) -> None:
        """Begin with nobody."""
        self.bulks = {vendor: Bulk(vendor) for vendor in vendors}
        self.settling = _Dropping(self.bulks)
        self._tail = Tail(settings.kafka, self.settling)
        self._accounts = {vendor: len(settings.accounts_of(vendor)) for vendor in vendors}
        self.written = 0
        """Snapshots that were given."""

    async def run(self) -> None:
        """Follow the topic, for ever."""
        await self._tail.run()

    async def ready(self) -> None:
        """Return once every event from now on will be seen."""
        await self._tail.ready()

    def tail(self, _settings: KafkaSettings, _settling: Settling) -> _Following:
        """Return what a batch follows."""
        return _Following(self._tail)

    async def keep_new(self, findings: Findings) -> int:
        """Keep those that are nowhere at Make.as, and nothing else of them was found; return how many."""
        # What is kept changes with each event, and so in the loop alone; the choice, of 100,000 readers, takes most of a second.
        new = await to_thread.run_sync(self._new, findings)
        return sum(bulk.keep(new[vendor]) for vendor, bulk in self.bulks.items())

    def _new(self, findings: Findings) -> dict[str, set[str]]:
        """Return the users of each vendor that are at none of its accounts, and nothing else of them was found."""
        missing = Counter(UserKey(one.vendor, one.user) for one in findings.all if one.kind == "missing")
        other = {UserKey(one.vendor, one.user) for one in findings.all if one.kind != "missing"}
        new: dict[str, set[str]] = {vendor: set() for vendor in self.bulks}
        for user, times in missing.items():
            if times == self._accounts[user.vendor] and user not in other:
                new[user.vendor].add(user.user)
        return new

    def snapshot(self, user: UserKey) -> Snapshot | None:
        """Return a reader as it was read in bulk; None: it must be fetched."""
        bulk = self.bulks.get(user.vendor)
        found = None if bulk is None else bulk.snapshot(user.user, now=anyio.current_time())
        if bulk is not None and found is not None:
            bulk.drop(user.user)
            self.written += 1
        return found
