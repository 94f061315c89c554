"""Gates that stand as a test puts them."""

from consumer.core.gates.list_doors import ListDoors
from consumer.core.model import AccountId, Door


class Doors:
    """All doors of a process, by the name of their vendor or account; one that is not named is open."""

    def __init__(self, states: dict[str, Door] | None = None) -> None:
        self.states = states or {}
        self.lists = ListDoors()
        self.wanted: list[tuple[str, bool]] = []
        """Each time a due user found a vendor's door shut: the vendor, whether it is urgent."""

    def vendor(self, vendor: str, *, now: float) -> Door:
        assert now >= 0
        return self.states.get(vendor, Door.OPEN)

    def account(self, account: AccountId, *, now: float) -> Door:
        assert now >= 0
        return self.states.get(account, Door.OPEN)

    def want(self, vendor: str, *, urgent: bool, now: float) -> None:
        assert now >= 0
        self.wanted.append((vendor, urgent))
