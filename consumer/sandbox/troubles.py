"""The troubles of a sitting: what can befall it, how each begins and how it is healed; chaos and the panel both take them from here."""

from collections.abc import Iterator
from typing import Final, Literal

import anyio
from msgspec import Struct

from ..core.errors import Fatal
from .brokers.broker import Broker
from .brokers.unavailable import Unavailable
from .children import Program
from .session import Local
from .stand_ins.faults import Fault, Faults
from .town import PLACES, VENDORS

HEALS_S: Final = 600.0
"""A trouble that nobody heals ends by itself after so long."""
_DEAD_S: Final = 2.0
"""So long a killed consumer stays dead: long enough to be seen."""
_AWAY_S: Final = 20.0
_LOOK_S: Final = 0.2
_REFUSED: Final = 422

Name = Literal["429", "500", "slow", "key", "refuses", "poison", "kill", "receiver", "broker"]


class Trouble(Struct, frozen=True, kw_only=True):
    """One thing that goes wrong at `upstream`: an account, `ACCOUNT/LIST` (refuses), `sesamy:VENDOR`, or empty: the consumer's own."""

    name: Name
    upstream: str = ""
    delay_s: float = 5.0
    """How long each answer takes (slow); as long as the town's consumer waits for one, so that it gives up."""

    @property
    def key(self) -> str:
        """Its name and place as one word."""
        return f"{self.name}@{self.upstream}"


POISON: Final = Trouble(name="poison")
KILL: Final = Trouble(name="kill")
RECEIVER: Final = Trouble(name="receiver")
BROKER: Final = Trouble(name="broker")


class On(Struct, frozen=True):
    """A trouble that is on; `since` and `until` are event loop times (s)."""

    trouble: Trouble
    since: float
    until: float
    why: str = ""
    """What else is to be known of it, for people."""


class Refused(Exception):
    """A trouble can't begin now; the text says why."""


def all_of(broker: Broker) -> dict[str, Trouble]:
    """Return every trouble that can be had with this broker, by its key."""
    return {one.key: one for one in _each(broker)}


def no_outage(broker: Broker) -> str | None:
    """Say why this broker can't go away for a while; None: it can."""
    if broker.can_restart:
        return None
    return f"The broker can't go away: one of kind {broker.kind} can't be stopped and started. Cure: --broker jvm."


def _each(broker: Broker) -> Iterator[Trouble]:
    for upstream in (*(place.account for place in PLACES), *(f"sesamy:{vendor}" for vendor in VENDORS)):
        for name in ("429", "500", "slow", "key"):
            yield Trouble(name=name, upstream=upstream)
    for place in PLACES:
        yield from (Trouble(name="refuses", upstream=f"{place.account}/{one}") for one in place.lists)
    yield from (POISON, KILL, RECEIVER, *([BROKER] if broker.can_restart else []))


