"""The exchange of a dry run: it lets nothing through to Make.as but questions, wherever they come from."""

from typing import Any, Final

from ...core.errors import Held
from ..http.answers import Answer
from ..http.exchange import Http

_BY_ADDRESS: Final = ("POST", "/subscribers/by_email")
"""The one question that is no GET."""


class ReadOnly(Http):
    """An upstream that is asked and never written. It promises: no call leaves that could change anything there."""

    async def exchange(self, op: str, method: str, path: str, **more: Any) -> Answer:  # noqa: ANN401 - as `Http` takes it
        """
        Ask as `Http.exchange` does.

        Raises:
            Held: `dry-run`, where the call may write.
            ConsumerError: as `Http.exchange`.
        """
        if method != "GET" and (method, path) != _BY_ADDRESS:
            raise Held("a dry run writes nothing", code="dry-run")
        return await super().exchange(op, method, path, **more)
