"""
The questions that products and subscriptions of a test contact answer.

Neither can be read back, so it goes by the answers alone; before a form is tried, something is sent that no server may take: where that is
taken, too, an answer says nothing of the form, and so it is told.
"""

from collections.abc import Generator
from itertools import product
from typing import Final

from ...resync.ways.words import bulk_path
from .may_write import EXTERNAL_ID, external_id
from .question import Call, Known, Question, Reply, Seen, Unknown, Walk, unsure

BULK_BODY: Final = Unknown("U3", "whether bulk calls take an array or a wrapper", "makeas.bulk_body")
KEY: Final = Unknown("U1", "what names the subscriber of a subscription", "makeas.subscriber_key")
DATES: Final = Unknown("U14", "how dates are written", "makeas.dates")
REFUSED: Final = Unknown("U5", "what a row that can't be taken answers")
SHARED: Final = Unknown("U24", "whether rows of two contacts share a call", "makeas.rows_shared")

_PRODUCT_ID: Final = f"{EXTERNAL_ID}|product"
_KEYS: Final = ("email", "subscriber_email", "subscriber_external_id")
_DATES: Final = {"iso": "2026-01-02T03:04:05Z", "date_time": "2026-01-02 03:04:05"}
_NONE: Final = "sesamy_verify"
"""A word that is no name of rows, no name of a subscriber, and no date."""
_NAME: Final = "sesamy-makeas verify"
_UNTOLD: Final = "taken (answer 2xx), and can't be read back"
_BELIEVED: Final = f"{_UNTOLD}; a wrong one was refused, so it is believed"
_ANYTHING: Final = f"{_UNTOLD}; anything is taken there: look at Make.as"


def _bulk(rows: list[dict[str, str]], *, op: str, body: str, key: str = "") -> Call:
    wrapped: object = rows if body == "array" else {op if body == "wrapper" else body: rows}
    return Call(side="makeas", op=op, method="POST", path=bulk_path(op, key), body=wrapped, writes=True)


def _subscriptions(known: Known, key: str, dates: str, *, emails: tuple[str, ...] = (), of_its_own: str = "") -> Call:
    """
    Return the call with a subscription of each address.

    Args:
        key: what names the subscriber, or a word that does not.
        dates: the form of the date, or a word that is none.
        emails: none: the first test contact's.
        of_its_own: what is added to its id and name, so that it takes no other's place.
    """
    rows, more = [], f", {of_its_own}" if of_its_own else ""
    for email in emails or (known.email,):
        name = external_id(known, email)
        row = {key: name if key == "subscriber_external_id" else email, "external_id": name + more, "product_external_id": _PRODUCT_ID}
        rows.append({**row, "start_date": _DATES.get(dates, dates), "name": _NAME + more, "status": "cancelled"})
    return _bulk(rows, op="subscriptions", body=known.way("makeas.bulk_body"), key=key)


def products(known: Known) -> Walk:
    """Send a product in a body that is none, then in each form until one is taken."""
    row = {"external_id": _PRODUCT_ID, "name": _NAME}
    none = yield _bulk([row], op="products", body=_NONE)
    told = []
    for body in known.forms("makeas.bulk_body", "array", "wrapper"):
        reply = yield _bulk([row], op="products", body=body)
        if reply.is_taken and not none.is_taken:
            return (Seen(unknown=BULK_BODY, text=f"{body} is {_BELIEVED}", value=body),)
        if reply.is_taken:
            text = f"{body} is {_ANYTHING}, for `{_PRODUCT_ID}` among its products"
            return (unsure(BULK_BODY, text),)
        told.append(f"{body}: refused, {reply.refusal}")
    return (unsure(BULK_BODY, "; ".join(told)),)


def subscriptions(known: Known) -> Walk:
    """Send a subscription that names nobody, then one in each form until one is taken, then one with a date that is none."""
    nameless = yield _subscriptions(known, _NONE, known.way("makeas.dates"))
    if nameless.is_taken:
        return (yield from _each_by_name(known))
    refused = Seen(unknown=REFUSED, text=f"the whole call is refused, {nameless.refusal}")
    taken, told = yield from _first_taken(known)
    if taken is None:
        why = "; ".join(dict.fromkeys(told))
        return unsure(KEY, why), unsure(DATES, why), refused
    key, dates = taken
    undated = yield _subscriptions(known, key, _NONE)
    by_key = Seen(unknown=KEY, text=f"{key} is {_BELIEVED}", value=key)
    if undated.is_taken:
        why = f"{dates} is {_ANYTHING}, whether the test contact's subscription begins on 2026-01-02"
        return by_key, unsure(DATES, why), refused
    return by_key, Seen(unknown=DATES, text=f"{dates} is {_BELIEVED}", value=dates), refused


def _each_by_name(known: Known) -> Walk:
    """Send a subscription in each form, which is its name: a server that takes all in silence shows which it kept to people alone."""
    for key, dates in _forms(known):
        yield _subscriptions(known, key, dates, of_its_own=f"{key}, {dates}")
    why = f"each form is {_ANYTHING}, how the subscriptions of the test contact are named"
    silent = "nothing: it is answered as taken, so that a wrong row is lost in silence"
    return unsure(KEY, why), unsure(DATES, why), Seen(unknown=REFUSED, text=silent)


def _first_taken(known: Known) -> Generator[Call, Reply, tuple[tuple[str, str] | None, list[str]]]:
    """Try each form; return the first that was taken, and how the others were refused."""
    told: list[str] = []
    for key, dates in _forms(known):
        reply = yield _subscriptions(known, key, dates)
        if reply.is_taken:
            return (key, dates), told
        told.append(f"{key}, {dates}: {reply.refusal}")
    return None, told


def _forms(known: Known) -> list[tuple[str, str]]:
    """Return each form of a subscription, the present one first."""
    return list(product(known.forms("makeas.subscriber_key", *_KEYS), known.forms("makeas.dates", *_DATES)))


def two(known: Known) -> Walk:
    """Send subscriptions of two contacts in one call, once it is known that one alone is taken, and what is wrong refused."""
    key, dates = known.way("makeas.subscriber_key"), known.way("makeas.dates")
    nameless = yield _subscriptions(known, _NONE, dates, emails=(known.email_2,))
    if nameless.is_taken:
        return (unsure(SHARED, "a row that names nobody is taken, too, so that an answer says nothing"),)
    alone = yield _subscriptions(known, key, dates, emails=(known.email_2,))
    if not alone.is_taken:
        return (unsure(SHARED, f"one alone is refused, {alone.refusal}"),)
    reply = yield _subscriptions(known, key, dates, emails=(known.email, known.email_2))
    if reply.is_taken:
        return (Seen(unknown=SHARED, text=f"they are {_BELIEVED}", value=True),)
    return (Seen(unknown=SHARED, text=f"no: refused, {reply.refusal}", value=False),)


QUESTIONS: Final = (
    Question(unknowns=(BULK_BODY,), ask=products, writes=True),
    Question(unknowns=(KEY, DATES, REFUSED), ask=subscriptions, writes=True),
    Question(unknowns=(SHARED,), ask=two, writes=True),
)
