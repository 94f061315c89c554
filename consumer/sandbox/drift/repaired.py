"""Drift of every kind in a sitting that agreed, without any event: sown, found and repaired by `reconcile` as a process of its own."""

import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import anyio

from ..children import dies_with_us
from ..session import Local
from ..sown import KINDS, Kind, Sown, sow, undouble
from ..stand_ins.sesamy_lists import RESOURCES, Lists
from ..town import PLACES

_COUNTS: Final[Mapping[Kind, int]] = dict.fromkeys(KINDS, 2) | {"doubled": 1}
_MEANS: Final[Mapping[Kind, str]] = {
    "missing": "contacts are deleted",
    "field": "first names are changed",
    "tags": "have a tag of ours too many, or one too few",
    "list": "are off a list, which they have not left",
    "moved": "contacts are given another address",
    "stranger": "contacts come with an id that Sesamy does not know",
    "unlinked": "contacts lose their external id",
    "doubled": "readers get one address at Sesamy",
}
_REMAINS, _AGREES = 1, 0


async def repaired(sitting: Local) -> bool:
    """
    Sow drift of every kind, let `reconcile` find and repair it, and say each step.

    What it does not repair is sorted out as people would: one of two readers with one address gets another one at Sesamy, and
    `reconcile` looks again. Contacts with an id that Sesamy does not know it only reports, and they stay.

    Returns:
        Whether both runs ended as they should, and all lists agree.
    """
    here = sitting.here
    # Of a server that tells whose each row is, so that tags are compared, too.
    here.sesamy.lists = Lists(naming=frozenset(RESOURCES))
    sown = sow(here, random.Random(11), _COUNTS)
    sys.stderr.write("now lists are edited by hand, and there is no event of it:\n")
    sys.stderr.writelines(f"  {one}\n" for one in _told(sown))
    if await _reconcile(sitting) != _REMAINS:
        return False
    sys.stderr.write("two readers with one address are for people to sort out: one of them gets another address at Sesamy\n")
    undouble(here, sown)
    return await _reconcile(sitting) == _AGREES and not any(here.wrong(place) for place in PLACES)


def _told(sown: Sown) -> list[str]:
    return [f"{len({one[:2] for one in found})} {_MEANS[kind]}" for kind, found in sown.items()]


async def _reconcile(sitting: Local) -> int:
    """Run it as a person would; return its exit status."""
    words = ["reconcile", "--yes", "--retire-moved", "--rate-share", "1"]
    sys.stderr.write(f"sesamy-makeas {' '.join(words)}\n")
    sys.stderr.flush()
    sys.stdout.flush()
    command = [sys.executable, "-m", "consumer", *words, "--config", str(sitting.config)]
    # What is told for machines is told once, at the end.
    out = sys.stderr if sitting.options.output == "json" else None
    process = await anyio.open_process(
        [*await dies_with_us(), *command], stdin=subprocess.DEVNULL, stdout=out, stderr=None, start_new_session=True
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with anyio.CancelScope(shield=True):
                process.kill()
                await process.wait()
