"""What settings must be to each other."""

from pathlib import Path

import pytest

from consumer.settings.rules import is_loopback
from tests.unit.settings.test_load import LEAST, paths, read, refused, with_vendor


@pytest.mark.parametrize("missing", ["sasl_mechanism", "sasl_username", "sasl_password"])
def test_a_sasl_protocol_needs_all_of_its_login(tmp_path: Path, missing: str) -> None:
    login = {"sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "p"}
    del login[missing]
    lines = "".join(f"{key} = '{value}'\n" for key, value in login.items())

    assert [f"kafka.{missing}"] == paths(refused(tmp_path, f"[kafka]\nsecurity_protocol = 'SASL_SSL'\n{lines}" + LEAST))


def test_plain_http_is_for_this_machine(tmp_path: Path) -> None:
    for host in ("localhost:1", "127.0.0.1:1", "[::1]:1"):
        assert read(tmp_path, f"[makeas]\nbase_url = 'http://{host}/v2'\n" + LEAST).makeas.base_url == f"http://{host}/v2"
    assert [is_loopback(host) for host in ("127.9.9.9", "a.localhost", "localhost.example", "10.0.0.1")] == [True, True, False, False]


def test_a_proxy_may_be_plain_for_what_goes_through_it_is_not(tmp_path: Path) -> None:
    for proxy in ("http://proxy.example:3128", "https://proxy.example"):
        assert read(tmp_path, f"[http]\nproxy = '{proxy}'\n" + LEAST).http.proxy == proxy


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[admin]\npeers = ['http://10.0.0.7:8080', 'dns://pods.news.svc:8080']", []),
        (
            "[admin]\npeers = ['dns://pods', 'dns://:8080', 'dns://pods:0', 'http://u:p@pod', 'pod:8080']",
            [f"admin.peers[{n}]" for n in range(5)],
        ),
        ("[notify]\nurl = 'https://hooks.example/T1?token=k'", []),
        ("[notify]\nurl = 'http://127.0.0.1:9/x'", []),
        ("[notify]\nurl = 'http://hooks.example/T1'", ["notify.url"]),
        ("[notify]\nurl = 'https://u:p@hooks.example/T1'", ["notify.url"]),
        ("[notify]\nurl = 'https://169.254.169.254/'", ["notify.url"]),
        ("[notify]\nurl = 'hooks'", ["notify.url"]),
    ],
)
def test_addresses_of_peers_and_of_who_is_told(tmp_path: Path, line: str, expected: list[str]) -> None:
    if not expected:
        read(tmp_path, f"{line}\n" + LEAST)
        return
    assert expected == paths(refused(tmp_path, f"{line}\n" + LEAST))


@pytest.mark.parametrize(
    ("vendors", "expected"),
    [
        ("", ["vendors"]),
        (LEAST + LEAST, ["vendors[1].id"]),
        (with_vendor("3"), ["vendors[0].makeas"]),
        (with_vendor("[]"), ["vendors[0].makeas"]),
        (with_vendor("{ userId = '1', apiKey = 'k', listId = 'abc' }"), ["vendors[0].makeas[0].listId"]),
        (with_vendor("{ userId = '1', apiKey = 'k', listId = 1466 }"), ["vendors[0].makeas[0].listId"]),
        (with_vendor("{ userId = 'a:b', apiKey = 'k', listId = '1' }"), ["vendors[0].makeas[0].userId"]),
        (with_vendor("{ userId = '1', listId = '1' }"), ["vendors[0].makeas[0].apiKey"]),
        (with_vendor("{ user_id = '1', apiKey = 'k', listId = '1' }"), ["vendors[0].makeas[0].user_id", "vendors[0].makeas[0].userId"]),
        (
            with_vendor("[{ userId = '1', apiKey = 'k', listId = '1' }, { userId = '1', apiKey = 'k', listId = '1' }]"),
            ["vendors[0].makeas[1]"],
        ),
        (with_vendor("{ userId = '1', apiKey = 'k', listId = '1' }", vendor="v" * 257), ["vendors[0].id"]),
        ("[[vendors]]\nid = 'v'\nsesamy = 'x'\nmakeas = { userId = '1', apiKey = 'k', listId = '1' }", ["vendors[0].sesamy"]),
    ],
)
def test_vendors(tmp_path: Path, vendors: str, expected: list[str]) -> None:
    assert expected == paths(refused(tmp_path, vendors))


def test_a_rule_over_two_values_says_nothing_where_one_is_broken_itself(tmp_path: Path) -> None:
    assert paths(refused(tmp_path, "[debounce]\nquiet_s = 'x'\nmax_wait_s = 1\n" + LEAST)) == ["debounce.quiet_s"]
