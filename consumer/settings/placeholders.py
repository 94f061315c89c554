"""Placeholders: values that an example has, and that nobody has filled in. No value is ever quoted."""

import re
from collections.abc import Iterator
from typing import Final

from .findings import Finding
from .leaves import secrets
from .model import VendorSettings
from .rules import Sections
from .secret import Secret, SecretError

_PLACEHOLDER: Final = re.compile(
    r"…|\.{3,}|<.*>|\{\{.*\}\}|\$\{?\w+\}?|(?:change|replace)[-_ ]?(?:me|this).*|todo|fixme|tbd|example|placeholder|x{3,}|your[-_ ].+"
    r"|(?:sha256:)?0{32,}",
    re.IGNORECASE | re.DOTALL,
)
_CURE: Final = "put the real one there"


def placeholders(sections: Sections) -> list[Finding]:
    """Return which secrets and ids nobody has filled in yet."""
    found: list[Finding] = []
    for path, value in _values(sections):
        try:
            text = value.read() if isinstance(value, Secret) else value
        except SecretError:  # That is said already.
            continue
        if text is not None and _PLACEHOLDER.fullmatch(text.strip()):
            found.append(Finding(path=path, what="a placeholder that nobody has filled in", cure=_CURE))
    return found


def _values(sections: Sections) -> Iterator[tuple[str, str | Secret | None]]:
    yield "kafka.sasl_username", sections.kafka.sasl_username
    for number, vendor in enumerate(sections.vendors):
        if vendor is not None:
            yield from _ids(f"vendors[{number}]", vendor)
    yield from secrets(sections)


def _ids(path: str, vendor: VendorSettings) -> Iterator[tuple[str, str]]:
    yield f"{path}.id", vendor.id
    yield f"{path}.sesamy.client_id", vendor.sesamy.client_id
    for place, one in enumerate(vendor.makeas):
        yield f"{path}.makeas[{place}].userId", one.user_id
