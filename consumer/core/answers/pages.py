"""Pages of a list: when the list is whole."""

from collections.abc import Collection
from typing import Final

from .shapes import Odd, flag, number

_KEPT_S: Final = 3600.0


class PageLengths:
    """
    The longest page that was seen of each resource of one vendor within the last hour.

    It promises: a page is short only where a longer one of its resource is known; so no cap of the server's is taken for
    the end of a list.
    """

    def __init__(self) -> None:
        """Know no page."""
        self._longest: dict[str, tuple[int, float]] = {}

    def is_short(self, resource: str, rows: int, *, now: float) -> bool:
        """Note a page that came at `now` (s), and say whether it is shorter than one that came before."""
        longest, seen_at = self._longest.get(resource, (0, now))
        if rows >= longest or now - seen_at > _KEPT_S:
            self._longest[resource] = (rows, now)
            return False
        return True


class Listing:
    """
    One list, as its pages come.

    It promises: it ends at an empty page, at one without a new id, or where it is said or known; where rows moved while
    they were read, so that one may have been passed by, it says so.
    """

    def __init__(self) -> None:
        """Begin at the first page."""
        self.received = 0
        self.moved = False
        """Some rows came again, in another page than before."""

        self._ids: set[str] = set()
        self._page: frozenset[str] = frozenset()

    def take(self, ids: Collection[str], *, rows: int, said: object, is_short: bool) -> bool:
        """
        Take a page; return whether the list is whole.

        Args:
            ids: of its rows that can be used.
            rows: how many it has.
            said: the decoded reply.
            is_short: whether a longer page is known.
        """
        page = frozenset(ids)
        # The same page once more comes from a server that knows no offset.
        self.moved |= page != self._page and not page.isdisjoint(self._ids)
        is_new = not page <= self._ids
        self._ids |= page
        self._page = page
        self.received += rows
        if not is_new:
            return True
        is_last = last(said, self.received)
        return is_short if is_last is None else is_last


def total(tree: object) -> int | None:
    """Return how many rows a reply says there are; None: it does not say."""
    found = [value for part in _parts(tree) if (value := number(part.get("total"))) is not None]
    return int(max(found)) if found else None


def last(tree: object, received: int) -> bool | None:
    """
    Return whether a reply says that nothing follows; None: it does not say.

    "More" counts wherever it is said, "no more" only where nothing says otherwise, and a total below the rows that were
    received (`received`) counts nowhere.
    """
    said = _parts(tree)
    follows = [value for part in said for name, one in part.items() if _says_what_follows(name) and (value := _flag(one)) is not None]
    totals = [total for part in said if (total := number(part.get("total"))) is not None and total >= received]
    if any(follows) or any(total > received for total in totals):
        return False
    return True if follows or totals else None


def _parts(tree: object) -> list[dict[str, object]]:
    said = [tree] if isinstance(tree, dict) else []
    return said + [part for name in ("meta", "pagination") if said and isinstance(part := said[0].get(name), dict)]


def _says_what_follows(name: str) -> bool:
    """Say whether a flag is of the pages to come, as `hasMore` and `has_next_page` are; `hasPrevious` and `hasErrors` are not."""
    name = name.lower()
    return name.startswith("has") and ("more" in name or "next" in name) and "prev" not in name


def _flag(value: object) -> bool | None:
    try:
        return flag(value)
    except Odd:
        return None
