"""Each promise of a secret, and of the addresses to which one is sent."""

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.settings.load import SettingsError, load
from consumer.settings.model import KafkaSettings, Settings
from consumer.settings.rules import is_loopback, tight_times
from consumer.settings.secret import Secret, SecretError
from tests.unit.settings.test_load import CANARY

VENDOR = "[[vendors]]\nid = 'v'\nsesamy = { client_id = 'c', client_secret = 's' }\nmakeas = { userId = '1', apiKey = 'k', listId = '2' }\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text + VENDOR, encoding="utf-8")
    return file


def read(folder: Path, text: str) -> Settings:
    return load(written(folder, text), {})


def said(folder: Path, text: str) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    return [(one.path, one.what) for one in caught.value.findings]


# ---- Equal by source ----


def test_a_key_that_changes_in_its_file_is_the_same_secret(tmp_path: Path) -> None:
    """Else a rotated key would be another account, with letters of its own."""
    file = tmp_path / "key"
    file.write_text("old")
    before, after = Secret("file", str(file)), Secret("file", str(file))
    before.read()
    file.write_text("newer")
    after.read()

    assert (before == after, hash(before) == hash(after), {before: 1}[after]) == (True, True, 1)


def test_two_files_with_one_text_are_two_secrets(tmp_path: Path) -> None:
    secrets = []
    for name in ("one", "other"):
        (tmp_path / name).write_text("same")
        secrets.append(Secret("file", str(tmp_path / name)))
    assert [one.read() for one in secrets] == ["same", "same"]
    assert secrets[0] != secrets[1]


def test_a_variable_is_the_same_whatever_stands_in_it_and_no_file_nor_text_of_its_name() -> None:
    assert Secret("env", "KEY", text="old") == Secret("env", "KEY", text="new")
    assert len({Secret("env", "KEY", text="k"), Secret("file", "KEY"), Secret("text", "KEY"), Secret("env", "OTHER", text="k")}) == 4
    assert Secret("text", "k") == Secret("text", "k")
    assert Secret("text", "k") != "k"


def test_where_it_comes_from_is_said_without_it() -> None:
    sources = [Secret("text", "canary").source, Secret("env", "KEY", text="canary").source, Secret("file", "/path").source]
    assert sources == ["text", "env KEY", "file /path"]


# ---- Read again ----


def test_after_a_refusal_a_file_is_read_once_and_then_only_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    secret, stat = Secret("file", str(file)), file.stat()

    def swap(text: str) -> None:
        """Change what is in the file, and nothing that shows outside."""
        file.write_text(text)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert secret.read() == "one"
    secret.expire()
    swap("two")
    assert secret.read() == "two"
    swap("six")
    assert secret.read() == "two"


@pytest.mark.parametrize("text", [b"", b" \n", b"\xff\xfe", b"x" * 70_000, b"ke\0y"])
def test_a_file_that_becomes_unusable_leaves_the_last_text_and_is_looked_at_again(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    secret = Secret("file", str(file))
    assert secret.read() == "old"
    file.write_bytes(text)
    assert secret.read() == "old"
    file.write_text("renewed")
    assert secret.read() == "renewed"


def test_what_could_not_be_read_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"canary\xff")
    with pytest.raises(SecretError) as caught:
        Secret("file", str(tmp_path / "key")).read()
    assert (str(caught.value), caught.value.__cause__, caught.value.__suppress_context__) == ("not UTF-8", None, True)


