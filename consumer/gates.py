"""What stands before an upstream: rate permits, Retry-After, breaker, authorisation. No I/O, no clock of its own."""

from collections.abc import Mapping
from math import inf
from typing import Literal

from msgspec import Struct

from .errors import ConsumerError, Denied, Held, Refused, Retryable
from .model import AccountId, Door, UserKey

_STREAK = 5
"""So many users in a row failing at one upstream say that the fault is not theirs."""
_TOO_MANY = "http-429"
_TALK_S = 20.0
"""Well below the age at which a snapshot is not written any more (30 s)."""
_LEAST_SHARE = 1 / 64
"""However often a courteous process is told that it asks too much, it goes on at this part of its rate."""
_LONG_S = 60.0
_PROBE_FIRST_S = 5.0
_PROBE_MAX_S = 60.0
SESAMY_CALLS = 3
"""Calls that every fetch makes at once."""
MAKE_CALLS = 4
"""Calls that one conversation makes at most, but for users of more than 1000 rows."""


class GateState(Struct, frozen=True, kw_only=True):
    """A gate as an operator sees it; times in seconds from now."""

    state: Literal["open", "closed", "probing"]
    cause: Literal["", "breaker", "denied", "retry-after"]
    closed_s: float
    next_try_s: float
    share: float
    in_use: int


