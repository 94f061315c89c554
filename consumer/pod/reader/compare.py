"""The comparison of one user with what Make.as has of it: Sesamy and every account are asked, nothing is written."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Final, Literal

import anyio
from msgspec import Struct, structs

from ...core.answers.snapshot import Snapshot
from ...core.errors import ConsumerError, Denied, Held, Retryable
from ...core.gates.gate import Gate
from ...core.gates.gates import SESAMY_CALLS
from ...core.mapping.contact import Change, Contact, changes, is_as_wanted
from ...core.mapping.documents import Documents, Skip, documents, is_guest_id
from ...core.model import PAUSED, Door, UserKey
from ...resync.clients import Target, Upstreams
from ...resync.make_reader import LEFT_UNKNOWN

_NO_USER: Final = ""
"""Stands in a gate for the user that is asked about: no user has this id, so that its own run beside us is another's."""
_WAIT_S: Final = 10.0
"""For so long permits are waited for inside; before, at the door, as long as it takes."""
_AGAIN_S: Final = 0.1
UNSEEN: Final = "Make.as hides contacts that opted out, and no register tells whether this is one"
"""What `left-unknown` says of a contact."""
Permit = Callable[[], Awaitable[None]]


class AccountDiff(Struct, frozen=True, kw_only=True):
    """What would change at one account."""

    account: str
    lists: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    failed: str = ""
    """Code of the error, where it could not be asked; `left-unknown`: it was, and nothing tells whether the contact left."""
    refuses_key: bool = False
    """It could not be asked, for it refuses our key."""
    paused: tuple[str, ...] = ()
    """Those of the lists that are paused; where all are, nothing is compared: a resync writes nothing there."""
    is_spared: bool = False
    """The contact states all that would be written, so that a resync writes only what Make.as does not give back."""


class UserDiff(Struct, frozen=True, kw_only=True):
    """What would change for one user."""

    vendor: str
    user: str
    outcome: Literal["same", "drift", "skipped", "failed", "paused", "unknown"]
    """`unknown`: nothing is written, for a contact that left may be there unseen, and nothing else would change."""
    reason: str = ""
    """Why the user is skipped, or the code of Sesamy's error, or `paused`: of the vendor nothing is fetched for now."""
    refuses_key: bool = False
    """Somebody could not be asked, for our key is refused."""
    accounts: tuple[AccountDiff, ...] = ()


async def compared(up: Upstreams, user: UserKey) -> UserDiff:
    """Return what a resync would change for a user."""
    try:
        wanted = await fetched(up, user)
    except ConsumerError as error:
        outcome: Literal["paused", "failed"] = "paused" if error.code == PAUSED else "failed"
        return UserDiff(vendor=user.vendor, user=user.user, outcome=outcome, reason=error.code, refuses_key=isinstance(error, Denied))
    if isinstance(wanted, Skip):
        return UserDiff(vendor=user.vendor, user=user.user, outcome="skipped", reason=wanted.reason)
    accounts = tuple([await _of_account(up, user, target, wanted) for target in up.vendors[user.vendor].targets.values()])
    refuses_key = any(one.refuses_key for one in accounts)
    return UserDiff(vendor=user.vendor, user=user.user, outcome=_outcome(accounts), refuses_key=refuses_key, accounts=accounts)


def _outcome(accounts: Sequence[AccountDiff]) -> Literal["same", "drift", "failed", "paused", "unknown"]:
    if any(one.failed not in {"", LEFT_UNKNOWN} for one in accounts):
        return "failed"
    if any(change.is_drift for one in accounts for change in one.changes):
        return "drift"
    if any(one.failed for one in accounts):
        return "unknown"
    return "paused" if all(len(one.paused) == len(one.lists) for one in accounts) else "same"


