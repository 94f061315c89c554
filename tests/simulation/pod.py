"""One simulated process: it lives, may be cut off from Kafka, stops in order, and dies without a word."""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
from aiokafka import TopicPartition
from anyio.abc import TaskGroup

from consumer.core.mapping.consent import Consent
from consumer.core.model import AccountId
from consumer.pod.service import Service
from consumer.pod.status.report import Report
from consumer.resync.clients import Target, Upstreams, Vendor, gates
from consumer.resync.filters import Filters
from consumer.resync.makeas import MakeAs
from consumer.resync.sharing.shared_rows import SharedRows
from consumer.settings.account import Account
from consumer.settings.model import Settings
from consumer.telemetry.metrics import Metrics
from tests.history.operations import Bounded, Outcome, Stopping
from tests.simulation.letters import producing, reading
from tests.simulation.topic import Group, Member, joined
from tests.simulation.upstreams import HANGS_S, FakeExchange, FakeSesamy
from tests.simulation.world import LETTERS, World


async def _letters_partitions(_: object) -> list[TopicPartition]:
    return [LETTERS]


def upstreams_of(settings: Settings, world: World, pod: str) -> Upstreams:
    """Return what one pod talks to: fakes of Sesamy, and the real client of Make.as above a fake of its API."""

    def client(account: Account) -> MakeAs:
        exchange: Any = FakeExchange(world, AccountId(account.id), pod, places=settings.makeas.max_in_flight)
        consent = Consent.without(account.lists)
        share = partial(SharedRows, upstream=account.id) if world.shares_rows else None
        return MakeAs(exchange, user_id=account.user_id, api_key=lambda: "k", lists=account.lists, consent=consent, share=share)

    sesamys: dict[str, Any] = {vendor.id: FakeSesamy(world, vendor.id, pod) for vendor in settings.vendors}
    vendors = {
        vendor: Vendor(sesamy, {account.id: Target(account, client(account)) for account in settings.accounts_of(vendor)})
        for vendor, sesamy in sesamys.items()
    }
    limits = gates(settings, heals=True)
    return Upstreams(vendors, limits, filters=Filters(sesamys, limits.vendors, chance=world.chance))


class Pod:
    """One process."""

    _number = 0

    def __init__(self, settings: Settings, world: World, group: Group, tasks: TaskGroup) -> None:
        self._settings, self._world, self._group, self._tasks = settings, world, group, tasks
        Pod._number += 1
        self.name = f"pod-{Pod._number}"
        self._scope = anyio.CancelScope()
        self.member: Member | None = None
        self.service: Service | None = None

    async def live(self) -> None:
        world, settings = self._world, self._settings
        with self._scope:
            await self._group.pin(settings.kafka.start_at)
            self.service = Service(
                settings,
                Metrics(settings),
                upstreams_of(settings, world, self.name),
                producing=lambda: producing(world),  # type: ignore[arg-type,return-value]
                reading=lambda: reading(world),  # type: ignore[arg-type,return-value]
                partitions=_letters_partitions,
                join=lambda listener, made: joined(  # type: ignore[arg-type,return-value]
                    self._group, self._tasks, listener, self._made(made), pod=self.name
                ),
                clock=anyio.current_time,
                uniform=world.chance.random,
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.service.live)
                tasks.start_soon(self._count)

    def _made(self, made: Callable[[Any], None]) -> Callable[[Member], None]:
        def note(member: Member) -> None:
            self.member = member
            member.fetch_errors = 0.02
            made(member)

        return note

    async def _count(self) -> None:
        """Take down how many runs there are, whenever there are more than ever."""
        assert self.service is not None
        most, limit = 0, self._settings.workers.concurrency
        while True:
            await anyio.sleep(0.25)
            count = self.service.backlog.schedule.counts()["running"]
            if count > most:
                most = count
                self._world.record(Bounded(at=anyio.current_time(), pod=self.name, name="runs", value=count, limit=limit))

    @property
    def is_consuming(self) -> bool:
        """Say whether it is a member of the group as that is now: one that was cut off may believe so for a while."""
        group, member = self._group, self.member
        is_member = member is not None and member in group.members and member.generation == group.generation
        return self.service is not None and is_member and self.service.membership.assignment.joined

    def kill(self) -> None:
        """End at whatever await each task is in."""
        self._world.record(Outcome(at=anyio.current_time(), pod=self.name))
        if self.member is not None:
            self.member.dead = True
        self._scope.cancel()

    async def stop(self) -> None:
        """End in order, and look whether what is settled is committed."""
        if self.service is None or self.member is None:
            self.kill()
            return
        world, group = self._world, self._group
        asked_at, was_troubled = anyio.current_time(), bool(world.trouble)
        world.record(Stopping(at=asked_at, pod=self.name))
        rebalances, member, was_cut = group.rebalances, self.member, self.member.cut
        is_clean = await self.service.membership.drain()
        is_same = member is self.member and member in group.members and rebalances == group.rebalances
        if is_same and not was_cut and not member.cut and self.service.membership.assignment.joined:
            for partition, watermark in self.service.backlog.ledger.watermarks().items():
                world.say(self.name, f"settled of {partition}", group.offsets[partition], watermark)
        self._scope.cancel()
        # A run that something holds up beyond its time may be cut off: that is no fault of the pod's.
        is_excused = was_troubled or world.trouble or world.mended_at >= asked_at - HANGS_S or world.unwell
        status = 0 if is_clean or is_excused else 75
        world.record(Outcome(at=anyio.current_time(), pod=self.name, status=status))

    def say(self) -> None:
        """Take down what its status says, where all is done."""
        assert self.service is not None
        status = Report(self.service, started_at=0.0).status()
        at, limit = anyio.current_time(), len(self._world.with_open_letters())  # Who is refused is tried again now and then.
        self._world.record(Bounded(at=at, pod=self.name, name="dirty users", value=status.users.dirty, limit=limit))
        for one in status.partitions:
            self._world.say(self.name, f"lag of {one.partition}", -1 if one.lag is None else one.lag, 0)
            self._world.say(self.name, f"committed of {one.partition}", one.committed, self._group.offsets[one.partition])
