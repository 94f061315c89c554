"""TLS files that are not what they should be: found with the settings, named with a cure, asked nobody about, never quoted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as form

from consumer.settings import tls
from consumer.settings.load import SettingsError, load

CANARY = "canary-in-a-file"
BEGIN = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("ours", "other"):
        made = authority.issue_cert(f"{name}@example.com")
        (tmp_path / f"{name}.pem").write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    key = form.load_pem_private_key((tmp_path / "ours.key").read_bytes(), None)
    for name, kind in (("pkcs8", form.PrivateFormat.PKCS8), ("pkcs1", form.PrivateFormat.TraditionalOpenSSL)):
        text = key.private_bytes(form.Encoding.PEM, kind, form.BestAvailableEncryption(CANARY.encode()))
        (tmp_path / f"{name}.key").write_bytes(text)
    (tmp_path / "garbage").write_text(f"{BEGIN}{CANARY}\n{BEGIN.replace('BEGIN', 'END')}{CANARY}", encoding="utf-8")
    (tmp_path / "empty").write_text("", encoding="utf-8")
    return tmp_path


def context(folder: Path, *names: str) -> None:
    tls.context(*(str(folder / name) for name in names))


def test_good_files(folder: Path) -> None:
    context(folder, "ca.pem", "ours.pem", "ours.key")
    tls.context(str(folder / "ca.pem"), None, None)


@pytest.mark.parametrize(
    ("files", "setting", "cure"),
    [
        (("garbage", "ours.pem", "ours.key"), "kafka.ssl_cafile", "as PEM"),
        (("empty", "ours.pem", "ours.key"), "kafka.ssl_cafile", "as PEM"),
        (("nowhere", "ours.pem", "ours.key"), "kafka.ssl_cafile", "correct the path"),
        (("ca.pem", "garbage", "ours.key"), "kafka.ssl_certfile", "as PEM"),
        (("ca.pem", "ours.key", "ours.key"), "kafka.ssl_certfile", "as PEM"),
        (("ca.pem", "ours.pem", "other.key"), "kafka.ssl_keyfile", "the key of kafka.ssl_certfile"),
        (("ca.pem", "ours.pem", "pkcs8.key"), "kafka.ssl_keyfile", "openssl pkey"),
        (("ca.pem", "ours.pem", "pkcs1.key"), "kafka.ssl_keyfile", "openssl pkey"),
        (("ca.pem", "ours.pem", "empty"), "kafka.ssl_keyfile", "as PEM"),
        (("ca.pem", "ours.pem", "garbage"), "kafka.ssl_keyfile", "as PEM"),
        (("ca.pem", "ours.pem", "nowhere"), "kafka.ssl_keyfile", "correct the path"),
    ],
)
def test_each_bad_file_is_named_with_its_cure(folder: Path, files: tuple[str, ...], setting: str, cure: str) -> None:
    with pytest.raises(tls.Unusable) as caught:
        context(folder, *files)

    assert (caught.value.setting, cure in caught.value.cure) == (setting, True), caught.value
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_command_ends_with_78_and_asks_nobody(folder: Path, command: str) -> None:
    """An encrypted key is a finding of the settings; no terminal is asked for its password."""
    config = folder / "consumer.toml"
    config.write_text(
        "[kafka]\nsecurity_protocol = 'SSL'\n"
        f"ssl_cafile = '{folder}/ca.pem'\nssl_certfile = '{folder}/ours.pem'\nssl_keyfile = '{folder}/pkcs8.key'\n"
        "[[vendors]]\nid = 'v'\nsesamy = { client_id = 'c', client_secret = 's' }\n"
        "makeas = { userId = '1', apiKey = 'k', listId = '2' }\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "consumer", command, "--config", str(config)]
    done = subprocess.run(words, env=os.environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr

    assert done.returncode == 78, said
    assert "kafka.ssl_keyfile" in said
    assert "openssl pkey" in said
    assert "pass phrase" not in said


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(folder: Path, kind: str, which: int) -> None:
    """A pipe that nobody writes would hold the whole program up, at its start or when it connects anew."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    names, settings = ["ca.pem", "ours.pem", "ours.key"], ["kafka.ssl_cafile", "kafka.ssl_certfile", "kafka.ssl_keyfile"]
    names[which] = kind
    with pytest.raises(tls.Unusable) as caught:
        context(folder, *names)

    assert (caught.value.setting, caught.value.what) == (settings[which], "what it names is no regular file")
    assert "link to one" in caught.value.cure


def test_links_to_files_are_read(folder: Path) -> None:
    for name in ("ca.pem", "ours.pem", "ours.key"):
        (folder / f"link-{name}").symlink_to(name)
    context(folder, "link-ca.pem", "link-ours.pem", "link-ours.key")


def test_a_pipe_is_a_finding_of_the_settings(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    config = folder / "consumer.toml"
    config.write_text(
        f"[kafka]\nsecurity_protocol = 'SSL'\nssl_cafile = '{folder}/pipe'\n"
        "[[vendors]]\nid = 'v'\nsesamy = { client_id = 'c', client_secret = 's' }\nmakeas = { userId = '1', apiKey = 'k', listId = '2' }\n",
        encoding="utf-8",
    )
    with pytest.raises(SettingsError) as caught:
        load(config, {})

    assert [(one.path, one.what) for one in caught.value.findings] == [("kafka.ssl_cafile", "what it names is no regular file")]
