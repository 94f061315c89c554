"""The words of an answer."""

import re
from pathlib import Path

from consumer.receiver.words import WORDS
from consumer.telemetry.receiving import REASONS


def test_each_code_that_may_be_told_has_its_words_and_each_word_its_code() -> None:
    source = "".join(path.read_text() for path in Path("consumer/receiver").glob("[bw][oe][db]*.py"))
    told = set(re.findall(r'HTTPStatus\.\w+, "([a-z-]+)"', source)) | {"wrong-secret", "no-secret"}

    assert told <= WORDS.keys()
    assert set(REASONS) <= WORDS.keys()
    later = {"no-such-path", "post-only", "busy", "draining", "kafka", "bug"}
    assert WORDS.keys() == set(REASONS) | later
