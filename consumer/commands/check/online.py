"""The work of `check --online`: Kafka, Sesamy and Make.as as the settings name them. Nothing is written anywhere."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from secrets import randbits
from typing import Final

import anyio

from ...core.errors import ConsumerError, Denied, Exit, Forbidden, Refused
from ...core.gates.heed import Heed
from ...core.mapping.consent import Register, Standing
from ...core.model import UserKey
from ...kafka.rights import Purpose, findings
from ...resync.clients import Upstreams, upstreams
from ...resync.filters import RESOURCES
from ...resync.http.exchange import met
from ...resync.make_reader import MakeReader
from ...resync.registers.list_rows import ListRows
from ...resync.sesamy import Sesamy, nobody
from ...settings.findings import Finding, fine, warning, wrong
from ...settings.model import Settings
from ...telemetry.metrics import Metrics
from . import foreign_types

_NOBODY: Final = "sesamy-makeas-check"
"""A user id that no vendor has: asking for it needs the token and the right to read users, and reads no user."""
_AT_ONCE: Final = 8
_SHOWN: Final = 20
_Ask = Callable[[str], Awaitable[Finding]]


async def online(settings: Settings, purpose: Purpose = "run") -> list[Finding]:
    """Ask Kafka and every upstream, but for `receive` Kafka alone; return what is wrong, unwise and fine for this purpose."""
    kafka: list[Finding] = []
    others: list[Finding] = []

    async def ask_kafka() -> None:
        kafka.extend(await findings(settings.kafka, purpose))
        if purpose == "run" and settings.kafka.unknown_types == "resync" and not any(one.level == "error" for one in kafka):
            kafka.append(await foreign_types.rate(settings))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_kafka)
        if purpose != "receive":  # Its pods have no key of theirs, and no way to them.
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
    hiding = dict(up.sources) if settings.makeas.opted_out == "hidden" else {}
    for number, vendor in enumerate(settings.vendors):
        if vendor.paused:
            continue  # `check` says so already.
        clients = up.vendors[vendor.id]
        yield f"vendors[{number}].sesamy", partial(_sesamy, client=clients.sesamy, vendor=vendor.id, heed=up.gates.vendors[vendor.id].heed)
        yield f"vendors[{number}].sesamy, whose rows", partial(_filters, client=clients.sesamy)
        accounts = {(account.user_id, account.api_key): account.id for account in settings.accounts_of(vendor.id)}
        for place, one in enumerate(vendor.makeas):
            client = clients.targets[accounts[one.user_id, one.api_key]].client
            path = f"vendors[{number}].makeas[{place}]"
            yield path, partial(_list, client=client, list_id=one.list_id)
            rows = up.registers.rows(accounts[one.user_id, one.api_key])
            yield f"{path}, who left", partial(_consent, client=client, rows=rows, list_id=one.list_id)
            source = None if one.paused else hiding.pop(accounts[one.user_id, one.api_key], None)
            if source is not None:  # Once for each account.
                yield f"{path}, who is new", partial(_tells_new, rows=rows, lists=tuple(source.consent.registers))


async def _permit() -> None:
    """Take what a single user needs: no limit is near."""


async def _sesamy(path: str, *, client: Sesamy, vendor: str, heed: Heed) -> Finding:
    try:
        await client.snapshot(UserKey(vendor, _NOBODY), permit=_permit)
    except Refused:  # It knows us, and dislikes a user id that no reader has.
        return fine(path, f"the token is good; {_limit(heed)}")
    except (Denied, Forbidden) as error:
        cure = "correct client_id and client_secret, or give the client the right to read users, contracts and entitlements"
        return wrong(path, f"refuses us ({error.code})", cure, Exit.NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "sesamy.base_url and sesamy.token_url")
    return fine(path, f"the token is good; {_limit(heed)}")


async def _filters(path: str, *, client: Sesamy) -> Finding:
    """Look whether contracts and entitlements are filtered by user: else each reader gets the rows of all."""
    user = nobody(randbits(128))
    try:
        ignored = [one for one in RESOURCES if not await client.obeys_filter(one, user, permit=_permit)]
    except ConsumerError as error:
        return warning(path, f"whether rows are filtered by user can't be asked ({met(error)})", "see to the vendor's other findings first")
    if ignored:
        what = f"gives {' and '.join(ignored)} of a user that nobody is: nothing is written for this vendor"
        return wrong(path, what, "ask Sesamy why userId is ignored", Exit.UNAVAILABLE)
    return fine(path, "contracts and entitlements are filtered by user")


def _limit(heed: Heed) -> str:
    """Say which limit is in use, and which one the answers name."""
    said = "" if heed.said is None else f", its answers name {heed.said:,g}"
    return f"{heed.per_minute:,g} requests a minute in use{said}"


async def _list(path: str, *, client: MakeReader, list_id: str) -> Finding:
    try:
        await client.list_title(list_id)
    except Refused as error:
        return wrong(path, f"no such list in this account ({error.code})", "correct listId, or the account's userId", Exit.SETTINGS)
    except Denied as error:
        return wrong(path, f"refuses us ({error.code})", "correct userId and apiKey", Exit.NO_PERMISSION)
    except Forbidden as error:
        cure = "give the apiKey the right to this list, or correct listId"
        return wrong(path, f"keeps the list from us ({error.code})", cure, Exit.NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "makeas.base_url")
    return fine(path, "the list is there")


async def _consent(path: str, *, client: MakeReader, rows: ListRows, list_id: str) -> Finding:
    """Look whether it can be known which users must not be mailed: by the list's own rows, and by the contacts themselves."""
    try:
        code = await _why_no_register(rows, list_id)
        if code:
            what = f"who left can't be read ({code}): consent hangs on email_status"
            return warning(path, what, "let the key read the list's subscribers by status, and ask Make.as why it can't be read")
        if await _is_silent(client, rows, list_id):
            what = "contacts show no email_status: who left is known from the list's rows only"
            return warning(path, what, "ask Make.as where a contact's status is to be read; leave makeas.unreadable_status at leave")
    except Denied as error:
        return warning(
            path,
            f"who left can't be read ({error.code})",
            "correct userId and apiKey; nothing is written to the list before it can be read",
        )
    except ConsumerError as error:
        return warning(path, f"who left can't be read ({met(error)})", "try later; nothing is written to the list before it can be read")
    return fine(path, "who left can be read")


