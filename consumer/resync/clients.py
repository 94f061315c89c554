"""The clients of Sesamy and Make.as: one client and one gate per vendor and per account."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial

import anyio
from msgspec import Struct, field
from prometheus_client import Counter

from ..core.answers.makeas import UnknownShapes
from ..core.gates.gate import Gate
from ..core.gates.gates import MAKE_CALLS, SESAMY_CALLS, Gates
from ..core.gates.list_doors import ListDoors
from ..core.gates.server_limit import begins_at
from ..core.mapping.kept import Kept
from ..core.model import PAUSED, AccountId
from ..settings.account import Account
from ..settings.model import SesamySettings, Settings, VendorSettings
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from ..telemetry.tracing import Traces
from . import makeas, sesamy
from .filters import Filters
from .http import exchange as http
from .http.heeding import heeding
from .http.token import Token
from .registers.account_registers import Source
from .registers.lately import Lately
from .registers.list_rows import ListRows
from .registers.registers import Registers, consents
from .shadow.client import Shadow
from .shadow.read_only import ReadOnly
from .shadow.telling import tell
from .sharing.shared_rows import sharing
from .ways.words import Ways

_log = log(__name__)


class Target(Struct, frozen=True):
    """One account of one vendor: its settings, its client."""

    account: Account
    client: makeas.MakeAs | Shadow


class Vendor(Struct, frozen=True):
    """One vendor: its client at Sesamy, and its accounts."""

    sesamy: sesamy.Sesamy
    targets: Mapping[AccountId, Target]


class Upstreams(Struct, frozen=True):
    """All clients and gates of a process."""

    vendors: Mapping[str, Vendor]
    gates: Gates
    traces: Traces | None = None
    """None: off."""
    shapes: UnknownShapes = field(default_factory=UnknownShapes)
    """Answers to writes that say nothing we know."""
    registers: Registers = field(default_factory=Registers)
    """The registers of each list; until they run, no account is let in but those it does not know."""
    filters: Filters = field(default_factory=Filters)
    """Whether each vendor heeds which user it is asked for; asked only where it runs."""
    dry_run: bool = False
    """Whether no account can be written: what would be is told."""
    sources: Mapping[AccountId, Source] = {}
    """Where each account's lists are read."""
    always: bool = False
    """Whether contacts are written also where they are as they are to be."""
    kept: Mapping[AccountId, Kept] = {}
    """Whether each account keeps what it is written with; in a dry run none is asked."""

    @property
    def account_ids(self) -> dict[str, tuple[AccountId, ...]]:
        """Return each vendor's accounts."""
        return {vendor: tuple(one.targets) for vendor, one in self.vendors.items()}


@asynccontextmanager
async def upstreams(
    settings: Settings,
    metrics: Metrics,
    *,
    traces: Traces | None = None,
    rate_share: float = 1.0,
    courteous: bool = False,
    heals: bool = False,
    key_tries: int | None = None,
    dry_run: bool = False,
) -> AsyncIterator[Upstreams]:
    """
    Open the connections' pool.

    Args:
        traces: where each call is to be seen, too.
        rate_share: the part of every limit that this process may use.
        courteous: whether it makes way for others at a 429 (see `Gate`).
        heals, key_tries: see `gates`.
        dry_run: whether nothing may be written: then no call that could leaves for Make.as.
    """
    connections = settings.workers.concurrency * SESAMY_CALLS + settings.makeas.max_in_flight * 2 * len(settings.accounts)
    async with http.session(connections=connections, proxy=settings.http.proxy) as session:

        def client(
            name: str, base_url: str, timeout_s: float, refuses: Collection[int], *, reads: bool = False, heed: http.Heed | None = None
        ) -> http.Http:
            observe = _observe(name, metrics, traces)
            make = ReadOnly if reads else http.Http
            return make(session, upstream=name, base_url=base_url, timeout_s=timeout_s, refuses=refuses, observe=observe, heed=heed)

        limits = gates(settings, rate_share=rate_share, courteous=courteous, heals=heals, key_tries=key_tries, now=anyio.current_time())
        kept = {one.id: Kept(one.id) for one in settings.accounts if not dry_run}
        known, sources, shapes = consents(settings), {}, UnknownShapes()

        def target(account: Account) -> Target:
            exchange = client(account.id, settings.makeas.base_url, settings.makeas.timeout_s, makeas.REFUSES, reads=dry_run)
            key, consent, share = account.api_key, known[account.id], sharing(account.id, metrics) if settings.makeas.rows_shared else None
            rows = ListRows(exchange, user_id=account.user_id, api_key=key.read)
            sources[account.id] = Source(consent, rows, limits.accounts[account.id], key.expire)
            writing = partial(makeas.MakeAs, share=share, kept=kept.get(account.id))
            made = (partial(Shadow, told=tell(account, metrics)) if dry_run else writing)(
                exchange,
                user_id=account.user_id,
                api_key=key.read,
                lists=account.lists,
                paused=account.paused,
                consent=consent,
                keep_single_purchase=settings.makeas.keep_single_purchase,
                unknown=_note_unknown(account.id, metrics, shapes),
                ways=Ways.of(settings.makeas),
                lately=Lately(rows, consent).known,
            )
            return Target(account, made)

        vendors = {}
        for vendor in settings.vendors:
            vendors[vendor.id] = Vendor(
                _sesamy(vendor, settings.sesamy, client, gate=limits.vendors[vendor.id], metrics=metrics),
                {account.id: target(account) for account in settings.accounts_of(vendor.id)},
            )
        registers = Registers(sources, vendors=[tuple(one.targets) for one in vendors.values()], hold_s=settings.workers.hold_s)
        limits.ready, limits.late = registers.ready, registers.late
        filters = Filters({one.id: vendors[one.id].sesamy for one in settings.vendors if not one.paused}, limits.vendors)
        yield Upstreams(vendors, limits, traces, shapes, registers, filters, dry_run, sources, settings.makeas.write == "always", kept)