class Gate:
    """
    One upstream's gate, shared by all who talk to it.

    It promises: no more than `burst` + rate x time calls are let in; a Retry-After shuts it for everybody; the fifth
    user in a row to fail shuts it whatever the reason, and so does as many a passing failure in a row as a user may have
    tries: where few come, nobody is parked for an outage; a 401 or 403 shuts it at once; shut, it admits one probe at a time,
    after 5 s and then doubling to 60 s, and only the probe's success opens it (after a 401 or 403, also that it is refused
    as a user: then the key is good).
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: float,
        run_calls: int,
        places: int | None = None,
        tries: int | None = None,
        hold_s: float = inf,
        courteous: bool = False,
    ) -> None:
        """
        Make an open gate with a full bucket.

        Args:
            rate_per_s: calls per second for all pods together.
            burst: calls that may come at once.
            run_calls: what one run needs at once; a pod's burst is never below it.
            places: conversations at once, and never more than the rate lets end within 20 s; None: no bound.
            tries: passing failures in a row, be they of one user, that shut it; at least five; None: only five users do.
            hold_s: how long it may hold users once shut, beyond the Retry-After then in force.
            courteous: whether others go before us: a 429 halves our rate, and keeps us away for twice the Retry-After.
        """
        self._courteous = courteous
        self._full_rate, self._full_burst, self._run_calls = rate_per_s, burst, run_calls
        self._full_places, self._tries, self._hold_s = places, inf if tries is None else max(tries, _STREAK), hold_s
        self._share = 1.0
        self._rate_per_s, self._burst = rate_per_s, max(burst, run_calls)
        self._places = self._places_now()
        self._permits, self._permits_at = float(self._burst), -inf
        self._in_use = 0
        self._retry_at = -inf
        # While a cause stands, the gate is shut to all but a probe.
        self._cause: Literal["breaker", "denied"] | None = None
        self._closed_at = self._held_until = inf
        self._probe: UserKey | None = None
        self._probe_at, self._probe_wait_s = inf, _PROBE_FIRST_S
        # The users that failed since the last success, and how many passing failures there were.
        self._streak: set[UserKey] = set()
        self._failures = 0

    # ---- Asking ----

    def door(self, *, now: float, permits: int = 0) -> Door:
        """Say who may enter; `permits`: how many calls must be possible at once."""
        if now < self._retry_at or self._level(now) < permits or (self._places is not None and self._in_use >= self._places):
            return Door.SHUT
        if self._cause is None:
            return Door.OPEN
        return Door.PROBE if self._probe is None and now >= self._probe_at else Door.SHUT

    def closed(self, *, now: float) -> bool:
        """Say whether the upstream itself is held to be out: not for a lack of permits or places."""
        return self._cause is not None or now < self._retry_at

    def out_for_long(self, *, now: float) -> bool:
        """Say whether it is shut until somebody succeeds, or by a Retry-After of a minute and more."""
        return self._cause is not None or (now < self._retry_at and self._retry_at - self._closed_at >= _LONG_S)

    def admits(self, user: UserKey, *, now: float) -> bool:
        """Say whether `user`, who is inside, may make another call: the gate is open, or he is the probe."""
        return now >= self._retry_at and (self._cause is None or self._probe == user)

    def expired(self, *, now: float) -> bool:
        """Say whether it has held users for too long: park them, unless one of them may be the probe now."""
        return self._cause is not None and now >= self._held_until and (self._probe is not None or now < self._probe_at)

    def next_change(self, *, now: float, permits: int = 0) -> float:
        """Return the earliest time at which time alone may make `door` or `expired` say something else; inf: never."""
        times = [self._retry_at]
        if self._cause is not None:
            times += [self._held_until] if self._probe is not None else [self._held_until, self._probe_at]
        elif (missing := permits - self._level(now)) > 0:
            times.append(now + missing / self._rate_per_s)
        return min((at for at in times if at > now), default=inf)

    def state(self, *, now: float) -> GateState:
        """Return what an operator wants to know."""
        closed = self.closed(now=now)
        next_at = max(self._retry_at, self._probe_at if self._cause else -inf) if closed else now
        cause = self._cause if self._cause == "denied" or now >= self._retry_at else "retry-after"
        return GateState(
            state="probing" if closed and self._probe is not None else "closed" if closed else "open",
            cause=(cause or "") if closed else "",
            closed_s=max(0.0, now - self._closed_at) if closed else 0.0,
            next_try_s=max(0.0, next_at - now),
            share=self._share,
            in_use=self._in_use,
        )

    # ---- Going in and out ----

    def enter(self, user: UserKey, *, now: float, permits: int = 0) -> None:
        """Let `user` in, as the door has just allowed: it takes a place and its permits, and may be the probe."""
        if self._cause is not None:
            self._probe = user
        self.reserve(permits, now=now)
        self._in_use += 1

    def leave(self, user: UserKey, *, now: float) -> None:
        """Give the place back; a probe that leaves without a verdict makes room for the next."""
        self._in_use -= 1
        if self._probe == user:
            self._probe, self._probe_at = None, max(now, self._retry_at)

    def reserve(self, permits: int = 1, *, now: float) -> float:
        """Take permits, be they there or not; return how long to wait for them (s)."""
        self._permits, self._permits_at = self._level(now) - permits, now
        return max(0.0, -self._permits / self._rate_per_s)

    def set_share(self, share: float, *, now: float) -> None:
        """Take this pod's part of the limits, above 0 and at most 1."""
        level = self._level(now)
        self._share = share
        self._rate_per_s = self._full_rate * share
        self._burst = max(self._full_burst * share, self._run_calls)
        self._permits, self._permits_at = min(level, self._burst), now
        self._places = self._places_now()

    def _places_now(self) -> int | None:
        """Return how many may talk at once: their calls must not wait so long for a permit that what they write is old."""
        return None if self._full_places is None else max(1, min(self._full_places, int(_TALK_S * self._rate_per_s / self._run_calls)))

    # ---- Learning ----

    def succeeded(self, user: UserKey) -> None:
        """Note an answer that did what was asked."""
        if self._cause is None or self._probe == user:
            self.forget()
        else:
            self._streak.clear()
            self._failures = 0

    def forget(self) -> None:
        """Begin anew, but for a Retry-After: what was learnt no longer holds, or others learn it now."""
        self._streak.clear()
        self._failures = 0
        self._cause = self._probe = None
        self._closed_at = self._held_until = self._probe_at = inf
        self._probe_wait_s = _PROBE_FIRST_S

    def failed(self, user: UserKey, error: ConsumerError, *, now: float) -> bool:
        """Note a failure; return whether it counts against the user (the gate was open and this did not shut it)."""
        was_closed = self.closed(now=now)
        if isinstance(error, Held) and not isinstance(error, Denied):
            return False
        if self._courteous and error.code == _TOO_MANY and not was_closed:
            self.set_share(max(self._share / 2, _LEAST_SHARE), now=now)
        if isinstance(error, Retryable) and error.retry_after_s is not None:
            self._closed_at = self._closed_at if was_closed else now
            self._retry_at = max(self._retry_at, now + error.retry_after_s * (2 if self._courteous else 1))
        if self._cause == "denied" and self._probe == user and isinstance(error, Refused):
            self.succeeded(user)  # It says no to this user: so our key is good.
            was_closed = False
        if self._cause is not None:
            self._probe_failed(user, error, now=now)
            return False
        self._streak.add(user)
        self._failures += isinstance(error, Retryable)
        if isinstance(error, Denied) or len(self._streak) >= _STREAK or self._failures >= self._tries:
            self._shut("denied" if isinstance(error, Denied) else "breaker", since=self._closed_at if was_closed else now, now=now)
            return False
        return not was_closed

    def _shut(self, cause: Literal["breaker", "denied"], *, since: float, now: float) -> None:
        self._cause, self._closed_at = cause, since
        self._probe_at = max(now + self._probe_wait_s, self._retry_at)
        self._held_until = max(now, self._retry_at) + self._hold_s

    def _probe_failed(self, user: UserKey, error: ConsumerError, *, now: float) -> None:
        if isinstance(error, Denied):
            self._cause = "denied"
        if self._probe == user:
            self._probe = None
            self._probe_wait_s = min(_PROBE_MAX_S, self._probe_wait_s * 2)
            self._probe_at = max(now + self._probe_wait_s, self._retry_at)

    def _level(self, now: float) -> float:
        if self._permits_at == -inf or now <= self._permits_at:
            return self._permits
        return min(self._burst, self._permits + (now - self._permits_at) * self._rate_per_s)


