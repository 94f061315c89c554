"""Events of users whose open events lie on two partitions: two pods may write such a user at once."""

from collections import Counter

from .user import User


class Splits:
    """
    Counts events of users that have an open token on another partition, by vendor.

    It promises: an event counts once, and only while the other token is open: one that is closed, lost or given up is none. Single
    flight and the lease hold within a pod and a partition, so that such a user may be in two pods' hands; each pod sees its own alone.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.events: Counter[str] = Counter()
        """By vendor; what is said is taken away."""

    def note(self, user: User, partition: int) -> None:
        """Count an event on the partition, where the user has an open token on another."""
        if user.is_split(partition):
            self.events[user.key.vendor] += 1

    def take_token(self, user: User, partition: int, offset: int) -> bool:
        """Count the event, and let the user have its token as `User.take_token` does."""
        self.note(user, partition)
        return user.take_token(partition, offset)
