"""Settings: what is taken, what is refused, and what nobody may see."""

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest

from consumer.settings.findings import Finding
from consumer.settings.load import SettingsError, load
from consumer.settings.model import Settings
from tests.generated.settings_table import README, block, fresh

CANARY: Final = "hunter2-canary"
LEAST: Final = """
[[vendors]]
id = "vendor_123"
sesamy = { client_id = "cid", client_secret = "s3" }
makeas = { userId = "1001", apiKey = "k1", listId = "1466" }
"""


def read(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    path = tmp_path / "consumer.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {})


def refused(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, environ)
    assert caught.value.status == 78
    return caught.value.findings


def paths(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.path for finding in findings]


def with_vendor(makeas: str, *, vendor: str = "v") -> str:
    return f'[[vendors]]\nid = "{vendor}"\nsesamy = {{ client_id = "c", client_secret = "s" }}\nmakeas = {makeas}\n'


# ---- What is taken ----


def test_the_least_file_gives_the_documented_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, LEAST)

    assert (
        settings.kafka.topic,
        settings.kafka.group_id,
        settings.kafka.start_at,
        settings.kafka.security_protocol,
    ) == ("sesamy.events", "sesamy-makeas", "earliest", "PLAINTEXT")
    assert (settings.debounce.quiet_s, settings.debounce.max_wait_s) == (2.0, 30.0)
    assert (
        settings.workers.concurrency,
        settings.workers.max_attempts,
        settings.workers.max_dirty_users,
        settings.workers.drain_s,
    ) == (32, 8, 250_000, 20.0)
    assert (settings.sesamy.requests_per_minute, settings.sesamy.burst) == (100, 200)
    assert (settings.makeas.requests_per_second, settings.makeas.burst, settings.makeas.max_in_flight) == (5.0, 10, 16)
    assert (settings.admin.host, settings.admin.port) == ("0.0.0.0", 8080)


@pytest.mark.parametrize(
    ("text", "environ", "said"), [('"auto"', {}, "auto"), ("12.5", {"SESAMY_REQUESTS_PER_MINUTE": "auto"}, "auto"), ("12.5", {}, 12.5)]
)
def test_sesamys_limit_may_be_left_to_its_answers(tmp_path: Path, text: str, environ: dict[str, str], said: object) -> None:
    assert read(tmp_path, f"[sesamy]\nrequests_per_minute = {text}\n" + LEAST, environ).sesamy.requests_per_minute == said


@pytest.mark.parametrize("text", ['"fast"', '"100"', "0", "1000001", "nan", '"AUTO"'])
def test_any_other_limit_is_refused_and_what_it_may_be_is_said(tmp_path: Path, text: str) -> None:
    (found,) = refused(tmp_path, f"[sesamy]\nrequests_per_minute = {text}\n" + LEAST)
    assert found.path == "sesamy.requests_per_minute"
    assert (found.what, found.cure) == ('expected a number above 0, at most 1,000,000, or "auto"', "correct it, or remove it")


def test_a_credential_set_or_an_array_of_them(tmp_path: Path) -> None:
    one = read(tmp_path, with_vendor('{ userId = "1", apiKey = "k", listId = "2" }'))
    two = read(tmp_path, with_vendor('[{ userId = "1", apiKey = "k", listId = "2" }, { userId = "1", apiKey = "k", listId = "3" }]'))

    assert [row.list_id for row in one.vendors[0].makeas] == ["2"]
    assert [row.list_id for row in two.vendors[0].makeas] == ["2", "3"]


def test_the_environment_wins(tmp_path: Path) -> None:
    environ = {
        "KAFKA_TOPIC": "other",
        "KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2",
        "DEBOUNCE_QUIET_S": "0.5",
        "WORKERS_MAX_DIRTY_USERS": "7",
        "KAFKA_START_AT": "latest",
        "KAFKA_UNHEARD_OF": "x",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "u",
        "KAFKA_SASL_PASSWORD": " pw ",
    }
    settings = read(tmp_path, "[kafka]\ntopic = 'file'\n" + LEAST, environ)

    assert (settings.kafka.topic, settings.kafka.bootstrap_servers, settings.kafka.start_at) == ("other", ("a:1", "b:2"), "latest")
    assert (settings.debounce.quiet_s, settings.workers.max_dirty_users) == (0.5, 7)
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.read() == "pw"


