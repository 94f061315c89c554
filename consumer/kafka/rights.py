"""The rights that Kafka grants us for a purpose: as findings for `check --online`, and as the end of a command that lacks one."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal

from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from ..core.errors import Exit, Fatal
from ..settings import tls
from ..settings.findings import Finding, fine, warning, wrong
from ..settings.model import KafkaSettings
from ..telemetry.logs import log
from . import start
from .client import failures
from .client.words import named, said
from .describe import READ, WRITE, Described, Rights, connected

_log = log(__name__)
_DENIED_WORDS: Final = ("Authorization", "Authentication", "Sasl")
_LETTERS: Final = "kafka.dead_letter_topic"

Purpose = Literal["run", "replay", "dead-letters", "dry-run", "reconcile", "receive"]
"""
The purposes whose rights are looked at.

`sync` needs what `replay` does, and so does `reconcile` without `--publish`; `dry-run` is that of `run --dry-run`.
`receive` writes events, and reads none.
"""


async def permitted(settings: KafkaSettings, purpose: Purpose, *, writes: bool = True) -> None:
    """
    See to it that no right is missing, and for `run` that the dead-letter topic keeps each letter.

    A broker too old to say what we may do is believed, and what is not there is not our business.

    Args:
        writes: whether letters are to be written, too.

    Raises:
        Fatal: some are missing (77), or letters would overwrite each other (78), each named with its cure.
        KafkaError, OSError, TimeoutError: no broker answers.
    """
    found: list[Finding] = []
    letters: Described | None = None
    with suppress(NotImplementedError, IncompatibleBrokerVersion):
        async with connected(settings) as rights:
            letters = await _ask(rights, settings, found, purpose, writes=writes)
            if purpose == "run" and letters is not None and not letters.error:
                found += _whole(settings, await rights.configuration(settings.dead_letter_topic))
    for status, code in ((Exit.SETTINGS, "letters-compacted"), (Exit.NO_PERMISSION, "kafka-denied")):
        if any(one.status == status for one in found):
            wrongs = [f"{one.path}: {one.what}; {one.cure}" for one in found if one.status in {Exit.SETTINGS, Exit.NO_PERMISSION}]
            raise Fatal("\n".join(wrongs), code=code, status=status)
    for one in found:
        if one.level == "warning" and letters is not None and not letters.error:
            _log.warning("dead-letter topic's configuration can't be read", cause=one.cure)


async def require(settings: KafkaSettings, purpose: Purpose, *, writes: bool = True, command: str = "") -> None:
    """
    Do the same for a command that ends where Kafka does not answer.

    Args:
        command: its name, where it is not that of the purpose.

    Raises:
        Fatal: a right is missing (77), which says the command that needs it, or no broker answers (69).
    """
    with failures.ending(settings):
        try:
            await permitted(settings, purpose, writes=writes)
        except Fatal as error:
            if error.status != Exit.NO_PERMISSION:
                raise
            needs = f"{command or purpose} needs that; all that it needs: sesamy-makeas check --online --for {purpose}"
            raise Fatal(f"{error}\n{needs}", code=error.code, status=error.status) from None


async def findings(settings: KafkaSettings, purpose: Purpose) -> list[Finding]:
    """Return what is wrong, unwise and fine with Kafka for a purpose; nothing is written, created or joined."""
    found: list[Finding] = []
    try:
        async with connected(settings) as rights:
            found.append(fine("kafka.bootstrap_servers", "reached"))
            if silent := await rights.silent():
                found.append(_silent(silent))
                return found
            letters = await _ask(rights, settings, found, purpose, shares=True)
            if letters is not None and not letters.error and purpose != "reconcile":
                found += _kept(settings, await rights.configuration(settings.dead_letter_topic))
        if purpose == "run" and found[-1].level == "warning" and letters is not None and letters.error:
            found[-1] = _creatable(await _creating(settings))
    except tls.Unusable as error:
        found.append(wrong(error.setting, error.what, error.cure, Exit.SETTINGS))
    except ssl.SSLError:
        found.append(wrong("kafka", "no TLS with the brokers", failures.TLS_CURE, Exit.UNAVAILABLE))
    except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
        found.append(_unanswered(settings, error))
    return found


async def _ask(
    rights: Rights, settings: KafkaSettings, found: list[Finding], purpose: Purpose, *, writes: bool = True, shares: bool = False
) -> Described | None:
    """
    Ask for what a purpose needs; return the dead-letter topic where it needs that.

    Args:
        shares: whether to say, too, how the group's members share it: by joining that is learnt anyway, and for certain.
    """
    wants_topic, wants_letters = purpose != "dead-letters", purpose in {"run", "dead-letters"} or (purpose == "reconcile" and writes)
    if purpose == "receive":
        await _receiving(rights, settings, found)
        return None
    names = [settings.topic] * wants_topic + [settings.dead_letter_topic] * wants_letters
    topics = await rights.topics(names)
    if wants_topic:
        found.append(_source(topics[settings.topic], settings.topic))
    if purpose in {"run", "dry-run"}:
        group = await rights.group(settings.group_id, settled=shares)
        found.append((_shared(group) if shares else None) or _group(group))
    if not wants_letters:
        return None
    letters = topics[settings.dead_letter_topic]
    found.append(_letters(letters, reads=purpose != "reconcile", writes=writes))
    return letters


async def _receiving(rights: Rights, settings: KafkaSettings, found: list[Finding]) -> None:
    """Ask for what a receiver needs: writing the topic, each record once."""
    topic = (await rights.topics([settings.topic]))[settings.topic]
    found.append(_sink(topic, settings.topic))
    if found[-1].level != "error":
        found += _numbered(await rights.numbering())


def _silent(addresses: Sequence[str]) -> Finding:
    what = f"it answers, but its brokers say they are at {', '.join(addresses)}, which can't be reached from here"
    cure = "correct the brokers' advertised.listeners, or open the network and the names to these addresses"
    return wrong("kafka.bootstrap_servers", what, cure, Exit.UNAVAILABLE)


def _unanswered(settings: KafkaSettings, error: BaseException) -> Finding:
    if isinstance(error, NotImplementedError | IncompatibleBrokerVersion):
        what = "Kafka answers, but can't say which topics and rights there are: it is older than 2.3, or a stand-in"
        return wrong("kafka.bootstrap_servers", what, "use Kafka 2.3 or later; of a stand-in (local) this can't be asked", Exit.UNAVAILABLE)
    if any(word in type(error).__name__ for word in _DENIED_WORDS):
        return wrong("kafka", f"refuses us ({said(error)})", "correct kafka.sasl_*, or grant the rights", Exit.NO_PERMISSION)
    # A broker that misses a certificate of ours hangs up without a word.
    certificate = ", and kafka.ssl_certfile where the brokers ask for one" if "SSL" in settings.security_protocol else ""
    cure = f"start it, open the network, or correct kafka.bootstrap_servers and kafka.security_protocol{certificate}"
    return wrong("kafka.bootstrap_servers", f"no broker answers as it should ({said(error)})", cure, Exit.UNAVAILABLE)


def _source(topic: Described, name: str) -> Finding:
    return _topic(topic, name, "READ", READ)


def _sink(topic: Described, name: str) -> Finding:
    return _topic(topic, name, "WRITE", WRITE)


def _numbered(error: str) -> Iterator[Finding]:
    """Say whether the brokers take a producer that numbers its records: since 2.8 a right to write any topic is enough."""
    if "Authorization" in error:
        cure = "grant IDEMPOTENT_WRITE on the cluster to this principal, which brokers older than 2.8 want beside WRITE on the topic"
        yield wrong("kafka.topic", "we may not write to it so that a second try is no second record", cure, Exit.NO_PERMISSION)
    elif error:
        yield wrong("kafka.topic", f"no number for a producer can be had ({named(error)})", "look at the brokers", Exit.UNAVAILABLE)


def _topic(topic: Described, name: str, right: str, operation: int) -> Finding:
    path = "kafka.topic"
    if "Authorization" in topic.error or topic.lacks(operation):
        return wrong(path, f"we may not {right.lower()} it", f"grant {right} on the topic to this principal", Exit.NO_PERMISSION)
    if topic.error:
        what = f"topic {name} is not there" if "Unknown" in topic.error else f"topic {name} can't be used ({named(topic.error)})"
        return wrong(path, what, "create the topic, or correct the name", Exit.UNAVAILABLE)
    return fine(path, f"{topic.partitions} partitions{_unsaid(topic)}")


def _group(group: Described) -> Finding:
    path = "kafka.group_id"
    if "Authorization" in group.error or group.lacks(READ):
        return wrong(path, "we may not join it", "grant READ on the group to this principal", Exit.NO_PERMISSION)
    if group.error:
        what = f"can't be asked about ({named(group.error)})"
        return wrong(path, what, "look at the brokers: the group has no coordinator", Exit.UNAVAILABLE)
    return fine(path, f"may be joined{_unsaid(group)}")


def _shared(group: Described) -> Finding | None:
    """Say whether the group's members would let us in, and else what `run` would end with; None: they would, or there is more to say."""
    path = "kafka.group_id"
    if group.error or group.lacks(READ) or group.is_taken is False:
        return None
    if group.is_taken:
        return wrong(path, failures.GROUP_TAKEN, failures.GROUP_TAKEN_CURE, Exit.SETTINGS)
    return warning(path, "its members rejoin, so that it can't be asked whether they would let us in", "try again in a minute")


