"""The work of `check --online`: Kafka, Sesamy and Make.as as the settings name them. Nothing is written anywhere."""

import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, Literal

import anyio
from aiokafka.errors import KafkaError

from .errors import ConsumerError, Denied, Refused
from .makeas import MakeAs
from .model import UserKey
from .rights import CREATE, READ, WRITE, Described, asking
from .sesamy import Sesamy
from .settings import Settings
from .settings_checks import SETTINGS, Finding, fine, warning, wrong
from .telemetry import Metrics
from .upstreams import Upstreams, upstreams

_UNAVAILABLE: Final = 69
_NO_PERMISSION: Final = 77
_LETTERS_KEPT_MS: Final = 14 * 24 * 3600 * 1000
_NOBODY: Final = "sesamy-makeas-check"
"""A user id that no vendor has: asking for it needs the token and the right to read users, and reads nobody."""
_DENIED_WORDS: Final = ("Authorization", "Authentication", "Sasl")
_AT_ONCE: Final = 8
_Ask = Callable[[str], Awaitable[Finding]]


Purpose = Literal["run", "replay", "dead-letters"]
"""Whose rights are looked at; `sync` needs what `replay` does."""


async def online(settings: Settings, purpose: Purpose = "run") -> list[Finding]:
    """Ask everybody; return what is wrong, unwise and fine for this purpose."""
    kafka: list[Finding] = []
    others: list[Finding] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_kafka, settings, kafka, purpose)
        tasks.start_soon(_upstreams, settings, others)
    return [*kafka, *others]


# ---- Kafka ----


async def _kafka(settings: Settings, found: list[Finding], purpose: Purpose) -> None:
    kafka = settings.kafka
    wants_topic, wants_letters = purpose != "dead-letters", purpose != "replay"
    names = [kafka.topic] * wants_topic + [kafka.dead_letter_topic] * wants_letters
    try:
        async with asking(kafka) as rights:
            found.append(fine("kafka.bootstrap_servers", "reached"))
            topics, cluster = await rights.topics(names)
            if wants_topic:
                found.append(_source(topics[kafka.topic]))
            if purpose == "run":
                found.append(_group(await rights.group(kafka.group_id)))
            if wants_letters:
                found.append(_letters(topics[kafka.dead_letter_topic], cluster))
                if not topics[kafka.dead_letter_topic].error:
                    found += _kept(await rights.configuration(kafka.dead_letter_topic))
    except ssl.SSLError:
        found.append(wrong("kafka", "no TLS with the brokers", "correct kafka.ssl_* and kafka.security_protocol", _UNAVAILABLE))
    except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
        name = type(error).__name__
        if any(word in name for word in _DENIED_WORDS):
            found.append(wrong("kafka", f"refuses us ({name})", "correct kafka.sasl_*, or grant the rights", _NO_PERMISSION))
        else:
            # Who misses a certificate of ours hangs up without a word.
            certificate = ", and kafka.ssl_certfile where the brokers ask for one" if "SSL" in kafka.security_protocol else ""
            cure = f"start it, open the network, or correct kafka.bootstrap_servers and kafka.security_protocol{certificate}"
            found.append(wrong("kafka.bootstrap_servers", f"no broker answers as it should ({name})", cure, _UNAVAILABLE))


def _source(topic: Described) -> Finding:
    path = "kafka.topic"
    if "Authorization" in topic.error or topic.lacks(READ):
        return wrong(path, "we may not read it", "grant READ on the topic to this principal", _NO_PERMISSION)
    if topic.error:
        return wrong(path, f"not there ({topic.error})", "create the topic, or correct the name", _UNAVAILABLE)
    return fine(path, f"{topic.partitions} partitions{_unsaid(topic)}")


def _group(group: Described) -> Finding:
    path = "kafka.group_id"
    if "Authorization" in group.error or group.lacks(READ):
        return wrong(path, "we may not join it", "grant READ on the group to this principal", _NO_PERMISSION)
    if group.error:
        return wrong(path, f"can't be asked about ({group.error})", "look at the brokers: the group has no coordinator", _UNAVAILABLE)
    return fine(path, f"may be joined{_unsaid(group)}")


