"""One address is one address, however it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.address import canonical, cleaned, same_address

LONGEST = "a" * (254 - len("@example.com")) + "@example.com"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.com\r\n", "Ann@Example.com"),
        ("\u00a0ann@example.com\u3000", "ann@example.com"),
        ("\u200bann\u200c@\u200dexample\u2060.com\ufeff", "ann@example.com"),
        ("\u200b ann@exam\u00adple.com \u200e", "ann@example.com"),
        ("A\u030ase@b\u00f8rs.no", "Åse@børs.no"),
        ("ann@XN--BRS-0NA.no", "ann@XN--BRS-0NA.no"),
        ("Ann Ås", "Ann Ås"),
        (LONGEST, LONGEST),
        (LONGEST + "\u200b" * 100, LONGEST),
        ("a" + LONGEST, ""),
        ("ann@example.com" + "\u200b" * 4 * 254, ""),
        ("a" + "\u0301" * 100_001, ""),
        ("ann\udfff@example.com", ""),
        (" \u200b ", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_what_is_sent(text: str | None, sent: str) -> None:
    assert cleaned(text) == sent


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("ann@børs.no", "ann@xn--brs-0na.no"),
        ("ann@BØRS.no", "ann@xn--brs-0na.no"),
        ("ann@bo\u0301rs.no", "ann@xn--brs-gna.no"),
        ("ann@XN--BRS-0NA.NO", "ann@xn--brs-0na.no"),
        ("ann@straße.de", "ann@xn--strae-oqa.de"),
        ("ann@日本語。jp", "ann@xn--wgv71a119e.jp"),
        ("ann@example.com.", "ann@example.com"),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("ÅSE@example.com", "åse@example.com"),
        ("A\u030aSE@example.com", "åse@example.com"),
        ("ann@" + "ø" * 64 + ".no", "ann@" + "ø" * 64 + ".no"),
        ("Nobody", "nobody"),
        (None, ""),
    ],
)
def test_what_is_compared(text: str | None, compared: str) -> None:
    assert canonical(text) == compared


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann@børs.no", "ANN@xn--brs-0na.no", True),
        (" ann@example.com", "ann@exam\u200bple.com", True),
        ("ann@example.com", "bob@example.com", False),
        ("ann@example.com", "ann@example.org", False),
        ("ann@straße.de", "ann@strasse.de", False),
        ("ann@example.com", None, False),
        (None, None, False),
        ("", " ", False),
        ("a" + LONGEST, "a" + LONGEST, False),
    ],
)
def test_which_are_the_same(one: str | None, other: str | None, same: bool) -> None:
    assert same_address(one, other) is same
    assert same_address(other, one) is same


@given(st.text(max_size=80) | st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=40)))
def test_what_is_sent_is_compared_as_what_came(text: str) -> None:
    sent = cleaned(text)

    assert cleaned(sent) == sent
    assert canonical(sent) == canonical(text)
    assert canonical(text).encode() == canonical(sent).encode()
