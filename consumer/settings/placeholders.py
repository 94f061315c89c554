"""Placeholders: values that an example has, and that nobody has filled in. No value is ever quoted."""

import re
from collections.abc import Mapping
from typing import Final

from .findings import Finding
from .secret import Secret, SecretError

_PLACEHOLDER: Final = re.compile(
    r"…|\.{3,}|<.*>|\{\{.*\}\}|\$\{?\w+\}?|(?:change|replace)[-_ ]?(?:me|this).*|todo|fixme|tbd|example|placeholder|x{3,}|your[-_ ].+"
    r"|(?:sha256:)?0{32,}",
    re.IGNORECASE | re.DOTALL,
)
_ID: Final = re.compile(r"kafka\.sasl_username|vendors\[\d+\]\.(?:id|sesamy\.client_id|makeas\[\d+\]\.userId)")
_CURE: Final = "put the real one there"


def placeholders(read: Mapping[str, object]) -> list[Finding]:
    """Return which secrets and ids nobody has filled in yet, of what could be read."""
    found: list[Finding] = []
    for path, value in read.items():
        try:
            text = value.read() if isinstance(value, Secret) else value if _ID.fullmatch(path) else None
        except SecretError:  # It was swapped since it was read.
            continue
        if isinstance(text, str) and _PLACEHOLDER.fullmatch(text.strip()):
            found.append(Finding(path=path, what="a placeholder that nobody has filled in", cure=_CURE))
    return found
