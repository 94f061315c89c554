"""Variables that look like a setting's, and are none: a setting that is misspelt there would be passed over without a word."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from msgspec import structs

from .findings import Finding, warning
from .model import Settings
from .secret import Secret

_CLOSE: Final = 0.8
_KUBERNETES: Final = re.compile(r".*_SERVICE_(?:HOST|PORT)(?:_\w+)?|.*_PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?")
"""What it sets in every pod for each service of the namespace."""


def variables() -> dict[str, str]:
    """Return each variable that gives a setting -> the setting's path."""
    sections = [field for field in structs.fields(Settings) if field.name != "vendors"]
    return {
        f"{section.name}_{part.name}".upper(): f"{section.name}.{part.name}"
        for section in sections
        for part in structs.fields(section.type)
    }


def misspelt(environ: Mapping[str, str], secrets: Iterable[Secret]) -> Iterator[Finding]:
    """Give the variables that are close to one that gives a setting, and that no secret names; no value is looked at."""
    known, named = variables(), {one.source.removeprefix("env ") for one in secrets}
    prefixes = tuple({name.partition("_")[0] + "_" for name in known})
    for name in sorted(environ):
        if name in known or name in named or not name.startswith(prefixes) or _KUBERNETES.fullmatch(name):
            continue
        for close in get_close_matches(name, known, n=1, cutoff=_CLOSE):
            yield warning(f"{name} (environment)", "is no setting, and is passed over", f"did you mean {close} ({known[close]})?")
