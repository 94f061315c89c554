"""The addresses of all pods: those of the settings, names resolved beside the loop."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NoReturn
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from msgspec import Struct

from ....core.text import shown
from ....telemetry.logs import log

_log = log(__name__)
DNS: Final = "dns://"
RESOLVED_S: Final = 30.0
"""So long a name's addresses are taken for right."""
MOST: Final = 100
"""More pods are not shown."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS: Final = {"http": 80, "https": 443}

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""A host's name -> its addresses; raises OSError."""


class Peer(Struct, frozen=True, kw_only=True):
    """One pod."""

    url: str
    name: str
    """For people: its host and port."""
    is_own: bool = False
    """Whether it is this very pod."""


class Peers:
    """
    All pods.

    It promises: nobody waits for a name to be resolved; a name that can't be keeps the addresses that it had, and is said.
    """

    def __init__(self, wanted: Sequence[str], *, resolve: Resolve | None = None, hostname: Callable[[], str] = socket.gethostname) -> None:
        """
        Take what the settings name.

        Args:
            wanted: URLs, and `dns://NAME:PORT`.
            resolve: resolves a name.
            hostname: this machine's.
        """
        self._wanted, self._resolve, self._hostname = tuple(wanted), resolve or resolved, hostname
        self._found: dict[str, tuple[str, ...]] = {}
        self.known: tuple[Peer, ...] = ()
        """Each once, in the order of the settings."""
        self.unresolved: tuple[str, ...] = ()
        """The names that could not be resolved last."""

    async def run(self, port: int) -> NoReturn:
        """Look again and again; `port`: where this pod listens."""
        while True:
            await self.look(port)
            await anyio.sleep(RESOLVED_S)

    async def look(self, port: int) -> None:
        """Resolve all names once."""
        own = {*_LOOPBACK, *await self._addresses(self._hostname(), quiet=True)}
        unresolved: list[str] = []
        for name in (one for one in self._wanted if one.startswith(DNS)):
            host, _, name_port = name.removeprefix(DNS).rpartition(":")
            if found := await self._addresses(host):
                self._found[name] = tuple(f"http://{f'[{one}]' if ':' in one else one}:{name_port}" for one in sorted(found))
            else:
                unresolved.append(shown(host))
        named = (self._found.get(one, ()) if one.startswith(DNS) else (one,) for one in self._wanted)
        urls = dict.fromkeys(url.rstrip("/") for some in named for url in some)
        self.known = tuple(_peer(url, own, port) for url in list(urls)[:MOST])
        self.unresolved = tuple(unresolved)

    async def _addresses(self, host: str, *, quiet: bool = False) -> Sequence[str]:
        try:
            return await self._resolve(host)
        except (OSError, UnicodeError):
            if not quiet and shown(host) not in self.unresolved:
                _log.warning("a name of admin.peers can't be resolved", error="the name is not known")
            return ()


def _peer(url: str, own: set[str], port: int) -> Peer:
    parts = urlsplit(url)
    there = parts.port or _PORTS.get(parts.scheme, 0)
    return Peer(url=url, name=shown(parts.netloc + parts.path), is_own=parts.hostname in own and there == port)


async def resolved(host: str) -> Sequence[str]:
    """
    Return a name's addresses, those of IPv4 where it has some: a pod that has both is one pod.

    Raises:
        OSError: it has none, or nobody knows.
    """
    asked = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    found = await anyio.to_thread.run_sync(asked, abandon_on_cancel=True)
    by_family: dict[int, list[str]] = {}
    for family, _, _, _, address in found:
        by_family.setdefault(family, []).append(str(address[0]))
    return by_family.get(socket.AF_INET) or by_family.get(socket.AF_INET6) or ()
