"""The questions to Sesamy; it is only read, and nothing of any reader is shown but the names and kinds of fields."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from ...core.answers.pages import total
from ...core.answers.sesamy import listed
from ...core.answers.shapes import EPOCH, number
from ...core.errors import Retryable
from ...resync.http.exchange import segment
from ...resync.sesamy import NOBODYS
from .question import Call, Known, Question, Reply, Seen, Unknown, Walk, unasked, unsure

CREDENTIALS: Final = frozenset({400, 401, 403})
"""So a request for a token is refused whose client or secret is wrong."""
CLIENT_REFUSED: Final = "the client is refused: correct client_id and client_secret"
AUDIENCE: Final = "https://api.sesamy.com"
"""The one that Sesamy documents."""
_MISSING: Final = 404
_FEW: Final = 2
_TRIED: Final = 100
_NAMES: Final = 40
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_EPOCH: Final = re.compile(EPOCH)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?:([T ])\d\d:\d\d(?::\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")

TOKEN: Final = Unknown("S1", "whether a token needs an audience", "vendors[].sesamy.audience")
ENVELOPE: Final = Unknown("S2", "how rows are wrapped")
PAGES: Final = Unknown("U20", "whether a page is as long as asked for, and says the total")
LISTING: Final = Unknown("N15", "whether all users can be listed")
CONTRACTS: Final = Unknown("U19a", "whether contracts are filtered by user")
ENTITLEMENTS: Final = Unknown("U19b", "whether entitlements are filtered by user")
NAMES_USER: Final = Unknown("N9", "whether entitlements name their user")
RATE: Final = Unknown("S3", "requests a minute, as the headers say", "sesamy.requests_per_minute")
PROFILE: Final = Unknown("U16", "fields of a reader's profile")
CONTRACT: Final = Unknown("U18", "fields of its contracts")
ENTITLEMENT: Final = Unknown("U17", "fields of its entitlements")


# ---- Token ----


def token(known: Known) -> Walk:
    """Ask for a token as the settings say, and the other way, and use each."""
    mine = known.way(TOKEN.setting)
    good = {}
    for audience in (mine, "" if mine else AUDIENCE):
        given = yield Call(side="token", op="token", method="POST", audience=audience)
        used = given if not given.is_there else (yield _rows("contracts", known.nobody, limit=1, audience=audience))
        good[audience] = (given, used)
    words = "; ".join(f"{'with' if one else 'without'} an audience: {_used(*replies)}" for one, replies in good.items())
    usable = [one for one, (given, used) in good.items() if given.is_there and (used.is_there or used.status in NOBODYS)]
    if not usable:
        has_token = any(given.is_there for given, _ in good.values())
        is_refused = any(given.status in CREDENTIALS for given, _ in good.values())
        cure = "" if has_token or not is_refused else f"; {CLIENT_REFUSED}"
        return (Seen(unknown=TOKEN, text=f"{words}{cure}", is_answer=False),)
    return (Seen(unknown=TOKEN, text=words, value=mine if mine in usable else usable[0]),)


def _used(given: Reply, used: Reply) -> str:
    if not given.is_there:
        return f"no token, {given.refusal}"
    return "good" if used.is_there or used.status in NOBODYS else f"a token that is refused, {used.refusal}"


# ---- Lists ----


def filters(known: Known) -> Walk:
    """Ask for rows of a user that can't be: there must be none."""
    seen = []
    for resource, unknown in (("contracts", CONTRACTS), ("entitlements", ENTITLEMENTS)):
        seen.append(_of_filter(unknown, (yield _rows(resource, known.nobody, limit=_TRIED)), resource))
    return tuple(seen)


def _of_filter(unknown: Unknown, reply: Reply, resource: str) -> Seen:
    if reply.status in NOBODYS:
        return Seen(unknown=unknown, text=f"yes: a user that can't be is refused ({reply.status})")
    rows = _listed(reply, resource)
    if rows is None:
        return unsure(unknown, _odd(reply))
    if rows:
        text = f"NO: a user that can't be has {len(rows)} rows; nothing may be written for this vendor until Sesamy filters"
        return Seen(unknown=unknown, text=text, is_bad=True)
    return Seen(unknown=unknown, text="yes: a user that can't be has no rows")


def lists(_: Known) -> Walk:
    """Ask for two rows of each list of a whole vendor."""
    users = yield _rows("users", limit=_FEW)
    contracts = yield _rows("contracts", limit=_FEW)
    entitlements = yield _rows("entitlements", limit=_FEW)
    replies = {"users": users, "contracts": contracts, "entitlements": entitlements}
    found = {name: rows for name, reply in replies.items() if (rows := _listed(reply, name)) is not None}
    return (
        _of_envelope({name: replies[name] for name in found}),
        _of_pages({name: (rows, replies[name]) for name, rows in found.items()}),
        _of_listing(replies),
        _of_names(entitlements, found.get("entitlements")),
    )


def _of_envelope(replies: dict[str, Reply]) -> Seen:
    if not replies:
        return unsure(ENVELOPE, "no list can be had")
    shapes = {name: "a bare array" if isinstance(one.tree, list) else f"an object of {_fields(one.tree)}" for name, one in replies.items()}
    words = set(shapes.values())
    return Seen(unknown=ENVELOPE, text=words.pop() if len(words) == 1 else "; ".join(f"{name}: {how}" for name, how in shapes.items()))


def _of_pages(found: dict[str, tuple[list[object], Reply]]) -> Seen:
    told = {name: rows for name, (rows, _) in found.items() if rows}
    if not told:
        return unsure(PAGES, "there are no rows")
    longer = [f"{name}: {len(rows)} rows where {_FEW} were asked for" for name, rows in told.items() if len(rows) > _FEW]
    totals = [name for name, (_, reply) in found.items() if total(reply.tree) is not None]
    size = "; ".join(longer) or "as asked for"
    return Seen(unknown=PAGES, text=f"{size}; total told of {', '.join(totals) or 'nothing'}")


