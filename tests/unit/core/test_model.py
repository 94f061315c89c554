"""A place in a topic, as people read and write it."""

import pytest

from consumer.core.model import Place


@pytest.mark.parametrize("text", ["0:0", "3:40", "12:9223372036854775807"])
def test_a_place_is_read_as_it_is_written(text: str) -> None:
    place = Place.read(text)
    assert (place is not None, str(place)) == (True, text)


@pytest.mark.parametrize("text", ["", ":", "3", "3:", ":4", "-1:0", "0:-1", "0:1:2", "a:1", "0: 1", "٣:1", "²:1", "0:" + "9" * 5000])
def test_what_is_no_place_is_none(text: str) -> None:
    """A place may come from anybody's header: it is never an error, and never slow."""
    assert Place.read(text) is None
