"""What `check` says of settings without asking anybody."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from consumer.commands.check.offline import exit_status, offline
from consumer.pod import membership
from consumer.settings.findings import Finding, fine, warning, wrong
from consumer.settings.rules import HAND_OVER_S

ONE: Final = """
[[vendors]]
id = "{id}"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = {{ userId = "1", apiKey = {key}, listId = "2" }}
"""


def said(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> list[Finding]:
    path = tmp_path / "consumer.toml"
    path.write_text(text)
    path.chmod(0o600)
    return offline(path, environ or {})[1]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [((), 0), ((69,), 69), ((69, 77), 77), ((77, 69, 78), 78), ((78,), 78)],
)
def test_the_gravest_status_wins(statuses: tuple[int, ...], expected: int) -> None:
    findings = [fine("a", "b"), warning("a", "b", "c"), *(wrong("a", "b", "c", status) for status in statuses)]

    assert exit_status(findings) == expected


def test_good_settings_are_said_to_be_fine(tmp_path: Path) -> None:
    (finding,) = said(tmp_path, ONE.format(id="v", key="'k'"))

    assert (finding.level, finding.what) == ("fine", "vendors: 1, accounts: 1")


def test_unusable_settings_are_findings(tmp_path: Path) -> None:
    assert offline(tmp_path / "none.toml", {})[0] is None
    assert [finding.status for finding in offline(tmp_path / "none.toml", {})[1]] == [78]


def test_two_vendors_that_write_to_one_account(tmp_path: Path) -> None:
    text = ONE.format(id="a", key="'k'") + ONE.format(id="b", key="'k'") + ONE.format(id="c", key="'other'")
    _, finding, keys = said(tmp_path, text)

    assert (finding.level, finding.path) == ("warning", "vendors[1].makeas")
    assert "vendors[0]" in finding.what
    assert (keys.level, keys.path) == ("warning", "vendors[2].makeas[0]"), "it is written with another key"
    assert "another apiKey for the userId of vendors[0].makeas[0]" in keys.what


def test_a_misspelt_variable_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text(ONE.format(id="a", key="'k'"))
    path.chmod(0o600)
    _, finding = offline(path, {"KAFKA_TOPICS": "x"})[1]

    assert (finding.level, finding.path, "KAFKA_TOPIC (" in finding.cure) == ("warning", "KAFKA_TOPICS (environment)", True)


@pytest.mark.parametrize(("key", "mode", "warned"), [("'k'", 0o644, True), ("'k'", 0o640, False), ("{ env = 'KEY' }", 0o644, False)])
def test_settings_with_secrets_in_them_that_everyone_can_read(tmp_path: Path, key: str, mode: int, warned: bool) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text(ONE.format(id="a", key=key).replace('client_secret = "s"', f"client_secret = {key}"))
    path.chmod(mode)
    found = [one for one in offline(path, {"KEY": "k"})[1] if one.level == "warning"]

    assert [one.path for one in found] == [str(path)] * warned
    assert exit_status(found) == 0


def test_who_may_have_left_is_not_added_without_a_word(tmp_path: Path) -> None:
    text = '[makeas]\nunreadable_status = "add"\n' + ONE.format(id="a", key="'k'")
    assert [one.path for one in said(tmp_path, text) if one.level == "warning"] == ["makeas.unreadable_status"]


def test_that_addresses_hide_who_opted_out_is_not_believed_without_a_word(tmp_path: Path) -> None:
    text = '[makeas]\nopted_out = "hidden"\n' + ONE.format(id="a", key="'k'")
    (found,) = [one for one in said(tmp_path, text) if one.level == "warning"]

    assert (found.path, "two calls a list more" in found.what) == ("makeas.opted_out", True)


def test_a_byte_order_mark_before_the_settings_does_no_harm(tmp_path: Path) -> None:
    (finding,) = said(tmp_path, "\ufeff" + ONE.format(id="v", key="'k'"))
    assert finding.level == "fine"


@pytest.mark.parametrize(
    ("rate", "shared", "warned"),
    [("5.0", "true", False), ("1.0", "true", False), ("0.5", "true", True), ("2.0", "false", False), ("1.0", "false", True)],
)
def test_a_rate_of_which_a_pods_share_is_small(tmp_path: Path, rate: str, shared: str, warned: bool) -> None:
    text = f"[makeas]\nrequests_per_second = {rate}\nrows_shared = {shared}\n" + ONE.format(id="a", key="'k'")
    found = [one for one in said(tmp_path, text) if one.level == "warning"]

    assert [one.path for one in found] == ["makeas.requests_per_second"] * warned
    assert not warned or "every 32 s" in found[0].what


@pytest.mark.parametrize(("mode", "warned"), [(0o644, 1), (0o640, 0), (0o600, 0)])
def test_a_secret_that_everyone_can_read(tmp_path: Path, mode: int, warned: int) -> None:
    key = tmp_path / "key"
    key.write_text("k")
    key.chmod(mode)
    findings = said(tmp_path, ONE.format(id="a", key=f"{{ file = '{key}' }}"))

    assert [finding.path for finding in findings if finding.level == "warning"] == ["vendors[0].makeas[0].apiKey"] * warned


def test_an_address_for_notices_that_everyone_can_read(tmp_path: Path) -> None:
    """It may hold a token."""
    url = tmp_path / "url"
    url.write_text("https://hooks.example/x")
    url.chmod(0o644)
    findings = said(tmp_path, f"[notify]\nurl = {{ file = '{url}' }}\n" + ONE.format(id="a", key="'k'"))

    assert [finding.path for finding in findings if finding.level == "warning"] == ["notify.url"]


@pytest.mark.parametrize(
    ("environ", "settings", "named"),
    [
        ({"HTTPS_PROXY": "http://u:canary@p"}, "", ["HTTPS_PROXY"]),
        ({"https_proxy": "http://p", "ALL_PROXY": "http://p", "HTTP_PROXY": ""}, "", ["ALL_PROXY, https_proxy"]),
        ({"NO_PROXY": "*"}, "", []),
        ({"HTTPS_PROXY": "http://p"}, "[http]\nproxy = 'http://p:3128'\n", []),
    ],
)
def test_a_proxy_of_the_environment_is_said_not_to_be_used(
    tmp_path: Path, environ: dict[str, str], settings: str, named: list[str]
) -> None:
    findings = [one for one in said(tmp_path, settings + ONE.format(id="a", key="'k'"), environ) if one.level == "warning"]

    assert [(one.path, one.what) for one in findings] == [
        ("http.proxy", f"none, and {names} in the environment is not used") for names in named
    ]


@pytest.mark.parametrize(("server", "mechanism", "warned"), [("b:1", "PLAIN", 1), ("127.0.0.1:1", "PLAIN", 0), ("b:1", "SCRAM-SHA-256", 0)])
def test_a_password_in_clear_on_the_network(tmp_path: Path, server: str, mechanism: str, warned: int) -> None:
    kafka = f"bootstrap_servers = ['{server}']\nsecurity_protocol = 'SASL_PLAINTEXT'\nsasl_mechanism = '{mechanism}'\n"
    findings = said(tmp_path, f"[kafka]\n{kafka}sasl_username = 'u'\nsasl_password = 'p'\n" + ONE.format(id="a", key="'k'"))

    assert [finding.path for finding in findings if finding.level == "warning"] == ["kafka.security_protocol"] * warned


@pytest.mark.parametrize(
    ("rebalance_s", "drain_s", "session_s", "warned"),
    [(60, 20, 30, 0), (30, 20, 6, 0), (28, 20, 10, 0), (27.9, 20, 10, 1), (31, 30, 30, 1), (60, 52, 30, 0), (60, 53, 30, 1)],
)
def test_a_rebalance_that_may_outrun_our_runs(tmp_path: Path, rebalance_s: float, drain_s: float, session_s: float, warned: int) -> None:
    text = f"[kafka]\nrebalance_timeout_s = {rebalance_s}\nsession_timeout_s = {session_s}\n[workers]\ndrain_s = {drain_s}\n"
    findings = said(tmp_path, text + ONE.format(id="a", key="'k'"))

    assert [finding.path for finding in findings if finding.level == "warning"] == ["kafka.rebalance_timeout_s"] * warned


def test_a_hand_over_takes_what_is_said() -> None:
    """A heartbeat's interval (`kafka.joined`), and the commit before the drain."""
    assert membership._COMMIT_LIMIT_S + 3 == HAND_OVER_S


