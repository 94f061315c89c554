"""The groups of open letters, and their table: which need a person, which heal alone, and the commands that show and requeue them."""

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Final

from msgspec import structs

from ....core.letters.book import Letterbook
from ....settings.account import Account
from ..tree import LetterCounts, LetterGroup

HEADS: Final = ("code", "account", "lists", "need a person#", "heal alone#", "show them", "try them again, once mended")
_LISTS: Final = 5
_GROUPS: Final = 50


def letter_groups(book: Letterbook, accounts: Iterable[Account]) -> tuple[LetterGroup, ...]:
    """Return the open letters of a pod's book in at most 50 groups; O(kinds of letters)."""
    kinds = book.kinds.largest(_GROUPS, known={one.user_id for one in accounts}, unreadable=book.unreadable)
    return tuple(LetterGroup(**structs.asdict(one)) for one in kinds)


def letter_rows(letters: LetterCounts) -> Iterator[tuple[str, ...]]:
    """Give a row for each group, those that need a person first."""
    for one in sorted(letters.groups, key=lambda group: (not group.code, -group.needs_a_person, -group.heals)):
        if not one.code:
            yield "all others", "", "", f"{one.needs_a_person:,}", f"{one.heals:,}", "sesamy-makeas dead-letters list", ""
        else:
            yield one.code, one.account, _lists(one), f"{one.needs_a_person:,}", f"{one.heals:,}", _command("list", one), _again(one)


def _lists(one: LetterGroup) -> str:
    more = len(one.lists) - _LISTS
    return ", ".join(one.lists[:_LISTS]) + (f" and {more:,} more" if more > 0 else "")


def _again(one: LetterGroup) -> str:
    if one.unreadable:
        return "not from here: only their publisher can send them again"
    return _command("requeue", one) if one.needs_a_person else "by themselves"


def _command(verb: str, one: LetterGroup) -> str:
    account = f" --account {quote(one.account)}" if one.account else ""
    return f"sesamy-makeas dead-letters {verb}{account} --code {quote(one.code)}"
