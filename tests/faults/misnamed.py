"""Lets the names of a process be resolved as a file says: run as `sitecustomize` of a process whose PYTHONPATH begins with its folder."""

import asyncio
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

_STATE, _LOOKUPS = (Path(os.environ[name]) for name in ("NAMES_STATE", "NAMES_LOOKUPS"))
_real = socket.getaddrinfo
_asked = 0


def _getaddrinfo(host: object, *args: object, **options: object) -> object:
    global _asked  # noqa: PLW0603 - a process has one resolver
    if not (isinstance(host, str) and host.endswith(".localhost")):
        return _real(host, *args, **options)  # type: ignore[arg-type]
    _asked += 1
    said = states().get(host, "good")
    with _LOOKUPS.open("a", encoding="utf-8") as file:
        file.write(f"{host} {said}\n")
    while said == "hang" and states().get(host) == "hang":
        time.sleep(0.05)
    if said == "unknown" or (said == "flap" and _asked % 2):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _real("127.0.0.2" if said == "elsewhere" else "127.0.0.1", *args, **options)  # type: ignore[arg-type]


def states() -> dict[str, str]:
    """Return, by name, what is wrong with it: unknown, hang, flap, elsewhere."""
    try:
        return dict(line.split() for line in _STATE.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return {}


async def _of_loop(loop: asyncio.AbstractEventLoop, host: object, port: object, **options: Any) -> object:
    """Resolve a name as libuv does, in one of its four threads, but by our resolver: its own asks the C library itself."""
    return await loop.run_in_executor(_threads, partial(_getaddrinfo, host, port, **options))


_threads = ThreadPoolExecutor(4)
socket.getaddrinfo = _getaddrinfo  # type: ignore[assignment]
try:
    import uvloop
except ImportError:
    pass
else:
    uvloop.Loop.getaddrinfo = _of_loop  # type: ignore[method-assign,assignment]
