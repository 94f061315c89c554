"""Debts: what a user owes to which account, when that is tried again, and when it becomes a letter."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Final

from msgspec import Struct

from ..model import SESAMY, AccountId, Letter, Result, Verdict

ABSENT_S: Final = 30.0
"""A user unknown to Sesamy is looked up again so much later: the event may be ahead of the API."""
HELD: Final = "held"
"""The code of what was parked because an upstream was out: it is tried again by itself."""


class Rules(Struct, frozen=True, kw_only=True):
    """The numbers of the schedule; times in seconds."""

    quiet_s: float
    max_wait_s: float
    concurrency: int
    max_attempts: int
    backoff_s: float
    backoff_max_s: float

    def delay_s(self, attempt: int, *, uniform: float) -> float:
        """Return the wait after failed try number `attempt`; `uniform`: a draw from [0, 1)."""
        return uniform * min(self.backoff_max_s, self.backoff_s * 2.0 ** min(attempt - 1, 64))


class Debt(Struct):
    """What one user owes to one account, or (SESAMY) to the fetch."""

    not_before: float
    attempts: int = 0
    tried_at: float = -inf
    code: str = ""
    said: str = ""
    """What the remote said, for people."""


class Unpaid(Struct, frozen=True):
    """What is given up at one upstream, to be parked: one letter for each."""

    upstream: AccountId
    """An account, or SESAMY: all of them."""
    code: str
    attempts: int
    lists: tuple[str, ...] = ()
    """The lists of the account that alone are owed; none: all."""


class Debts(dict[AccountId, Debt]):
    """
    What one user owes, by upstream.

    It promises: what is owed already keeps its time and attempts; a debt is tried again after its backoff, or when its upstream
    asks for it, and given up at the last attempt or at a refusal; only a success, or giving up, sets the attempts back.
    """

    __slots__ = ()

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Return the accounts that something is owed to."""
        return tuple(account for account in self if account != SESAMY)

    def due(self, every: Sequence[AccountId], *, is_asked: bool, now: float) -> tuple[AccountId, ...]:
        """Return the accounts among `every` whose time has come; `is_asked`: an event asks for those that are owed nothing yet."""
        if SESAMY in self and self[SESAMY].not_before > now:
            return ()
        return tuple(account for account in every if (self[account].not_before <= now if account in self else is_asked))

    def owe(self, accounts: Iterable[AccountId], *, now: float, tried_at: float = -inf) -> None:
        """Owe to `accounts` from now on; what is owed already keeps its time and attempts."""
        for account in accounts:
            self.setdefault(account, Debt(now, tried_at=tried_at))

    def begin_anew(self) -> None:
        """Owe all of it to other events: no try was made for those."""
        for debt in self.values():
            debt.attempts = 0

    def owe_again(self, letters: Iterable[Letter], every: Sequence[AccountId], *, now: float) -> None:
        """Owe again what letters say that were not written; the next failure is the last again."""
        for unsent in letters:
            for account in every if unsent.account is None else (unsent.account,):
                self[account] = Debt(now, attempts=max(0, unsent.attempts - 1))

    def settle(
        self, upstream: AccountId, result: Result, rules: Rules, *, absent_since: float, now: float, uniform: float
    ) -> tuple[Unpaid, ...]:
        """
        Note what a run brought at one upstream; return what is given up: one for each code, where there is no other try.

        Args:
            absent_since: since when Sesamy has not known the user.
            uniform: a draw from [0, 1), for the backoff.
        """
        if result.verdict is Verdict.DONE:
            self.pop(upstream, None)
            return ()
        debt = self.setdefault(upstream, Debt(now))
        debt.not_before, debt.code, debt.said = now, result.code, result.said
        if result.tried:
            debt.tried_at = now
        if result.verdict is Verdict.HELD:
            return ()
        if result.verdict is Verdict.ABSENT:
            debt.not_before = absent_since + ABSENT_S
            return ()
        debt.attempts += 1
        if result.verdict is Verdict.REFUSED or debt.attempts >= rules.max_attempts:
            del self[upstream]
            return _by_code(upstream, result, debt.attempts)
        debt.not_before = now + max(result.delay_s, rules.delay_s(debt.attempts, uniform=uniform))
        return ()

    def hold(self, accounts: Iterable[AccountId]) -> tuple[Unpaid, ...]:
        """Give up, as held, what is owed to `accounts`; none named: all of it, together."""
        if accounts:
            return tuple(Unpaid(account, HELD, self.pop(account).attempts) for account in accounts)
        attempts = max((debt.attempts for debt in self.values()), default=0)
        self.clear()
        return (Unpaid(SESAMY, HELD, attempts),)


def _by_code(upstream: AccountId, result: Result, attempts: int) -> tuple[Unpaid, ...]:
    """Return one, or where some lists are owed one for each code: what is held heals, what is refused must not be tried with it."""
    lists: dict[str, list[str]] = {}
    for one, code in result.lists.items():
        lists.setdefault(code, []).append(one)
    about: Mapping[str, tuple[str, ...]] = {code: tuple(some) for code, some in lists.items()} or {result.code: ()}
    return tuple(Unpaid(upstream, code, attempts, some) for code, some in about.items())