# ---- To whom it is sent ----


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("make.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("evillocalhost", False),
        ("evil-localhost", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("126.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, *, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(("section", "name"), [("makeas", "base_url"), ("sesamy", "base_url"), ("sesamy", "token_url")])
@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://evillocalhost/v2", "not https"),
        ("http://make.example/v2", "not https"),
        ("https://u:p@make.example/v2", "holds a user or password"),
        ("https://make.example/v2?key=1", "holds a query or fragment"),
        ("https://make.example/v2#x", "holds a query or fragment"),
        ("https://169.254.169.254/v2", "a link-local address"),
        ("https://[fe80::1]/v2", "a link-local address"),
        ("ftp://make.example/v2", "not a URL"),
        ("https:///v2", "not a URL"),
        ("https://make.example:port/v2", "not a URL"),
    ],
)
def test_each_address_is_refused_for_what_is_wrong_with_it(section: str, name: str, url: str, what: str, tmp_path: Path) -> None:
    assert said(tmp_path, f"[{section}]\n{name} = '{url}'\n") == [(f"{section}.{name}", what)]


# ---- Times that must fit ----


@pytest.mark.parametrize(("rebalance_s", "fits"), [(19, False), (20, False), (21, True)])
@pytest.mark.parametrize("other", ["workers.drain_s", "kafka.session_timeout_s"])
def test_a_rebalance_lasts_longer_than_a_drain_and_than_a_session(rebalance_s: int, other: str, tmp_path: Path, *, fits: bool) -> None:
    drain_s, session_s = (20, 10) if other == "workers.drain_s" else (10, 20)
    text = f"[kafka]\nrebalance_timeout_s = {rebalance_s}\nsession_timeout_s = {session_s}\n[workers]\ndrain_s = {drain_s}\n"
    if fits:
        assert read(tmp_path, text).kafka.rebalance_timeout_s == rebalance_s
    else:
        assert said(tmp_path, text) == [("kafka.rebalance_timeout_s", f"not above {other}")]


@pytest.mark.parametrize(("rebalance_s", "paths"), [(27.9, ["kafka.rebalance_timeout_s"]), (28, [])])
def test_less_than_eight_seconds_beside_the_drain_are_said_to_be_tight(rebalance_s: float, paths: list[str], tmp_path: Path) -> None:
    settings = read(tmp_path, f"[kafka]\nrebalance_timeout_s = {rebalance_s}\nsession_timeout_s = 10\n[workers]\ndrain_s = 20\n")
    found = list(tight_times(settings.kafka, settings.workers))
    assert [one.path for one in found] == paths
    assert all(one.level == "warning" and one.status == 0 for one in found)


@pytest.mark.parametrize(("port", "fits"), [(0, False), (1, True), (65_535, True), (65_536, False)])
def test_a_brokers_port_is_one(port: int, tmp_path: Path, *, fits: bool) -> None:
    text = f"[kafka]\nbootstrap_servers = ['a:9092', 'b:{port}']\n"
    if fits:
        assert read(tmp_path, text).kafka.bootstrap_servers == ("a:9092", f"b:{port}")
    else:
        assert said(tmp_path, text) == [("kafka.bootstrap_servers[1]", "the port is out of range")]


def test_a_secret_keeps_letters_of_any_language_and_spaces_inside() -> None:
    assert Secret("text", " nøkkel med rom ").read() == "nøkkel med rom"


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    secret = Secret("file", str(file))
    assert secret.read() == "old"

    new = tmp_path / "new"
    new.write_text("new")
    new.replace(file)

    assert secret.read() == "new"


def test_a_file_is_read_again_after_a_401(tmp_path: Path) -> None:
    """The same size, inode and time: only the refusal tells."""
    file = tmp_path / "key"
    file.write_text("old")
    secret, before = Secret("file", str(file)), file.stat()
    secret.read()
    file.write_text("new")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert secret.read() == "old"

    secret.expire()

    assert secret.read() == "new"


def test_a_file_that_vanishes_leaves_the_last_text(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    secret = Secret("file", str(file))
    secret.read()
    file.unlink()

    assert secret.read() == "old"
    assert secret.source == f"file {file}"
    with pytest.raises(SecretError, match="not there"):
        Secret("file", str(file)).read()


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda one: f"{one}",
        lambda one: f"{one!r:>400} {one!s:>20}",
        lambda one: "%s %r" % (one, one),  # noqa: UP031 - the way logging does it
        lambda one: json.dumps({"k": one}, default=str),
        lambda one: msgspec.json.encode({"k": one}, enc_hook=str).decode(),
        lambda one: pickle.dumps(one).decode("latin-1"),
        lambda one: repr(pickle.loads(pickle.dumps(one))),
        lambda one: repr([one]),
    ],
)
def test_a_secret_shows_nowhere(show: Any) -> None:
    settings = Settings(vendors=(), kafka=KafkaSettings(sasl_password=Secret("text", CANARY)))

    assert CANARY not in show(Secret("text", CANARY)) + f"{Secret('text', CANARY):>40}"
    assert CANARY not in show(settings)


def test_a_pickled_secret_holds_nothing_and_a_copy_all() -> None:
    secret = Secret("text", CANARY)

    assert copy.deepcopy(secret).read() == copy.copy(secret).read() == CANARY
    with pytest.raises(SecretError):
        pickle.loads(pickle.dumps(secret)).read()


# ---- What is no file ----


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link-to-pipe"])
def test_what_is_no_regular_file_is_refused_at_once_with_the_cure(kind: str, tmp_path: Path) -> None:
    """A pipe that nobody writes would hold the whole program up."""
    path = {"folder": tmp_path, "device": Path("/dev/zero")}.get(kind, tmp_path / "pipe")
    if "pipe" in kind:
        os.mkfifo(path)
    if kind == "link-to-pipe":
        path = tmp_path / "link"
        path.symlink_to("pipe")
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, f"[notify]\nurl = {{ file = '{path}' }}\n")

    assert [(one.path, one.what, one.cure) for one in caught.value.findings] == [
        ("notify.url", "the file it names: no regular file", "name a regular file, or a link to one")
    ]


def test_a_file_that_is_swapped_for_a_pipe_between_look_and_read_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("k", encoding="utf-8")
    looked_at = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _: looked_at)

    with pytest.raises(SecretError, match="no regular file"):
        Secret("file", str(path)).read()


def test_a_link_to_a_file_is_read_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "key").write_text("k1\n", encoding="utf-8")
    (tmp_path / "key").symlink_to("..data/key")

    assert Secret("file", str(tmp_path / "key")).read() == "k1"
