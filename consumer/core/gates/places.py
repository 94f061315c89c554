"""The places at one upstream: which users are inside, and which of them still hold one."""

from ..model import UserKey


class Places:
    """
    The users that are inside a gate, each with the number of its run.

    It promises: no more than `most` hold a place at once, unless more are let in than there is room for; a user that has stepped aside
    is still inside, and holds none; one that comes back goes before all that want to enter.
    """

    def __init__(self, most: int | None) -> None:
        """Begin empty; `most`: None: no bound."""
        self._most = most
        self._inside: dict[UserKey, int] = {}
        self._aside: set[UserKey] = set()
        self._returning: set[UserKey] = set()
        self.begun = 0
        """Runs that have begun."""

    @property
    def in_use(self) -> int:
        """Return how many hold a place."""
        return len(self._inside) - len(self._aside)

    @property
    def is_full(self) -> bool:
        """Say whether there is no place for another."""
        return self._most is not None and self.in_use + len(self._returning) >= self._most

    def number(self, user: UserKey, default: int) -> int:
        """Return the number of the run of a user that is inside; `default`: of one that is not."""
        return self._inside.get(user, default)

    def enter(self, user: UserKey) -> None:
        """Give a user a place."""
        self.begun += 1
        self._inside[user] = self.begun

    def step_aside(self, user: UserKey) -> None:
        """Take the place back from a user that is inside, and asks for nothing of its own any more."""
        if user in self._inside:
            self._aside.add(user)
            self._returning.discard(user)

    def is_aside(self, user: UserKey) -> bool:
        """Say whether a user is inside without a place."""
        return user in self._aside

    def come_back(self, user: UserKey) -> bool:
        """Give a user that stepped aside its place again, before any other that enters; False: none is free yet, ask again."""
        if self._most is not None and self.in_use >= self._most:
            self._returning.add(user)
            return False
        self._returning.discard(user)
        self._aside.discard(user)
        return True

    def leave(self, user: UserKey) -> None:
        """Let a user out."""
        del self._inside[user]
        self._aside.discard(user)
        self._returning.discard(user)