def _letters(topic: Described, cluster: Described) -> Finding:
    path = "kafka.dead_letter_topic"
    lacking = [word for word, operation in (("READ", READ), ("WRITE", WRITE)) if not topic.error and topic.lacks(operation)]
    if "Authorization" in topic.error or lacking:
        rights = " and ".join(lacking or ("READ", "WRITE"))
        return wrong(path, f"we may not {rights.lower()} it", f"grant {rights} on the topic to this principal", _NO_PERMISSION)
    if not topic.error:
        return fine(path, f"{topic.partitions} partitions{_unsaid(topic)}")
    if "Unknown" not in topic.error:
        return wrong(path, f"can't be used ({topic.error})", "look at the brokers, or name another topic", _UNAVAILABLE)
    cure = "create it (cleanup.policy=delete, retention.ms=1209600000), or grant CREATE on it"
    if cluster.may is not None and CREATE in cluster.may:
        return fine(path, "not there; `run` will create it")
    return warning(path, "not there, and it can't be asked whether we may create it", cure)


def _kept(configuration: Mapping[str, str] | None) -> Iterator[Finding]:
    path = "kafka.dead_letter_topic"
    if configuration is None:
        yield warning(path, "its configuration can't be read", "grant DESCRIBE_CONFIGS, or see to 14 days of retention and no compaction")
        return
    if "compact" in configuration.get("cleanup.policy", ""):
        yield warning(path, "is compacted: letters of one user overwrite each other", "set cleanup.policy=delete")
    kept_ms = int(configuration.get("retention.ms", -1))
    if not 0 <= kept_ms <= _LETTERS_KEPT_MS:
        yield warning(path, "keeps letters for longer than 14 days", "set retention.ms=1209600000: letters hold user ids")


def _unsaid(described: Described) -> str:
    return "" if described.may is not None else "; the broker does not say what we may do"


# ---- Sesamy and Make.as ----


async def _upstreams(settings: Settings, found: list[Finding]) -> None:
    answers: dict[str, Finding] = {}
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def keep(path: str, ask: _Ask) -> None:
        async with limit:
            answers[path] = await ask(path)

    async with upstreams(settings, Metrics(settings)) as up:
        questions = dict(_questions(settings, up))
        async with anyio.create_task_group() as tasks:
            for path, ask in questions.items():
                tasks.start_soon(keep, path, ask)
    found += [answers[path] for path in questions]


def _questions(settings: Settings, up: Upstreams) -> Iterator[tuple[str, _Ask]]:
    for number, vendor in enumerate(settings.vendors):
        clients = up.vendors[vendor.id]
        yield f"vendors[{number}].sesamy", partial(_sesamy, client=clients.sesamy, vendor=vendor.id)
        accounts = {(account.user_id, account.api_key): account.id for account in settings.accounts_of(vendor.id)}
        for place, one in enumerate(vendor.makeas):
            client = clients.targets[accounts[one.user_id, one.api_key]].client
            yield f"vendors[{number}].makeas[{place}]", partial(_list, client=client, list_id=one.list_id)


async def _sesamy(path: str, *, client: Sesamy, vendor: str) -> Finding:
    async def permit() -> None:
        """Take what a single user needs: no limit is near."""

    try:
        await client.snapshot(UserKey(vendor, _NOBODY), permit=permit)
    except Refused:  # It knows us, and dislikes a user id that nobody has.
        return fine(path, "the token is good")
    except Denied as error:
        cure = "correct client_id and client_secret, or give the client the right to read users, contracts and entitlements"
        return wrong(path, f"refuses us ({error.code})", cure, _NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "sesamy.base_url and sesamy.token_url")
    return fine(path, "the token is good")


async def _list(path: str, *, client: MakeAs, list_id: str) -> Finding:
    try:
        await client.list_title(list_id)
    except Refused as error:
        return wrong(path, f"no such list in this account ({error.code})", "correct listId, or the account's userId", SETTINGS)
    except Denied as error:
        return wrong(path, f"refuses us ({error.code})", "correct userId and apiKey", _NO_PERMISSION)
    except ConsumerError as error:
        return _unreached(path, error, "makeas.base_url")
    return fine(path, "the list is there")


def _unreached(path: str, error: ConsumerError, setting: str) -> Finding:
    return wrong(path, f"does not answer as it should ({error.code})", f"try later; else look at the network and {setting}", _UNAVAILABLE)
