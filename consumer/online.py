"""The work of `check --online`: Kafka, Sesamy and Make.as as the settings name them. Nothing is written anywhere."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

import anyio

from . import foreign_types
from .errors import ConsumerError, Denied, Refused
from .grants import Purpose, findings
from .makeas import MakeAs
from .model import UserKey
from .sesamy import Sesamy
from .settings import Settings
from .settings_checks import SETTINGS, Finding, fine, wrong
from .telemetry import Metrics
from .upstreams import Upstreams, upstreams

_UNAVAILABLE: Final = 69
_NO_PERMISSION: Final = 77
_NOBODY: Final = "sesamy-makeas-check"
"""A user id that no vendor has: asking for it needs the token and the right to read users, and reads nobody."""
_AT_ONCE: Final = 8
_Ask = Callable[[str], Awaitable[Finding]]


async def online(settings: Settings, purpose: Purpose = "run") -> list[Finding]:
    """Ask everybody; return what is wrong, unwise and fine for this purpose."""
    kafka: list[Finding] = []
    others: list[Finding] = []

    async def ask_kafka() -> None:
        kafka.extend(await findings(settings.kafka, purpose))
        if purpose == "run" and settings.kafka.unknown_types == "resync" and not any(one.level == "error" for one in kafka):
            kafka.append(await foreign_types.rate(settings))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_kafka)
        tasks.start_soon(_upstreams, settings, others)
    return [*kafka, *others]


# ---- Sesamy and Make.as ----


async def _upstreams(settings: Settings, found: list[Finding]) -> None:
    answers: dict[str, Finding] = {}
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def keep(path: str, ask: _Ask) -> None:
        async with limit:
            answers[path] = await ask(path)

    async with upstreams(settings, Metrics(settings)) as up:
        questions = dict(_questions(settings, up))
        async with anyio.create_task_group() as tasks:
            for path, ask in questions.items():
                tasks.start_soon(keep, path, ask)
    found += [answers[path] for path in questions]


def _questions(settings: Settings, up: Upstreams) -> Iterator[tuple[str, _Ask]]:
    for number, vendor in enumerate(settings.vendors):
        clients = up.vendors[vendor.id]
        yield f"vendors[{number}].sesamy", partial(_sesamy, client=clients.sesamy, vendor=vendor.id)
        accounts = {(account.user_id, account.api_key): account.id for account in settings.accounts_of(vendor.id)}
        for place, one in enumerate(vendor.makeas):
            client = clients.targets[accounts[one.user_id, one.api_key]].client
            yield f"vendors[{number}].makeas[{place}]", partial(_list, client=client, list_id=one.list_id)


async def _sesamy(path: str, *, client: Sesamy, vendor: str) -> Finding:
    async def permit() -> None:
        """Take what a single user needs: no limit is near."""

    try:
        await client.snapshot(UserKey(vendor, _NOBODY), permit=permit)
    except Refused:  # It knows us, and dislikes a user id that nobody has.
        return fine(path, "the token is good")
    except Denied as error:
        cure = "correct client_id and client_secret, or give the client the right to read users, contracts and entitlements"
        return wrong(path, f"refuses us ({error.code})", cure, _NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "sesamy.base_url and sesamy.token_url")
    return fine(path, "the token is good")


async def _list(path: str, *, client: MakeAs, list_id: str) -> Finding:
    try:
        await client.list_title(list_id)
    except Refused as error:
        return wrong(path, f"no such list in this account ({error.code})", "correct listId, or the account's userId", SETTINGS)
    except Denied as error:
        return wrong(path, f"refuses us ({error.code})", "correct userId and apiKey", _NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "makeas.base_url")
    return fine(path, "the list is there")


def _unreached(path: str, error: ConsumerError, setting: str) -> Finding:
    return wrong(path, f"does not answer as it should ({error.code})", f"try later; else look at the network and {setting}", _UNAVAILABLE)
