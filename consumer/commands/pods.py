"""The running pods, asked over HTTP: what they say of themselves, and why a user is not synced yet."""

import re
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec
from msgspec import Struct

from ..core.errors import Exit, Fatal, Retryable
from ..pod.reader.facts import Explanation
from ..pod.status.tree import (
    Status,
)
from ..resync.http.exchange import Http, encoded, met, session
from ..settings.model import Settings
from ..settings.rules import DNS

_LIMIT_S: Final = 5.0
_CAP_BYTES: Final = 4 * 1024 * 1024
_CONNECTIONS: Final = 100
_ANY_STATUS: Final = range(100, 1000)
_OK: Final = 200
# A pod that knows the user, before one that would know it, before one that does not.
_WEIGHT: Final = {"elsewhere": 2, "not-ready": 2, "clean": 1, "unknown": 1, "unknown-vendor": 1}

_AT_WORK: Final = frozenset({"waiting", "due", "running", "owed", "parking"})
"""States that only the pod of the user's partition can be in."""
_LIKE: Final = "wants an address like http://10.0.0.7:8080, with a path where a proxy has one before the pod"
_NAME: Final = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})):([0-9]{1,5})")
_PORTS: Final = range(1, 65_536)
_IPV4: Final = 4

_Answer = TypeVar("_Answer", Status, Explanation)


class Explained(Struct, frozen=True, kw_only=True):
    """What the pods say of one user."""

    best: Explanation
    """Of the pod that knows most."""
    silent: tuple[Fatal, ...] = ()
    """Why others gave no answer."""

    @property
    def is_known(self) -> bool:
        """Say whether the user is the pod's own: no other can know more."""
        return _is_own(self.best)


def named(urls: Sequence[str], names: Sequence[str] = ()) -> list[str]:
    """
    Return the addresses that were named, each once.

    Of `names`, each `NAME:PORT`, it gives `dns://NAME:PORT`, which is looked up whenever it is asked.

    Raises:
        Fatal: one is none, or says more than where a pod is (64); the text does not quote it.
    """
    for name in names:
        found = _NAME.fullmatch(name)
        if found is None or int(found[2]) not in _PORTS:
            raise Fatal("--url-dns wants NAME:PORT, like consumer-headless:8080", code="no-address", status=Exit.USAGE)
    for url in urls:
        if wrong := _wrong(url):
            raise Fatal(f"--url {wrong}", code="no-address", status=Exit.USAGE)
    return list(dict.fromkeys([*(url.rstrip("/") for url in urls), *(f"{DNS}{name}" for name in names)]))


def _wrong(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_one = parts.port != 0 and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return _LIKE
    if "@" in parts.netloc:
        return "takes no user and no password: leave out what stands before the @"
    if "?" in url or "#" in url:
        return "takes no query and no fragment: end it before the ? or the #"
    return "" if is_one and url.isprintable() and " " not in url else _LIKE


def urls_of(settings: Settings) -> list[str]:
    """
    Return the admin address of the settings.

    Raises:
        Fatal: there is none (64).
    """
    if settings.admin.port == 0:
        raise Fatal("admin.port is 0 in the settings: name the pods with --url", code="no-address", status=Exit.USAGE)
    host = _reached_at(settings.admin.host)
    return [f"http://{f'[{host}]' if ':' in host else host}:{settings.admin.port}"]


def _reached_at(host: str) -> str:
    """Return where to ask on this machine a server that listens at `host`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == _IPV4 else "::1"


async def explain(urls: Sequence[str], vendor: str, user: str) -> Explained:
    """
    Ask all pods at once; return the answer of the one that knows most, and the pods that gave none.

    Raises:
        Fatal: none answers (69).
    """
    found = await _ask_all(urls, "/explain.json", {"vendor": vendor, "user": user}, Explanation)
    silent = tuple(one for one in found.values() if isinstance(one, Fatal))
    answers = [one for one in found.values() if not isinstance(one, Fatal)]
    if not answers:
        raise Fatal("\n".join(map(str, silent)), code="pod", status=Exit.UNAVAILABLE)
    return Explained(best=min(answers, key=_rank), silent=silent)


def _rank(one: Explanation) -> tuple[int, bool]:
    return _WEIGHT.get(one.state, 0), not _is_own(one)


def _is_own(one: Explanation) -> bool:
    return one.is_ours or one.state in _AT_WORK


async def statuses(urls: Sequence[str]) -> dict[str, Status | Fatal]:
    """Ask all pods at once; return, by address, what each says, or that it says nothing; a name that can't be looked up says nothing."""
    return await _ask_all(urls, "/status.json", {}, Status)


async def _ask_all(urls: Sequence[str], path: str, params: Mapping[str, str], answer_type: type[_Answer]) -> dict[str, _Answer | Fatal]:
    found: dict[str, _Answer | Fatal] = {}
    addresses = await _looked_up(urls)

    async def one(http: Http, url: str) -> None:
        found[url] = await _ask(http, url, path, params, answer_type)

    async with session(connections=_CONNECTIONS) as opened, anyio.create_task_group() as tasks:
        for url, why in addresses.items():
            if why is not None:
                found[url] = why
            else:
                tasks.start_soon(one, Http(opened, upstream="pod", base_url=encoded(url), timeout_s=_LIMIT_S), url)
    return {url: found[url] for url in addresses}


async def _looked_up(urls: Sequence[str]) -> dict[str, Fatal | None]:
    """Return each address once, in order, a name's in place of the name; a name that has none keeps its place, with why."""
    found: dict[str, Fatal | None] = {}
    for url in urls:
        if not url.startswith(DNS):
            found[url] = None
            continue
        name, _, port = url.removeprefix(DNS).rpartition(":")
        try:
            with anyio.fail_after(_LIMIT_S):
                rows = await anyio.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
        except TimeoutError:
            found[url] = _unusable(url, f"the name was not resolved within {_LIMIT_S:.0f} s: is the name server there?")
        except (OSError, UnicodeError):
            found[url] = _unusable(url, "the name can't be resolved: is it right, and is a pod running under it?")
        else:
            hosts = sorted({str(row[4][0]) for row in rows}, key=lambda host: (":" in host, host))
            found |= {f"http://{f'[{host}]' if ':' in host else host}:{port}": None for host in hosts}
    return found


async def _ask(http: Http, url: str, path: str, params: Mapping[str, str], answer_type: type[_Answer]) -> _Answer | Fatal:
    try:
        answer = await http.exchange("ask", "GET", path, query=list(params.items()), also=_ANY_STATUS, cap_bytes=_CAP_BYTES)
        if answer.status != _OK:
            return _unusable(url, f"status {answer.status}: is it a pod of this version?")
        return msgspec.json.decode(answer.body, type=answer_type)
    except msgspec.ValidationError:
        return _unusable(url, "what it says can't be read: it seems to be a pod of another version; ask with the sesamy-makeas of that one")
    except Retryable as error:
        if error.code == "too-large":
            return _unusable(url, f"more than {_CAP_BYTES} bytes: is it a pod?")
        return _silent(url, met(error))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _silent(url, "what it says is no JSON")


def _silent(url: str, why: str) -> Fatal:
    return _unusable(url, f"no usable answer ({why}): is a pod running there? name others with --url")


def _unusable(url: str, text: str) -> Fatal:
    return Fatal(f"{url}: {text}", code="pod", status=Exit.UNAVAILABLE)
