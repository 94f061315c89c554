"""The turns of a listing at one upstream: one call after the other, through its gate, tried again as long as it is worth it."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from ...core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from ...core.gates.gate import Gate
from ...core.model import PAUSED, Door, UserKey
from ...telemetry.fences import fenced
from ...telemetry.logs import log

_log = log(__name__)
_LOOK_S: Final = 0.1
_WAIT_FIRST_S, _WAIT_MAX_S = 1.0, 60.0
_TRIES: Final = 9
"""With the waits in between about four minutes."""
_KEYS: Final = 2
"""A refused key is read anew once."""

Permit = Callable[[], Awaitable[None]]
T = TypeVar("T")


class CantBeListed(Refused):
    """The list can't be had at all."""


class Turns:
    """
    Calls of a listing at one upstream.

    It promises: no call passes a shut gate but as its probe, and each takes a permit; what fails in passing is tried again nine times,
    within about four minutes, then raised; what is refused is raised at once, a refused key at the second time.
    """

    def __init__(self, name: str, gate: Gate, *, renew: Callable[[], None]) -> None:
        """
        Take the gate.

        Args:
            name: the upstream's, for errors.
            renew: is called where the key was refused.
        """
        self.name, self.gate, self._renew = name, gate, renew
        self._asked = 0

    async def ask(self, call: Callable[[Permit], Awaitable[T]]) -> T:
        """
        Ask until there is an answer; `call` is given what it awaits before each further call of its own.

        Raises:
            Refused: the call can't be had, or the gate is paused.
            Denied, Forbidden, Retryable: as the last try ended.
        """
        wait_s, denied = _WAIT_FIRST_S, 0
        for turn in range(1, _TRIES + 1):
            try:
                return await self._once(call)
            except Refused:
                raise
            except (Denied, Forbidden):
                denied += 1
                self._renew()
                if denied == _KEYS:
                    raise
            except ConsumerError as error:
                if turn == _TRIES:
                    raise
                _log.info("a page could not be read", upstream=self.name, code=error.code, attempt=turn)
            await anyio.sleep(wait_s)
            wait_s = min(_WAIT_MAX_S, wait_s * 2)
        raise Retryable("it was never answered", code="unusable")

    async def _once(self, call: Callable[[Permit], Awaitable[T]]) -> T:
        # Five failures in a row of one caller are about all; each call is another.
        self._asked += 1
        caller, gate = UserKey("", f"listing {self._asked}"), self.gate
        await self._let_in()
        wait_s = gate.enter(caller, now=anyio.current_time(), permits=1)

        async def permit() -> None:
            await anyio.sleep(gate.pay(caller, now=anyio.current_time()))
            while (away_s := gate.away_s(now=anyio.current_time())) > 0:  # The window was used up meanwhile.
                await anyio.sleep(away_s)

        try:
            await anyio.sleep(wait_s)
            await permit()
            with fenced("listing"):
                answer = await call(permit)
        except Refused:
            gate.succeeded(caller, now=anyio.current_time())  # It says no to this call: so it is there, and our key is good.
            raise
        except ConsumerError as error:
            gate.failed(caller, error, now=anyio.current_time())
            raise
        finally:
            gate.leave(caller, now=anyio.current_time())
        gate.succeeded(caller, now=anyio.current_time())
        return answer

    async def _let_in(self) -> None:
        """Wait for the door; what the settings pause never opens."""
        while True:
            now = anyio.current_time()
            if self.gate.state(now=now).cause == PAUSED:
                raise Refused("it is paused in the settings", code=PAUSED)
            if self.gate.door(now=now, permits=1, within_s=_WAIT_MAX_S) is not Door.SHUT:
                return
            await anyio.sleep(_LOOK_S)
