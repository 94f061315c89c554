"""The promises, by name; each is told of every operation just before it has its effect, and once more at the end."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

from tests.history.operations import (
    Bounded,
    Called,
    Closed,
    Committed,
    Finished,
    Healed,
    Leaked,
    Operation,
    Outcome,
    Parked,
    Said,
    Sent,
    Stopping,
    Wrote,
)
from tests.history.seen import Seen

HELD = "held"


class Invariant:
    """A promise; it gives the text of each place where it does not hold."""

    name: ClassVar[str]
    """In words, as violations and tables have it."""

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        """Look at an operation and what was there before."""
        yield from ()

    def end(self, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        """Look at what is there in the end."""
        yield from ()


class NothingLost(Invariant):
    """Whatever is committed was written at least as new, or is parked; a letter goes only when what it asked for is done or asked anew."""

    name = "nothing lost"

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        match op:
            case Committed():
                for offset in range(op.before, op.offset):
                    yield from self._passed((op.partition, offset), seen)
            case Closed(letter=number) if number in seen.letters:
                letter = seen.letters[number]
                for account, one in seen.asked_of(letter):
                    if not seen.is_written(letter.user, letter.version, account, one):
                        yield f"letter {number} was closed, and {account}/{one} has not what it asked for"
            case Closed():
                yield f"letter {op.letter} is no user's, and was closed"
            case Parked(user=user) if user:
                for number in op.replaces:
                    yield from self._replaced(op, seen.letters[number], seen)

    def _passed(self, place: tuple[int, int], seen: Seen) -> Iterator[str]:
        sent = seen.sent.get(place)
        if sent is not None and not sent.user and place not in seen.records:
            yield f"committed past {place}, which nobody can read and nobody parked"
        elif sent is not None and sent.user and (lacking := seen.uncovered(sent)):
            yield f"committed past {place} of {sent.user} at version {sent.version}, not written to {', '.join(lacking)}"

    def _replaced(self, new: Parked, old: Parked, seen: Seen) -> Iterator[str]:
        asked = set(seen.asked_of(new))
        for account, one in seen.asked_of(old):
            is_asked = (account, one) in asked or seen.parked_at(old.user, account, one) > old.at
            if not is_asked and not seen.is_written(old.user, old.version, account, one):
                yield f"letter {old.letter} was replaced, and nothing asks for {account}/{one}"


class AllAgreesInTheEnd(Invariant):
    """In the end all is written or parked, and parked are only those who may be; what was only held is healed."""

    name = "all agrees in the end"

    def __init__(self) -> None:
        self._is_over = False

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        self._is_over = self._is_over or isinstance(op, Finished)
        yield from ()

    def end(self, seen: Seen) -> Iterator[str]:
        if not self._is_over:
            yield "the history has no end"
        for place, sent in seen.sent.items():
            if not sent.user and place not in seen.records:
                yield f"{place} can't be read, and is not parked"
            elif sent.user and (lacking := seen.uncovered(sent)):
                yield f"{place} of {sent.user} at version {sent.version} is not written to {', '.join(lacking)}"
        for place in sorted(seen.records - seen.sent.keys()):
            yield f"{place} is parked, and nobody sent it"
        for place in sorted(place for place in seen.records & seen.sent.keys() if seen.sent[place].user):
            yield f"{place} is parked unread, and can be read"
        for number, letter in seen.letters.items():
            if number not in seen.closed and seen.town.parks_only_hopeless:
                for account, one in seen.asked_of(letter):
                    if (account, letter.user) not in seen.town.hopeless and not seen.is_written(letter.user, letter.version, account, one):
                        yield f"{letter.user} is parked for {account}/{one}, and nothing was wrong with it"


class TroubleStaysWhereItIs(Invariant):
    """The accounts that had no trouble are as fresh as without: at most twice the calm's 99th percentile, and a second."""

    name = "trouble stays where it is"

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[Sent]] = defaultdict(list)
        self.ages_s: list[float] = []

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        if isinstance(op, Sent) and op.user and op.user not in seen.town.skipped:
            vendor = op.user.partition("|")[0]
            if f"sesamy:{vendor}" not in seen.town.touched:
                for place in seen.places[vendor]:
                    if place.account not in seen.town.touched:
                        self._waiting[place.account, op.user].append(op)
        # The rows that are written last end it.
        elif isinstance(op, Wrote) and op.part == seen.parts[-1]:
            waiting = self._waiting.get((op.account, op.user), [])
            self.ages_s += [op.at - sent.at for sent in waiting if sent.version <= op.version]
            waiting[:] = [sent for sent in waiting if sent.version > op.version]
        yield from ()

    def end(self, seen: Seen) -> Iterator[str]:
        calm_s, found_s = seen.town.calm_s, percentile(self.ages_s, 0.99)
        if calm_s is not None and found_s > 2 * calm_s + 1:
            yield f"untouched accounts were {found_s:.1f} s old at the 99th percentile, {calm_s:.1f} s without trouble"


