"""One seeded life of several pods: bursts, crashes, cuts, rebalances, upstream trouble; then healing and the referee's last word."""

import asyncio
import random
from typing import Literal

import anyio
from anyio.abc import TaskGroup
from msgspec import structs

from consumer.core.gates.server_limit import begins_at
from consumer.core.model import AccountId
from consumer.settings.model import Settings
from tests.clock import new_loop
from tests.history.invariants import TroubleStaysWhereItIs, percentile
from tests.history.operations import Finished, Leaked, Place, Rate
from tests.simulation.logs import listening
from tests.simulation.pod import Pod
from tests.simulation.settings import MANY_LISTS
from tests.simulation.storm import Storm
from tests.simulation.topic import Group, Topic
from tests.simulation.world import Broken, World

PARTITIONS = 3
_SETTLE_S = 900.0
_AT_MOST_S = 3600.0
_SESAMY_CALLS = 3

Kind = Literal["any", "calm", "one account"]
"""Of a life: whatever may go wrong does, or nothing, or one account of one vendor."""


def places_of(settings: Settings) -> list[Place]:
    """Return the accounts of all vendors."""
    return [Place(vendor.id, account.id, account.lists) for vendor in settings.vendors for account in settings.accounts_of(vendor.id)]


def simulate(seed: int, kind: Kind = "any", *, calm_s: float | None = None) -> World:
    """
    Run one seed on the virtual clock.

    Args:
        calm_s: how fresh untouched accounts are without trouble, where that is to be compared.

    Raises:
        Broken: an invariant does not hold.
    """
    with asyncio.Runner(loop_factory=new_loop) as runner, listening() as ear:
        world = runner.run(_life(seed, kind))
    at = world.history[-1].at
    assert ear.heard
    world.history += [Leaked(at=at, where=where) for where in ear.personal]
    touched = frozenset({"1"}) if calm_s is not None else frozenset[str]()
    world.judge(town=structs.replace(world.town, touched=touched, calm_s=calm_s))
    return world


def freshness_s(world: World) -> float:
    """Return how old accounts were when they were written, at the 99th percentile (s)."""
    watch = TroubleStaysWhereItIs()
    for op in world.history:
        assert not list(watch.see(op, world.seen))
    return percentile(watch.ages_s, 0.99)


async def _life(seed: int, kind: Kind) -> World:
    chance = random.Random(seed)
    settings = _settings(chance) if kind == "any" else MANY_LISTS
    topic = Topic(PARTITIONS, first=[chance.choice([0, 0, 1, 977]) for _ in range(PARTITIONS)])
    world = World(chance, topic, places_of(settings))
    _limit(world, settings)
    if settings.kafka.start_at == "latest":
        for partition in range(PARTITIONS):
            topic.append(partition, b"of before")  # Nobody asks for it.
    group = Group(topic, chance, session_timeout_s=settings.kafka.session_timeout_s, record=world.record)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.run)
        tasks.start_soon(group.expire)
        storm = Storm(random.Random(seed + 1), world, group, lambda: _start(settings, world, group, tasks))
        while not group.offsets:  # A group that starts at the end asks for nothing that came before.
            await anyio.sleep(0.01)
        with anyio.move_on_after(_AT_MOST_S) as limit:
            if kind == "any":
                await storm.rage()
            else:
                await storm.trouble_one(AccountId("1") if kind == "one account" else None)
            storm.heal()
            await _settle(group, world)
        waits_for = "its end, in vain" if limit.cancelled_caught else _waits_for(group, world)
        if not waits_for:
            await anyio.sleep(10)  # What the broker took last is on its way to the pods.
            for pod in storm.pods:
                if pod.is_consuming:
                    pod.say()
        world.record(Finished(at=anyio.current_time(), waits_for=waits_for))
        tasks.cancel_scope.cancel()
    return world


def _settings(chance: random.Random) -> Settings:
    """Draw how many may run at once, what the vendors allow, and where a new group begins."""
    rate, burst = chance.choice([(3000, 200), (3000, 200), (600, 12)])
    return structs.replace(
        MANY_LISTS,
        kafka=structs.replace(MANY_LISTS.kafka, start_at=chance.choice(["earliest", "earliest", "latest"])),
        workers=structs.replace(MANY_LISTS.workers, concurrency=chance.choice([1, 4, 16])),
        sesamy=structs.replace(MANY_LISTS.sesamy, requests_per_minute=rate, burst=burst),
    )


def _limit(world: World, settings: Settings) -> None:
    """Let the referee know what each upstream allows one pod."""
    # What a run has paid for when it begins is asked for a little later: as much as that may come at once, too.
    beside = settings.workers.concurrency * _SESAMY_CALLS
    at_sesamy = Rate(begins_at(settings.sesamy.requests_per_minute) / 60, settings.sesamy.burst + beside)
    at_makeas = Rate(settings.makeas.requests_per_second, settings.makeas.burst + settings.makeas.max_in_flight)
    rates = {f"sesamy:{place.vendor}": at_sesamy for place in world.town.places}
    rates |= {place.account: at_makeas for place in world.town.places}
    world.town = structs.replace(world.town, rates=rates)
    world.seen.town = world.town


def _start(settings: Settings, world: World, group: Group, tasks: TaskGroup) -> Pod:
    pod = Pod(settings, world, group, tasks)
    tasks.start_soon(pod.live)
    return pod


async def _settle(group: Group, world: World) -> None:
    """Wait until the group has committed to the end of the topic, and the held letters have healed."""
    with anyio.move_on_after(_SETTLE_S):
        while _waits_for(group, world):
            await anyio.sleep(1)


def _waits_for(group: Group, world: World) -> str:
    if not group.at_the_end():
        return f"the end of the topic: {group.offsets} of {[group.topic.end(p) for p in range(PARTITIONS)]}"
    return f"held letters {sorted(world.held_open())}" if world.held_open() else ""


__all__ = ["Broken", "Kind", "freshness_s", "places_of", "simulate"]
