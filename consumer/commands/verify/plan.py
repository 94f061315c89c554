"""The plan of `verify`: which questions are asked, and which calls each may make."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import structs

from . import make_contact, make_reads, make_rows, sesamy
from .may_write import GUARD, SECOND_TAG, TAG
from .question import Call, Known, Question, Reply

_ORDER: Final = (*make_contact.QUESTIONS, *make_rows.QUESTIONS, make_contact.CONSENTS)
"""Each goes by what those before it have found out."""
_SHOWN: Final = make_reads.CONTACTS
"""What contacts show: best asked while a tag is on one."""
_PAGE: Final = "page"
_FEW: Final = 2


def reading(known: Known, *, writes: bool) -> tuple[Question, ...]:
    """Return the questions that write nothing; `writes`: whether others come after them."""
    of_makeas = (*make_reads.QUESTIONS, GUARD if writes else _SHOWN) if known.email else ()
    return tuple(_asked(known, *sesamy.QUESTIONS, *of_makeas))


def writing(known: Known) -> tuple[Question, ...]:
    """Return the questions that write, but for the tidying up."""
    return tuple(_asked(known, *_ORDER, _SHOWN))


def unasked(known: Known, *, writes: bool, why: str = "") -> Iterator[tuple[Question, str]]:
    """Give what is not asked, and the option that it takes; `why`: what kept from writing though `--write` was given."""
    asked = {*reading(known, writes=writes), *(writing(known) if writes else ())}
    for one in (*sesamy.QUESTIONS, *make_reads.QUESTIONS, _SHOWN, *_ORDER):
        if one not in asked:
            lacks = "" if known.email or one in sesamy.QUESTIONS else "--email, --email-2 and --list"
            yield one, f"takes {lacks or one.needs}" if lacks or _lacks(known, one) else why or "takes --write"


def _asked(known: Known, *questions: Question) -> Iterator[Question]:
    yield from (one for one in questions if not _lacks(known, one))


def _lacks(known: Known, question: Question) -> bool:
    return {"--user": not known.user, "--opted-out-email": not known.opted_out_email}.get(question.needs, False)


def possible(question: Question, known: Known) -> list[Call]:
    """Return the calls that a question may make, in order, by having it answered in each way that leads to others."""
    found: dict[str, Call] = {}
    for answer in (_all_refused, _nothing_kept, _all_kept(known), _left(known)):
        walk = question.ask(known)
        try:
            call = next(walk)
            while True:
                found.setdefault(call.told, call)
                call = walk.send(answer(call))
        except StopIteration:
            pass
    return list(found.values())


def folded(calls: Iterable[Call]) -> list[str]:
    """Return calls as they are shown; those that differ in their page alone are one line, where there are three and more."""
    alike: dict[str, list[Call]] = {}
    for call in calls:
        alike.setdefault(_at(call, "").told, []).append(call)
    return [line for each in alike.values() for line in _in_few(each)]


def _in_few(calls: list[Call]) -> list[str]:
    pages = [value for call in calls for name, value in call.query if name == _PAGE]
    if len(pages) <= _FEW:
        return [call.told for call in calls]
    return [_at(calls[0], f"{pages[0]}, {pages[1]}, … up to {pages[-1]}").told]


def _at(call: Call, page: str) -> Call:
    return structs.replace(call, query=tuple((name, page if name == _PAGE else value) for name, value in call.query))


# ---- Answers, of no server ----


def _all_refused(_: Call) -> Reply:
    return Reply(status=422)


def _nothing_kept(call: Call) -> Reply:
    """Take all, and keep nothing; the catalogue alone has what it is given."""
    if call.op == "contact":
        return Reply(status=200, tree={"id": "ID", "tags": [], "lists": []})
    return Reply(status=200, tree={"id": "ID"} if call.op == "tag" else [])


def _all_kept(known: Known) -> Callable[[Call], Reply]:
    contact = {"id": "ID", "tags": [TAG, SECOND_TAG], "lists": [known.list_id], "external_id": ""}
    return lambda call: Reply(status=200, tree=contact if call.op == "contact" else [])


def _left(known: Known) -> Callable[[Call], Reply]:
    """Show no contact, but have the one that opted out among those that left the list."""
    row = {"id": "ID", "email": known.opted_out_email, "email_status": "unsubscribed", "lists": [known.list_id]}

    def answer(call: Call) -> Reply:
        if call.op == "contact":
            return Reply(status=404)
        return Reply(status=200, tree=[row] if call.op == "leavers" and ("status", "unsubscribed") in call.query else [])

    return answer
