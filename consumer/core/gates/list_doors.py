"""The doors of lists: which ones are left out of writes. A list that refuses every user is its own trouble, not its siblings'."""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Final, Literal

from msgspec import Struct, field

from ..model import PAUSED, AccountId, Door, UserKey

_STREAK: Final = 5
"""So many users in a row that one list refuses, and another of the account takes, say that the fault is not theirs."""
_PROBE_FIRST_S, _PROBE_MAX_S = 5.0, 60.0


class ListState(Struct, frozen=True, kw_only=True):
    """A list's door as an operator sees it; times in seconds from now."""

    door: Literal["open", "left-out", "probing"] = "open"
    code: str = ""
    """What it last answered to a refused user; empty: it is open, or that was before our time."""
    left_out_s: float = 0.0
    next_try_s: float = 0.0


class Visit(Struct, frozen=True):
    """One write of one user to some lists of an account."""

    account: AccountId
    user: UserKey
    number: int
    lists: tuple[str, ...]
    """Where the user may be put; none: all are left out."""
    spares_paused: bool = False
    """Whether others of the account's lists are paused."""
    is_probe: bool = False
    """Whether what becomes of it says whether a list that is left out is good again."""


class _Door(Struct):
    # The users that it refused since it last took one.
    streak: set[UserKey] = field(default_factory=set)
    code: str = ""
    is_proven: bool = False
    """Whether it has taken a user of ours."""
    shut_at: float = inf
    began: int = 0
    """Visits that had begun when it shut: they say nothing of what came then."""
    probe: int | None = None
    probe_at: float = inf
    wait_s: float = _PROBE_FIRST_S

    def door(self, now: float) -> Door:
        if self.shut_at == inf:
            return Door.OPEN
        return Door.PROBE if self.probe is None and now >= self.probe_at else Door.SHUT

    def open(self) -> None:
        self.streak.clear()
        self.code, self.shut_at, self.probe, self.probe_at, self.wait_s = "", inf, None, inf, _PROBE_FIRST_S

    def shut(self, *, began: int, now: float, wait_s: float) -> None:
        self.streak.clear()
        self.shut_at, self.began, self.probe_at = now, began, now + wait_s


