"""The work of `check` without a network: what the settings say, and what is unwise about them."""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ...core.errors import Exit
from ...core.gates.gates import make_calls
from ...kafka.rights import Purpose
from ...receiver.needs import settings_of
from ...settings.environment import misspelt
from ...settings.findings import Finding, fine, warning
from ...settings.leaves import leaves, secrets
from ...settings.load import SettingsError, load
from ...settings.model import KafkaSettings, Settings
from ...settings.naming import clearer, names_of
from ...settings.rules import is_loopback, tight_times, two_keys
from ...settings.secret import SecretError

_PROXIES: Final = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"})
_SECRET_CHARS: Final = 16
_STATUSES: Final = (Exit.SETTINGS, Exit.NO_PERMISSION, Exit.UNAVAILABLE)
_TALK_S: Final = 2.0
"""A conversation that takes longer at the whole rate takes a pod's share of it long."""
_Advice = Callable[[Path, Settings, Mapping[str, str]], Iterator[Finding]]


def offline(path: Path, environ: Mapping[str, str], purpose: Purpose = "run") -> tuple[Settings | None, list[Finding]]:
    """
    Return the settings, None where they can't be used, and all that is to be said of them.

    For `receive` no key of Sesamy or Make.as need be there, and nothing is said of what a receiver does not do.
    """
    unwise = of_a_receiver if purpose == "receive" else advice
    try:
        settings = settings_of(path, environ) if purpose == "receive" else load(path, environ)
    except SettingsError as error:
        return None, [*error.findings, *_beside(error, path, environ, unwise)]
    return settings, [
        fine(str(path), f"vendors: {len(settings.vendors)}, accounts: {len(settings.accounts)}"),
        *clearer(unwise(path, settings, environ), names_of(settings)),
    ]


def _beside(error: SettingsError, path: Path, environ: Mapping[str, str], unwise: _Advice) -> Iterator[Finding]:
    """Give what is unwise beside what is wrong, and not about a value that could not be read."""
    if error.partial is None:
        return
    said = {one.path for one in error.findings}
    for one in clearer(unwise(path, error.partial, environ), names_of(error.partial)):
        if one.path not in said and not any(broken in f"{one.path} {one.what}" for broken in error.broken):
            yield one


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 0, or the gravest of the errors' statuses: 78 before 77 before 69."""
    statuses = {finding.status for finding in findings if finding.level == "error"}
    return next((status for status in _STATUSES if status in statuses), 0)


def advice(path: Path, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Give what works and is unwise."""
    yield from _who_can_read(path, settings)
    yield from _shared_accounts(settings)
    yield from two_keys(dict(leaves(settings)))
    yield from misspelt(environ, (one for _, one in secrets(settings)))
    yield from _paused(settings)
    yield from tight_times(settings.kafka, settings.workers)
    yield from _upstreams(settings, environ)
    yield from _topic(settings.kafka)
    yield from _in_clear(settings.kafka)
    yield from _short_secrets(settings)


def of_a_receiver(path: Path, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Give what works and is unwise of a receiver's settings."""
    yield from _who_can_read(path, settings)
    yield from misspelt(environ, (one for _, one in secrets(settings)))
    yield from _in_clear(settings.kafka)
    yield from _short_secrets(settings)


def _who_can_read(path: Path, settings: Settings) -> Iterator[Finding]:
    for where, secret in secrets(settings):
        if secret.path is not None and _is_for_everyone(secret.path):
            yield warning(where, "everyone on this machine can read the file it names", "chmod o-r, or a tighter defaultMode of the mount")
    if any(secret.source == "text" for _, secret in secrets(settings)) and _is_for_everyone(path):
        yield warning(str(path), "holds secrets, and everyone on this machine can read it", "chmod o-r, or move them to files of their own")


def _is_for_everyone(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:  # It was swapped since it was read.
        return False


def _shared_accounts(settings: Settings) -> Iterator[Finding]:
    owners: dict[str, list[str]] = {}
    for account in settings.accounts:
        owners.setdefault(account.id, []).append(account.vendor)
    numbers = {vendor.id: number for number, vendor in enumerate(settings.vendors)}
    for vendors in owners.values():
        if len(vendors) > 1:
            where = f"vendors[{numbers[vendors[-1]]}].makeas"
            cure = "give each vendor a Make.as account of its own: each takes away the other's sesamy_ tags of a shared reader"
            yield warning(where, f"writes to the same account as vendors[{numbers[vendors[0]]}]", cure)


def _paused(settings: Settings) -> Iterator[Finding]:
    cure = "remove `paused` when it is over: what is owed is written then, as long as the dead-letter topic keeps its letters"
    for number, vendor in enumerate(settings.vendors):
        if vendor.paused:
            yield warning(f"vendors[{number}].paused", "nothing is fetched or written for this vendor", cure)
        for place, one in enumerate(vendor.makeas):
            if one.paused:
                yield warning(f"vendors[{number}].makeas[{place}].paused", "nothing is written to this list", cure)


def _upstreams(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    proxies = sorted(name for name in environ if name.upper() in _PROXIES and environ[name])
    if proxies and settings.http.proxy is None:
        what = f"none, and {', '.join(proxies)} in the environment is not used"
        yield warning("http.proxy", what, "name the proxy here where Sesamy and Make.as are reached through one")
    if settings.makeas.unreadable_status == "add":
        what = "a known contact whose status can't be read is put on its lists, though it may have left them"
        yield warning("makeas.unreadable_status", what, "set it to leave, unless Make.as shows no status and nobody leaves by other ways")
    if settings.makeas.opted_out == "hidden":
        what = "an address that Make.as does not show is written only where the lists tell who opted out, after two calls a list more"
        cure = "keep it where `verify --opted-out-email` saw it; `check --online` says whether each account's lists tell it"
        yield warning("makeas.opted_out", what, cure)
    calls = make_calls(rows_shared=settings.makeas.rows_shared)
    talk_s = calls / settings.makeas.requests_per_second
    if talk_s > _TALK_S:
        what = f"{calls} calls a reader: one pod writes one every {talk_s:g} s, and of eight each one every {8 * talk_s:g} s"
        yield warning("makeas.requests_per_second", what, "raise it if Make.as allows, or run few pods")


def _topic(kafka: KafkaSettings) -> Iterator[Finding]:
    if kafka.unknown_types == "resync":
        what = "events of any type at all are resynced; how many there are is known to `check --online` and `status`"
        yield warning("kafka.unknown_types", what, "set it to ignore, unless these types say that a reader has changed")


def _in_clear(kafka: KafkaSettings) -> Iterator[Finding]:
    away = [server for server in kafka.bootstrap_servers if not is_loopback(server.rpartition(":")[0].strip("[]"))]
    if away and kafka.security_protocol == "SASL_PLAINTEXT" and kafka.sasl_mechanism == "PLAIN":
        yield warning("kafka.security_protocol", "the password crosses the network in clear", "use SASL_SSL")


def _short_secrets(settings: Settings) -> Iterator[Finding]:
    """Give the webhook's secrets that can be guessed: with one, any reader can be had resynced, again and again."""
    for where, secret in secrets(settings.receive):
        with suppress(SecretError):  # It was swapped since it was read.
            if len(secret.read()) < _SECRET_CHARS:
                yield warning(f"receive.{where}", "short enough to be guessed", "make it of 32 random characters: openssl rand -hex 16")
