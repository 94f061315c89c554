"""
Addresses: one is the same, however it is spelled.

`cleaned` is what is sent, `canonical` what is compared: an address comes from Sesamy, from Make.as and from a payer, and
each may spell it in its own way.
"""

import re
import unicodedata
from typing import Final

MAX_CHARS: Final = 254
"""Source: RFC 5321, section 4.5.3.1.3: a path has 256 octets, its brackets included."""
_RAW_CHARS: Final = 4 * MAX_CHARS
"""As much as is looked at, signs that go included: to compose that many marks takes less than 1 ms."""
_LABEL_CHARS: Final = 63
_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")
"""What stands for a dot in a domain. Source: RFC 3490, section 3.1."""


def cleaned(text: str | None) -> str:
    """
    Return an address as it is sent: composed (NFC), without space around it and without invisible signs.

    Case stays, and so does the domain's spelling. Empty: there is none, or what stands there can be none, being too long or
    nothing that UTF-8 can hold.
    """
    if not text or len(text) > _RAW_CHARS:
        return ""
    kinds = [(one, unicodedata.category(one)) for one in text]
    if any(kind == "Cs" for _, kind in kinds):
        return ""
    address = unicodedata.normalize("NFC", "".join(one for one, kind in kinds if kind != "Cf")).strip()
    return address if len(address) <= MAX_CHARS else ""


def canonical(text: str | None) -> str:
    """
    Return the form in which addresses are compared and hashed; empty: there is none.

    It is the cleaned one, its local part without case, its domain in lower case and in ASCII (`xn--`).
    Assumption: Make.as takes the local part's case for nothing, as nearly every mail server does.
    """
    local, at, domain = cleaned(text).rpartition("@")
    if not at:
        return _folded(domain)
    labels = _DOTS.sub(".", domain.lower()).rstrip(".").split(".")
    return f"{_folded(local)}@{'.'.join(map(_ascii, labels))}"


def same_address(one: str | None, other: str | None) -> bool:
    """Say whether both are there, and the same."""
    first = canonical(one)
    return first != "" and first == canonical(other)


def _folded(local: str) -> str:
    return unicodedata.normalize("NFC", local.casefold())


def _ascii(label: str) -> str:
    """Return a domain's label in ASCII; one that is too long to be any stays as it is."""
    label = unicodedata.normalize("NFC", label)
    if label.isascii() or len(label) > _LABEL_CHARS:
        return label
    return "xn--" + label.encode("punycode").decode("ascii")