def _of_listing(replies: dict[str, Reply]) -> Seen:
    refused = [f"{name}: refused, {one.refusal}" for name, one in replies.items() if not one.is_there]
    return Seen(unknown=LISTING, text="; ".join(refused) or "yes, and contracts and entitlements, too")


def _of_names(reply: Reply, rows: list[object] | None) -> Seen:
    if not rows:
        why = _odd(reply) if rows is None else "there are no entitlements"
        return unsure(NAMES_USER, why)
    named = sum(isinstance(row, dict) and bool(row.get("userId")) for row in rows)
    return Seen(unknown=NAMES_USER, text="yes, as userId" if named == len(rows) else "no" if not named else f"{named} of {len(rows)} do")


def rate(known: Known) -> Walk:
    """Look which limit the headers of an answer name; a lower one than ours is to be written."""
    reply = yield _rows("contracts", known.nobody, limit=1)
    said, ours = number(reply.limit), known.ways[RATE.setting]
    if said is None or said < 1:
        return (Seen(unknown=RATE, text="no headers that name a limit"),)
    text = f"{said:,g}"
    if isinstance(ours, int | float) and said < ours:
        return (Seen(unknown=RATE, text=text, value=int(said)),)
    more = f": {ours:g} may be raised, or `auto`" if isinstance(ours, int | float) and said > ours else ""
    return (Seen(unknown=RATE, text=f"{text}{more}"),)


# ---- A reader ----


def reader(known: Known) -> Walk:
    """Look which fields a given reader has: names, kinds and forms of dates, never a value."""
    profile = yield Call(side="sesamy", op="user", path=f"/management/users/{segment(known.user)}")
    if profile.status == _MISSING:
        why = "Sesamy does not know the user"
        return unsure(PROFILE, f"{why}, {profile.refusal}"), unasked(CONTRACT, why), unasked(ENTITLEMENT, why)
    contracts = yield _rows("contracts", known.user, limit=_TRIED)
    entitlements = yield _rows("entitlements", known.user, limit=_TRIED)
    tree = profile.tree
    if isinstance(tree, dict) and not {"userId", "id", "sub"} & tree.keys():
        tree = tree.get("data", tree.get("user"))
    if profile.is_there and isinstance(tree, dict):
        first = Seen(unknown=PROFILE, text=_fields(tree, kinds=True))
    else:
        first = unsure(PROFILE, _odd(profile))
    return first, _of_rows(CONTRACT, contracts, "contracts"), _of_rows(ENTITLEMENT, entitlements, "entitlements")


def _of_rows(unknown: Unknown, reply: Reply, resource: str) -> Seen:
    rows = _listed(reply, resource)
    if rows is None:
        return unsure(unknown, _odd(reply))
    merged: dict[str, object] = {}
    for row in rows:
        if isinstance(row, dict):
            merged.update({name: value for name, value in row.items() if value is not None or name not in merged})
    return Seen(unknown=unknown, text=_fields(merged, kinds=True) if merged else "the reader has none")


# ---- What stands there ----


def _rows(resource: str, user: str = "", *, limit: int, audience: str | None = None) -> Call:
    query = (*((("userId", user),) if user else ()), ("limit", str(limit)), ("offset", "0"))
    return Call(side="sesamy", op=resource, path=f"/management/{resource}", query=query, audience=audience)


def _listed(reply: Reply, resource: str) -> list[object] | None:
    """Return the rows of an answer; None: it holds none that can be read."""
    if reply.is_there:
        with suppress(Retryable):
            return listed(reply.tree, resource)
    return None


def _odd(reply: Reply) -> str:
    return "the answer has an unknown shape" if reply.is_there else reply.refusal


def _fields(tree: object, *, kinds: bool = False) -> str:
    """Return the names of an object's fields, and of which kind each is; what looks like no name is `*`."""
    if not isinstance(tree, dict):
        return "unknown shape"
    there = sorted((name if _NAME.fullmatch(name) else "*", value) for name, value in _few(tree))
    words = [f"{name}: {kind(value)}" if kinds else name for name, value in there]
    return ", ".join(dict.fromkeys(words)) or "no fields"


def _few(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from list(tree.items())[:_NAMES]


def kind(value: object) -> str:
    """Return of which kind a value is, and how a date is written; nothing of the value itself."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "date (since 1970)" if _EPOCH.fullmatch(str(value)) else "number"
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, list):
        return f"list of {kind(value[0])}" if value else "list"
    return f"{{{_fields(value)}}}"


def _of_text(value: str) -> str:
    found = _ISO.fullmatch(value)
    if found is None:
        return "date (since 1970, as text)" if _EPOCH.fullmatch(value) else "text"
    if found[1] is None:
        return "date (day)"
    zone = "no zone" if found[3] is None else "UTC" if found[3] == "Z" else "with a zone"
    return f"date ({'ISO' if found[1] == 'T' else 'with a space'}{', fractions' if found[2] else ''}, {zone})"


QUESTIONS: Final = (
    Question(unknowns=(TOKEN,), ask=token),
    Question(unknowns=(CONTRACTS, ENTITLEMENTS), ask=filters),
    Question(unknowns=(ENVELOPE, PAGES, LISTING, NAMES_USER), ask=lists),
    Question(unknowns=(RATE,), ask=rate),
    Question(unknowns=(PROFILE, CONTRACT, ENTITLEMENT), ask=reader, needs="--user"),
)
