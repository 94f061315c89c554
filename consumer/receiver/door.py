"""The door of the webhook: which requests come in, by a secret, and how many at once."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Final

from ..settings.secret import Secret

_READ_S: Final = 1.0
"""How old what a file said may be."""


class Door:
    """
    Lets in what brings a secret, and so many at once.

    It promises: how long it takes to tell a wrong secret from a right one says nothing of either; a secret that changes in its file
    counts within a second.
    """

    def __init__(self, secrets: Sequence[Secret], *, limit: int, clock: Callable[[], float]) -> None:
        """
        Take what is known.

        Args:
            secrets: any of them lets in; at least one.
            limit: requests at once.
            clock: seconds.
        """
        assert secrets
        self._secrets, self._limit, self._clock = tuple(secrets), limit, clock
        self._digests, self._read_at = tuple[bytes, ...](), -inf
        self.inside = 0
        """Requests that are being worked on."""

    def knows(self, said: Sequence[str]) -> bool:
        """Say whether a secret was told: `said` are the values of the header, of which there must be one."""
        if len(said) != 1:
            return False
        digest = _digest(said[0].encode("utf-8", "surrogateescape"))
        # All are compared, whichever fits.
        return sum([hmac.compare_digest(digest, known) for known in self._known()]) > 0

    def _known(self) -> tuple[bytes, ...]:
        now = self._clock()
        if now - self._read_at >= _READ_S:
            self._digests, self._read_at = tuple(_digest(one.read().encode()) for one in self._secrets), now
        return self._digests

    @property
    def is_full(self) -> bool:
        """Say whether no more come in for now."""
        return self.inside >= self._limit

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Be inside while the block lasts."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


def _digest(text: bytes) -> bytes:
    """Return as many bytes for any text: a comparison takes as long as its texts are."""
    return hashlib.sha256(text).digest()