def _sesamy(
    vendor: VendorSettings, side: SesamySettings, client: Callable[..., http.Http], *, gate: Gate, metrics: Metrics
) -> sesamy.Sesamy:
    """Return a vendor's client; its gate is told the limits that the API's answers name: the token comes from elsewhere."""
    name = f"sesamy:{vendor.id}"
    api = client(name, side.base_url, side.timeout_s, sesamy.REFUSES, heed=heeding(name, gate))
    tokens = client(name, side.token_url, side.timeout_s, sesamy.REFUSES)
    return sesamy.Sesamy(api, _token(vendor, tokens), note_odd=_note_odd(metrics, vendor.id))


def _token(vendor: VendorSettings, client: http.Http) -> Token:
    made = vendor.sesamy
    return Token(
        client,
        client_id=made.client_id,
        client_secret=made.client_secret.read,
        audience=made.audience,
        scope=made.scope,
        expire_secret=made.client_secret.expire,
    )


def _observe(name: str, metrics: Metrics, traces: Traces | None) -> Callable[[str, str, float], None]:
    """Return what counts the calls of an upstream, and shows them in the traces."""

    @cache  # Looking a child up by its labels costs more than counting.
    def requests(op: str, code: str) -> Counter:
        return metrics.upstream_requests.labels(name, op, code)

    lasted = metrics.upstream_request_seconds.labels(name)

    def observe(op: str, code: str, seconds: float) -> None:
        requests(op, code).inc()
        lasted.observe(seconds)
        if traces is not None:
            traces.call(name, op, code, seconds)

    return observe


def _note_odd(metrics: Metrics, vendor: str) -> Callable[[Collection[str]], None]:
    """Return what counts the fields of a vendor's answers that could not be read, and names each of them once."""
    named: set[str] = set()

    def note(fields: Collection[str]) -> None:
        for name in fields:
            metrics.odd_values.labels(name).inc()
            if name not in named:
                named.add(name)
                _log.warning("a field of sesamy's answers can't be read", vendor=vendor, field=name)

    return note


def _note_unknown(account: AccountId, metrics: Metrics, shapes: UnknownShapes) -> Callable[[str, str], None]:
    """Return what counts the answers of an account that say nothing we know, and logs each shape once."""

    def note(op: str, shape: str) -> None:
        metrics.unknown_answers.labels(account, op).inc()
        if shapes.note(account, op, shape):
            _log.warning("unknown answer shape", upstream=account, op=op, shape=shape)

    return note


def gates(
    settings: Settings,
    *,
    rate_share: float = 1.0,
    courteous: bool = False,
    heals: bool = False,
    key_tries: int | None = None,
    now: float = 0.0,
) -> Gates:
    """
    Return gates with the settings' limits, open but for what is paused.

    Args:
        heals: whether a held user is tried again by itself, later: then the failures of few users shut a gate, too, and a list that
            refuses every user is left out, and what is paused holds users as an outage does: else it gives them up at once.
        key_tries: see `Gate`: for one that waits at a terminal, whose key will not change meanwhile.
        now: the loop's time, since when that is paused.
    """
    at_sesamy, at_makeas, hold_s = settings.sesamy, settings.makeas, settings.workers.hold_s
    tries = settings.workers.max_attempts if heals else None
    made = Gates(
        {
            vendor.id: Gate(
                rate_per_s=begins_at(at_sesamy.requests_per_minute) / 60 * rate_share,
                burst=at_sesamy.burst * rate_share,
                run_calls=SESAMY_CALLS,
                tries=tries,
                hold_s=hold_s,
                key_tries=key_tries,
                courteous=courteous,
                uses_told_limit=at_sesamy.requests_per_minute == "auto",
                part=rate_share,
            )
            for vendor in settings.vendors
        },
        {
            account.id: Gate(
                rate_per_s=at_makeas.requests_per_second * rate_share,
                burst=at_makeas.burst * rate_share,
                run_calls=MAKE_CALLS,
                places=at_makeas.max_in_flight,
                tries=tries,
                hold_s=hold_s,
                key_tries=key_tries,
                courteous=courteous,
                part=rate_share,
            )
            for account in settings.accounts
        },
        ListDoors(heals=heals),
    )
    _pause(settings, made, hold_s=None if heals else 0.0, now=now)
    return made


def _pause(settings: Settings, made: Gates, *, hold_s: float | None, now: float) -> None:
    """Stop what the settings say is paused; what is owed there is parked, and so heals once they no longer say so."""
    for vendor in settings.vendors:
        if vendor.paused:
            made.vendors[vendor.id].stop(PAUSED, now=now, hold_s=hold_s)
    used = set[AccountId]()
    for account in settings.accounts:
        made.lists.pause(account.id, account.paused, now=now)
        used.update([account.id] if set(account.lists) - account.paused else [])
    for name in made.accounts.keys() - used:  # Else another vendor writes with the same credential: the lists alone are left out.
        made.accounts[name].stop(PAUSED, now=now, hold_s=hold_s)
