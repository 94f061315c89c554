"""The rules of settings over more than one value. No value is ever quoted."""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from . import tls
from .findings import Finding, warning
from .model import (
    AdminSettings,
    DebounceSettings,
    HttpSettings,
    KafkaSettings,
    MakeAsSettings,
    NotifySettings,
    ReceiveSettings,
    SesamySettings,
    VendorSettings,
    WorkerSettings,
)
from .secret import Secret, SecretError

DNS: Final = "dns://"
"""Begins an address of all pods that a name resolves to."""
_TAKEN: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "trailer", "transfer-encoding", "upgrade"}
)
HAND_OVER_S: Final = 8.0
"""What handing partitions over takes beside `workers.drain_s` until no run is left: a heartbeat to know it (3 s), and a commit (5 s)."""


class Sections(Struct, frozen=True, kw_only=True):
    """Settings as far as they could be read: a value that could not stands at its default."""

    kafka: KafkaSettings
    debounce: DebounceSettings
    workers: WorkerSettings
    sesamy: SesamySettings
    makeas: MakeAsSettings
    http: HttpSettings
    admin: AdminSettings
    notify: NotifySettings
    receive: ReceiveSettings
    vendors: tuple[VendorSettings | None, ...]


def cross(sections: Sections, *, broken: Collection[str]) -> list[Finding]:
    """Return what does not fit together; a rule about a value that is `broken` itself says nothing."""
    found: list[Finding] = []
    for rule in (_times, _topics, _login, _tls, _tls_files, _addresses, _receive, _vendors):
        found += [finding for paths, finding in rule(sections) if not set(paths) & set(broken)]
    return found


_Found = Iterator[tuple[tuple[str, ...], Finding]]


def _rule(*paths: str, what: str, cure: str) -> tuple[tuple[str, ...], Finding]:
    return paths, Finding(path=paths[0], what=what, cure=cure)


def _times(sections: Sections) -> _Found:
    debounce, workers, kafka = sections.debounce, sections.workers, sections.kafka
    if debounce.max_wait_s < debounce.quiet_s:
        yield _rule("debounce.max_wait_s", "debounce.quiet_s", what="below debounce.quiet_s", cure="raise it to at least debounce.quiet_s")
    if workers.backoff_max_s < workers.backoff_s:
        yield _rule(
            "workers.backoff_max_s", "workers.backoff_s", what="below workers.backoff_s", cure="raise it to at least workers.backoff_s"
        )
    for path, limit_s in (("workers.drain_s", workers.drain_s), ("kafka.session_timeout_s", kafka.session_timeout_s)):
        if kafka.rebalance_timeout_s <= limit_s:
            yield _rule("kafka.rebalance_timeout_s", path, what=f"not above {path}", cure=f"raise it above {path}, or lower that")


def tight_times(kafka: KafkaSettings, workers: WorkerSettings) -> Iterator[Finding]:
    """Give what is allowed, and may leave us writing for partitions that others have already."""
    if kafka.rebalance_timeout_s < workers.drain_s + HAND_OVER_S:
        what = f"less than {HAND_OVER_S:g} s above workers.drain_s: Kafka may give our partitions away while runs of ours still end"
        yield warning("kafka.rebalance_timeout_s", what, f"raise it to at least workers.drain_s + {HAND_OVER_S:g}, or lower that")


def two_keys(read: Mapping[str, object]) -> Iterator[Finding]:
    """Give the lists whose account is written with another key elsewhere, of what could be read."""
    first: dict[object, tuple[str, object]] = {}
    for path, user_id in read.items():
        row, _, name = path.rpartition(".")
        key = read.get(f"{row}.apiKey")
        if name != "userId" or key is None:
            continue
        where, known = first.setdefault(user_id, (row, key))
        if known != key:
            what = f"another apiKey for the userId of {where}: two conversations with one account, each at the whole rate"
            yield warning(row, what, "write the newer key in both, if one is old; else leave it")


def _topics(sections: Sections) -> _Found:
    if sections.kafka.topic == sections.kafka.dead_letter_topic:
        yield _rule("kafka.dead_letter_topic", "kafka.topic", what="the same as kafka.topic", cure="name a topic of its own")
    for number, server in enumerate(sections.kafka.bootstrap_servers):
        if not 1 <= int(server.rpartition(":")[2]) <= 65_535:  # noqa: PLR2004 - ports
            yield _rule(
                f"kafka.bootstrap_servers[{number}]",
                "kafka.bootstrap_servers",
                what="the port is out of range",
                cure="use a port from 1 to 65535",
            )


def _login(sections: Sections) -> _Found:
    kafka = sections.kafka
    login = {
        "kafka.sasl_mechanism": kafka.sasl_mechanism,
        "kafka.sasl_username": kafka.sasl_username,
        "kafka.sasl_password": kafka.sasl_password,
    }
    sasl = kafka.security_protocol.startswith("SASL")
    for path, value in login.items():
        if sasl and value is None:
            yield _rule(path, "kafka.security_protocol", what="missing", cure="a SASL protocol needs it: add it")
        if not sasl and value is not None:
            cure = "set kafka.security_protocol to SASL_SSL (or SASL_PLAINTEXT), or remove it"
            yield _rule(path, "kafka.security_protocol", what="without effect: the protocol is not SASL", cure=cure)