@pytest.mark.parametrize(("text", "kept"), [("", True), ("[makeas]\nkeep_single_purchase = false\n", False)])
@pytest.mark.parametrize(("variable", "then"), [(None, None), ("false", False), ("true", True), ("0", False)])
def test_what_is_bought_once_is_kept_unless_the_settings_say_no(
    tmp_path: Path, text: str, kept: bool, variable: str | None, then: bool | None
) -> None:
    settings = read(tmp_path, text + LEAST, {} if variable is None else {"MAKEAS_KEEP_SINGLE_PURCHASE": variable})

    assert settings.makeas.keep_single_purchase is (kept if then is None else then)


def test_every_scalar_has_its_variable(tmp_path: Path) -> None:
    """An unusable value in a variable is found for each setting that is no list of tables and no free text."""
    for section in ("debounce", "workers", "sesamy", "makeas", "admin"):
        of = next(field.type for field in msgspec.structs.fields(Settings) if field.name == section)
        for field in msgspec.structs.fields(of):
            name = f"{section}_{field.name}".upper()
            assert f"{name} (environment)" in paths(refused(tmp_path, LEAST, {name: ""})), name


# ---- What is refused ----


def test_hints_stand_beside_what_is_to_correct(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text('[kafka]\ntopic = "odd name"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load(path, {"KAFKA_TOPICS": "t"})

    head, *_, last = str(refused.value).splitlines()
    assert head == "settings: 2 to correct"
    assert last == "beside that: KAFKA_TOPICS (environment): is no setting, and is passed over; did you mean KAFKA_TOPIC (kafka.topic)?"


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    text = """
[kafka]
topci = "x"
start_at = "middle"
[debounce]
quiet_s = -1
[workers]
concurrency = "many"
drain_s = true
[shelf]
[[vendors]]
id = ""
sesamy = { client_id = "c" }
makeas = []
"""
    findings = refused(tmp_path, text)

    assert {
        "shelf",
        "kafka.topci",
        "kafka.start_at",
        "debounce.quiet_s",
        "workers.concurrency",
        "workers.drain_s",
        "vendors[0].id",
        "vendors[0].sesamy.client_secret",
        "vendors[0].makeas",
    } == set(paths(findings))
    assert all(finding.what and finding.cure and finding.status == 78 for finding in findings)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("topci", "topic"), ("bootstrap_server", "bootstrap_servers"), ("deadletter_topic", "dead_letter_topic")],
)
def test_a_typo_names_what_was_meant(tmp_path: Path, key: str, meant: str) -> None:
    (finding,) = refused(tmp_path, f"[kafka]\n{key} = 'x'\n" + LEAST)

    assert finding.cure == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("[debounce]\nmax_wait_s = inf", "debounce.max_wait_s"),
        ("[debounce]\nquiet_s = nan", "debounce.quiet_s"),
        ("[debounce]\nquiet_s = 0", "debounce.quiet_s"),
        ("[debounce]\nquiet_s = true", "debounce.quiet_s"),
        ("[debounce]\nquiet_s = '2'", "debounce.quiet_s"),
        ("[debounce]\nquiet_s = 40", "debounce.max_wait_s"),
        ("[workers]\nconcurrency = 1.5", "workers.concurrency"),
        ("[workers]\nconcurrency = 0", "workers.concurrency"),
        ("[workers]\nmax_attempts = false", "workers.max_attempts"),
        ("[workers]\nbackoff_s = 61", "workers.backoff_max_s"),
        ("[workers]\ndrain_s = 60", "kafka.rebalance_timeout_s"),
        ("[kafka]\nrebalance_timeout_s = 30", "kafka.rebalance_timeout_s"),
        ("[kafka]\ntopic = 'a b'", "kafka.topic"),
        ("[kafka]\ntopic = '..'", "kafka.topic"),
        ("[kafka]\ntopic = ''", "kafka.topic"),
        ("[kafka]\ntopic = 'sesamy.events.dead-letter'", "kafka.dead_letter_topic"),
        ("[kafka]\nbootstrap_servers = []", "kafka.bootstrap_servers"),
        ("[kafka]\nbootstrap_servers = 'localhost:9092'", "kafka.bootstrap_servers"),
        ("[kafka]\nbootstrap_servers = ['localhost']", "kafka.bootstrap_servers"),
        ("[kafka]\nbootstrap_servers = ['localhost:70000']", "kafka.bootstrap_servers[0]"),
        ("[kafka]\nsecurity_protocol = 'sasl_ssl'", "kafka.security_protocol"),
        ("[kafka]\nsasl_username = 'u'", "kafka.sasl_username"),
        ("[kafka]\nssl_cafile = '/etc/hostname'", "kafka.ssl_cafile"),
        ("[kafka]\nsecurity_protocol = 'SSL'\nssl_cafile = '/nowhere/ca.pem'", "kafka.ssl_cafile"),
        ("[kafka]\nsecurity_protocol = 'SSL'\nssl_certfile = '/etc/hostname'", "kafka.ssl_keyfile"),
        ("[sesamy]\nburst = 2", "sesamy.burst"),
        ("[makeas]\nburst = 3", "makeas.burst"),
        ("[makeas]\nbase_url = 'http://make.example'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://u:p@make.example'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://make.example/?a=b'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://make.example/#x'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://169.254.169.254/v2'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'make.example'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://make.example:port/'", "makeas.base_url"),
        ("[makeas]\nbase_url = 'https://[::1'", "makeas.base_url"),
        ("[http]\nproxy = 'https://u:p@proxy.example'", "http.proxy"),
        ("[http]\nproxy = 'http://proxy.example/?a=b'", "http.proxy"),
        ("[http]\nproxy = 'http://169.254.169.254:3128'", "http.proxy"),
        ("[http]\nproxy = 'proxy.example:3128'", "http.proxy"),
        ("[http]\nproxy = 'socks5://proxy.example'", "http.proxy"),
        ("[http]\nproxy = ''", "http.proxy"),
        ("[admin]\nport = 65536", "admin.port"),
        ("[admin]\nport = -1", "admin.port"),
        ("kafka = 3", "kafka"),
        ("[debounce]\nquiet_s = 1" + "0" * 400, "debounce.quiet_s"),
    ],
)
def test_one_wrong_value_is_one_finding(tmp_path: Path, line: str, path: str) -> None:
    assert [path] == paths(refused(tmp_path, f"{line}\n{LEAST}"))


