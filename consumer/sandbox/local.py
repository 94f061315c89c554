"""The whole thing on this machine: broker, stand-ins, traffic, the consumer as its own process, and a check of the end state."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import anyio
from aiokafka.errors import KafkaError

from ..core.errors import Exit, Fatal
from ..telemetry import loop
from .brokers.broker import broker
from .brokers.topics import create_topic
from .brokers.unavailable import Unavailable
from .chaos import strike
from .drift.repaired import repaired
from .offers import a_letter, lacks, listed, offers, typed
from .panel.server import panel
from .ports import free_port
from .session import RECEIVER, Local, Options
from .town import LETTERS, PLACES, TOPIC, VENDORS, town
from .troubles import Troubles
from .view import ended, live

_PARTITIONS: Final = 4
_READERS: Final = 60
_STORM_S: Final = 8.0
_DIFFERS: Final = 1


def main(options: Options) -> int:
    """Do it; return 0 only if all lists agree and the consumer drained in order."""
    return loop.run(_main, options)


class _Stop:
    """What Ctrl-C and SIGTERM mean: the end of it all or, while it serves, of serving; where it ends already, its end at once."""

    def __init__(self) -> None:
        self.asked = anyio.Event()
        """Set once serving is to end."""
        self.serves = False
        self.before = "the lists were compared"
        """What was cut off, for people."""
        self.scope = anyio.CancelScope()

    async def listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        """Obey them, for ever."""
        async for number in signals:
            if self.scope.cancel_called:
                os._exit(128 + number)  # Something that can't be cut off, such as a container that starts.
            if self.serves and not self.asked.is_set():
                self.asked.set()
            else:
                asyncio.get_running_loop().set_exception_handler(_tell_errors)
                self.scope.cancel()


def _tell_errors(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell of an exception, and not of connections that are left open: where all is cut off, they end with the process."""
    if "exception" in context:
        loop.default_exception_handler(context)


async def _main(options: Options) -> int:
    stop, status = _Stop(), int(Exit.CUT_OFF)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop.listen, signals)
            with stop.scope:
                status = await _whole(options, stop)
            tasks.cancel_scope.cancel()
    if stop.scope.cancelled_caught:
        raise Fatal(f"interrupted before {stop.before}", code="interrupted", status=Exit.CUT_OFF)
    return status


async def _whole(options: Options, stop: _Stop) -> int:
    with tempfile.TemporaryDirectory(prefix="sesamy-makeas-") as name:
        folder = Path(name)
        try:
            async with broker(options.broker) as kafka, town(folder, readers=_READERS) as here:
                await create_topic(kafka.bootstrap, TOPIC, partitions=_PARTITIONS)
                if kafka.kind == "memory":  # It makes topics when they are asked for only.
                    await create_topic(kafka.bootstrap, LETTERS, partitions=_PARTITIONS)
                port = free_port()
                sitting = Local(options, here, kafka, folder / "consumer.toml", f"http://127.0.0.1:{port}")
                sitting.write_settings(admin_port=port, numbers=_numbers(options.config))
                return await _sit(sitting, stop)
        except Unavailable as error:
            raise Fatal(str(error), code="no-broker", status=Exit.UNAVAILABLE) from None


def _numbers(config: Path | None) -> str:
    """Return the consumer's numbers as TOML: quick ones, or those of a settings file."""
    tables: dict[str, dict[str, Any]] = {"debounce": {"quiet_s": 0.5, "max_wait_s": 3.0}, "workers": {"drain_s": 10.0}}
    if config is not None:
        read = tomllib.loads(config.read_text(encoding="utf-8"))
        tables = {name: read.get(name, {}) for name in ("debounce", "workers")}
    return "\n".join(f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in rows.items()) for name, rows in tables.items())


async def _sit(sitting: Local, stop: _Stop) -> int:
    try:
        await sitting.start_consumer()
        await sitting.start_receiver()
        sys.stderr.write(f"status page: {sitting.admin_url}/\nwebhook: {sitting.endpoint.url}\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live, sitting)
            if sitting.options.chaos:
                tasks.start_soon(strike, sitting)
            await sitting.traffic(seconds=_STORM_S * (3 if sitting.options.chaos else 1))
            if sitting.options.chaos:
                await sitting.struck.wait()
            agreed = await sitting.agreed()
            tasks.cancel_scope.cancel()
        if sitting.options.reconcile and agreed:
            if sitting.options.output == "text":
                ended(sitting, agreed=agreed)
            agreed = await repaired(sitting)
        ended(sitting, agreed=agreed)
        if sitting.options.serve:
            await _serve(sitting, stop)
        stop.before = "the consumer had drained"
        drained = await _drained(sitting)
        return 0 if agreed and drained and not sitting.here.violations() and not sitting.forwarder.refused else _DIFFERS
    finally:
        await sitting.bury()


async def _drained(sitting: Local) -> bool:
    """Stop the receiver, then the consumer; say in one line how both ended, and return whether it was in order."""
    programs = {"receiver": sitting.receiver, "consumer": sitting.consumer}
    statuses = {name: await program.stop() for name, program in programs.items()}
    failed = {name: status for name, status in statuses.items() if status != 0}
    if failed:
        how = (f"{name} ended with {status}" if status else f"{name} drained in order" for name, status in statuses.items())
        sys.stderr.write("\n".join([", ".join(how), *(f"the {name} said:\n{programs[name].tail()}" for name in failed)]) + "\n")
    elif sitting.options.serve:
        sys.stderr.write(f"{' and '.join(statuses)} drained in order\n")
    return not failed


async def _serve(sitting: Local, stop: _Stop) -> None:
    """Leave it running, with a little traffic and troubles on demand, until interrupted."""
    user, words, troubles = min(sitting.here.readers(VENDORS[0])), typed(), Troubles(sitting)
    letters = listed(words, sitting.config)
    async with panel(troubles, letters=letters) as troubles_url, anyio.create_task_group() as tasks:
        letter = await a_letter(sitting.config) if sitting.totals.poison else None
        place, kind = PLACES[0], sitting.kafka.kind
        trial = sitting.here.trial(place).options
        lines = offers(words, config=sitting.config, kind=kind, vendor=place.vendor, user=user, trial=trial, letter=letter)
        stop.serves = True
        lacking = lacks(sitting.kafka.kind)
        said = (
            f"running until interrupted: {sitting.admin_url}/\ntroubles at the press of a button: {troubles_url}",
            f"its settings: {sitting.config}\nits log: {sitting.consumer.log}",
            f"the receiver's: {sitting.config.parent / RECEIVER}, {sitting.receiver.log}\nin another terminal, from this folder:",
            *(f"  {line}" for line in (*lines, sitting.endpoint.curl(VENDORS[0], user))),
            *([lacking] if lacking is not None else []),
        )
        sys.stderr.write("\n".join(said) + "\n")  # At once: a reader of the last command has the rest, too.
        tasks.start_soon(troubles.run)
        tasks.start_soon(_trickle, sitting)
        await stop.asked.wait()
        sys.stderr.write("stopping: what is being written is written to its end\n")
        await troubles.heal_all()
        tasks.cancel_scope.cancel()


async def _trickle(sitting: Local) -> None:
    while True:
        with contextlib.suppress(KafkaError):  # The broker is away.
            with anyio.CancelScope(shield=True):  # What happened at Sesamy is told, too.
                await sitting.traffic(seconds=1.0)
        await anyio.sleep(5)