async def _tells_new(path: str, *, rows: ListRows, lists: Sequence[str]) -> Finding:
    """Look whether an account's lists tell which contacts opted out, where addresses hide those: else no new reader is put on a list."""
    none = "new readers are put on no list of the account, for one that opted out would look the same (left-unknown)"
    registers: dict[str, Register] = {one: Register(b"") for one in lists}
    try:
        codes = {one: await _why_no_register(rows, one, register) for one, register in registers.items()}
    except ConsumerError as error:
        return warning(path, f"who opted out can't be asked ({met(error)}): {none}", "see to the account's other findings first")
    if bad := [f"{one} ({code})" for one, code in codes.items() if code]:
        cure = "let the key read each list's subscribers by status; else set makeas.opted_out to shown where `verify` sees that it is so"
        return warning(path, f"who left can't be read of list {', '.join(bad)}: {none}", cure)
    if not any(map(len, registers.values())):
        cure = "let one test contact unsubscribe from a list: once it is seen in its rows, new readers are written; `verify` asks, too"
        return warning(path, f"nobody is seen to have left any list, so that lists may hide them, too: {none}", cure)
    return fine(path, "the lists tell who opted out, where addresses hide it")


async def _why_no_register(rows: ListRows, list_id: str, register: Register | None = None) -> str:
    """Return why a list's register is none; `register`: is filled with its head."""
    register = Register(b"") if register is None else register
    register.begin()
    try:
        register.take((await rows.page(list_id, "unsubscribed", page=1, per_page=_SHOWN)).rows)
        register.take((await rows.page(list_id, "bounce", page=1, per_page=_SHOWN)).rows)
    except Refused as error:
        return error.code
    register.complete(read_at=0.0)
    return register.code


async def _is_silent(client: MakeReader, rows: ListRows, list_id: str) -> bool:
    """Say whether some of the list's contacts, asked for by their addresses, show no status, and none shows one."""
    shown = False
    for row in (await rows.page(list_id, "active", page=1, per_page=_SHOWN)).rows:
        contact = await client.contact(row.email, permit=_permit) if row.email else None
        if contact is not None and contact.standing is not Standing.UNREADABLE:
            return False
        shown = shown or contact is not None
    return shown


def _unreached(path: str, error: ConsumerError, setting: str) -> Finding:
    return wrong(
        path, f"does not answer as it should ({met(error)})", f"try later; else look at the network and {setting}", Exit.UNAVAILABLE
    )