@pytest.mark.parametrize("value", ["http://u:p@proxy.example:3128", "http://proxy.example", ""])
def test_the_environments_proxy_is_not_the_settings(tmp_path: Path, value: str) -> None:
    """`HTTP_PROXY` is other programs', though it is the name that the setting's variable would have."""
    assert read(tmp_path, LEAST, {"HTTP_PROXY": value}).http.proxy is None


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="name the file with --config FILE"):
            load(path, {})


def test_a_file_that_is_no_text_or_nests_without_end(tmp_path: Path) -> None:
    for content in (b"\xff\xfe", b"x = " + b"[" * 100_000):
        (tmp_path / "consumer.toml").write_bytes(content)
        with pytest.raises(SettingsError, match=r"not UTF-8|not TOML"):
            load(tmp_path / "consumer.toml", {})


def test_a_syntax_error_is_named_by_its_place_alone(tmp_path: Path) -> None:
    (finding,) = refused(tmp_path, f"a = 1\nb = '{CANARY}' x")

    assert finding.what == f"not TOML: line 2, column {len(CANARY) + 8}"


def test_a_service_link_of_kubernetes_is_told_as_such(tmp_path: Path) -> None:
    (finding,) = refused(tmp_path, LEAST, {"ADMIN_PORT": "tcp://10.0.0.1:8080"})

    assert "enableServiceLinks" in finding.cure


# ---- Secrets ----


def test_a_secret_comes_from_text_variable_or_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(" from-file\n")
    sources = {f'{{ file = "{file}" }}': "from-file", '{ env = "MAKE_KEY" }': "from-env", '" text "': "text"}

    for source, text in sources.items():
        settings = read(tmp_path, with_vendor(f'{{ userId = "1", apiKey = {source}, listId = "2" }}'), {"MAKE_KEY": "from-env "})
        assert settings.accounts[0].api_key.read() == text


