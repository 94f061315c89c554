"""Errors, named by what to do next, each translated once, where it enters; and the exit statuses."""

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses of every command. Source: sysexits, from 64 on."""

    FINE = 0
    SOME_FAILED = 1
    """Some users failed, would change, or were refused again: the command says which."""
    USAGE = 64
    UNAVAILABLE = 69
    """Kafka or an upstream."""
    BUG = 70
    """Ours."""
    CUT_OFF = 75
    NO_PERMISSION = 77
    SETTINGS = 78


class ConsumerError(Exception):
    """
    Base of all our errors.

    `code` is a short slug from a closed set (fit for a metric label, a header and a log field); the text never
    holds an address, a name, a key, a body or a URL's query. `said` is what the remote said, for people, as `core.answers.said` gives it.
    """

    is_final = False
    """Whether what raises it has tried again already, so that another try in the same run would not help."""

    def __init__(self, text: str, *, code: str, said: str = "") -> None:
        super().__init__(text)
        self.code, self.said = code, said


class Unreadable(ConsumerError):
    """A record that no retry makes readable: dead letter."""


class Retryable(ConsumerError):
    """Later: network, timeout, 408, 425, 429, 5xx, an unusable answer."""

    def __init__(self, text: str, *, code: str, retry_after_s: float | None = None, delay_s: float | None = None) -> None:
        """
        Keep what the upstream asked for, already clamped to 1 s - 1 h; None where it asked nothing.

        Args:
            retry_after_s: it is meant for all users (429, 503): the gate shuts.
            delay_s: of this user alone.
        """
        super().__init__(text, code=code)
        self.retry_after_s, self.delay_s = retry_after_s, delay_s


class Refused(ConsumerError):
    """The upstream understood and said no to this user: park."""


class Held(ConsumerError):
    """A gate, the lease or the snapshot's age stands before the call: nothing was sent, no attempt is burnt."""


class Denied(Held):
    """401, or the token endpoint refuses our credentials: our key is at fault, so the gate shuts for all users."""


class Forbidden(ConsumerError):
    """403: no to this user, now; only three different users in a row say that it is the key."""


class Fatal(ConsumerError):
    """Stop the process with `status`."""

    def __init__(self, text: str, *, code: str, status: int) -> None:
        super().__init__(text, code=code)
        self.status = status


class Torn(Exception):
    """A change of our own state failed half-way: nothing may be committed any more, so the process ends (70) and no fence takes it."""


_WEIGHT = (ConsumerError, Held, Retryable, Refused, Forbidden, Denied, Fatal)


def weightiest(errors: Iterable[ConsumerError]) -> ConsumerError:
    """Return the one that matters most, the first of equals."""
    return max(errors, key=lambda error: max(weight for weight, kind in enumerate(_WEIGHT) if isinstance(error, kind)))
