"""The codes that a letter can have, beside `http-` and a status."""

from typing import Final

CODES: Final = (
    "held",
    "bug",
    "connect",
    "cut",
    "dns",
    "encoded",
    "foreign-contact",
    "foreign-contract",
    "foreign-user",
    "left-no-id",
    "left-unknown",
    "no-ids",
    "not-json",
    "proxy",
    "redirect",
    "rows",
    "snapshot-old",
    "timeout",
    "tls",
    "too-large",
    "too-many-pages",
    "unusable",
    "user-missing",
    "wrong-shape",
)
"""`held` first: it is what most letters have after a long outage."""
