"""The loader of settings: the file, the environment over it, and every finding at once."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from ..core.errors import Exit, Fatal
from .environment import misspelt
from .findings import Finding, reason
from .leaves import describe, is_list, plain_of, required, row_of, row_type
from .model import Name, SesamyCredentials, Settings, VendorSettings
from .naming import clearer, names_in
from .placeholders import placeholders
from .rules import Sections, cross, two_keys
from .secret import Secret, SecretError

_ANYWHERE: Final = re.compile(r"at line (\d+), column (\d+)")
_KEY: Final = re.compile(r"[A-Za-z_]{1,40}")
_OTHERS: Final = frozenset({"HTTP_PROXY"})
"""Variables that bear a setting's name and mean something else to other programs."""
_NOBODY: Final = SesamyCredentials(client_id="", client_secret=Secret("text", ""))
_MAX_BYTES: Final = 4 * 1024 * 1024


class SettingsError(Fatal):
    """
    The settings can't be used; `findings` says all of it, and quotes no value.

    `partial` has what could be read, a broken value at its default, and no vendor unless all could be; None: it was no TOML.
    """

    def __init__(self, findings: Iterable[Finding], *, partial: Settings | None = None, broken: Iterable[str] = ()) -> None:
        """Take at least one finding; `broken`: the paths of what could not be read."""
        self.findings, self.partial, self.broken = tuple(findings), partial, frozenset(broken)
        errors = [one for one in self.findings if one.level == "error"]
        lines = [one.sentence for one in errors]
        beside = [f"beside that: {one.sentence}" for one in self.findings if one.level != "error"]
        super().__init__("\n".join([f"settings: {len(lines)} to correct", *lines, *beside]), code="settings", status=Exit.SETTINGS)


def load(path: Path, environ: Mapping[str, str], *, only: tuple[str, ...] = ("",)) -> Settings:
    """
    Return the settings of the file, with the environment over it.

    Args:
        only: how the paths begin of the secrets that are needed; the others' variables and files need not be there, and are not read.
            Without those of vendors, of each vendor its id is read, and nothing else.

    Raises:
        SettingsError: anything is wrong; all of it at once.
    """
    reader, text = _Reader(environ, only), _text(path)
    tree = _tree(path, text)
    sections = reader.sections(tree)
    reader.found += cross(sections, broken=reader.broken)
    reader.found += placeholders(reader.read)
    vendors = tuple(one for one in sections.vendors if one is not None)
    if reader.found:
        partial = Settings(**{**msgspec.structs.asdict(sections), "vendors": vendors if len(vendors) == len(sections.vendors) else ()})
        found = [*reader.found, *two_keys(reader.read), *misspelt(environ, reader.secrets())]
        raise SettingsError(clearer(found, names_in(tree), text=text), partial=partial, broken=reader.broken)
    return Settings(**{**msgspec.structs.asdict(sections), "vendors": vendors})


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        what = "not there" if isinstance(error, FileNotFoundError) else reason(error)
        raise SettingsError([Finding(path=str(path), what=what, cure="name the file with --config FILE, or write it")]) from None
    except ValueError:
        raise SettingsError([Finding(path=str(path), what="not UTF-8", cure="save it as UTF-8")]) from None


