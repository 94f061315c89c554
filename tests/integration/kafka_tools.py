"""Stands in for `kafka-acls.sh` and `kafka-topics.sh`, which are in no jar that a broker needs: same options, same effect.

Both scripts were run with the real ones, too (AclCommand and TopicCommand of `org.apache.kafka:kafka-tools` 4.1.0): the same ACLs and
topics, and a second run changes nothing. They are not run here: each call starts a JVM, and the scripts make nine, half a minute on two
cores.

Run as a program it speaks to the broker of `--bootstrap-server`, logged in as `--command-config` says. Makes certificates, too.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)


def certificates(folder: Path) -> dict[str, str]:
    """
    Leave in `folder` an authority (ca.pem), a broker's certificate with its key (broker.pem) and a client's (client.pem, client.key).

    Returns the broker's settings that name them.
    """
    # Imported here: as a program this needs neither.
    import trustme  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    own = authority.issue_cert("127.0.0.1")
    # Kafka reads keys as PKCS 8 alone.
    key = form.load_pem_private_key(own.private_key_pem.bytes(), None)
    text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (folder / "broker.pem").write_bytes(text + b"".join(one.bytes() for one in own.cert_chain_pems))
    client = authority.issue_cert("reader@example.com", common_name="reader")
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    (folder / "client.pem").write_bytes(b"".join(one.bytes() for one in client.cert_chain_pems))
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "ssl.endpoint.identification.algorithm": "",
    }


def bindings(arguments: argparse.Namespace) -> list[AclBinding]:
    """Return what the options ask for."""
    kinds = [(ResourceType.TOPIC, name) for name in arguments.topic] + [(ResourceType.GROUP, name) for name in arguments.group]
    words = [AclOperation[word.upper()] for word in arguments.operation]
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    return [AclBinding(kind, name, literal, arguments.allow_principal, "*", word, allow) for kind, name in kinds for word in words]


def admin(bootstrap: str, config: str | None) -> AdminClient:
    """Log in; the file holds librdkafka's options, one a line."""
    lines = Path(config).read_text(encoding="utf-8").splitlines() if config else []
    return AdminClient({"bootstrap.servers": bootstrap} | dict(line.split("=", 1) for line in lines))


def finish(futures: dict[Any, Any]) -> None:
    """Wait for all."""
    for one in futures.values():
        one.result(30)


def remove(client: AdminClient, one: AclBinding) -> None:
    """Take one ACL away; it must have been there."""
    parts = (one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type)
    pattern = AclBindingFilter(*parts)
    (future,) = client.delete_acls([pattern]).values()
    assert len(future.result(30)) == 1


def main(tool: str, words: list[str]) -> None:
    """Do what the tool of this name does."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--command-config")
    if tool == "acls":
        parser.add_argument("--add", action="store_true", required=True)
        parser.add_argument("--allow-principal", required=True)
        for name in ("operation", "topic", "group"):
            parser.add_argument(f"--{name}", action="append", default=[])
        arguments = parser.parse_args(words)
        client = admin(arguments.bootstrap_server, arguments.command_config)  # Kept by name: its work ends with it.
        finish(client.create_acls(bindings(arguments)))
        return
    for name in ("create", "if-not-exists"):
        parser.add_argument(f"--{name}", action="store_true", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--config", action="append", default=[])
    for name in ("partitions", "replication-factor"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args(words)
    config = dict(one.split("=", 1) for one in arguments.config)
    topic = NewTopic(arguments.topic, arguments.partitions, arguments.replication_factor, config=config)
    client = admin(arguments.bootstrap_server, arguments.command_config)
    if arguments.topic not in client.list_topics(timeout=30).topics:
        finish(client.create_topics([topic]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