def test_resyncing_unknown_types_is_warned_of(tmp_path: Path) -> None:
    text = '[kafka]\nunknown_types = "{}"\n' + ONE.format(id="a", key="'k'").replace("{", "{{").replace("}", "}}")

    assert [one.path for one in said(tmp_path, text.format("resync")) if one.level == "warning"] == ["kafka.unknown_types"]
    assert [one.path for one in said(tmp_path, text.format("ignore")) if one.level == "warning"] == []


def test_what_is_paused_is_a_warning_each_with_what_follows_once_it_is_not(tmp_path: Path) -> None:
    text = ONE.format(id="v", key="'k'").replace('listId = "2"', 'listId = "2", paused = true') + "paused = true\n"
    _, vendor, one = said(tmp_path, text)

    assert [(found.level, found.path) for found in (vendor, one)] == [
        ("warning", "vendors[0].paused"),
        ("warning", "vendors[0].makeas[0].paused"),
    ]
    assert "is written then" in vendor.cure


# ---- A receiver's ----

RECEIVER: Final = """
[kafka]
unknown_types = "resync"
[receive]
{secret}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = {{ file = "/not/there" }} }}
makeas = {{ userId = "1", apiKey = {{ env = "NOT_SET" }}, listId = "2" }}
"""


def of_a_receiver(tmp_path: Path, secret: str) -> list[tuple[str, str, int]]:
    path = tmp_path / "receiver.toml"
    path.write_text(RECEIVER.format(secret=secret))
    path.chmod(0o600)
    return [(one.level, one.path, one.status) for one in offline(path, {}, "receive")[1] if one.level != "fine"]


