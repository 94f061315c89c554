"""Lanes of three vendors against what is promised to each: whatever is due, shut, slow or quick, nobody waits for a busy one."""

from collections.abc import Sequence
from math import inf
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumer.core.model import AccountId, Door, UserKey
from consumer.core.users.lanes import Lanes, Rank
from tests.fakes.doors import Doors

VENDORS: Final = ("north", "south", "west")
ACCOUNTS: Final = {vendor: (AccountId(f"{vendor} 1"), AccountId(f"{vendor} 2")) for vendor in VENDORS}
vendors = st.sampled_from(VENDORS)


class Machine(RuleBasedStateMachine):
    """The model is, of each vendor, how many run and who is due."""

    @initialize(workers=st.sampled_from([1, 2, 3, 4, 5, 7, 8, 12, 16, 24]), served=st.sampled_from([VENDORS[:2], VENDORS]))
    def start(self, workers: int, served: tuple[str, ...]) -> None:
        """Begin in a pod of two or three vendors, one of them busy."""
        self.workers, self.served = workers, served
        self.lanes, self.doors = Lanes({vendor: ACCOUNTS[vendor] for vendor in served}, concurrency=workers), Doors()
        self.due: dict[str, dict[UserKey, tuple[AccountId, ...]]] = {vendor: {} for vendor in served}
        self.running = dict.fromkeys(served, 0)
        self.names = 0
        self.become_due(served[0], 2 * workers, (0, 1))

    @rule(vendor=vendors, users=st.sampled_from([1, 2, 30]), owed=st.sampled_from([(0,), (1,), (0, 1)]))
    def become_due(self, vendor: str, users: int, owed: tuple[int, ...]) -> None:
        """Let some users of a vendor become due, who owe to one account, or to both."""
        if vendor not in self.served:
            return
        accounts = tuple(ACCOUNTS[vendor][one] for one in owed)
        for _ in range(users):
            self.names += 1
            key = UserKey(vendor, str(self.names))
            self.due[vendor][key] = accounts
            self.lanes.put(key, accounts, rank=Rank.ROUTINE, due_at=float(self.names))

    @rule(vendor=vendors, which=st.integers(0, 2), door=st.sampled_from(Door))
    def turn(self, vendor: str, which: int, door: Door) -> None:
        """Open or shut a vendor's gate, or that of one of its accounts, and open all others: with several shut little happens."""
        self.doors.states = {(vendor, *ACCOUNTS[vendor])[which]: door}

    @rule(most=st.sampled_from([1, 2, 30]))
    def take(self, most: int) -> None:
        """Begin some runs."""
        for _ in range(most):
            if not self._take_one():
                return

    def _take_one(self) -> bool:
        free = self.workers - sum(self.running.values())
        able = {vendor for vendor in self.served if any(self._enters(vendor, accounts) for accounts in self.due[vendor].values())}
        chosen = self.lanes.choose(self.doors, lambda *_: -inf, now=0)
        if chosen is None:
            for vendor in able if free else ():
                assert self._is_kept_from(vendor, free), f"{vendor} waits though {free} of {self.workers} are free: {self.running}"
            return False
        key, _ = chosen
        vendor = key.vendor
        assert free > 0
        assert vendor in able
        assert self.running[vendor] == min(self.running[one] for one in able), "the one with the fewest runs goes first"
        if self.workers >= 8 and free == 1 and any(self.running[one] == 0 for one in self.served):
            assert self.running[vendor] == 0, "the last is for a vendor that runs nobody"
        self.lanes.remove(key, self.due[vendor].pop(key))
        self.lanes.take_worker(vendor)
        self.running[vendor] += 1
        return True

    def _enters(self, vendor: str, accounts: tuple[AccountId, ...]) -> bool:
        return self.doors.vendor(vendor, now=0) is not Door.SHUT and any(
            self.doors.account(account, now=0) is not Door.SHUT for account in accounts
        )

    def _is_kept_from(self, vendor: str, free: int) -> bool:
        """Say whether what is free is at most what others are promised, and somebody of them could come."""
        others_run = sum(self.running.values()) - self.running[vendor]
        if free + others_run <= max(1, self.workers / 8):
            return True
        return free == 1 and self.workers >= 8 and self.running[vendor] > 0 and 0 in self.running.values()

    @precondition(lambda self: any(self.running.values()))
    @rule(data=st.data(), most=st.sampled_from([1, 2, 30]))
    def end(self, data: st.DataObject, most: int) -> None:
        """End some runs of a vendor: those of the others may hang."""
        vendor = data.draw(st.sampled_from([vendor for vendor in self.served if self.running[vendor]]))
        for _ in range(min(most, self.running[vendor])):
            self.lanes.free_worker(vendor)
            self.running[vendor] -= 1

    @invariant()
    def nobody_waits_for_one_busy_vendor(self) -> None:
        """Whatever a vendor does, an eighth of the workers (one at least, of two or more) is not its own."""
        for running in self.running.values():
            assert self.workers == 1 or self.workers - running >= max(1, self.workers // 8)

    def teardown(self) -> None:
        """With all gates open and one vendor whose runs never end, all users of the others are run, and then its own."""
        if not hasattr(self, "lanes"):
            return
        self.doors.states.clear()
        hangs = self.served[self.names % len(self.served)] if self.workers > 1 else None
        self._run_all([vendor for vendor in self.served if vendor != hangs])
        self._run_all(self.served)
        assert len(self.lanes) == 0

    def _run_all(self, vendors: Sequence[str]) -> None:
        while any(self.due[vendor] for vendor in vendors):
            self.take(self.workers)
            assert any(self.running[vendor] for vendor in vendors), "they wait for one that hangs"
            for vendor in vendors:
                for _ in range(self.running[vendor]):
                    self.lanes.free_worker(vendor)
                self.running[vendor] = 0


Machine.TestCase.settings = settings(stateful_step_count=40)
TestFairness = Machine.TestCase
