"""The answers of a faulty stand-in that no call may take for one, each with the code of the error that it becomes."""

from typing import Final

from consumer.sandbox.stand_ins.faults import Kind

BAD_ANSWERS: Final[tuple[tuple[Kind, str], ...]] = (
    ("html", "not-json"),
    ("half-json", "not-json"),
    ("cut", "cut"),
    ("cut-after", "cut"),
    ("gzip", "encoded"),
    ("redirect", "redirect"),
    ("huge", "too-large"),
    ("hang", "timeout"),
)
"""At any call to either side."""