def test_a_secret_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    for source in (
        "''",
        "{ env = 'NONE' }",
        "{ env = 'EMPTY' }",
        "{ env = 3 }",
        "{}",
        "{ env = 'A', file = 'B' }",
        "{ vault = 'A' }",
        "3",
        "{ file = '/nowhere/x' }",
        "{ file = '/' }",
        '{ file = "a\\u0000b" }',
        *(f"{{ file = '{tmp_path / name}' }}" for name in ("empty", "binary", "huge")),
    ):
        findings = refused(tmp_path, with_vendor(f'{{ userId = "1", apiKey = {source}, listId = "2" }}'), {"EMPTY": " "})
        assert paths(findings) == ["vendors[0].makeas[0].apiKey"], source


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (b"\xef\xbb\xbfkey", "byte order mark"),
        (b"ke\0y", "NUL"),
        (b"key\nother", "line break"),
        (b"key\r\nother", "line break"),
        (b"ke\xffy", "not UTF-8"),
        ("ke\u200by".encode(), "can not be seen"),
    ],
)
def test_a_secret_with_what_no_eye_sees_is_a_finding(secret: bytes, said: str, tmp_path: Path) -> None:
    """From a file, a variable or the settings themselves: an upstream would only say that it is wrong."""
    (tmp_path / "key").write_bytes(secret)
    text = secret.decode(errors="surrogateescape")
    sources = ["{ env = 'KEY' }", f"{{ file = '{tmp_path / 'key'}' }}"]
    if "\udcff" not in text:
        sources.append(json.dumps(text))
    for source in sources:
        (finding,) = refused(tmp_path, with_vendor(f'{{ userId = "1", apiKey = {source}, listId = "2" }}'), {"KEY": text})
        assert (finding.path, finding.status) == ("vendors[0].makeas[0].apiKey", 78)
        assert said in finding.what
        assert "key" not in finding.what.removesuffix("the key")


_VENDOR: Final = """[[vendors]]
id = {id}
sesamy = {{ client_id = 'c', client_secret = {secret}, {more} }}
makeas = {{ userId = '{user}', apiKey = {key}, listId = '{list}' }}
"""
_PLACES: Final = [
    "x = {c}",
    "{c} = 1",
    "x = '{c}",
    "x = '''{c}",
    "[{c}",
    "[kafka]\n'{c}' = 1",
    "'{c}' = 1\n'{c}' = 1",
    "[kafka]\ntopic = ['{c}']",
    "[kafka]\ntopic = '{c} {c}'",
    "[kafka]\nstart_at = '{c}'",
    "[kafka]\nsecurity_protocol = '{c}'",
    "[kafka]\nsasl_mechanism = '{c}'",
    "[kafka]\nsasl_password = '{c}'",
    "[kafka]\nsasl_password = [ '{c}' ]",
    "[kafka]\nbootstrap_servers = '{c}'",
    "[kafka]\nbootstrap_servers = ['{c}']",
    "[kafka]\nssl_cafile = '{c}'",
    "[debounce]\nquiet_s = '{c}'",
    "[makeas]\nbase_url = 'https://u:{c}@host'",
    "[makeas]\nbase_url = '{c}'",
    "[http]\nproxy = 'https://u:{c}@host'",
    "[http]\nproxy = '{c}'",
    "kafka = '{c}'",
    "vendors = '{c}'",
    "vendors = ['{c}']",
    *(_VENDOR.format(id="'v'", more=more, secret="'s'", user="1", key="'k'", list="2") for more in ("'{c}' = 1", "scope = ['{c}']")),
    *(
        _VENDOR.format(id="['{c}']", more="scope = 'x'", secret=secret, user="a b{c}", key=key, list="{c}")
        for key in ("'{c}'", "['{c}']", "{ env = '{c}' }", "{ file = '{c}' }", "{ '{c}' = '{c}' }", "{ env = ['{c}'] }")
        for secret in ("'{c}'", "{ env = '{c}' }")
    ),
]  # fmt: skip


@pytest.mark.parametrize("place", _PLACES)
def test_no_finding_quotes_what_may_be_a_secret(tmp_path: Path, place: str) -> None:
    """In every place of a broken file: neither the findings, nor the error, its pickle or its traceback show it."""
    path = tmp_path / "consumer.toml"
    path.write_text(place.replace("{c}", CANARY), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, {"DEBOUNCE_QUIET_S": CANARY, "KAFKA_GROUP_ID": "", "ADMIN_PORT": CANARY})

    error = caught.value
    shown = [
        repr(error),
        str(error),
        repr(error.findings),
        msgspec.json.encode(error.findings).decode(),
        *traceback.format_exception(error),
    ]
    while error is not None:
        assert CANARY not in repr(error.args)
        error = error.__context__ if not error.__suppress_context__ else None  # type: ignore[assignment]
    assert not [text for text in shown if CANARY in text]


# ---- README ----


def test_the_readme_has_every_setting_as_it_is() -> None:
    """`make generated` writes it anew."""
    text = README.read_text(encoding="utf-8")

    assert text == fresh(text)
    assert "`debounce.quiet_s`" in block()
    assert block().count("\n| `") == 71
