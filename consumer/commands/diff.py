"""What a resync would change, field by field; nothing is written."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import anyio
import msgspec
from msgspec import Struct

from ..core.answers.address import same_address
from ..core.answers.snapshot import Snapshot
from ..core.errors import ConsumerError, Exit, Held
from ..core.gates.gate import Gate
from ..core.gates.gates import SESAMY_CALLS
from ..core.mapping.documents import Documents, Skip, documents, is_guest_id
from ..core.mapping.tags import others, stale
from ..core.model import UserKey
from ..resync.clients import Upstreams, upstreams
from ..resync.makeas import Contact, fields
from ..resync.run import Target
from ..settings.model import Settings
from ..telemetry.metrics import Metrics

PERSONAL: Final = frozenset({"email", "firstname", "lastname", "company"})
_DRIFT: Final = frozenset({"add", "change", "remove"})


class Change(Struct, frozen=True, kw_only=True):
    """One field of one account."""

    field: str
    action: Literal["add", "change", "remove", "same", "keep", "unknown"]
    """`keep`: another hand's, or somebody's own will: a resync leaves it. `unknown`: Make.as can't be asked for it."""
    now: str | None = None
    wanted: str | None = None


class AccountDiff(Struct, frozen=True, kw_only=True):
    """What would change at one account."""

    account: str
    lists: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    failed: str = ""
    """Code of the error, where it could not be asked."""


class UserDiff(Struct, frozen=True, kw_only=True):
    """What would change for one user."""

    vendor: str
    user: str
    outcome: Literal["same", "drift", "skipped", "failed"]
    reason: str = ""
    """Why the user is skipped, or the code of Sesamy's error."""
    accounts: tuple[AccountDiff, ...] = ()


async def diff(settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[UserDiff], None]) -> int:
    """Compare users of one vendor; return the exit status: 0, 1 where something would change, 69 where one could not be asked."""
    outcomes = set()
    async with upstreams(settings, Metrics(settings)) as up:
        for user in dict.fromkeys(users):
            found = await _of_user(up, UserKey(vendor, user))
            outcomes.add(found.outcome)
            report(found)
    return Exit.UNAVAILABLE if "failed" in outcomes else Exit.SOME_FAILED if "drift" in outcomes else Exit.FINE


async def _of_user(up: Upstreams, user: UserKey) -> UserDiff:
    vendor = up.vendors[user.vendor]
    wanted: Documents | Skip = Skip("guest")
    if not is_guest_id(user.user):
        gate = up.gates.vendors[user.vendor]
        try:
            await anyio.sleep(gate.reserve(SESAMY_CALLS, now=anyio.current_time()))
            snapshot = await vendor.sesamy.snapshot(user, permit=_permit(gate, user))
            wanted = documents(snapshot) if isinstance(snapshot, Snapshot) else Skip("absent")
        except ConsumerError as error:
            return UserDiff(vendor=user.vendor, user=user.user, outcome="failed", reason=error.code)
    if isinstance(wanted, Skip):
        return UserDiff(vendor=user.vendor, user=user.user, outcome="skipped", reason=wanted.reason)
    accounts = tuple([await _of_account(up, user, target, wanted) for target in vendor.targets.values()])
    drifts = any(change.action in _DRIFT for one in accounts for change in one.changes)
    failed = any(one.failed for one in accounts)
    return UserDiff(vendor=user.vendor, user=user.user, outcome="failed" if failed else "drift" if drifts else "same", accounts=accounts)


async def _of_account(up: Upstreams, user: UserKey, target: Target, wanted: Documents) -> AccountDiff:
    account = target.account
    permit = _permit(up.gates.accounts[account.id], user)
    try:
        contact = await target.client.contact(wanted.subscriber.email, permit=permit)
    except ConsumerError as error:
        return AccountDiff(account=account.id, lists=account.lists, failed=error.code)
    wanted = msgspec.structs.replace(wanted, tags=target.client.wanted_tags(contact, wanted.tags))
    return AccountDiff(account=account.id, lists=account.lists, changes=tuple(changes(contact, wanted, account.lists)))


