"""The calls: through the gates that pods go through, each shown before it is made."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from msgspec import Struct, field, structs

from ...core.errors import ConsumerError, Denied, Exit, Retryable
from ...core.gates.gate import Gate
from ...pod.reader.compare import asking
from ...resync.clients import gates
from ...resync.http.answers import Answer, tolerant
from ...resync.http.exchange import MIB, OK, Http, basic, session
from ...resync.http.heeding import heeding
from ...settings.account import Account
from ...settings.model import Settings, VendorSettings
from ..console import until_signal
from .make_contact import TIDYING
from .may_write import MAY_WRITE
from .plan import reading, unasked, writing
from .question import Call, Known, Question, Reply, unanswered
from .report import Row, exit_status, not_asked, row
from .sesamy import CLIENT_REFUSED, CREDENTIALS, TOKEN

_ANSWERS: Final = (400, 403, 404, 405, 406, 409, 410, 413, 415, 422, 501)
_DENIED: Final = 401
_BROKE: Final = 500
"""So some servers answer a form that they don't know."""
_CAP_BYTES: Final = 16 * MIB
_TIDY_S: Final = 60.0
_REFUSED_CLIENT: Final = "refused-client"
"""There is no token, so nothing was asked."""
_KEY_REFUSED: Final = "the key is refused: correct userId and apiKey"
_UNWELCOME: Final = "the token is refused: correct audience, or have Sesamy give the client its rights"


class Found(Struct, kw_only=True):
    """What a whole run has seen."""

    rows: list[Row] = field(default_factory=list)
    status: int = Exit.FINE

    def failed(self, error: ConsumerError) -> None:
        """Note that an upstream could not be asked."""
        self.status = max(self.status, Exit.NO_PERMISSION if isinstance(error, Denied) else Exit.UNAVAILABLE)


class Asker:
    """
    One vendor's Sesamy and one account, asked as themselves.

    It promises: each call is shown before it is made, once it has its permit; a side that refuses our key is not asked again.
    """

    def __init__(
        self,
        clients: "Clients",
        *,
        vendor: VendorSettings,
        account: Account | None,
        show: Callable[[str], None],
    ) -> None:
        """Take the clients; `show` is told each call."""
        self._clients, self._vendor, self._account, self._show = clients, vendor, account, show
        self._tokens: dict[str, str] = {}
        self._denied: dict[str, Denied] = {}
        self._refuses_client = False
        """Whether a token was refused as it is for a wrong client or secret."""

    async def ask(self, call: Call, known: Known) -> Reply:
        """
        Make a call.

        Raises:
            Retryable, Denied: as `Http.exchange`; `not-json`.
            Held: from the gate.
        """
        if call.side in self._denied:
            raise self._denied[call.side]
        try:
            if call.side == "token":
                return await self._token(call)
            return _reply(await (self._sesamy(call, known) if call.side == "sesamy" else self._makeas(call)))
        except Denied as error:
            self._denied[call.side] = error
            raise

    async def _token(self, call: Call) -> Reply:
        """Ask for a token, and keep it: what is given back has none."""
        made = self._vendor.sesamy
        more = {name: value for name, value in (("audience", call.audience), ("scope", made.scope)) if value}
        form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret.read(), **more}
        self._show(call.told)
        answer = await self._clients.token.exchange("token", "POST", "", form=form, also=(*_ANSWERS, _DENIED))
        tree = tolerant(answer, "token").tree if answer.status in OK else None
        token = tree.get("access_token") if isinstance(tree, dict) else None
        if answer.status not in OK:
            self._refuses_client |= answer.status in CREDENTIALS
            return Reply(status=answer.status, said=answer.said)
        if not (isinstance(token, str) and token.isascii() and token.isprintable() and token):
            raise Retryable("token: the answer has an unknown shape", code="wrong-shape")
        self._tokens[call.audience or ""] = token
        return Reply(status=answer.status)

    async def _sesamy(self, call: Call, known: Known) -> Answer:
        audience = known.way(TOKEN.setting) if call.audience is None else call.audience
        if audience not in self._tokens:
            if self._refuses_client:
                raise Denied("Sesamy refuses our client credentials", code=_REFUSED_CLIENT)
            raise Retryable("there is no token", code="no-token")
        headers = {"Authorization": f"Bearer {self._tokens[audience]}"}
        also = _ANSWERS if call.audience is None else (*_ANSWERS, _DENIED)
        return await self._made(call, self._clients.sesamy, self._clients.vendor_gate, headers, also)

    async def _makeas(self, call: Call) -> Answer:
        account, gate = self._account, self._clients.account_gate
        assert account is not None
        assert gate is not None
        also = (*_ANSWERS, _BROKE) if call.writes else _ANSWERS
        return await self._made(call, self._clients.makeas, gate, basic(account.user_id, account.api_key.read()), also)

    async def _made(self, call: Call, http: Http, gate: Gate, headers: dict[str, str], also: tuple[int, ...]) -> Answer:
        async with asking(gate, self._vendor.id) as permit:
            await permit()
            self._show(call.told)
            return await http.exchange(
                call.op, call.method, call.path, query=call.query, headers=headers, json=call.body, also=also, cap_bytes=_CAP_BYTES
            )


