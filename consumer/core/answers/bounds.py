"""
Bounds: how much of a foreign text is looked at.

All work on foreign text comes after these: some of it grows with the square of the length (normalising a run of
combining marks), and the event loop waits for all of it. What only describes is cut; what identifies never is, for a
cut id would be another's.
"""

import unicodedata
from typing import Final

from ..model import ID_CHARS

TEXT_CHARS: Final = 512
"""What counts of a name, title, company or tag. Four code points may be one letter, and a tag has 99."""
WORD_CHARS: Final = 64
"""Longest status, type, flag or date."""
TAGS: Final = 1000
"""How many of a profile's own tags count."""
_MARKS: Final = 30
"""How many combining marks in a row are letters' own. Source: Unicode's Stream-Safe Text Format (UAX 15)."""


def text(value: str | None, *, limit: int = TEXT_CHARS) -> str:
    """Return what counts of a text that only describes."""
    return (value or "")[:limit]


def identifier(value: str | None) -> str | None:
    """Return an id as it is; None: it is missing, blank, or too long to be one."""
    return value if value and len(value) <= ID_CHARS and not value.isspace() else None


def is_blank(value: str | None) -> bool:
    """Say whether nothing stands there, as far as an id is looked at."""
    return not value or value[: ID_CHARS + 1].isspace()


def word(value: str | None) -> str:
    """Return a word of a vocabulary, in lower case; what is too long is no word that we know."""
    if not value:
        return ""
    return value.strip().lower() if len(value) <= WORD_CHARS else "?"


def normal(value: str) -> str:
    """Return a text that was cut in Unicode's composed form (NFC); of a long run of combining marks the first 30 stay."""
    if value.isascii():
        return value
    kept, marks = [], 0
    for one in value:
        marks = marks + 1 if unicodedata.combining(one) else 0
        if marks <= _MARKS:
            kept.append(one)
    return unicodedata.normalize("NFC", "".join(kept))
