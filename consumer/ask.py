"""Asks running pods over HTTP: what they say of themselves, and why a user is not synced yet."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import anyio
import msgspec

from .errors import Fatal
from .settings import Settings
from .status import Explanation, Status

_LIMIT_S: Final = 5.0
_CAP_BYTES: Final = 4 * 1024 * 1024
_UNAVAILABLE: Final = 69
_OK: Final = 200
# A pod that knows the user, before one that would know him, before one that does not.
_WEIGHT: Final = {"elsewhere": 2, "not-ready": 2, "clean": 1, "unknown-vendor": 1}

_LIKE: Final = "wants an address like http://10.0.0.7:8080, with a path where a proxy has one before the pod"
_IPV4: Final = 4

_Answer = TypeVar("_Answer", Status, Explanation)


def named(urls: Sequence[str]) -> list[str]:
    """
    Return the addresses that were named, each once.

    Raises:
        Fatal: one is none, or says more than where a pod is (64); the text does not quote it.
    """
    for url in urls:
        if wrong := _wrong(url):
            raise Fatal(f"--url {wrong}", code="no-address", status=64)
    return list(dict.fromkeys(url.rstrip("/") for url in urls))


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
        raise Fatal("admin.port is 0 in the settings: name the pods with --url", code="no-address", status=64)
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


async def explain(urls: Sequence[str], vendor: str, user: str) -> Explanation:
    """
    Ask each pod once; return the answer of the one that knows most.

    Raises:
        Fatal: one does not answer (69).
    """
    answers = []
    async with _session() as session:
        for url in urls:
            answer = await _ask(session, url, "/explain.json", {"vendor": vendor, "user": user}, Explanation)
            if isinstance(answer, Fatal):
                raise answer
            answers.append(answer)
    return min(answers, key=lambda one: _WEIGHT.get(one.state, 0))


async def statuses(urls: Sequence[str]) -> dict[str, Status | Fatal]:
    """Ask all pods at once; return, by address, what each says, or that it says nothing."""
    found: dict[str, Status | Fatal] = {}

    async def one(session: aiohttp.ClientSession, url: str) -> None:
        found[url] = await _ask(session, url, "/status.json", {}, Status)

    async with _session() as session, anyio.create_task_group() as tasks:
        for url in urls:
            tasks.start_soon(one, session, url)
    return {url: found[url] for url in urls}


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LIMIT_S))


async def _ask(
    session: aiohttp.ClientSession, url: str, path: str, params: Mapping[str, str], answer_type: type[_Answer]
) -> _Answer | Fatal:
    try:
        async with session.get(url + path, params=params, allow_redirects=False) as answer:
            if answer.status != _OK:
                return Fatal(f"{url}: status {answer.status}: is it a pod of this version?", code="pod", status=_UNAVAILABLE)
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _CAP_BYTES:
                    return Fatal(f"{url}: more than {_CAP_BYTES} bytes: is it a pod?", code="pod", status=_UNAVAILABLE)
        return msgspec.json.decode(bytes(body), type=answer_type)
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
        text = f"{url}: no usable answer ({type(error).__name__}): is a pod running there? name others with --url"
        return Fatal(text, code="pod", status=_UNAVAILABLE)
