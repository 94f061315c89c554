"""Asks running pods over HTTP: why is this user not synced yet."""

from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec

from .errors import Fatal
from .settings import Settings
from .status import Explanation

_LIMIT_S: Final = 5.0
_CAP_BYTES: Final = 1024 * 1024
_UNAVAILABLE: Final = 69
_OK: Final = 200
# A pod that knows the user, before one that would know him, before one that does not.
_WEIGHT: Final = {"elsewhere": 2, "not-ready": 2, "clean": 1, "unknown-vendor": 1}


def urls_of(settings: Settings, urls: Sequence[str]) -> list[str]:
    """
    Return where to ask: what was named, else the admin address of the settings.

    Raises:
        Fatal: no address is known (64).
    """
    if urls:
        return [url.rstrip("/") for url in urls]
    if settings.admin.port == 0:
        raise Fatal("admin.port is 0 in the settings: name the pods with --url", code="no-address", status=64)
    host = "127.0.0.1" if settings.admin.host in {"0.0.0.0", "::", ""} else settings.admin.host  # noqa: S104 - it is compared, not bound
    return [f"http://{f'[{host}]' if ':' in host else host}:{settings.admin.port}"]


async def explain(urls: Sequence[str], vendor: str, user: str) -> Explanation:
    """
    Ask each pod once; return the answer of the one that knows most.

    Raises:
        Fatal: one does not answer (69).
    """
    answers = []
    timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for url in urls:
            try:
                async with session.get(f"{url}/explain.json", params={"vendor": vendor, "user": user}, allow_redirects=False) as answer:
                    body = await answer.content.read(_CAP_BYTES)
                    if answer.status != _OK:
                        raise Fatal(f"{url}: status {answer.status}: is it a pod of this version?", code="pod", status=_UNAVAILABLE)
                answers.append(msgspec.json.decode(body, type=Explanation))
            except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
                text = f"{url}: no usable answer ({type(error).__name__}): is a pod running there? name others with --url"
                raise Fatal(text, code="pod", status=_UNAVAILABLE) from None
    return min(answers, key=lambda one: _WEIGHT.get(one.state, 0))
