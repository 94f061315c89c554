"""Text for people: foreign text made harmless."""

from typing import Final

_SHOWN: Final = 64


def shown(text: str, *, limit: int = _SHOWN) -> str:
    """Return foreign text fit to be shown: what does not print is escaped, and it is cut at `limit` characters."""
    short = text[: limit + 1]
    if not short.isprintable():
        short = "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii") for one in short)
    return short if len(short) <= limit else short[: limit - 1] + "…"
