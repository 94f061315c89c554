"""A rider: a reader's run, as a shared call must know it."""

from collections.abc import Callable

from msgspec import Struct

from ...core.gates.gate import Gate
from ...core.model import UserKey
from ..course import Course, admit


class Rider(Struct, frozen=True, eq=False):
    """What the run of one reader may do at one account."""

    user: UserKey
    gate: Gate
    course: Course
    is_probe: bool
    """Whether what becomes of its rows says something of the account: then they go alone."""
    again_s: float
    """How long to wait before a second try."""
    step_aside: Callable[[], None]
    """Gives its place at the account to others: nothing is asked there for this reader alone any more."""

    def limit_s(self) -> float:
        """
        Return for how long a write that starts now may last (s).

        Raises:
            Held, Retryable: as `Course.limit_s`; `gate`, where it was shut meanwhile.
        """
        admit(self.gate, self.user)
        return self.course.limit_s()
