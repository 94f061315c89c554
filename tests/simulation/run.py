"""One seeded life of several pods: bursts, crashes, cuts, rebalances, upstream trouble; then healing and the referee's last word."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import anyio
import looptime
from aiokafka import TopicPartition
from anyio.abc import TaskGroup

from consumer.filters import Filters
from consumer.model import AccountId, UserKey
from consumer.resync import Target, Vendor
from consumer.service import Service
from consumer.settings import Settings
from consumer.telemetry import Metrics
from consumer.upstreams import Upstreams, gates
from tests.simulation.settings import MANY_LISTS
from tests.simulation.topic import Group, Member, Topic, joined
from tests.simulation.world import LETTERS, Broken, FakeMakeAs, FakeSesamy, World, producing, reading

_TYPES = ["userVendor.1#new", "userVendor.1#update", "contract.1#purchased", "contract.1#update", "entitlement.1#new"]
_TROUBLE = ["500", "429", "401", "403", "hang", "unfiltered"]
_PARTITIONS = 3


async def _letters_partitions(_: object) -> list[TopicPartition]:
    return [LETTERS]


class Pod:
    """One process: it lives, may be cut off from Kafka, and dies without a word."""

    def __init__(self, settings: Settings, world: World, group: Group, tasks: TaskGroup) -> None:
        self._settings, self._world, self._group, self._tasks = settings, world, group, tasks
        self._scope = anyio.CancelScope()
        self.dead = False
        self.member: Member | None = None
        self.service: Service | None = None

    async def live(self) -> None:
        world = self._world
        sesamys: dict[str, Any] = {vendor.id: FakeSesamy(world, vendor.id) for vendor in self._settings.vendors}
        vendors = {
            vendor: Vendor(
                sesamy,
                {
                    account.id: Target(account, FakeMakeAs(world, account.id, account.lists, sesamy, lambda: not self.dead))  # type: ignore[arg-type]
                    for account in self._settings.accounts_of(vendor)
                },
            )
            for vendor, sesamy in sesamys.items()
        }
        limits = gates(self._settings, heals=True)
        with self._scope:
            self.service = Service(
                self._settings,
                Metrics(self._settings),
                Upstreams(vendors, limits, filters=Filters(sesamys, limits.vendors, chance=world.chance)),
                producing=lambda: producing(world),  # type: ignore[arg-type,return-value]
                reading=lambda: reading(world),  # type: ignore[arg-type,return-value]
                partitions=_letters_partitions,
                join=lambda listener, made: joined(self._group, self._tasks, listener, self._made(made)),  # type: ignore[arg-type,return-value]
                clock=anyio.current_time,
                uniform=world.chance.random,
            )
            await self.service.live()

    def _made(self, made: Callable[[Any], None]) -> Callable[[Member], None]:
        def note(member: Member) -> None:
            self.member = member
            member.fetch_errors = 0.02
            made(member)

        return note

    def kill(self) -> None:
        """End at whatever await each task is in."""
        self.dead = True
        if self.member is not None:
            self.member.dead = True
        self._scope.cancel()

    async def stop(self) -> None:
        """End in order."""
        assert self.service is not None
        await self.service.drain()
        self._scope.cancel()


async def life(seed: int) -> World:
    """Live through one seed; raise `Broken` where an invariant does not hold."""
    chance = random.Random(seed)
    settings = MANY_LISTS
    accounts = {vendor.id: tuple(account.id for account in settings.accounts_of(vendor.id)) for vendor in settings.vendors}
    topic = Topic(_PARTITIONS)
    world = World(chance, topic, accounts)
    group = Group(topic, chance, session_timeout_s=settings.kafka.session_timeout_s, on_commit=world.on_commit)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.run)
        tasks.start_soon(group.expire)
        pods: list[Pod] = []

        def start() -> None:
            pods.append(Pod(settings, world, group, tasks))
            tasks.start_soon(pods[-1].live)

        start()
        await _storm(chance, world, accounts, pods, start)
        _heal(world, pods, start)
        await _settle(group, world)
        world.at_the_end()
        tasks.cancel_scope.cancel()
    return world


async def _storm(
    chance: random.Random, world: World, accounts: dict[str, tuple[AccountId, ...]], pods: list[Pod], start: Callable[[], None]
) -> None:
    users = [UserKey(vendor, f"u{number}") for vendor in accounts for number in range(chance.randint(2, 12))]
    world.absent = {user for user in users if chance.random() < 0.03}
    world.refused = {(account, user) for user in users for account in accounts[user.vendor] if chance.random() < 0.03}
    world.forbidden = {(account, user) for user in users for account in accounts[user.vendor] if chance.random() < 0.03}
    world.refused_there = {(AccountId("1"), one, user) for user in users for one in ("11", "12") if chance.random() < 0.05}
    upstreams = [*(f"sesamy:{vendor}" for vendor in accounts), *(account for some in accounts.values() for account in some), "letters"]
    end = anyio.current_time() + chance.uniform(30, 120)
    while anyio.current_time() < end:
        await anyio.sleep(chance.expovariate(1 / chance.choice([0.2, 1.0, 4.0])))
        draw = chance.random()
        if draw < 0.70:
            _burst(chance, world, chance.choice(users))
        elif draw < 0.82:
            world.trouble[chance.choice(upstreams)] = chance.choice(_TROUBLE)
        elif draw < 0.90:
            world.trouble.pop(chance.choice(upstreams), None)
        elif draw < 0.93 and len(pods) < 3:
            start()
        elif draw < 0.95:
            pods.pop(chance.randrange(len(pods))).kill()
            if not pods:
                start()
        elif draw < 0.97 and (member := chance.choice(pods).member) is not None:
            member.cut = not member.cut
        elif draw < 0.975:
            world.requeue()
        elif draw < 0.985:
            _lose_or_find(chance, world)
        else:
            world.announce_poison(chance.randrange(_PARTITIONS))


def _lose_or_find(chance: random.Random, world: World) -> None:
    """Let a list be gone, or come back."""
    some = [(account, one) for account, lists in world.lists.items() for one in lists]
    for one in [chance.choice(some)] if some else []:
        if world.gone.pop(one, None) is None:
            world.gone[one] = chance.choice(["http-403", "http-404", "http-422"])


def _burst(chance: random.Random, world: World, user: UserKey) -> None:
    for _ in range(chance.choice([1, 1, 2, 6])):
        happen(world, user, chance.choice(_TYPES))


def happen(world: World, user: UserKey, type_: str = "contract.1#update") -> None:
    """Let something about a user change, and say so on the topic."""
    world.touch(user)
    value = {"eventType": type_, "vendorId": user.vendor, "userId": user.user}
    world.announce(user, hash_of(user) % _PARTITIONS, json.dumps(value).encode())


def hash_of(user: UserKey) -> int:
    return sum(map(ord, user.vendor + user.user))


def _heal(world: World, pods: list[Pod], start: Callable[[], None]) -> None:
    world.trouble.clear()
    world.gone.clear()
    for pod in pods:
        if pod.member is not None:
            pod.member.cut = False
    if not pods:
        start()


async def _settle(group: Group, world: World) -> None:
    """Wait until the group has committed to the end of the topic, and the held letters have healed."""
    with anyio.move_on_after(900):
        while world.held_open() or any(group.offsets[p] < len(log) for p, log in enumerate(group.topic.partitions)):
            await anyio.sleep(1)
    if world.held_open():
        raise Broken(f"H2: held letters are still open after 15 minutes of health: {sorted(world.held_open())}")
    behind = {p: (group.offsets[p], len(log)) for p, log in enumerate(group.topic.partitions) if group.offsets[p] < len(log)}
    if behind:
        raise Broken(f"I8: not at the end of the topic after 15 minutes: {behind}")


def simulate(seed: int) -> World:
    """Run one seed on the virtual clock."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(life(seed))
