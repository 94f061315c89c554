"""Listens to all that the consumer logs in a simulated life."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulation.world import is_personal


class _Ear(logging.Handler):
    """Keeps the lines in which somebody's name or address stands."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0
        self.personal: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += 1
        if is_personal(str(record.msg)) or is_personal(str(record.args)):
            self.personal.append(f"the log of {record.name}:{record.lineno}")


@contextmanager
def listening() -> Iterator[_Ear]:
    """Hear the consumer's log, at every level, and keep it from the terminal."""
    logger, ear = logging.getLogger("consumer"), _Ear()
    before = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(ear)
    try:
        yield ear
    finally:
        logger.removeHandler(ear)
        logger.setLevel(before[0])
        logger.propagate = before[1]
