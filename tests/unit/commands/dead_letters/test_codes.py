"""The codes of letters, as the code raises them."""

import re
from pathlib import Path

from consumer.commands.dead_letters.codes import CODES

_ROOT = Path(__file__).parents[4] / "consumer"
_NO_LETTERS = {"gate", "apart", "lease", "register", "no-list", "known", "unproven", "dry-run", "repeats"}
"""Of what was not even tried."""


def test_every_code_that_an_event_or_an_exchange_can_end_in_is_known() -> None:
    files = [*(_ROOT / "resync").rglob("*.py"), _ROOT / "core/events.py", *(_ROOT / "core/mapping").rglob("*.py")]
    found = {code for path in files for code in re.findall(r'(?:code=|_no_answer\([\w.]+, |Error, )"([a-z-]+)"', path.read_text("utf-8"))}

    assert {"wrong-shape", "encoded", "dns", "no-ids"} <= found, "else nothing was looked for"
    assert found - _NO_LETTERS - set(CODES) == set()
