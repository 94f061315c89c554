"""The time until which we may believe that our partitions are still ours."""

from math import inf


class Lease:
    """
    Membership of the group, as last proved.

    It promises: it is held only within `length_s` of the moment at which a successful commit was *sent*; once ended
    it stays so until a commit that was sent later succeeds. The clock must run while the machine is suspended.
    """

    def __init__(self, length_s: float) -> None:
        """Take the session's timeout: the broker gives our partitions away no sooner after a sign of life."""
        self._length_s = length_s
        self._ends_at = -inf
        self._ended_at = -inf

    @classmethod
    def unbound(cls) -> "Lease":
        """Return a lease without an end, for commands outside the group."""
        lease = cls(inf)
        lease._ends_at = inf
        return lease

    def prove(self, *, sent_at: float) -> None:
        """Note a commit that succeeded with the same generation before and after."""
        if sent_at >= self._ended_at:
            self._ends_at = max(self._ends_at, sent_at + self._length_s)

    def end(self, *, now: float) -> None:
        """Note a commit that was refused for membership."""
        self._ends_at = -inf
        self._ended_at = now

    def left_s(self, *, now: float) -> float:
        """Return for how long a write that starts now may last; 0 or less: none may start."""
        return self._ends_at - now
