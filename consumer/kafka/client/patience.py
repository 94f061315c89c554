"""How long a command waits for a Kafka that it has lost."""

from typing import Final

import anyio
from aiokafka.errors import KafkaError

from ...settings.model import KafkaSettings
from ...telemetry.logs import log
from . import connect

_log = log(__name__)
_WITHOUT_BROKER_S: Final = 120.0
_AGAIN_S: Final = 1.0


class Patience:
    """
    The patience of one command.

    It promises: who has never reached Kafka ends at once, and so does who is refused; who has lost it tries again for
    two minutes after it was last there.
    """

    def __init__(self, settings: KafkaSettings, *, step: str) -> None:
        """Take where Kafka is, and a name for what waits."""
        self._settings, self._step = settings, step
        self._good_at: float | None = None

    def good(self) -> None:
        """Note that Kafka answers."""
        self._good_at = anyio.current_time()

    async def lost(self, error: Exception) -> None:
        """
        Wait a little before the next try.

        Raises:
            Fatal: no permission (77), or no broker (69).
        """
        denied = connect.fatal(error) if isinstance(error, KafkaError) else None
        if denied is not None:
            raise denied from error
        if self._good_at is None or anyio.current_time() - self._good_at > _WITHOUT_BROKER_S:
            raise connect.unreachable(self._settings, error) from error
        _log.warning("Kafka does not answer", step=self._step, error=type(error).__name__, cause=connect.cure(error))
        await anyio.sleep(_AGAIN_S)