# ---- Letters ----


def _letters(topic: Described, *, reads: bool = True, writes: bool = True) -> Finding:
    wanted = (("READ", READ),) * reads + (("WRITE", WRITE),) * writes
    # Of a topic that is not there, too, the broker says what we might do.
    missing = [word for word, operation in wanted if topic.lacks(operation)]
    if "Authorization" in topic.error or missing:
        rights = " and ".join(missing or (word for word, _ in wanted))
        return wrong(_LETTERS, f"we may not {rights.lower()} it", f"grant {rights} on the topic to this principal", Exit.NO_PERMISSION)
    if not topic.error:
        return fine(_LETTERS, f"{topic.partitions} partitions{_unsaid(topic)}")
    if "Unknown" not in topic.error:
        return wrong(_LETTERS, f"can't be used ({named(topic.error)})", "look at the brokers, or name another topic", Exit.UNAVAILABLE)
    return _creatable(None)


async def _creating(settings: KafkaSettings) -> str | None:
    """Return what the brokers have against our creating the topic, empty: nothing; None: they can't be asked."""
    try:
        return await start.create_letters(settings, validate_only=True)
    except (KafkaError, OSError, NotImplementedError):
        return None


def _creatable(error: str | None) -> Finding:
    create = "create it (cleanup.policy=delete, retention.ms=1209600000)"
    cure = f"{create}, or grant CREATE on it"
    if error is None:
        return warning(_LETTERS, "not there, and it can't be asked whether we may create it", cure)
    if "Authorization" in error:
        return wrong(_LETTERS, "not there, and we may not create it", cure, Exit.NO_PERMISSION)
    if error:
        return wrong(_LETTERS, f"not there, and can't be created ({named(error)})", create, Exit.UNAVAILABLE)
    return fine(_LETTERS, "not there; `run` will create it")


