"""What becomes of a dirty user who is parked: what is owed turns into letters, or back again. Pure."""

from collections.abc import Collection, Sequence
from math import inf

from ..model import SESAMY, AccountId, Letter
from .user import Debt, User, fired, letter, owe, owed, rare_of

HELD = "held"


def hold(user: User, gone: Collection[AccountId], every: Sequence[AccountId], *, now: float) -> tuple[Letter, ...]:
    """
    Turn what a due user owes to accounts that are out (none named: the vendor is) into letters.

    Args:
        every: all accounts of the vendor.
    """
    rare = rare_of(user)
    if fired(user, now):
        owe(rare, every, now=now)
        user.due_at = inf
    rare.event_before = user.due_at != inf
    return _held(user, gone)


def hold_all(user: User, every: Sequence[AccountId], *, now: float) -> tuple[Letter, ...]:
    """Turn all that a user owes, be it due or not, into letters."""
    rare = rare_of(user)
    if user.due_at != inf:
        owe(rare, every, now=now)
        user.due_at = inf
    debts = owed(rare)
    return _held(user, debts if len(debts) < len(every) else ())


def _held(user: User, gone: Collection[AccountId]) -> tuple[Letter, ...]:
    debts = rare_of(user).debts
    if gone:
        return tuple(letter(user, account, HELD, debts.pop(account).attempts) for account in gone)
    attempts = max((debt.attempts for debt in debts.values()), default=0)
    debts.clear()
    return (letter(user, SESAMY, HELD, attempts),)


def take_back(user: User, letters: Sequence[Letter], every: Sequence[AccountId], *, now: float) -> None:
    """Owe again what letters say that were not written; the next failure is the last again."""
    for unsent in letters:
        for account in every if unsent.account is None else (unsent.account,):
            rare_of(user).debts[account] = Debt(now, attempts=max(0, unsent.attempts - 1))
