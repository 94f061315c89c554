"""The settings as a receiver needs them."""

from pathlib import Path

import pytest

from consumer.receiver.needs import settings_of
from consumer.settings.load import SettingsError

BASE = """
[kafka]
security_protocol = "SASL_SSL"
sasl_mechanism = "SCRAM-SHA-512"
sasl_username = "receiver"
sasl_password = {{ env = "KAFKA_PASSWORD" }}
[notify]
url = {{ file = "/not/there/notify" }}
[receive]
{receive}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = {{ env = "NOT_SET" }} }}
makeas = {{ userId = "1", apiKey = {{ file = "/not/there/key" }}, listId = "7" }}
"""
SET = {"KAFKA_PASSWORD": "p", "RECEIVE": "a-secret-of-the-endpoint"}
SECRET = 'secret = { env = "RECEIVE" }'


def write(tmp_path: Path, receive: str) -> Path:
    path = tmp_path / "consumer.toml"
    path.write_text(BASE.format(receive=receive))
    return path


def test_no_key_of_sesamy_or_make_need_be_there(tmp_path: Path) -> None:
    settings = settings_of(write(tmp_path, SECRET), SET)

    assert settings.receive.secret is not None
    assert settings.receive.secret.read() == "a-secret-of-the-endpoint"
    assert [vendor.id for vendor in settings.vendors] == ["v"]


@pytest.mark.parametrize(
    ("receive", "environ", "path"),
    [
        ("", SET, "receive.secret"),
        (SECRET, {"KAFKA_PASSWORD": "p"}, "receive.secret"),
        (SECRET, {"RECEIVE": "x"}, "kafka.sasl_password"),
        ('second_secret = "x"', SET, "receive.second_secret"),
        (SECRET + "\nport = 8080", SET, "receive.port"),
        (SECRET + '\nheader = "Content-Type"', SET, "receive.header"),
        (SECRET + '\npath = "events"', SET, "receive.path"),
    ],
)
def test_what_it_lacks_is_said(tmp_path: Path, receive: str, environ: dict[str, str], path: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(write(tmp_path, receive), environ)
    assert [one.path for one in refused.value.findings] == [path]
    assert refused.value.status == 78


def test_a_port_that_is_the_pods_own_matters_only_where_something_is_received(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text(BASE.format(receive="port = 8080"))
    with pytest.raises(SettingsError) as refused:
        settings_of(path, SET)
    assert [one.path for one in refused.value.findings] == ["receive.secret"]


@pytest.mark.parametrize(
    ("vendors", "ids"),
    [
        ("", []),
        ('[[vendors]]\nid = "a"\n[[vendors]]\nid = "b"\n', ["a", "b"]),
        ('[[vendors]]\nid = "a"\nsesamy = 7\nmakeas = "x"\n', ["a"]),
    ],
)
def test_of_vendors_nothing_need_be_there_but_their_ids_and_they_need_not(tmp_path: Path, vendors: str, ids: list[str]) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text(f'[receive]\nsecret = "a-secret-of-the-endpoint"\n{vendors}')
    assert [one.id for one in settings_of(path, {}).vendors] == ids


def test_an_id_that_can_be_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text('[receive]\nsecret = "a-secret-of-the-endpoint"\n[[vendors]]\nid = ""\n')
    with pytest.raises(SettingsError) as refused:
        settings_of(path, {})
    assert [one.path for one in refused.value.findings] == ["vendors[0].id"]