def _permit(gate: Gate, user: UserKey) -> Callable[[], Awaitable[None]]:
    async def permit() -> None:
        await anyio.sleep(gate.reserve(now=anyio.current_time()))
        if not gate.admits(user, now=anyio.current_time()):
            raise Held("the upstream asks us to wait", code="gate")

    return permit


# ---- Pure ----


def changes(contact: Contact | None, wanted: Documents, lists: Sequence[str]) -> list[Change]:
    """Return every field with what becomes of it."""
    return [*_of_fields(contact, wanted), *_of_tags(contact, wanted), *_of_lists(contact, lists), *_of_rows(wanted)]


def _of_fields(contact: Contact | None, wanted: Documents) -> list[Change]:
    given = {name: str(value) for name, value in fields(wanted.subscriber).items()}
    if contact is None:
        return [Change(field=name, action="add", wanted=value) for name, value in given.items()]
    found: list[Change] = []
    for name in ("email", "firstname", "lastname", "company", "external_id"):
        held = getattr(contact, name)
        now = None if held is None or held == "" else str(held)
        value = given.get(name)
        same = now == value or (name == "email" and same_address(now, value))
        if value is None:
            action: Literal["add", "change", "keep", "same"] = "keep"
        else:
            action = "same" if same else "add" if now is None else "change"
        if value is not None or now is not None:
            found.append(Change(field=name, action=action, now=now, wanted=value))
    return found


def _of_tags(contact: Contact | None, wanted: Documents) -> list[Change]:
    held = contact.titles if contact is not None else []
    here = {tag.casefold() for tag in held}
    found = [Change(field="tag", action="same" if tag.casefold() in here else "add", wanted=tag) for tag in wanted.tags]
    stays, goes = set(others(held, wanted.tags)), set(stale(held, wanted.tags))
    for tag in held:
        if tag in stays:
            found.append(Change(field="tag", action="keep", now=tag))
        elif tag in goes:
            found.append(Change(field="tag", action="remove", now=tag))
    return found


def _of_lists(contact: Contact | None, lists: Sequence[str]) -> list[Change]:
    if contact is None:
        return [Change(field="list", action="add", wanted=one) for one in lists]
    held = contact.list_ids
    found = []
    for one in lists:
        if contact.opted_out:
            found.append(Change(field="list", action="keep", now=str(contact.email_status), wanted=None))
        elif held is None:
            found.append(Change(field="list", action="unknown", wanted=one))
        else:
            found.append(Change(field="list", action="same" if one in held else "add", wanted=one))
    return found


def _of_rows(wanted: Documents) -> list[Change]:
    """Assumption: neither products nor subscriptions can be read back."""
    found = [Change(field=f"product {one.external_id}", action="unknown", wanted=one.name) for one in wanted.products]
    for one in wanted.subscriptions:
        row = {name: value for name, value in msgspec.to_builtins(one).items() if value is not None and name != "external_id"}
        text = ", ".join(f"{name} {value}" for name, value in row.items())
        found.append(Change(field=f"subscription {one.external_id}", action="unknown", wanted=text))
    return found


def masked(one: UserDiff) -> UserDiff:
    """Return the same without personal values."""

    def hide(change: Change) -> Change:
        if change.field not in PERSONAL:
            return change
        dots = [None if value is None else "•••" for value in (change.now, change.wanted)]
        return Change(field=change.field, action=change.action, now=dots[0], wanted=dots[1])

    accounts = tuple(
        AccountDiff(account=of.account, lists=of.lists, changes=tuple(map(hide, of.changes)), failed=of.failed) for of in one.accounts
    )
    return UserDiff(vendor=one.vendor, user=one.user, outcome=one.outcome, reason=one.reason, accounts=accounts)