class NothingGrowsWithoutBound(Invariant):
    """Whatever is counted stays within its limit."""

    name = "nothing grows without bound"

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        if isinstance(op, Bounded) and op.value > op.limit:
            yield f"{op.name} of {op.pod} is {op.value:g}, and may be {op.limit:g}"


class NoOlderStateOverANewerOne(Invariant):
    """No write is older than one before it, no two of one user and account overlap, and nobody writes for another's partition."""

    name = "no older state over a newer one"

    _WRITES = frozenset({"upsert", "update", "products", "subscriptions"})

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], dict[tuple[str, str], float]] = defaultdict(dict)

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        if isinstance(op, Called) and op.op in self._WRITES and op.pod not in seen.town.outside:
            for user in (op.user, *op.others):
                owners = {seen.owners.get(partition) for partition in seen.partitions[user]}
                if len(owners) == 1 and not owners & {None, op.pod}:
                    yield f"{op.pod} writes {user} to {op.upstream}, whose partition is {owners.pop()}'s"
        if not isinstance(op, Wrote) or op.pod in seen.town.outside:
            return
        before = seen.written.get((op.account, op.user, op.part), 0)
        if op.version < before:
            yield f"{op.pod} wrote version {op.version} of {op.user}'s {op.part} over {before} at {op.account}"
        for one in op.lists:
            if op.version < (newer := seen.on_list.get((op.account, one, op.user), 0)):
                yield f"{op.pod} wrote version {op.version} of {op.user} over {newer} on list {op.account}/{one}"
        ends = self._ends[op.account, op.user]
        for (pod, part), ended_at in ends.items():
            if ended_at > op.began_at and (pod != op.pod or part == op.part):
                yield f"{op.pod} and {pod} wrote {op.user} to {op.account} at once"
        ends[op.pod, op.part] = op.at


class ConsentKept(Invariant):
    """No contact that had opted out before its pod looked is put on a list."""

    name = "consent kept"

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        if isinstance(op, Wrote) and op.lists:
            left_at = seen.left.get((op.account, op.user), math.inf)
            # Who leaves between the look and the write can't be known of.
            looked_at = seen.looked.get((op.pod, op.account, op.user), -math.inf)
            # A look of an earlier run tells this one nothing.
            if left_at < max(looked_at, seen.fetched.get((op.pod, op.user), -math.inf)):
                yield f"{op.pod} put {op.user} on {op.account}/{','.join(op.lists)} after it had left"


class NothingPersonalSaid(Invariant):
    """No name, address or key is found in what the program says."""

    name = "nothing personal said"

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        if isinstance(op, Leaked):
            yield f"found in {op.where}"


