"""The options of commands that draw on a terminal. Nothing heavy is imported here."""

import os


def is_dumb() -> bool:
    """Say whether the terminal can do no more than lines."""
    return os.environ.get("TERM") == "dumb"


def has_colours() -> bool:
    """Say whether a terminal may be given colours. Source: https://no-color.org."""
    return not os.environ.get("NO_COLOR") and not is_dumb()
