"""The explanation of one user: why it is not synced yet, as this pod knows it, and the answer in a sentence."""

import time
from typing import TYPE_CHECKING, Final

import anyio

from ...core.model import ID_CHARS, PAUSED, SESAMY, AccountId, GateState, Place, UserKey
from ...core.partitioner import partition_of, usual_key
from ...core.text import shown
from ...core.users.debts import Debt
from ...core.users.user import Standing, User
from ..reader.answer import SESAMY as FETCH
from ..reader.answer import WOULD_PARK, Listed, answered
from ..reader.facts import Explanation, OpenLetterStatus, OwedAccount
from .told.upstreams import MEND_LIST, refuses
from .told.words import last_code, since

if TYPE_CHECKING:
    from ..service import Service

_WORDS: Final = {
    "clean": "nothing waits here, and nothing is parked, of what this pod remembers of it",
    "unknown": "nothing is known of this user on this pod: it may be synced, or not exist",
    "waiting": "an event has come, and more may: the burst's end is waited for",
    "due": "the run may begin, and waits for its turn or a gate",
    "running": "a run is going",
    "owed": "a run has failed in part, and is tried again",
    "parking": "what is owed is being written to the dead-letter topic",
    "parked": "what is owed is in the dead-letter topic",
    "paused": "nothing is read from its partition for now: an event may wait there",
    "elsewhere": "its partition is another pod's: ask there",
    "unknown-vendor": "the settings don't know this vendor: its events are passed over",
    "not-ready": "this pod has no partitions yet",
}


def explain(service: "Service", vendor: str, user: str) -> Explanation:
    """Say why; O(what is owed to this one user)."""
    key, now = UserKey(vendor, user), anyio.current_time()
    found = service.backlog.schedule.users.get(key)
    letters = _letters(service, key)
    number = _partition(service, key)
    began, history, lists = service.workers.since(key), service.history.of(key), _lists(service, key, now)
    state = _state(service, key, found, now=now, parked=bool(letters), partition=number)
    if state == "clean" and not history and all(one.written_at is None and one.kept_off_at is None for one in lists):
        state = "unknown"
    said = Explanation(
        vendor=shown(vendor, limit=ID_CHARS),
        user=shown(user, limit=ID_CHARS),
        state=state,  # type: ignore[arg-type]
        why=_why(state, is_dry=service.up.dry_run),
        since_s=None if began is None else round(now - began, 3),
        due_s=round(max(0.0, found.due_at - now), 3) if found is not None and found.due_at != float("inf") else None,
        owed=_owed(service, key, found, now),
        tokens=tuple(str(Place(*token)) for token in found.tokens()) if found is not None else (),
        letters=letters,
        partition=number,
        is_ours=number in service.backlog.ledger.partitions,
        history=history,
        known_since=service.history.since,
        vendors=tuple(service.up.vendors) if state == "unknown-vendor" else (),
    )
    gates = _gates(service, vendor, now)
    codes = {one: last_code(f"sesamy:{vendor}" if one == FETCH else one, service.resync.tally.failures.values()) for one in gates}
    return answered(said, lists, gates, codes, now=time.time(), is_dry=service.up.dry_run)


def _why(state: str, *, is_dry: bool) -> str:
    if is_dry and state == "parking":
        return f"what is owed {WOULD_PARK}"
    return _WORDS[state]


def _state(service: "Service", key: UserKey, user: User | None, *, now: float, parked: bool, partition: int | None) -> str:  # noqa: PLR0911
    if key.vendor not in service.up.vendors:
        return "unknown-vendor"
    if user is not None:
        standing = user.standing(now)
        if standing in {Standing.RUNNING, Standing.PARKING}:
            return str(standing.value)
        if user.debts:
            return "owed"
        return "due" if standing is Standing.DUE else "waiting"
    if parked:
        return "parked"
    if not service.backlog.ledger.partitions:
        return "not-ready"
    if partition is not None and partition not in service.backlog.ledger.partitions:
        return "elsewhere"
    if service.membership.intake is not None and (service.membership.intake.paused or partition in service.membership.intake.out):
        return "paused"
    return "clean"


def _owed(service: "Service", key: UserKey, user: User | None, now: float) -> tuple[OwedAccount, ...]:
    if user is None:
        return ()
    return tuple(_one_owed(service, key, account, debt, now) for account, debt in user.debts.items())


def _one_owed(service: "Service", key: UserKey, account: AccountId, debt: Debt, now: float) -> OwedAccount:
    gates, code = service.up.gates, debt.code
    if not code and account != SESAMY and not gates.ready(account, now):
        code = "register"  # Its registers are read first.
    gate = (gates.vendors[key.vendor] if account == SESAMY else gates.accounts[account]).state(now=now)
    return OwedAccount(
        account=account or "sesamy",
        attempts=debt.attempts,
        code=code,
        said=debt.said,
        next_try_s=round(max(0.0, debt.not_before - now), 3),
        gate=gate.state,
        gate_cause=gate.cause,
        gate_next_try_s=round(gate.next_try_s, 3),
    )


def _letters(service: "Service", key: UserKey) -> tuple[OpenLetterStatus, ...]:
    book = service.backlog.healing.book
    return tuple(
        OpenLetterStatus(
            place=str(place),
            account=letter.account or "",
            heals=letter.held or letter.requeued,
            code=shown(letter.code),
            lists=letter.lists,
            parked_at=letter.parked_ms / 1000,
        )
        for place in book.of_user(key)
        for letter in (book[place],)
    )


def _lists(service: "Service", key: UserKey, now: float) -> list[Listed]:
    """Return the vendor's lists, as the settings have them, each with what this pod remembers of it and of the user."""
    vendor, written, kept_off = key.vendor, service.history.written(key), service.history.kept_off(key)
    paused = {one.id for one in service.settings.vendors if one.paused}
    return [
        Listed(
            account=account.id,
            user_id=account.user_id,
            list=one,
            name=account.names.get(one, ""),
            is_paused=vendor in paused or one in account.paused,
            left_out=_left_out(service, account.id, one, now),
            written_at=written.get((account.id, one)),
            kept_off_at=kept_off.get((account.id, one)),
        )
        for account in service.settings.accounts_of(vendor)
        for one in account.lists
    ]


def _left_out(service: "Service", account: AccountId, one: str, now: float) -> tuple[str, str] | None:
    """Say since when and why a list is left out and what to do, as the status does; None: it is not, or it is paused."""
    state = service.up.gates.lists.state(account, one, now=now)
    if state.door == "open" or state.code == PAUSED:
        return None
    return f"the list is left out {since(state.left_out_s, now=time.time())}: {refuses(shown(state.code))}", MEND_LIST


def _gates(service: "Service", vendor: str, now: float) -> dict[str, GateState]:
    gates = service.up.gates
    if vendor not in service.up.vendors:
        return {}
    states = {str(account): gates.accounts[account].state(now=now) for account in service.up.vendors[vendor].targets}
    return states | {FETCH: gates.vendors[vendor].state(now=now)}


def _partition(service: "Service", key: UserKey) -> int | None:
    """Assumption: the key is `vendor|user`, placed by Kafka's default partitioner."""
    known = service.backlog.topic_partitions
    return partition_of(usual_key(key), known) if known else None