def test_a_receiver_needs_no_key_and_hears_nothing_of_what_it_does_not_do(tmp_path: Path) -> None:
    assert of_a_receiver(tmp_path, 'secret = "0123456789abcdef0123456789abcdef"') == []
    keys = [finding.place for finding in said(tmp_path, RECEIVER.format(secret='secret = "s"')) if finding.status == 78]
    assert len(keys) == 2, "a pod needs both"


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("", ("error", "receive.secret", 78)),
        ('secret = "short"', ("warning", "receive.secret", 0)),
        ('secret = "0123456789abcdef"\nsecond_secret = "short"', ("warning", "receive.second_secret", 0)),
    ],
)
def test_the_secret_of_a_webhook_is_there_and_long(tmp_path: Path, secret: str, expected: tuple[str, str, int]) -> None:
    assert of_a_receiver(tmp_path, secret) == [expected]


# ---- Beside an error ----


def test_what_is_unwise_is_said_beside_what_is_wrong(tmp_path: Path) -> None:
    """Nobody corrects the settings twice: a value that is wrong hides no hint about another."""
    rows = '{ userId = "1", apiKey = "…", listId = "2" }, { userId = "1", apiKey = "k2", listId = "3" }, { userId = "9", listId = "4" }'
    text = f'[kafka]\ntopic = "odd name"\n[[vendors]]\nid = "v"\nsesamy = {{ client_id = "…", client_secret = "s" }}\nmakeas = [ {rows} ]\n'

    assert [(one.level, one.path) for one in said(tmp_path, text, {"KAFKA_TOPICS": "t", "HTTPS_PROXY": "http://p"})] == [
        ("error", "kafka.topic"),
        ("error", "vendors[0].makeas[2].apiKey"),
        ("error", "vendors[0].sesamy.client_id"),
        ("error", "vendors[0].makeas[0].apiKey"),
        ("warning", "vendors[0].makeas[1]"),
        ("warning", "KAFKA_TOPICS (environment)"),
        ("warning", "http.proxy"),
    ]


def test_nothing_is_advised_of_a_value_that_could_not_be_read(tmp_path: Path) -> None:
    text = ONE.format(id="v", key="'k'") + '[kafka]\nrebalance_timeout_s = 25\nsession_timeout_s = 10\n[workers]\ndrain_s = "x"\n'

    assert [one.path for one in said(tmp_path, text)] == ["workers.drain_s"]


def test_of_a_receiver_all_is_said_at_once_too(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text('[kafka]\ntopic = "odd name"\n[receive]\nport = 70000\n')
    path.chmod(0o600)

    found = offline(path, {"KAFKA_TOPICS": "t"}, "receive")[1]
    assert [one.path for one in found] == ["kafka.topic", "receive.port", "KAFKA_TOPICS (environment)", "receive.secret"]