class Gates:
    """All gates of a process: one per Sesamy vendor and one per Make account, whoever uses it."""

    def __init__(self, vendors: Mapping[str, Gate], accounts: Mapping[AccountId, Gate]) -> None:
        """Take the gates by vendor id and by account id."""
        self.vendors, self.accounts = vendors, accounts

    def vendor(self, vendor: str, *, now: float) -> Door:
        """Say whether a fetch may begin: its three calls are paid for together, at the start."""
        return self.vendors[vendor].door(now=now, permits=SESAMY_CALLS)

    def account(self, account: AccountId, *, now: float) -> Door:
        """Say whether a conversation may begin: its calls are paid for one by one."""
        return self.accounts[account].door(now=now)

    def vendor_expired(self, vendor: str, *, now: float) -> bool:
        """Say whether what waits for the vendor is to be parked."""
        return self.vendors[vendor].expired(now=now)

    def account_expired(self, account: AccountId, *, now: float) -> bool:
        """Say whether what waits for the account is to be parked."""
        return self.accounts[account].expired(now=now)

    def next_change(self, *, now: float) -> float:
        """Return when time alone may open a door or end a hold; inf: never."""
        return min(
            min((gate.next_change(now=now, permits=SESAMY_CALLS) for gate in self.vendors.values()), default=inf),
            min((gate.next_change(now=now) for gate in self.accounts.values()), default=inf),
        )

    def forget(self) -> None:
        """Begin anew at every gate: none of the users are ours any more, so nobody would be the probe."""
        for gate in (*self.vendors.values(), *self.accounts.values()):
            gate.forget()

    def set_share(self, share: float, *, now: float) -> None:
        """Take this pod's part of every limit."""
        for gate in (*self.vendors.values(), *self.accounts.values()):
            gate.set_share(share, now=now)
