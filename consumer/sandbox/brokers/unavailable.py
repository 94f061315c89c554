"""The error of every broker that can't be had."""

from ...core.errors import Exit, Fatal


class Unavailable(Fatal):
    """A broker can't be had here; the text says why and what cures it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, code="broker", status=Exit.UNAVAILABLE)
