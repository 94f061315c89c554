"""The endpoint of the town's webhook."""

import shlex
import tomllib
from pathlib import Path

from consumer.sandbox.forwarding.endpoint import Endpoint


def test_both_sides_know_the_secret_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    endpoint = Endpoint(8081, tmp_path / "secret")
    receive = tomllib.loads(endpoint.settings())["receive"]

    assert endpoint.headers == {receive["header"]: (tmp_path / "secret").read_text()}
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert endpoint.url == f"http://{receive['host']}:{receive['port']}{receive['path']}"


def test_the_command_that_posts_an_event_names_the_file_of_the_secret_and_not_the_secret(tmp_path: Path) -> None:
    endpoint = Endpoint(8081, tmp_path / "a file")
    endpoint.settings()
    words = shlex.split(endpoint.curl("v", "auth0|it's"))

    assert words[0] == "curl"
    assert '{"eventType": "userVendor.1#update", "vendorId": "v", "userId": "auth0|it\'s"}' in words
    assert not [word for word in words if endpoint.headers["X-Sesamy-Secret"] in word]
