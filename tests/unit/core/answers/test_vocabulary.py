"""The words that are shown of a refusal: sorted, written small, and nobody's name."""

from pathlib import Path

import pytest

from consumer.core.answers import vocabulary
from consumer.core.answers.vocabulary import PLAIN, WORDS

_NAMES = frozenset(
    """
    alle anders ann anne are ask aud bent berg bill bjørn bo call case chance dag dale day else even faith field fields finn frank
    hauge grace grant gro hans hansen harald hope ida inger ivar jack jan joy kari kay king knut lars line liv long mai marit mark
    max may min my nora odd ola olsen page pat per post price ray read rich rob rose roy sand sigrid siv star stein sue terje tom
    tone tor tore trond turid unni van vår will wise young åse
    """.split()  # noqa: SIM905 - a list would take a line a word
)


def test_no_word_is_a_name_but_where_it_is_written_small() -> None:
    assert set() == WORDS & _NAMES
    assert set() == WORDS & PLAIN


@pytest.mark.parametrize("words", [WORDS, PLAIN])
def test_the_words_are_written_small_and_are_one_word_each(words: frozenset[str]) -> None:
    assert all(word == word.casefold() and not any(map(str.isdigit, word)) and "@" not in word for word in words)


def test_they_stand_sorted() -> None:
    for part in Path(vocabulary.__file__).read_text(encoding="utf-8").split('"""\n')[2::3]:
        words = part.split('"""')[0].split()
        assert words == sorted(words)