def _reply(answer: Answer) -> Reply:
    tree = tolerant(answer, "the answer").tree if answer.status in OK and answer.body.strip() else None
    return Reply(status=answer.status, tree=tree, said="" if answer.status in OK else answer.said, limit=answer.rate[0])


class Clients(Struct, frozen=True, kw_only=True):
    """The house's own clients, and the gates before them."""

    token: Http
    sesamy: Http
    makeas: Http
    vendor_gate: Gate
    account_gate: Gate | None


@asynccontextmanager
async def clients(settings: Settings, vendor: VendorSettings, account: Account | None, *, rate_share: float) -> AsyncIterator[Clients]:
    """Open the connections; `rate_share`: the part of every limit that may be used."""
    side, make = settings.sesamy, settings.makeas
    async with session(connections=2, proxy=settings.http.proxy) as pool:
        limits = gates(settings, rate_share=rate_share, courteous=True, now=anyio.current_time())
        name, gate = f"sesamy:{vendor.id}", limits.vendors[vendor.id]
        yield Clients(
            token=Http(pool, upstream=name, base_url=side.token_url, timeout_s=side.timeout_s),
            sesamy=Http(pool, upstream=name, base_url=side.base_url, timeout_s=side.timeout_s, heed=heeding(name, gate)),
            makeas=Http(pool, upstream=account.id if account else "makeas", base_url=make.base_url, timeout_s=make.timeout_s),
            vendor_gate=gate,
            account_gate=limits.accounts[account.id] if account is not None else None,
        )


class Work:
    """All questions, one after the other; each goes by what those before it have seen."""

    def __init__(self, ask: Callable[[Call, Known], Awaitable[Reply]], known: Known) -> None:
        """Take what makes a call, and what is known before."""
        self._ask, self._known, self._before = ask, known, known
        self._refused: dict[str, str] = {}
        """The sides that refuse our key, and what to do."""
        self.found = Found()

    async def run(self, *, writes: bool, agree: Callable[[], Awaitable[bool]]) -> Found:
        """
        Ask all; return what was seen.

        Args:
            agree: asked before the first write, once it is known that the test contacts may be written to.
        """
        for question in reading(self._known, writes=writes):
            await self._question(question)
        may = [one for one in self.found.rows if one.id == MAY_WRITE.id and one.verdict == "as-set"]
        wrote = writes and bool(may) and await agree()
        if wrote:
            await self._write()
        why = "" if not writes or wrote else "the question was answered with no" if may else self._may_not()
        for question, lacks in unasked(self._before, writes=wrote, why=why):
            self.found.rows += not_asked(question, lacks, self._before)
        if writes and not may:
            self.found.status = max(self.found.status, Exit.USAGE)
        self.found.status = max(self.found.status, exit_status(self.found.rows))
        return self.found

    def _may_not(self) -> str:
        """Return why nothing was written, though it was to be."""
        if "makeas" in self._refused:
            return self._refused["makeas"]
        is_no = any(one.id == MAY_WRITE.id and one.verdict == "bad" for one in self.found.rows)
        why = "may not be written to" if is_no else "can't be looked at"
        return f"a test contact {why}, see {MAY_WRITE.id}"

    async def _write(self) -> None:
        """Ask what takes writes, and tidy up, also where a signal comes first; a second one is not waited for."""
        self._known = structs.replace(self._known, has_written=True)
        status = Exit.CUT_OFF
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_signal, tasks.cancel_scope)
            try:
                for question in writing(self._known):
                    await self._question(question)
                status = Exit.FINE
            finally:
                with anyio.move_on_after(_TIDY_S, shield=True):
                    await self._question(TIDYING)
                tasks.cancel_scope.cancel()
        self.found.status = max(self.found.status, status)

    async def _question(self, question: Question) -> None:
        walk = question.ask(self._known)
        try:
            call = next(walk)
            if call.side in self._refused and question is not TIDYING:
                self.found.rows += not_asked(question, self._refused[call.side], self._before)
                return
            while True:
                call = walk.send(await self._ask(call, self._known))
        except StopIteration as end:
            seen = end.value
        except ConsumerError as error:
            self.found.failed(error)
            why = self._why(call, error)
            if error.code == _REFUSED_CLIENT:
                self.found.rows += not_asked(question, why, self._before)
                return
            seen = unanswered(question, why)
        for one in seen:
            self.found.rows.append(row(one, self._before))
            self._known = self._known.after(one)

    def _why(self, call: Call, error: ConsumerError) -> str:
        """Return why there is no answer; note a side that refuses our key: it is asked no more."""
        if not isinstance(error, Denied):
            return error.code
        has_asked = error.code != _REFUSED_CLIENT
        cure = _KEY_REFUSED if call.side == "makeas" else _UNWELCOME if has_asked else CLIENT_REFUSED
        self._refused[call.side] = cure
        return f"{cure} ({error.code})" if has_asked else cure