class ItGoesOn(Invariant):
    """After the heal all is done within a time, and nothing hangs."""

    name = "it goes on"

    def __init__(self) -> None:
        self._healed_at: float | None = None

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        if isinstance(op, Healed):
            self._healed_at = op.at
        if isinstance(op, Finished):
            if op.waits_for:
                yield f"still waits for {op.waits_for}"
            if self._healed_at is not None and op.at - self._healed_at > seen.town.converge_s:
                yield f"took {op.at - self._healed_at:.0f} s from the heal, and may take {seen.town.converge_s:.0f} s"


class NobodyPressed(Invariant):
    """No upstream gets more requests than it allows, none within the time that it asked for, and none before it showed that it filters."""

    name = "nobody pressed"

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        if not isinstance(op, Called):
            return
        if op.at < seen.away.get((op.pod, op.upstream), -math.inf):
            yield f"{op.pod} called {op.upstream} within its Retry-After"
        if op.user and op.op in {"upsert", "update"} and (op.pod, op.user.partition("|")[0]) not in seen.heeds and seen.heeds:
            yield f"{op.pod} writes {op.user}, whose vendor may give others' rows"
        rate = seen.town.rates.get(op.upstream)
        if rate is not None:
            level, at = self._buckets.get((op.pod, op.upstream), (rate.at_once, op.at))
            level = min(rate.at_once, level + (op.at - at) * rate.per_s) - 1
            self._buckets[op.pod, op.upstream] = level, op.at
            if level < -1e-6:
                yield f"{op.pod} asked {op.upstream} more often than {rate.per_s:g} a second and {rate.at_once:g} at once"


class ItStopsInOrder(Invariant):
    """A pod that is told to stop ends with 0 within its time; one that ended writes nothing more."""

    name = "it stops in order"

    def __init__(self) -> None:
        self._stopping: dict[str, float] = {}
        self._ended: set[str] = set()

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:
        match op:
            case Stopping():
                self._stopping[op.pod] = op.at
            case Outcome():
                self._ended.add(op.pod)
                asked_at = self._stopping.pop(op.pod, None)
                if asked_at is not None and op.status not in {0, None}:
                    yield f"{op.pod} ended with {op.status}"
                if asked_at is not None and op.at - asked_at > seen.town.stop_s:
                    yield f"{op.pod} took {op.at - asked_at:.0f} s to stop, and may take {seen.town.stop_s:.0f} s"
            case Called(pod=pod) if pod in self._ended:
                yield f"{pod} called {op.upstream} after it had ended"

    def end(self, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        for pod in self._stopping:
            yield f"{pod} was told to stop, and never ended"


class WhatItSaysIsSo(Invariant):
    """What status and metrics say is what is so."""

    name = "what it says is so"

    def see(self, op: Operation, seen: Seen) -> Iterator[str]:  # noqa: ARG002
        if isinstance(op, Said) and not math.isclose(op.value, op.truth):
            yield f"{op.pod} says {op.name} is {op.value:g}, and it is {op.truth:g}"


class HeldOnesHeal(Invariant):
    """A letter that was only held is closed in the end, without anybody's doing, unless its user can't be written at all."""

    name = "held ones heal"

    def end(self, seen: Seen) -> Iterator[str]:
        for number, letter in seen.letters.items():
            if letter.code != HELD or number in seen.closed or letter.user in seen.town.skipped:
                continue
            if not any((account, letter.user) in seen.town.hopeless for account, _ in seen.asked_of(letter)):
                yield f"letter {number} of {letter.user} was only held, and is still open"


EVERY: tuple[type[Invariant], ...] = (
    NothingLost,
    AllAgreesInTheEnd,
    TroubleStaysWhereItIs,
    NothingGrowsWithoutBound,
    NoOlderStateOverANewerOne,
    ConsentKept,
    NothingPersonalSaid,
    ItGoesOn,
    NobodyPressed,
    ItStopsInOrder,
    WhatItSaysIsSo,
    HeldOnesHeal,
)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of all lies; 0.0: there are none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0


__all__ = ["EVERY", "Invariant", "percentile"]
