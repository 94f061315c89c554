"""The gate before an upstream: rate permits, Retry-After, breaker, authorisation."""

from math import inf
from typing import Literal

from ..errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from ..model import Door, GateState, StopCause, UserKey
from .expected import Expected
from .heed import Heed
from .pace import Pace
from .places import Places
from .probing.patience import LONG_S, Patience
from .probing.probe import Cause, Probe
from .probing.streak import Streak
from .stops import Stops
from .suspects import Suspects, UnknownUsers


class Gate:
    """
    One upstream's gate, shared by all that call it.

    It promises: no more than `burst` + rate x time calls are let in; a Retry-After shuts it for all users, one beyond a minute that is no
    429's for a minute, then to all but a probe; the fifth user in a row to fail shuts it whatever the reason, and so does as many a
    passing failure in a row as a user may have tries: where few come, none is parked for an outage; a 401 shuts it at once, a 403 only as
    the third of three different users in a row; shut, it admits one probe at a time, after 5 s and then doubling to 60 s, and only the
    probe's success opens it (after a 401 also that it is refused or forbidden as a user: then the key is good; after 403s the success of
    any run that began after the first of them); a 403 of a user that is known to be the one it is about counts against that user, whatever
    else the gate thinks; twenty different users in a row that the upstream does not know, none known in between, shut it like a breaker,
    and one that it knows opens it; what is stopped from outside lets no user in, no probe either, until it is released; what awaits a
    first verdict is shut, and holds no user but for what else it has learnt: then the call that asks for the verdict is the probe.
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
        key_tries: int | None = None,
        courteous: bool = False,
        uses_told_limit: bool = False,
        part: float = 1.0,
    ) -> None:
        """
        Make an open gate with a full bucket.

        Args:
            rate_per_s, burst: calls per second for all pods together, and calls that may come at once.
            run_calls: what one run needs at once; a pod's burst is never below it.
            places: conversations at once; None: no bound.
            tries: passing failures in a row, be they of one user, that shut it; at least five; None: only five users do.
            hold_s: how long it may hold users once shut, beyond the Retry-After then in force.
            key_tries: probes that may find our key refused, then it holds nobody any more; None: as `hold_s` says.
            courteous: whether others go before us: a 429 halves our rate for a minute or more, and keeps us away for twice the Retry-After.
            uses_told_limit, part: see `Heed`.
        """
        self._courteous, self._patience = courteous, Patience(courteous=courteous)
        self._hold_s, self._key_tries = hold_s, inf if key_tries is None else key_tries
        self.pace, self._places = Pace(rate_per_s=rate_per_s, burst=burst, run_calls=run_calls, part=part), Places(places)
        self.expected = Expected(run_calls)
        self.heed = Heed(self.pace, uses_told_limit=uses_told_limit, part=part)
        # How many runs had begun when we last slowed down.
        self._slowed = 0
        self._probe = Probe(self._patience)
        self._closed_at = self._held_until = inf
        self._streak = Streak(tries)
        self._suspects, self._unknown_users, self.stops = Suspects(), UnknownUsers(), Stops()

    # ---- Asking ----

    def door(self, *, now: float, permits: float = 0, within_s: float = 0.0) -> Door:
        """Say which users may enter; `permits`: how many calls must be possible, beside those that are promised, within so long."""
        if self.stops or now < self._patience.retry_at or self._places.is_full or self.pace.wait_s(permits, now=now) > within_s:
            return Door.SHUT
        if self._probe.cause_at(now) is None:
            return Door.OPEN
        return Door.PROBE if self._probe.is_due(now) else Door.SHUT

    def closed(self, *, now: float) -> bool:
        """Say whether the upstream itself is held to be out: not for a lack of permits or places."""
        return self.stops.any or self._is_out(now)

    def out_for_long(self, *, now: float) -> bool:
        """Say whether it is shut until a user succeeds, or by a Retry-After of a minute and more."""
        retry_at = self._patience.retry_at
        return self.stops.any or self._probe.cause_at(now) is not None or (now < retry_at and retry_at - self._closed_at >= LONG_S)

    def admits(self, user: UserKey, *, now: float) -> bool:
        """Say whether `user`, which is inside, may make another call: the gate is open, or it is the probe."""
        return not self.stops and self.away_s(now=now) <= 0 and (self._probe.cause_at(now) is None or self._probe.user == user)

    def expired(self, *, now: float) -> bool:
        """Say whether it has held users for too long: park them, unless one of them may be the probe now."""
        if now >= self.stops.held_until:
            return True
        is_over = now >= self._held_until or (self.refuses_key and self._probe.failures >= self._key_tries)
        return self._probe.cause_at(now) is not None and is_over and (bool(self.stops) or not self._probe.is_due(now))

    def next_change(self, *, now: float, permits: float = 0, within_s: float = 0.0) -> float:
        """Return the earliest time at which time alone may make `door` or `expired` say something else; inf: never."""
        times = [self._patience.retry_at, self.stops.held_until, self.pace.window.ends_at]
        if (cause := self._probe.cause_at(now)) is not None:
            times += [self._held_until, *([self._patience.ends_at] if cause == "retry-after" else [])]
            times += [self._probe.at] if self._probe.user is None else []
        elif not self.stops and (wait_s := self.pace.wait_s(permits, now=now)) > within_s:
            times.append(now + wait_s - within_s)
        return min((at for at in times if at > now), default=inf)

    def away_s(self, *, now: float) -> float:
        """Return for how long no call may be made: the upstream has asked us to wait, or has said that none is left (s)."""
        return max(0.0, self._patience.retry_at - now, self.pace.window.empty_s(now=now))

    @property
    def refuses_key(self) -> bool:
        """Say whether our key is held to be refused: read it again before the next try."""
        return self._probe.cause == "denied"

    def state(self, *, now: float) -> GateState:
        """Return what an operator wants to know."""
        share, in_use = self.pace.share, self._places.in_use
        stopped_for, since = self.stops.shown()
        if self._is_out(now) and not self.stops.any:
            out: Literal["closed", "probing"] = "closed" if self._probe.user is None else "probing"
            cause, retry_at = self._probe.cause, self._patience.retry_at
            why = cause if cause is not None and (self.refuses_key or now >= retry_at) else "retry-after"
            closed_s, next_s = max(0.0, now - self._closed_at), max(0.0, retry_at - now, self._probe.at - now if cause else 0)
            return GateState(state=out, cause=why, closed_s=closed_s, next_try_s=next_s, share=share, in_use=in_use)
        state: Literal["open", "closed"] = "closed" if self.stops else "open"
        return GateState(state=state, cause=stopped_for, closed_s=max(0.0, now - since), next_try_s=0.0, share=share, in_use=in_use)

    def _is_out(self, now: float) -> bool:
        return self._probe.cause_at(now) is not None or now < self._patience.retry_at

    def _lapse(self, now: float) -> None:
        if self._probe.cause != self._probe.cause_at(now):
            self._open()

    # ---- Going in and out ----

    def enter(self, user: UserKey, *, now: float, permits: float = 0) -> float:
        """Let `user` in, as the door has just allowed: it has a place, may be the probe, and `pay`s later; return how long to wait (s)."""
        self._lapse(now)
        if self._probe.cause is not None:
            self._probe.user = user
        self._places.enter(user)
        return self.pace.promise(user, permits, now=now)

    def step_aside(self, user: UserKey) -> None:
        """Give back the place, and what was promised, of a user that is inside, and asks for nothing of its own any more."""
        self._places.step_aside(user)
        self.pace.forgive(user)

    def step_back(self, user: UserKey, *, now: float) -> None:
        """Give back all that a user holds that is inside and asks for nothing before it comes back; were it the probe, another may be."""
        self.step_aside(user)
        self._probe.left(user, now=now)

    def come_back(self, user: UserKey, *, now: float, permits: float = 0) -> float | None:
        """Let a user go on that may have given its place up, as the probe where one is due; return its wait (s), None: none is free."""
        if not self._places.is_aside(user):
            return 0.0
        if not self._places.come_back(user):
            return None
        self._lapse(now)
        if self._probe.cause is not None and self._probe.is_due(now):
            self._probe.user = user
        return self.pace.promise(user, permits, now=now)

    def leave(self, user: UserKey, *, now: float) -> None:
        """Give the place back, and what was promised; a probe that leaves without a verdict makes room for the next."""
        self.step_back(user, now=now)
        self._places.leave(user)
        self.expected.ended()

    def pay(self, user: UserKey, *, now: float) -> float:
        """Take a permit for a call of `user`, promised or not; return how long to wait for it (s)."""
        self.expected.called()
        return self.pace.pay(user, now=now)

    # ---- Verdicts from outside ----

    def stop(self, cause: StopCause, *, now: float, hold_s: float | None = None) -> None:
        """Shut it to all, probes too, until this cause is released by what stops it; `hold_s`: hold users for so long; None: as ever."""
        self.stops.stop(cause, now=now, held_until=max(now, self._patience.ends_at) + (self._hold_s if hold_s is None else hold_s))

    def release(self, cause: StopCause, *, now: float) -> None:
        """Note a good verdict; what shuts it else stays, and may hold users for as long again: no probe could be made meanwhile."""
        if self.stops.release(cause, now=now) and self._probe.cause is not None:
            self._held_until = max(now, self._patience.ends_at) + self._hold_s

    # ---- Learning ----

    def succeeded(self, user: UserKey, *, now: float) -> None:
        """Note an answer that did what was asked."""
        self._lapse(now)
        begun = self._places.number(user, 0)
        self.pace.succeeded(now=now)
        self._suspects.succeeded(user, begun=begun)
        self._unknown_users.clear()
        shows_more = self._probe.cause == "absent" or (self.refuses_key and self._suspects.clears_key(begun))
        if self._probe.cause is None or self._probe.user == user or shows_more:
            self._open()
        else:
            self._streak.clear()

    def absent(self, user: UserKey, *, now: float) -> bool:
        """Note that the upstream knows no such user; return whether to believe it: else the user is owed as before."""
        self._lapse(now)
        if self._unknown_users.note(user):
            if self._probe.user == user:
                self._open()  # It answers, and takes our key.
            return True
        if self._probe.cause is None:
            self._shut("absent", since=now, now=now)
        elif self._probe.user == user:
            self._probe.cause = "absent"
            self._probe.failed(user, now=now)
        return False

    def forget(self) -> None:
        """Begin anew, but for a Retry-After and what was said from outside: what was learnt no longer holds, or others learn it now."""
        self._unknown_users.clear()
        self._open()

    def _open(self) -> None:
        self._streak.clear()
        self._suspects.new_row()
        self._probe.open()
        self._closed_at = self._held_until = inf

    def failed(self, user: UserKey, error: ConsumerError, *, now: float) -> bool:
        """Note a failure; return whether it counts against the user (open, and not shut by this; or known to be at fault)."""
        if isinstance(error, Held) and not isinstance(error, Denied):
            return False
        self._lapse(now)
        was_out = self._is_out(now)
        if isinstance(error, Retryable):
            self._give_way(user, error, was_out=was_out, now=now)
        if self._probe.user == user and self._shows_that_the_key_is_good(error):
            self._open()
            was_out = False
        if isinstance(error, Forbidden) and self._suspects.is_own(user):
            self._probe.failed(user, now=now)
            return True
        cause = self._learn(user, error)
        if self._probe.cause is not None:
            self._probe.cause = "denied" if cause == "denied" else self._probe.cause
            self._probe.failed(user, now=now)
            return False
        if cause is not None:
            self._shut(cause, since=self._closed_at if was_out else now, now=now)
            return False
        return not was_out and not self.stops.any

    def warned(self, user: UserKey, error: ConsumerError, *, now: float) -> None:
        """Heed at once what an answer to several users says to all; each of them is judged by its own run, later: `Refused`: all were."""
        self._lapse(now)
        if isinstance(error, Retryable):
            self._give_way(user, error, was_out=self._is_out(now), now=now)
        elif isinstance(error, Denied | Refused) and self._probe.cause is None:
            self._shut("denied" if isinstance(error, Denied) else "breaker", since=now, now=now)

    def _give_way(self, user: UserKey, error: Retryable, *, was_out: bool, now: float) -> None:
        """Heed a Retry-After; where others go before us a 429, too, once for all that were under way then."""
        if error.retry_after_s is not None:
            self._closed_at = self._closed_at if was_out else now
        if self._patience.heed(error, now=now) and self._probe.cause is None:
            self._shut("retry-after", since=self._closed_at, now=now)
        is_news = not was_out and self._places.number(user, self._places.begun + 1) > self._slowed
        if self._courteous and error.code == "http-429" and is_news:
            self._slowed = self._places.begun
            self.pace.slow_down(now=now, until=self._patience.retry_at)

    def _shows_that_the_key_is_good(self, error: ConsumerError) -> bool:
        """Say whether a key that was refused is not any more: the upstream says no to this user."""
        forbids = isinstance(error, Forbidden) and not self._suspects.blame_key()
        return self.refuses_key and (isinstance(error, Refused) or forbids)

    def _learn(self, user: UserKey, error: ConsumerError) -> Literal["breaker", "denied"] | None:
        """Count a failure; return what it says of the upstream, None: nothing."""
        if self._probe.cause is None:
            self._streak.note(user, is_passing=isinstance(error, Retryable))
        if isinstance(error, Denied):
            self._suspects.new_row()
            return "denied"
        if isinstance(error, Forbidden) and self._suspects.forbid(user, begun=self._places.begun):
            return "denied"
        return "breaker" if self._streak.says_out else None

    def _shut(self, cause: Cause, *, since: float, now: float) -> None:
        self._closed_at = since
        self._probe.shut(cause, now=now)
        self._held_until = max(now, self._patience.ends_at) + self._hold_s