def _tree(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # Its text, and the document in it, may hold a secret.
        place = _ANYWHERE.search(str(error)) if isinstance(error, ValueError) else None
        where = f"line {place[1]}, column {place[2]}" if place else "it ends too early, or is nested too deep"
        finding = Finding(path=str(path), what=f"not TOML: {where}", cure="correct it there; text needs quotes, a key stands once")
    raise SettingsError([finding])


class _FromEnvironment(Struct, frozen=True):
    """A value that a variable gives, in place of the file's."""

    name: str
    text: str


class _Reader:
    """Turns a tree into structs, and collects what is wrong on the way."""

    def __init__(self, environ: Mapping[str, str], only: tuple[str, ...]) -> None:
        self._environ, self._only = environ, only
        self.found: list[Finding] = []
        self.broken: set[str] = set()
        """Paths of values that could not be read."""
        self.read: dict[str, object] = {}
        """Path -> value, of what could be read, whatever is wrong with the rest of its table."""

    def secrets(self) -> Iterator[Secret]:
        """Give those that could be read."""
        return (value for value in self.read.values() if isinstance(value, Secret))

    def sections(self, tree: dict[str, Any]) -> Sections:
        fields = {field.name: field for field in msgspec.structs.fields(Settings)}
        self._unknown(tree, fields, "")
        sections: dict[str, Any] = {}
        for name, field in fields.items():
            if name == "vendors":
                continue
            section = tree.get(name, {})
            if not isinstance(section, dict):
                self._refuse(name, "expected a table", f"write it as [{name}]")
                section = {}
            variables = {
                part.name: _FromEnvironment(variable, self._environ[variable])
                for part in msgspec.structs.fields(field.type)
                if (variable := f"{name}_{part.name}".upper()) in self._environ and variable not in _OTHERS
            }
            sections[name] = self._struct(field.type, section | variables, f"{name}.")
        rows = tree.get("vendors")
        return Sections(**sections, vendors=self._vendors(rows) if "vendors".startswith(self._only) else self._ids(rows))

    def _vendors(self, rows: object) -> tuple[Any, ...]:
        return self._rows(rows, "vendors", of=row_type(Settings, "vendors"), cure="add one [[vendors]] for each Sesamy vendor")

    def _ids(self, rows: object) -> tuple[VendorSettings, ...]:
        """Return vendors by their ids: what else is wrong with them is of no account, and there may be none."""
        tables = [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []
        read = [self._value(row["id"], Name, f"vendors[{at}].id", is_optional=False) for at, row in enumerate(tables) if "id" in row]
        return tuple(VendorSettings(id=one, sesamy=_NOBODY, makeas=()) for one in read if one is not None)

    def _rows(self, rows: object, path: str, *, of: type[Struct], cure: str) -> tuple[Any, ...]:
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            self._refuse(path, "missing or empty" if not rows else "expected tables", cure)
            return ()
        return tuple(self._struct(of, row, f"{path}[{number}].") for number, row in enumerate(rows))

    def _struct(self, cls: type[Struct], tree: dict[str, Any], prefix: str) -> Any:  # noqa: ANN401 - any struct
        """Return the struct, a broken value at its default; None where that has none."""
        fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        self._unknown(tree, fields, prefix)
        values: dict[str, Any] = {}
        whole = True
        for key, field in fields.items():
            path = prefix + key
            if key not in tree:
                if field.required:
                    self._refuse(path, "missing", f"add it: {describe(field.type)}")
                    whole = False
                continue
            value = self._value(tree[key], field.type, path, is_optional=not field.required)
            if value is not None:
                values[field.name] = value
            elif field.required:
                whole = False
        return cls(**values) if whole else None

    def _value(self, value: object, of: Any, path: str, *, is_optional: bool) -> Any:  # noqa: ANN401 - any setting
        """Return the value as its type; None, and a finding, where it can't be that."""
        plain = plain_of(of)
        if plain is Secret:
            return self._secret(value, path)
        row = row_of(plain)
        if row is not None:
            rows = [value] if isinstance(value, dict) else value
            read = self._rows(rows, path, of=row, cure="write one { userId, apiKey, listId }, or an array of them")
            return read if read and all(one is not None for one in read) else None
        if isinstance(plain, type) and issubclass(plain, Struct):
            if isinstance(value, dict):
                return self._struct(plain, value, f"{path}.")
            self._refuse(path, "expected a table", f"write it as {{ {', '.join(required(plain))} }}")
            return None
        return self._leaf(value, of, path, is_optional=is_optional)

    def _leaf(self, value: object, of: Any, path: str, *, is_optional: bool) -> Any:  # noqa: ANN401 - any setting
        shown, strict = path, True
        if isinstance(value, _FromEnvironment):
            shown, strict = f"{value.name} (environment)", False
            value = [part.strip() for part in value.text.split(",")] if is_list(of) else value.text
        try:
            self.read[path] = msgspec.convert(value, of, strict=strict)
            return self.read[path]
        except (msgspec.ValidationError, OverflowError):  # Its text may quote the value.
            self.broken.add(path)
            linked = isinstance(value, str) and value.startswith("tcp://")
            cure = (
                "Kubernetes sets it for a service of that name: enableServiceLinks: false"
                if linked
                else "correct it" + ", or remove it" * is_optional
            )
            self._refuse(shown, f"expected {describe(of)}", cure)
            return None

    def _secret(self, value: object, path: str) -> Secret | None:
        made, is_needed = None, path.startswith(self._only)
        if isinstance(value, _FromEnvironment):
            made = Secret("env", value.name, text=value.text)
        elif isinstance(value, str):
            made = Secret("text", value)
        elif isinstance(value, dict) and len(value) == 1:
            kind, source = next(iter(value.items()))
            if kind == "env" and isinstance(source, str):
                if source not in self._environ and is_needed:
                    self._refuse(path, "the variable it names is not set", "set the variable, or correct the name")
                    return None
                made = Secret("env", source, text=self._environ.get(source, ""))
            elif kind == "file" and isinstance(source, str) and "\0" not in source:
                made = Secret("file", source)
        if made is None:
            self._refuse(path, "expected a secret", 'write it as "text", { env = "NAME" } or { file = "/path" }')
            return None
        if not is_needed:
            self.broken.add(path)  # No rule may ask what it says.
            return made
        try:
            made.read()
        except SecretError as error:
            source = made.source.partition(" ")[0]
            where = {"file": "the file it names: ", "env": "the variable it names: "}.get(source, "")
            self._refuse(path, f"{where}{error}", error.cure)
            return None
        self.read[path] = made
        return made

    def _unknown(self, tree: dict[str, Any], fields: Iterable[str], prefix: str) -> None:
        known = list(fields)
        for key in tree:
            if key in known:
                continue
            close = get_close_matches(key, known, n=1, cutoff=0.5)
            cure = f"did you mean {close[0]}?" if close else f"remove it; known here: {', '.join(known)}"
            name = key if _KEY.fullmatch(key) else "(a key not shown, for it may be a secret)"
            self._refuse(prefix + name, "unknown key", cure)

    def _refuse(self, path: str, what: str, cure: str) -> None:
        self.broken.add(path)
        self.found.append(Finding(path=path, what=what, cure=cure))