async def fetched(up: Upstreams, user: UserKey) -> Documents | Skip:
    """
    Ask Sesamy; return what is to be written of a user, or why nothing is.

    Raises:
        ConsumerError: as `Sesamy.snapshot`, `documents` and `asking`.
    """
    if is_guest_id(user.user):
        return Skip("guest")
    async with asking(up.gates.vendors[user.vendor], user.vendor, calls=SESAMY_CALLS) as permit:
        for _ in range(SESAMY_CALLS):
            await permit()
        snapshot = await up.vendors[user.vendor].sesamy.snapshot(user, permit=permit)
    return documents(snapshot) if isinstance(snapshot, Snapshot) else Skip("absent")


@asynccontextmanager
async def asking(gate: Gate, vendor: str, *, calls: int = 1) -> AsyncIterator[Permit]:
    """
    Go in at a gate as a run does; give what is awaited before each call.

    A wish of the upstream that we wait holds for all, and so the gate is told of it; of no other failure, since nothing was owed.

    Args:
        calls: how many must be possible together.

    Raises:
        Held: `gate`, it is shut, or is shut meanwhile; `paused`, the settings say so.
    """
    key = UserKey(vendor, _NO_USER)
    await _let_in(gate, calls)
    wait_s = gate.enter(key, now=anyio.current_time(), permits=calls)

    async def permit() -> None:
        _admit(gate, key)
        await anyio.sleep(gate.pay(key, now=anyio.current_time()))
        _admit(gate, key)

    try:
        await anyio.sleep(wait_s)
        yield permit
    except Retryable as error:
        if error.retry_after_s is not None:
            gate.failed(key, error, now=anyio.current_time())
        raise
    finally:
        gate.leave(key, now=anyio.current_time())


async def _let_in(gate: Gate, calls: int) -> None:
    """Wait for the door; a probe is a run's business, never ours."""
    while gate.door(now=anyio.current_time(), permits=calls, within_s=_WAIT_S) is not Door.OPEN:
        if gate.closed(now=anyio.current_time()):
            is_paused = gate.state(now=anyio.current_time()).cause == PAUSED
            raise Held("the gate is shut", code=PAUSED if is_paused else "gate")
        await anyio.sleep(_AGAIN_S)


def _admit(gate: Gate, key: UserKey) -> None:
    if not gate.admits(key, now=anyio.current_time()):
        raise Held("the upstream asks us to wait", code="gate")


async def found(up: Upstreams, vendor: str, target: Target, email: str, *, within_s: float = inf) -> tuple[Contact | None, bool]:
    """
    Return the contact of an address as a write finds it, and whether there may be one that left unseen.

    Args:
        within_s: how long the lists' registers may take, where addresses hide those that left.

    Raises:
        ConsumerError: as `MakeReader.as_written` and `asking`.
    """
    gate, client = up.gates.accounts[target.account.id], target.client
    async with asking(gate, vendor) as permit:
        contact = await client.contact(email, permit=permit)
    if contact is not None or not client.hides_left:
        return contact, False
    await up.registers.read(target.account.id, within_s=within_s)
    async with asking(gate, vendor) as permit:
        return await client.as_written(email, permit=permit)


async def _of_account(up: Upstreams, user: UserKey, target: Target, wanted: Documents) -> AccountDiff:
    account = target.account
    paused = tuple(one for one in account.lists if one in account.paused)
    if account.is_paused:
        return AccountDiff(account=account.id, lists=account.lists, paused=paused)
    try:
        contact, is_unsure = await found(up, user.vendor, target, wanted.subscriber.email)
    except ConsumerError as error:
        return AccountDiff(account=account.id, lists=account.lists, failed=error.code, refuses_key=isinstance(error, Denied), paused=paused)
    if is_unsure:
        return AccountDiff(account=account.id, lists=account.lists, failed=LEFT_UNKNOWN, paused=paused)
    wanted = structs.replace(target.client.dated(wanted), tags=target.client.wanted_tags(contact, wanted.tags))
    differing = tuple(changes(contact, wanted, account.lists, paused=paused))
    sent = () if contact is None or contact.opted_out else tuple(one for one in account.lists if one not in paused)
    is_spared = not up.always and is_as_wanted(contact, wanted, sent)
    return AccountDiff(account=account.id, lists=account.lists, changes=differing, paused=paused, is_spared=is_spared)
