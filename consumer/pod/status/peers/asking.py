"""The rounds in which all pods are asked what they say of themselves: one at a time, and few."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final

import anyio
import msgspec

from ....core.errors import ConsumerError
from ....resync.http.exchange import Http, encoded, met, session
from ..tree import Status
from .addresses import Peer

LIMIT_S: Final = 2.0
"""A pod that has not answered by then is silent."""
ROUND_S: Final = 5.0
"""What they said serves all that ask within so long."""
_CAP_BYTES: Final = 4 * 1024 * 1024
_CONNECTIONS: Final = 20
_ANY_STATUS: Final = range(100, 1000)
_OK: Final = 200

Answers = Mapping[Peer, Status | str]
"""By pod: what it says, or why it says nothing, in words."""


class Rounds:
    """
    Asks all pods.

    It promises: one round at a time, and one in 5 s at most, however many ask; a round ends within some 2 s for each twenty pods.
    """

    def __init__(self) -> None:
        """Begin with nobody asked."""
        self._lock = anyio.Lock()
        self._asked_at, self._found = -inf, dict[Peer, Status | str]()

    async def answers(self, peers: Sequence[Peer]) -> Answers:
        """Return what they say, or said up to 5 s ago."""
        async with self._lock:
            if anyio.current_time() - self._asked_at >= ROUND_S or [*self._found] != [*peers]:
                found = await _ask_all(peers)
                self._asked_at, self._found = anyio.current_time(), found
            return self._found


async def _ask_all(peers: Sequence[Peer]) -> dict[Peer, Status | str]:
    found: dict[Peer, Status | str] = {}
    limit = anyio.CapacityLimiter(_CONNECTIONS)

    async def one(peer: Peer) -> None:
        async with limit:
            found[peer] = await _ask(lambda: Http(opened, upstream="pod", base_url=encoded(peer.url), timeout_s=LIMIT_S))

    async with session(connections=_CONNECTIONS) as opened, anyio.create_task_group() as tasks:
        for peer in peers:
            tasks.start_soon(one, peer)
    return {peer: found[peer] for peer in peers}


async def _ask(made: Callable[[], Http]) -> Status | str:
    try:
        answer = await made().exchange("ask", "GET", "/status.json", also=_ANY_STATUS, cap_bytes=_CAP_BYTES)
        if answer.status != _OK:
            return f"it answers {answer.status}"
        return msgspec.json.decode(answer.body, type=Status)
    except ConsumerError as error:
        return f"no usable answer ({met(error)})"
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "what it says can't be read: it seems to be of another version"
