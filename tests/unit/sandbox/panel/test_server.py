"""The panel obeys its own page, on this machine, and nobody else's."""

import pytest

from consumer.sandbox.panel.server import is_ours

HOST = "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        (HOST, None, None),
        (HOST, f"http://{HOST}", "same-origin"),
        ("localhost:8000", "http://localhost:8000", "same-origin"),
        (HOST, None, "none"),
    ],
)
def test_its_own_page_and_what_is_no_page_are_obeyed(host: str, origin: str | None, site: str | None) -> None:
    assert is_ours(host=host, origin=origin, site=site)


@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        (HOST, "http://evil.example", None),
        (HOST, "http://127.0.0.1:9000", "same-site"),
        (HOST, "null", None),
        (HOST, None, "cross-site"),
        (HOST, f"http://{HOST}", "same-site"),
        (HOST, f"https://{HOST}", None),
        ("evil.example:8000", None, None),
        ("evil.example:8000", "http://evil.example:8000", "same-origin"),
        ("", None, None),
    ],
    ids=["origin", "another-port", "sandboxed", "site-alone", "same-site", "scheme", "rebound", "rebound-page", "no-host"],
)
def test_another_sites_request_is_refused(host: str, origin: str | None, site: str | None) -> None:
    assert not is_ours(host=host, origin=origin, site=site)
