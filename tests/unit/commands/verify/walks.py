"""Questions asked of answers that a test writes down: no server, no I/O."""

from collections.abc import Callable, Iterable
from typing import Any

from consumer.commands.verify.question import Call, Known, Reply, Seen, Walk

KNOWN = Known(
    ways={
        "vendors[].sesamy.audience": "",
        "sesamy.requests_per_minute": 100,
        "makeas.list_parameter": "subscriber_list_id[]",
        "makeas.tags": "titles",
        "makeas.bulk_body": "array",
        "makeas.subscriber_key": "email",
        "makeas.dates": "iso",
        "makeas.opted_out": "shown",
        "makeas.rows_shared": True,
    },
    nobody="email|0",
    user="u1",
    email="a@x.no",
    email_2="b@x.no",
    opted_out_email="c@x.no",
    list_id="7",
)


def asked(ask: Callable[[Known], Walk], answer: Callable[[Call], Reply], known: Known = KNOWN) -> tuple[list[Call], tuple[Seen, ...]]:
    """Return the calls that were made, and what was seen."""
    walk, calls = ask(known), list[Call]()
    try:
        call = next(walk)
        while True:
            calls.append(call)
            call = walk.send(answer(call))
    except StopIteration as end:
        return calls, end.value


def seen(ask: Callable[[Known], Walk], replies: Iterable[Reply], known: Known = KNOWN) -> tuple[Seen, ...]:
    """Return what is seen where these are the answers, in order."""
    each = iter(replies)
    found = asked(ask, lambda _: next(each), known)[1]
    assert next(each, None) is None, "an answer was not asked for"
    return found


def ok(tree: Any = None) -> Reply:
    return Reply(status=200, tree=tree)


def no(status: int = 422) -> Reply:
    return Reply(status=status, said="no")


def contact(**fields: Any) -> Reply:
    return ok({"id": 1, "tags": [], "lists": ["7"], "email_status": "active", **fields})