class Troubles:
    """
    What is on in one sitting.

    It promises: what began is healed by `heal`, by `heal_all`, or by itself; consumer and receiver are started again whatever ended them.
    """

    def __init__(self, sitting: Local) -> None:
        self.sitting = sitting
        self.on: dict[str, On] = {}
        self._faults: dict[str, Fault] = {}
        self._one_at_a_time = anyio.Lock()

    async def begin(self, trouble: Trouble) -> None:
        """
        Let it happen; one that is on goes on, for longer.

        Raises:
            Refused: It can't happen now.
        """
        async with self._one_at_a_time:
            await self._begin(trouble)

    async def heal(self, trouble: Trouble) -> None:
        """End it, be it on or not; one at the consumer or its broker has ended once that is back."""
        async with self._one_at_a_time:
            await self._heal(trouble)

    async def heal_all(self) -> None:
        """End all that is on, the broker's first: neither consumer nor receiver gets ready without it."""
        async with self._one_at_a_time:
            for one in sorted(self.on.values(), key=lambda one: one.trouble != BROKER):
                await self._heal(one.trouble)

    async def run(self) -> None:
        """For ever: heal what has been on for long enough, and start a consumer or a receiver that ended by itself."""
        while True:
            async with self._one_at_a_time:
                for trouble, program in self._programs():
                    if program.is_down and trouble.key not in self.on:
                        self._note(trouble, _DEAD_S, "it ended by itself")
                for one in self.overdue(now=anyio.current_time()):
                    await self._heal(one)
            await anyio.sleep(_LOOK_S)

    def overdue(self, *, now: float) -> list[Trouble]:
        """Return what is to end by itself now; consumer and receiver stay down for as long as there is no broker."""
        is_away = BROKER.key in self.on
        return [one.trouble for one in self.on.values() if one.until <= now and not (is_away and one.trouble in {KILL, RECEIVER})]

    # ---- One trouble ----

    async def _begin(self, trouble: Trouble) -> None:
        lasts_s = HEALS_S
        if trouble == POISON:
            if BROKER.key in self.on:
                raise Refused("the broker is away: nothing can be written to it")
            await self.sitting.poison()
            return
        if trouble == KILL:
            lasts_s = _DEAD_S
            if not self.sitting.consumer.is_down:
                await self.sitting.kill_consumer()
        elif trouble == RECEIVER:
            lasts_s = _DEAD_S
            if not self.sitting.receiver.is_down:
                await self.sitting.kill_receiver()
        elif trouble == BROKER:
            lasts_s = _AWAY_S
            await self.sitting.kafka.kill()
        elif trouble.key not in self.on:
            self._break(trouble)
        self._note(trouble, lasts_s)

    def _note(self, trouble: Trouble, lasts_s: float, why: str = "") -> None:
        now, before = anyio.current_time(), self.on.get(trouble.key)
        self.on[trouble.key] = On(trouble, before.since if before else now, now + lasts_s, why)

    def _break(self, trouble: Trouble) -> None:
        here, (upstream, _, list_id) = self.sitting.here, trouble.upstream.partition("/")
        if trouble.name == "key":
            here.rotate_key(upstream)
        elif trouble.name == "refuses":
            here.makeas.accounts[upstream].refuses[list_id] = _REFUSED
        else:
            self._faults[trouble.key] = self._of(upstream).add(_fault(trouble))

    async def _heal(self, trouble: Trouble) -> None:
        if trouble.key not in self.on:
            return
        here, (upstream, _, list_id) = self.sitting.here, trouble.upstream.partition("/")
        if trouble in {KILL, RECEIVER}:
            if not await self._restarted(trouble):
                return
        elif trouble == BROKER:
            try:
                await self.sitting.kafka.start()
            except Unavailable:
                self._note(BROKER, _AWAY_S, "it did not start, and is tried again")
                return
        elif trouble.name == "key":
            here.hand_over_key(upstream)
        elif trouble.name == "refuses":
            here.makeas.accounts[upstream].refuses.pop(list_id, None)
        else:
            self._of(upstream).remove(self._faults.pop(trouble.key))
        self.on.pop(trouble.key, None)

    async def _restarted(self, trouble: Trouble) -> bool:
        if BROKER.key in self.on:
            await self._heal(BROKER)
        try:
            if trouble == KILL:
                await self.sitting.consumer.bury()
                await self.sitting.start_consumer()
            else:
                await self.sitting.receiver.bury()
                await self.sitting.start_receiver()
        except Fatal:
            self._note(trouble, _DEAD_S, "it did not get ready, and is tried again")
            return False
        return True

    def _of(self, upstream: str) -> Faults:
        here = self.sitting.here
        return here.sesamy.faults if upstream.startswith("sesamy:") else here.makeas.faults

    def _programs(self) -> tuple[tuple[Trouble, Program], ...]:
        return (KILL, self.sitting.consumer), (RECEIVER, self.sitting.receiver)


def _fault(trouble: Trouble) -> Fault:
    upstream = trouble.upstream.removeprefix("sesamy:")
    if trouble.name == "slow":
        return Fault(kind="delay", upstream=upstream, delay_s=trouble.delay_s)
    return Fault(kind="status", upstream=upstream, status=int(trouble.name), retry_after="2" if trouble.name == "429" else None)