def _kept(settings: KafkaSettings, configuration: Mapping[str, str] | None) -> Iterator[Finding]:
    yield from _whole(settings, configuration)
    if configuration is not None and not 0 <= int(configuration.get("retention.ms", -1)) <= start.KEPT_MS:
        yield warning(_LETTERS, "keeps letters for longer than 14 days", "set retention.ms=1209600000: letters hold user ids")


def _whole(settings: KafkaSettings, configuration: Mapping[str, str] | None) -> Iterator[Finding]:
    """Say whether each letter is kept: compaction keeps one of a user, and refuses what has no key."""
    if configuration is None:
        yield warning(
            _LETTERS, "its configuration can't be read", "grant DESCRIBE_CONFIGS, or see to 14 days of retention and no compaction"
        )
    elif "compact" in configuration.get("cleanup.policy", ""):
        command = (
            f"kafka-configs.sh --bootstrap-server {settings.bootstrap_servers[0]} --alter --entity-type topics"
            f" --entity-name {settings.dead_letter_topic} --add-config cleanup.policy=delete"
        )
        yield wrong(_LETTERS, "is compacted: letters of one user overwrite each other", command, Exit.SETTINGS)


def _unsaid(described: Described) -> str:
    return "" if described.may is not None else "; the broker does not say what we may do"