def _tls(sections: Sections) -> _Found:
    kafka = sections.kafka
    files = {"kafka.ssl_cafile": kafka.ssl_cafile, "kafka.ssl_certfile": kafka.ssl_certfile, "kafka.ssl_keyfile": kafka.ssl_keyfile}
    for path, value in files.items():
        if value is None:
            continue
        if not kafka.security_protocol.endswith("SSL"):
            cure = "set kafka.security_protocol to SSL or SASL_SSL, or remove it"
            yield _rule(path, "kafka.security_protocol", what="without effect: the protocol is not SSL", cure=cure)
        elif not Path(value).exists():
            yield _rule(path, what="the file it names is not there", cure="correct the path, or mount the file")
        elif not Path(value).is_file():
            yield _rule(path, what=tls.IRREGULAR, cure=tls.NAME_A_FILE)
    if (kafka.ssl_certfile is None) != (kafka.ssl_keyfile is None):
        path = "kafka.ssl_keyfile" if kafka.ssl_keyfile is None else "kafka.ssl_certfile"
        yield _rule(path, *files, what="missing", cure="a certificate and its key go together: add it, or remove the other")


def _tls_files(sections: Sections) -> _Found:
    """Read what `_tls` has found in order."""
    kafka = sections.kafka
    files = [path for path in (kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile) if path is not None]
    paired = (kafka.ssl_certfile is None) == (kafka.ssl_keyfile is None)
    if not kafka.security_protocol.endswith("SSL") or not paired or not all(Path(path).is_file() for path in files):
        return
    try:
        tls.context(kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile)
    except tls.Unusable as error:
        yield _rule(error.setting, "kafka.security_protocol", what=error.what, cure=error.cure)


def _addresses(sections: Sections) -> _Found:
    for path, url in (
        ("sesamy.base_url", sections.sesamy.base_url),
        ("sesamy.token_url", sections.sesamy.token_url),
        ("makeas.base_url", sections.makeas.base_url),
    ):
        for what, cure in _of_url(url):
            yield _rule(path, what=what, cure=cure)
    if sections.http.proxy is not None:
        for what, cure in _of_url(sections.http.proxy, may_be_plain=True):
            yield _rule("http.proxy", what=what, cure=cure)
    for number, peer in enumerate(sections.admin.peers):
        for what, cure in _of_peer(peer):
            yield _rule(f"admin.peers[{number}]", "admin.peers", what=what, cure=cure)
    if sections.notify.url is not None:
        for what, cure in _of_notify(sections.notify.url):
            yield _rule("notify.url", what=what, cure=cure)


def _receive(sections: Sections) -> _Found:
    receive, admin = sections.receive, sections.admin
    if receive.secret is not None and receive.port == admin.port:
        yield _rule("receive.port", "admin.port", what="the same as admin.port", cure="name a port of its own")
    if receive.header.lower() in _TAKEN:
        yield _rule("receive.header", what="a header that means something else", cure="name one of the endpoint's own, say X-Sesamy-Secret")
    if receive.second_secret is not None and receive.secret is None:
        yield _rule("receive.second_secret", "receive.secret", what="without a first one", cure="set receive.secret, or remove it")


def _of_peer(peer: str) -> Iterator[tuple[str, str]]:
    if peer.startswith(DNS):
        name, _, port = peer.removeprefix(DNS).rpartition(":")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", name) or not port.isdecimal() or not 1 <= int(port[:6]) <= 65_535:  # noqa: PLR2004
            yield "not a name and a port", f"write it as {DNS}NAME:PORT"
        return
    yield from _of_url(peer, may_be_plain=True)


def _of_notify(url: Secret) -> Iterator[tuple[str, str]]:
    """Give what is wrong with an address that may hold a token anywhere but before the host."""
    try:
        parts = urlsplit(url.read())
        found = list(_of_url(parts._replace(query="", fragment="").geturl()))
    except (SecretError, ValueError):
        found = [("not a URL", "write it as https://host/path")]
    yield from found


def _of_url(url: str, *, may_be_plain: bool = False) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a URL; `may_be_plain`: what goes there is secured by itself."""
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname, parts.scheme, parts.port
    except ValueError:
        yield "not a URL", "write it as https://host/path"
        return
    if not host or scheme not in {"http", "https"} or not url.isascii() or not url.isprintable() or " " in url:
        yield "not a URL", "write it as https://host/path"
        return
    if scheme != "https" and not may_be_plain and not is_loopback(host):
        yield "not https", "use https://; plain http is for this machine only"
    if "@" in parts.netloc:
        yield "holds a user or password", "remove what stands before the @, and change that password: it may have been logged"
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        yield "holds a query or fragment", "remove what begins with ? or #"
    if _is_link_local(host):
        yield "a link-local address", "name the real host"


def is_loopback(host: str) -> bool:
    """Say whether `host` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _vendors(sections: Sections) -> _Found:
    first: dict[str, int] = {}
    for number, vendor in enumerate(sections.vendors):
        if vendor is None:
            continue
        if vendor.id in first:
            cure = "give each vendor one [[vendors]] with all its lists"
            yield _rule(f"vendors[{number}].id", what=f"the same as vendors[{first[vendor.id]}].id", cure=cure)
        first.setdefault(vendor.id, number)
        lists: dict[object, int] = {}
        for place, one in enumerate(vendor.makeas):
            credential = (one.user_id, one.api_key, one.list_id)
            if credential in lists:
                where = f"vendors[{number}].makeas"
                yield _rule(f"{where}[{place}]", what=f"the same as {where}[{lists[credential]}]", cure="remove one of them")
            lists.setdefault(credential, place)
