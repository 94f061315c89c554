"""Writes the table of settings in `deploy/README.md` from the structs."""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from consumer.settings import model as settings
from consumer.settings.leaves import describe
from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings

README: Final = Path(__file__).parents[2] / "deploy/README.md"
_BEGIN: Final = "<!-- settings -->"
_END: Final = "<!-- /settings -->"


def sentences() -> dict[tuple[str, str], str]:
    """Return the sentence under each field, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(settings)).body:
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                    assert isinstance(field.target, ast.Name)
                    found[node.name, field.target.id] = str(text.value.value)
    return found


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Give path, default, limits and sentence of every setting."""
    said = sentences()
    places: list[tuple[str, type[Struct]]] = [
        (f"{field.name}.", field.type) for field in msgspec.structs.fields(Settings) if field.name != "vendors"
    ]
    places += [("vendors[].", VendorSettings), ("vendors[].sesamy.", SesamyCredentials), ("vendors[].makeas[].", ListSettings)]
    for prefix, cls in places:
        for field in msgspec.structs.fields(cls):
            if cls is VendorSettings and field.name == "sesamy":
                continue
            default = "required" if field.required else _toml(field.default)
            yield prefix + field.encode_name, default, describe(field.type), said[cls.__name__, field.name]


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def block() -> str:
    """Return the table."""
    lines = ["| setting | default | what it may be | |", "|---|---|---|---|"]
    lines += [f"| `{path}` | {default} | {limits.replace('|', '/')} | {text} |" for path, default, limits, text in rows()]
    return "\n".join(lines)


def fresh(text: str) -> str:
    """Return the text with the table of now."""
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, "deploy/README.md has lost its marks for the settings"
    return f"{before}{_BEGIN}\n\n{block()}\n\n{_END}{after}"
