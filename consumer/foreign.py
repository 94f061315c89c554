"""Reads values that others wrote: odd is not wrong, and nothing that stands there may raise. Pure."""

from math import isfinite


def number(value: object) -> float | None:
    """Return a number, be it written as text, as a float; None: it is none, not finite, or too large for one."""
    if isinstance(value, str):
        value = value.strip()
        # What `float` takes beyond that (`nan`, `1_000`, other digits) nobody means.
        if not (value.isascii() and value.replace(".", "", 1).isdigit()):
            return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None
