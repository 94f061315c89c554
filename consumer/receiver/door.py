"""The door of the webhook: which requests come in, by a secret, and how many at once."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..settings.secret import Secret


class Door:
    """
    Lets in what brings a secret, and so many at once.

    It promises: how long it takes to tell a wrong secret from a right one says nothing of either; a secret that changes in its file
    counts at once.
    """

    def __init__(self, secrets: Sequence[Secret], *, limit: int) -> None:
        """
        Take what is known.

        Args:
            secrets: any of them lets in; at least one.
            limit: requests at once.
        """
        assert secrets
        self._secrets, self._limit = tuple(secrets), limit
        self.inside = 0
        """Requests that are being worked on."""

    def knows(self, said: Sequence[str]) -> bool:
        """Say whether a secret was told: `said` are the values of the header, of which there must be one."""
        if len(said) != 1:
            return False
        digest = _digest(said[0].encode("utf-8", "surrogateescape"))
        # All are compared, whichever fits.
        return sum(hmac.compare_digest(digest, _digest(one.read().encode())) for one in self._secrets) > 0

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
