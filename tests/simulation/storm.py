"""What goes wrong in a simulated life, and how it heals."""

import json
import random
from collections.abc import Callable

import anyio
from msgspec import structs

from consumer.core.model import AccountId, UserKey
from tests.history.operations import Healed
from tests.simulation.pod import Pod
from tests.simulation.topic import Group
from tests.simulation.world import World, name_of

_TYPES = ["userVendor.1#new", "userVendor.1#update", "contract.1#purchased", "contract.1#update", "entitlement.1#new"]
_TROUBLE = ["500", "429", "401", "403", "hang", "unfiltered"]
_MOST_PODS = 3


class Storm:
    """Draws what happens to a world, its group and its pods."""

    def __init__(self, chance: random.Random, world: World, group: Group, start: Callable[[], Pod]) -> None:
        self._chance, self._world, self._group, self._start = chance, world, group, start
        self.pods: list[Pod] = [start()]
        self._stopping: list[Pod] = []
        self._users = [UserKey(vendor, f"u{number}") for vendor in world.accounts for number in range(chance.randint(2, 12))]
        self._upstreams = [f"sesamy:{vendor}" for vendor in world.accounts]
        self._upstreams += [account for some in world.accounts.values() for account in some]

    # ---- A life in which anything may go wrong ----

    async def rage(self) -> None:
        """Let all that may happen happen, for half a minute to two minutes."""
        chance, world = self._chance, self._world
        self._spoil()
        self._group.slow_answers = chance.choice([0.0, 0.1, 0.5])
        weights = {
            self._burst: 66,
            self._break: 11,
            self._mend: 8,
            self._leave_or_return: 4,
            self._add_pod: 3,
            self._cut_or_join: 3,
            self._kill: 1.5,
            self._stop: 1.5,
            self._lose_or_find_a_list: 1,
            world.requeue: 0.5,
            self._poison: 1,
        }
        end = anyio.current_time() + chance.uniform(30, 120)
        async with anyio.create_task_group() as self._tasks:
            while anyio.current_time() < end:
                await anyio.sleep(chance.expovariate(1 / chance.choice([0.2, 1.0, 4.0])))
                (happens,) = chance.choices(list(weights), list(weights.values()))
                happens()

    def _spoil(self) -> None:
        """Let some users be such that something is wrong with them for good."""
        chance, world = self._chance, self._world
        places = [(account, user) for user in self._users for account in world.accounts[user.vendor]]
        world.absent = {user for user in self._users if chance.random() < 0.03}
        world.pages = {user: chance.randint(1, 3) for user in self._users if chance.random() < 0.1}
        world.refused = {place for place in places if chance.random() < 0.03}
        world.forbidden = {place for place in places if chance.random() < 0.03}
        world.refused_there = {(AccountId("1"), one, user) for user in self._users for one in ("11", "12") if chance.random() < 0.05}
        alone = {(account, user) for account, _, user in world.refused_there}
        world.town = structs.replace(
            world.town,
            skipped=frozenset(map(name_of, world.absent)),
            hopeless=frozenset((account, name_of(user)) for account, user in world.refused | world.forbidden | alone),
        )
        world.seen.town = world.town

    def _burst(self) -> None:
        user = self._chance.choice(self._users)
        for _ in range(self._chance.choice([1, 1, 2, 6])):
            happen(self._world, user, self._chance.choice(_TYPES))

    def _break(self) -> None:
        self._world.trouble[self._chance.choice([*self._upstreams, "letters"])] = self._chance.choice(_TROUBLE)

    def _mend(self) -> None:
        if self._world.trouble.pop(self._chance.choice([*self._upstreams, "letters"]), None) is not None:
            self._world.mended_at = anyio.current_time()

    def _leave_or_return(self) -> None:
        user = self._chance.choice(self._users)
        self._world.leave_or_return(self._chance.choice(self._world.accounts[user.vendor]), user)

    def _add_pod(self) -> None:
        if len(self.pods) < _MOST_PODS:
            self.pods.append(self._start())

    def _cut_or_join(self) -> None:
        """Cut a pod off from Kafka, or let it find Kafka again."""
        member = self._chance.choice(self.pods).member
        if member is not None:
            member.cut = not member.cut

    def _kill(self) -> None:
        self._one_less().kill()

    def _stop(self) -> None:
        pod = self._one_less()
        self._stopping.append(pod)
        self._tasks.start_soon(pod.stop)

    def _one_less(self) -> Pod:
        pod = self.pods.pop(self._chance.randrange(len(self.pods)))
        if not self.pods:
            self.pods.append(self._start())
        return pod

    def _lose_or_find_a_list(self) -> None:
        some = [(AccountId(place.account), one) for place in self._world.town.places for one in place.lists]
        one = self._chance.choice(some)
        if self._world.gone.pop(one, None) is None:
            self._world.gone[one] = self._chance.choice(["http-403", "http-404", "http-422"])

    def _poison(self) -> None:
        self._world.announce_poison(self._chance.randrange(len(self._group.topic.partitions)))

    # ---- A life in which one account at most is in trouble ----

    async def trouble_one(self, account: AccountId | None) -> None:
        """Let bursts come for two minutes, while one account fails in all ways, or (None) all is well."""
        others = random.Random(self._chance.random())  # The same bursts come either way.
        end = anyio.current_time() + 120
        while anyio.current_time() < end:
            await anyio.sleep(self._chance.expovariate(1))
            self._burst()
            if account is not None and others.random() < 0.1:
                self._world.trouble[account] = others.choice(["500", "429", "401", "403", "hang", "down"])

    # ---- The end of it ----

    def heal(self) -> None:
        """Let all trouble be over."""
        world = self._world
        world.trouble.clear()
        world.mended_at = anyio.current_time()
        world.gone.clear()
        self._group.slow_answers = 0.0
        for pod in [*self.pods, *self._stopping]:
            if pod.member is not None:
                pod.member.cut = False
        world.record(Healed(at=anyio.current_time()))


def happen(world: World, user: UserKey, type_: str = "contract.1#update") -> None:
    """Let something about a user change, and say so on the topic."""
    world.touch(user)
    value = {"eventType": type_, "vendorId": user.vendor, "userId": user.user}
    world.announce(user, hash_of(user) % len(world.topic.partitions), json.dumps(value).encode())


def hash_of(user: UserKey) -> int:
    """Return the same number for a user, always."""
    return sum(map(ord, user.vendor + user.user))
