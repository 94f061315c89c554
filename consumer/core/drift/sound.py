"""The soundness of what was read: whether it may be believed, and how many changes are allowed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import ceil

from msgspec import Struct

from ..errors import Refused
from .readers import Readers

_SLACK, _SLACK_PART = 20, 0.01
"""So much may change on either side while both are read."""


class MaxChanges(Struct, frozen=True):
    """How many readers of a list may be changed: a number, or a part of the list between two bounds."""

    number: int | None = None
    part: float = 0.1
    least: int = 20
    most: int = 1000

    @classmethod
    def read(cls, text: str) -> "MaxChanges":
        """
        Return what `N` or `P%` says; a percentage that was asked for has no other bounds.

        Raises:
            ValueError: it is neither.
        """
        digits, percent, rest = text.strip().partition("%")
        if rest or not digits.replace(".", "", bool(percent)).isdecimal() or not digits.isascii():
            raise ValueError("write a number, or a percentage of the list: 500, or 10%")
        if not percent:
            return cls(number=int(digits))
        part = float(digits) / 100
        if part > 1:
            raise ValueError("a percentage of the list is at most 100%")
        return cls(part=part, least=0, most=10**9)

    def of(self, readers: int) -> int:
        """Return how many may be changed on a list that is to have so many readers."""
        return self.number if self.number is not None else min(self.most, max(self.least, ceil(self.part * readers)))

    def over(self, changes: Mapping[str, int], readers: Mapping[str, int]) -> dict[str, int]:
        """Return the lists with too many changes, with how many are allowed."""
        return {one: allowed for one, count in changes.items() if count > (allowed := self.of(readers.get(one, 0)))}


def check_readers(readers: Readers, *, said: int | None) -> None:
    """
    Judge what Sesamy's lists gave of a vendor.

    Args:
        said: how many users there are, as Sesamy says; None: it does not.

    Raises:
        Refused: `empty`, there is no user; `half`, there are fewer than are said, or rows name users that are in no list.
    """
    there = len(readers)
    if not there:
        raise Refused("no user is listed", code="empty")
    if said is not None and said - there > _slack(said):
        raise Refused(f"{there} users are listed, and {said} are said to be there", code="half")
    if readers.of_nobody > _slack(readers.rows + readers.of_nobody):
        raise Refused(f"{readers.of_nobody} rows name users that are not listed", code="half")


def check_usable(unusable: int, *, of: int) -> None:
    """
    Judge a list by its rows that can't be used, for they have no id.

    Raises:
        Refused: `half`, they are more than a few.
    """
    if unusable > _slack(of):
        raise Refused(f"{unusable} of {of} rows have no id, or can't be read", code="half")


def check_list(active: int, others: Sequence[int], *, said: int | None, may_be_empty: bool) -> bool:
    """
    Judge what Make.as gave of a list; return whether its count shows that all active contacts are there.

    Where they are fewer than it counts, it may count those of other statuses, too: then nothing is shown.

    Args:
        active: rows of those that are active.
        others: rows of each other status.
        said: how many contacts it has, by Make.as' own count; None: it does not say.
        may_be_empty: whether a list without contacts is to be believed, where its count says so, too.

    Raises:
        Refused: `empty`, `half`: no reading of its count makes it a whole list.
    """
    rows = active + sum(others)
    shown = said is not None and said - active <= _slack(said)
    if said is not None and not shown:
        some = (sum(those) for size in range(1, len(others) + 1) for those in combinations(others, size))
        if all(abs(said - active - more) > _slack(said) for more in some):
            raise Refused(f"{active} active contacts of {rows} are listed, and {said} are said to be there", code="half")
        if not active:
            raise Refused(f"no active contact is listed, and {said} are said to be there", code="empty")
    if not rows and not (may_be_empty and said == 0):
        raise Refused("no contact is listed", code="empty")
    return shown


def check_end(active: int, *, has_more: bool) -> None:
    """
    Judge the end of a list's active contacts by the page behind it.

    Raises:
        Refused: `half`, that page has some which did not come before.
    """
    if has_more:
        raise Refused(f"there are more active contacts than the {active} that its pages give", code="half")


def _slack(of: int) -> int:
    return max(_SLACK, ceil(_SLACK_PART * of))
