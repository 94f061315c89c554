"""The connections' pool: what waits on an idle connection is no call's answer."""

import select
from collections.abc import Callable
from contextvars import ContextVar
from ssl import SSLContext
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

last_word: ContextVar[Callable[[], object] | None] = ContextVar("last_word", default=None)
"""What a request asks when it has its connection, just before it goes out; it may raise instead."""


class Pool(aiohttp.TCPConnector):
    """
    A pool that hands no connection out again which has anything to read, nor any to a call that may not send any more.

    aiohttp looks only whether an idle connection is open, and takes bytes that a server sent unasked for the answer to the
    next request, which is another user's. And to get a connection takes time, in which a lease may end: a process that was
    suspended meanwhile is told of its connection before it is told that its time is over.
    """

    def __init__(self, *, limit: int, ssl: SSLContext) -> None:
        """Open none yet; `limit`: connections at once, to all hosts together."""
        super().__init__(limit=limit, ssl=ssl)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> Connection:
        """
        Return a new connection, or an idle one on which nothing has come since its last answer.

        Raises:
            Exception: from `last_word`, besides aiohttp's own.
        """
        while True:
            connection = await super().connect(req, traces, timeout)
            if self._is_quiet(connection):
                break
            connection.close()
        if (ask := last_word.get()) is not None:
            try:
                ask()
            except BaseException:
                connection.release()
                raise
        return connection

    def _is_quiet(self, connection: Connection) -> bool:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or protocol.should_close:  # The last: bytes came, and were put into words.
            return False
        if protocol not in self._used:  # On a new one TLS' tickets may wait.
            self._used.add(protocol)
            return True
        poller = select.poll()
        poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poller.poll(0)  # Bytes that the loop has not seen yet, or an end.
