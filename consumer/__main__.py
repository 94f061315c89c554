"""The way in: `python -m consumer`, and the console script."""

import os
import signal
import sys

_STOPPED = 128 + signal.SIGTERM


def _stop(_number: int, _frame: object) -> None:
    """End at once, as by default: what has something to finish, a pod or a replay, listens for itself once it begins."""
    os._exit(0 if "run" in sys.argv[1:2] else _STOPPED)


# Process 1 of a container does not end by a signal unless it asks for it: so first of all.
signal.signal(signal.SIGTERM, _stop)

from .commands.cli import main  # noqa: E402 - see above

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
