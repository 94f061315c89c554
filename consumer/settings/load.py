"""The loader of settings: the file, the environment over it, and every finding at once."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from ..core.errors import Exit, Fatal
from .findings import Finding, reason
from .model import Name, SesamyCredentials, Settings, VendorSettings
from .naming import clearer, names_in
from .placeholders import placeholders
from .rules import Sections, cross
from .secret import Secret, SecretError

_ANYWHERE: Final = re.compile(r"at line (\d+), column (\d+)")
_KEY: Final = re.compile(r"[A-Za-z_]{1,40}")
_OTHERS: Final = frozenset({"HTTP_PROXY"})
"""Variables that bear a setting's name and mean something else to other programs."""
_NOBODY: Final = SesamyCredentials(client_id="", client_secret=Secret("text", ""))
_MAX_BYTES: Final = 4 * 1024 * 1024


class SettingsError(Fatal):
    """The settings can't be used; `findings` says all of it, and quotes no value."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Take at least one finding."""
        self.findings = tuple(findings)
        lines = [f"{one.place}: {one.what}; {one.cure}" for one in self.findings]
        super().__init__("\n".join([f"settings: {len(lines)} to correct", *lines]), code="settings", status=Exit.SETTINGS)


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
    reader.found += placeholders(sections)
    if reader.found:
        raise SettingsError(clearer(reader.found, names_in(tree), text=text))
    return Settings(**{**msgspec.structs.asdict(sections), "vendors": tuple(one for one in sections.vendors if one is not None)})


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
        return self._rows(rows, "vendors", of=_row_type(Settings, "vendors"), cure="add one [[vendors]] for each Sesamy vendor")

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
        plain = _plain(of)
        if plain is Secret:
            return self._secret(value, path)
        row = _row(plain)
        if row is not None:
            rows = [value] if isinstance(value, dict) else value
            read = self._rows(rows, path, of=row, cure="write one { userId, apiKey, listId }, or an array of them")
            return read if read and all(one is not None for one in read) else None
        if isinstance(plain, type) and issubclass(plain, Struct):
            if isinstance(value, dict):
                return self._struct(plain, value, f"{path}.")
            self._refuse(path, "expected a table", f"write it as {{ {', '.join(_required(plain))} }}")
            return None
        return self._leaf(value, of, path, is_optional=is_optional)

    def _leaf(self, value: object, of: Any, path: str, *, is_optional: bool) -> Any:  # noqa: ANN401 - any setting
        shown, strict = path, True
        if isinstance(value, _FromEnvironment):
            shown, strict = f"{value.name} (environment)", False
            value = [part.strip() for part in value.text.split(",")] if _is_list(of) else value.text
        try:
            return msgspec.convert(value, of, strict=strict)
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


def _parts_of(of: Any) -> tuple[Any, tuple[Meta, ...]]:  # noqa: ANN401 - a type
    """Return a setting's type without None and without limits, and the limits."""
    limits: tuple[Meta, ...] = ()
    while True:
        if get_origin(of) is Annotated:
            of, *more = get_args(of)
            limits = (*limits, *more)
        elif get_origin(of) in (Union, UnionType):
            of = next(part for part in get_args(of) if part is not NoneType)
        else:
            return of, limits


def _plain(of: Any) -> Any:  # noqa: ANN401 - a type
    return _parts_of(of)[0]


def _is_list(of: Any) -> bool:  # noqa: ANN401 - a type
    return get_origin(_plain(of)) is tuple


def _row(plain: Any) -> type[Struct] | None:  # noqa: ANN401 - a type
    """Return the struct that a tuple of structs is made of."""
    inner = get_args(plain)[0] if get_origin(plain) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, Struct) else None


def _row_type(cls: type[Struct], name: str) -> type[Struct]:
    row = _row(_plain(next(field.type for field in msgspec.structs.fields(cls) if field.name == name)))
    assert row is not None
    return row


def _required(cls: type[Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(cls) if field.required]


def describe(of: Any) -> str:  # noqa: ANN401 - a type
    """Say what a setting of type `of` may be, for people."""
    plain, limits = _parts_of(of)
    for limit in limits:
        if limit.description:
            return limit.description
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(plain))
    if _row(plain) is not None:
        return "one table, or an array of tables"
    if get_origin(plain) is tuple:
        return f"a list, each {describe(get_args(plain)[0])}"
    if plain is Secret:
        return 'a secret: "text", { env = "NAME" } or { file = "/path" }'
    words: Mapping[Any, Callable[[], str]] = {
        bool: lambda: "true or false",
        int: lambda: "a whole number" + _bounds(limits),
        float: lambda: "a number" + _bounds(limits),
        str: lambda: "text" + "".join(f" of {limit.min_length} to {limit.max_length} characters" for limit in limits),
    }
    return words[plain]() if plain in words else "a table"


def _bounds(limits: Iterable[Meta]) -> str:
    said = ""
    for limit in limits:
        if limit.gt is not None:
            said += f" above {limit.gt:g}, at most {limit.le:,}"
        elif limit.ge is not None:
            said += f" from {limit.ge:,} to {limit.le:,}"
    return said