class ListDoors:
    """
    The doors of the lists of all accounts.

    It promises: a list that refuses five different users in a row while another of its account takes them is left out; one
    user at a time then probes it, after 5 s and then doubling to 60 s, and it is open once it takes one that came after it had shut;
    an account's only list is never left out, nor are all of them: that is about the account, whose gate decides. What is paused is
    never written, nor probed, whatever becomes of the others. Beside a paused list all others may be left out, too, for what they
    refuse: the paused one might have taken it.
    """

    def __init__(self, *, heals: bool = True) -> None:
        """Open all; `heals`: whether a user that is owed to a list is tried again by itself, later: if not, none is ever left out."""
        self._heals = heals
        self._doors: dict[tuple[AccountId, str], _Door] = {}
        self._paused: dict[tuple[AccountId, str], float] = {}
        """List -> since when."""
        self._begun = 0

    def pause(self, account: AccountId, lists: Collection[str], *, now: float) -> None:
        """Leave lists out for good, unasked: the settings say so."""
        self._paused.update({(account, one): now for one in lists})

    # ---- Asking ----

    def are_paused(self, account: AccountId, lists: Collection[str]) -> bool:
        """Say whether all that are named are paused; none named: they are not."""
        return bool(lists) and all((account, one) in self._paused for one in lists)

    def door(self, account: AccountId, lists: Sequence[str], *, now: float, of: Sequence[str] = ()) -> Door:
        """
        Say whether a user that is owed to some lists of an account may be tried: as the most open of them says.

        Args:
            lists: none named: all are owed, and the user may be tried unless some are paused and all others left out.
            of: all lists of the account.
        """
        lists = lists or (of if any((account, one) in self._paused for one in of) else ())
        doors = {self._at(account, one, now) for one in lists}
        return next((door for door in (Door.OPEN, Door.PROBE) if door in doors), Door.SHUT) if doors else Door.OPEN

    def state(self, account: AccountId, one: str, *, now: float) -> ListState:
        """Return what an operator wants to know of a list."""
        if (account, one) in self._paused:
            return ListState(door="left-out", code=PAUSED, left_out_s=max(0.0, now - self._paused[account, one]))
        door = self._doors.get((account, one))
        if door is None or door.shut_at == inf:
            return ListState()
        return ListState(
            door="left-out" if door.probe is None else "probing",
            code=door.code,
            left_out_s=max(0.0, now - door.shut_at),
            next_try_s=max(0.0, door.probe_at - now),
        )

    def _at(self, account: AccountId, one: str, now: float) -> Door:
        door = self._doors.get((account, one))
        if (account, one) in self._paused:
            return Door.SHUT
        return Door.OPEN if door is None else door.door(now)

    # ---- Writing ----

    def enter(self, user: UserKey, account: AccountId, lists: Sequence[str], *, now: float) -> Visit:
        """Let `user` be written to the lists that are not left out; where one wants a probe, the user is it. `leave` ends it."""
        self._begun += 1
        of_all = len(lists)
        lists = [one for one in lists if (account, one) not in self._paused]
        spares_paused = len(lists) < of_all
        doors = {one: self._at(account, one, now) for one in lists}
        if Door.OPEN in doors.values() or spares_paused:
            lists = [one for one, door in doors.items() if door is not Door.SHUT]
        probed = [one for one, door in doors.items() if door is Door.PROBE]
        for one in probed:
            self._doors[account, one].probe = self._begun
        return Visit(account, user, self._begun, tuple(lists), spares_paused, bool(probed))

    def learn(self, visit: Visit, *, taken: Sequence[str], refused: Mapping[str, str], now: float) -> tuple[str, ...]:
        """
        Note what came of a write; return the lists whose refusal says nothing of the user.

        Args:
            refused: list -> code; where no other has taken the user it means nothing, unless others are paused.
        """
        for one in taken:
            door = self._doors.setdefault((visit.account, one), _Door())
            door.is_proven = True
            if door.shut_at == inf or visit.number > door.began:
                door.open()
        is_told = bool(taken) or visit.spares_paused
        return tuple(one for one, code in refused.items() if is_told and self._refused(visit, one, code, now))

    def leave(self, visit: Visit, *, now: float) -> None:
        """End a visit; a probe that leaves without a verdict makes room for the next."""
        for one in visit.lists:
            door = self._doors.get((visit.account, one))
            if door is not None and door.probe == visit.number:
                door.probe, door.probe_at = None, now

    def _refused(self, visit: Visit, one: str, code: str, now: float) -> bool:
        door = self._doors.setdefault((visit.account, one), _Door())
        door.code = code
        if door.probe == visit.number:
            door.probe, door.wait_s = None, min(_PROBE_MAX_S, door.wait_s * 2)
            door.probe_at = now + door.wait_s
        elif door.shut_at == inf:
            door.streak.add(visit.user)
            if len(door.streak) >= _STREAK and self._heals:
                door.shut(began=self._begun, now=now, wait_s=door.wait_s)
        return door.shut_at != inf

    # ---- Beginning ----

    def doubt(self, account: AccountId, lists: Sequence[str], *, now: float) -> None:
        """Leave lists out until a probe, at once, shows that they are good: users are owed them, and nothing is known of them yet."""
        for one in lists:
            door = self._doors.setdefault((account, one), _Door())
            if self._heals and not door.is_proven and door.shut_at == inf:
                door.shut(began=self._begun, now=now, wait_s=0.0)

    def forget(self) -> None:
        """Begin anew: others learn it now; what is paused stays so."""
        self._doors.clear()
