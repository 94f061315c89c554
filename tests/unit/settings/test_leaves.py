"""The leaves of settings, and that no secret is left out, whatever section has it."""

from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from consumer.settings.leaves import leaves, secrets
from consumer.settings.load import load
from consumer.settings.model import Settings
from consumer.settings.secret import Secret

TEXT = """
[kafka]
security_protocol = "SASL_SSL"
sasl_mechanism = "PLAIN"
sasl_username = "u"
sasl_password = "p"
[notify]
url = "https://hooks.example/x"
[receive]
secret = "r"
second_secret = "q"
[[vendors]]
id = "v"
sesamy = { client_id = "c", client_secret = "s" }
makeas = [{ userId = "1", apiKey = "k", listId = "2" }, { userId = "1", apiKey = "k", listId = "3" }]
"""


def read(folder: Path) -> Settings:
    file = folder / "consumer.toml"
    file.write_text(TEXT, encoding="utf-8")
    return load(file, {})


def test_each_secret_has_the_path_that_people_write(tmp_path: Path) -> None:
    assert [path for path, _ in secrets(read(tmp_path))] == [
        "kafka.sasl_password",
        "notify.url",
        "receive.secret",
        "receive.second_secret",
        "vendors[0].sesamy.client_secret",
        "vendors[0].makeas[0].apiKey",
        "vendors[0].makeas[1].apiKey",
    ]


def test_these_are_all_secrets_that_the_model_has(tmp_path: Path) -> None:
    """Where a new one is added to the model, this text needs it, and no other place does."""
    assert {path.rpartition(".")[2] for path, _ in secrets(read(tmp_path))} == set(_names_of_secrets(Settings))


def _names_of_secrets(of: type[Struct]) -> list[str]:
    found = []
    for field in msgspec.structs.fields(of):
        for one in _types(field.type):
            if one is Secret:
                found.append(field.encode_name)
            elif isinstance(one, type) and issubclass(one, Struct):
                found += _names_of_secrets(one)
    return found


def _types(of: Any) -> list[Any]:
    return [of, *(part for one in get_args(of) for part in _types(one))]


def test_a_leaf_that_is_not_set_is_none_and_a_row_has_its_number(tmp_path: Path) -> None:
    found = dict(leaves(read(tmp_path)))
    assert (found["kafka.ssl_cafile"], found["vendors[0].makeas[1].listId"]) == (None, "3")
