"""Ports on the loopback interface."""

import random
import socket
from typing import Final

_HOST: Final = "127.0.0.1"
# Below those that systems give to outgoing connections, so that a server that is down for a while finds its port free.
_FIRST: Final = 20_000
_LAST: Final = 32_000


def free_port() -> int:
    """Return a port that nobody listens at now, and that a server may take again after a restart."""
    while True:
        port = random.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
