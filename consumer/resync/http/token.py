"""The access token of a client of Sesamy's, by client credentials."""

from collections.abc import Callable
from typing import Final

import anyio

from ...core.answers.shapes import number
from ...core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from ...telemetry.loop import loop_time
from .answers import tolerant
from .exchange import Http

_RENEW_BEFORE_S: Final = 60.0
_UNSAID_LIFE_S: Final = 300.0
_ODD_LIFE_S: Final = 2 * _RENEW_BEFORE_S
"""Of a token whose life is said, but can't be that: it is used for a minute."""
_LIFE_MIN_S, _LIFE_MAX_S = 1.0, 366 * 86_400.0


class _Refresh:
    """A refresh that is going; calls that come meanwhile wait for it."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        # Of one that has failed; none in one that was cancelled.
        self.error: ConsumerError | None = None


class Token:
    """
    One vendor's access token, by client credentials.

    It promises: it is kept until 60 s before its end; one refresh goes at a time, and a call that waited for it shares what
    becomes of it; a token that was refused is dropped.
    """

    def __init__(
        self,
        http: Http,
        *,
        client_id: str,
        client_secret: Callable[[], str],
        audience: str | None = None,
        scope: str | None = None,
        expire_secret: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the token endpoint; the secret is read at each use, and `expire_secret` is told that it was refused."""
        self._http, self._client_id, self._client_secret = http, client_id, client_secret
        self._more = {name: value for name, value in (("audience", audience), ("scope", scope)) if value}
        self._expire_secret = expire_secret
        self._refreshing: _Refresh | None = None
        self._token, self._good_until = "", -1.0

    async def get(self) -> str:
        """
        Return a token that is good for now.

        Raises:
            Denied: our credentials are refused.
            Retryable: as `Http.exchange`.
        """
        while loop_time() >= self._good_until:
            going = self._refreshing
            if going is None:
                return await self._refresh_for_all()
            await going.done.wait()
            if going.error is not None:
                raise going.error
        return self._token

    def drop(self, token: str | None = None) -> None:
        """Forget a token that was refused, unless there is a newer one already; None: whatever we have."""
        if token is None or token == self._token:
            self._good_until = -1.0

    async def _refresh_for_all(self) -> str:
        self._refreshing = going = _Refresh()
        try:
            await self._refresh()
        except ConsumerError as error:
            going.error = error
            raise
        finally:
            self._refreshing = None
            going.done.set()
        return self._token

    async def _refresh(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret(),
            **self._more,
        }
        try:
            answer = await self._http.exchange("token", "POST", "", form=form)
        except (Denied, Forbidden, Refused) as error:
            self._expire_secret()
            raise Denied("Sesamy refuses our client credentials", code=error.code, said=error.said) from None
        tree = tolerant(answer, "token").tree
        token = tree.get("access_token") if isinstance(tree, dict) else None
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise Retryable("token: the answer has an unknown shape", code="wrong-shape")
        life_s = _life_s(tree.get("expires_in") if isinstance(tree, dict) else None)
        self._token = token
        self._good_until = loop_time() + max(life_s - _RENEW_BEFORE_S, life_s / 2 if life_s <= _RENEW_BEFORE_S * 2 else 0)


def _life_s(said: object) -> float:
    """Return how long a token lives, whatever is said of it."""
    if said is None:
        return _UNSAID_LIFE_S
    life_s = number(said)
    return life_s if life_s is not None and _LIFE_MIN_S <= life_s <= _LIFE_MAX_S else _ODD_LIFE_S
