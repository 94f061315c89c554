"""What an overlay still has of the example that it was copied from: values that nobody has replaced. They build, and serve nobody."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

# The overlays of this repository: they are there to be copied.
EXAMPLES: Final = frozenset({"everything", "production", "staging"})
EXAMPLES_AT: Final = Path(__file__).resolve().parent / "kustomize/overlays"
# What a placeholder looks like, what it is, and what to do.
KINDS: Final = (
    (re.compile(r"sha256:0{64}"), "the digest of no image", "write the one that `docker push` prints"),
    (
        re.compile(r"(?<![\w.-])(?:(?:[\w-]+\.)*example\.(?:com|net|org)|(?:[\w-]+\.)+(?:example|invalid))(?![\w.-])"),
        "a host of nobody",
        "name yours",
    ),
    (re.compile(r"…"), "a value that nobody has written", "write the real one"),
    (re.compile(r'"(?:\.{3}|<[^"<>]*>|(?i:(?:change|replace)[-_ ]?(?:me|this)|todo|your[-_ ][^"]+))"'), "an example", "write the real one"),
    (re.compile(r"\bvendor_123\b"), "the example's vendor", "write the id of yours, as Sesamy has it"),
    (re.compile(r'"1001"(?=.*\blistId\s*=\s*"1466")'), "the example's account and list", "write the ids of yours, as Make.as has them"),
    (re.compile(r"^TIME$"), "a time that nobody has set", "patch in a time of ISO 8601"),
)
# How much of a placeholder is shown: most of it is zeros.
SHOWN: Final = 30
COMMENT: Final = re.compile(r"(?:^|\s)#.*")
AUTHORITY: Final = re.compile(r".*\.(?:crt|pem|cer)")


class Left(NamedTuple):
    """A placeholder that is left: where, what, and what to do."""

    where: str
    text: str
    what: str
    cure: str

    def __str__(self) -> str:
        """Say it in a line."""
        shown = f" ({self.text if len(self.text) <= SHOWN else self.text[:SHOWN] + '…'})" if self.text else ""
        return f"{self.where}: {self.what}{shown}; cure: {self.cure}"


def errors(folder: Path, documents: list[dict[str, Any]], *, is_named: bool = False) -> list[str]:
    """Return what keeps an overlay from being applied; in an example's own folder only where that is named, to be looked at by itself."""
    rest = left(folder, documents)
    if folder.resolve().parent == EXAMPLES_AT and folder.name in EXAMPLES and not is_named:
        print(f"{folder.name}: {len(rest)} placeholders, for whoever copies it")
        return []
    return [f"{folder.name}: {one}" for one in rest]


def left(folder: Path, documents: list[dict[str, Any]]) -> list[Left]:
    """Return what is left in an overlay, each once: by its own files where it stands there, else by the object that a component makes."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()}
    found = dict[tuple[str, str], Left]()
    for one in documents:
        for each in in_object(one, folder, files):
            found.setdefault((each.where.partition(": ")[0], each.text), each)
    return sorted(found.values())


def in_object(one: dict[str, Any], folder: Path, files: dict[Path, str]) -> Iterator[Left]:
    """Look at all that an object says, a file among its data line by line."""
    if one["kind"] == "ConfigMap":
        for name, text in (one.get("data") or {}).items():
            same = next((path.relative_to(folder).as_posix() for path in files if files[path] == text), None)
            yield from in_file(same or f"ConfigMap {one['metadata']['name']}, {name}", name, text)
        return
    for field, text in strings(one):
        for placeholder, what, cure in in_text(text):
            where = standing(placeholder, folder, files) or f"{one['kind']} {one['metadata']['name']}: {field}"
            yield Left(where, placeholder, what, cure)


def in_file(place: str, name: str, text: str) -> Iterator[Left]:
    """Look at a file of settings, or of an authority."""
    if AUTHORITY.fullmatch(name):
        if not is_authority(text):
            cure = "put the PEM of the brokers' authority there, or take the file and `ssl_cafile` out"
            yield Left(place, "", "no certificate is in it", cure)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (Left(f"{place}, line {number}", *each) for each in in_text(COMMENT.sub("", line)))


def in_text(text: str) -> Iterator[tuple[str, str, str]]:
    """Give the placeholders of a text."""
    for kind, what, cure in KINDS:
        yield from ((found[0], what, cure) for found in kind.finditer(text))


def is_authority(text: str) -> bool:
    """Say whether a text holds certificates that TLS takes."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, TypeError, ValueError):  # A TypeError: it is not ASCII.
        return False
    return True


def standing(placeholder: str, folder: Path, files: dict[Path, str]) -> str | None:
    """Return the file and line of an overlay that a placeholder of an object comes from; None: from a component."""
    for path, text in files.items():
        for number, line in enumerate(text.splitlines() if path.suffix in {".yaml", ".yml"} else (), start=1):
            if placeholder in COMMENT.sub("", line):
                return f"{path.relative_to(folder).as_posix()}, line {number}"
    return None


def strings(value: object, at: str = "") -> Iterator[tuple[str, str]]:
    """Give each text in an object, with its field."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from strings(part, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from strings(part, f"{at}.{number}")
