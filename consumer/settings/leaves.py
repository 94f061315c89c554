"""The leaves of settings: each value with its path as people write it, so that what looks at all leaves none out; and what one may be."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from .secret import Secret


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give each value of a part of the settings, `vendors[0].makeas[1].apiKey` say, in the order of the settings; one may be None."""
    if isinstance(value, Struct):
        for field in msgspec.structs.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.encode_name}" if path else field.encode_name)
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}[{number}]")
    else:
        yield path, value


def secrets(value: object) -> Iterator[tuple[str, Secret]]:
    """Give each secret of a part of the settings."""
    for path, leaf in leaves(value):
        if isinstance(leaf, Secret):
            yield path, leaf


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


def plain_of(of: Any) -> Any:  # noqa: ANN401 - a type
    """Return a setting's type without None and without limits."""
    return _parts_of(of)[0]


def is_list(of: Any) -> bool:  # noqa: ANN401 - a type
    """Say whether a setting is a list."""
    return get_origin(plain_of(of)) is tuple


def row_of(plain: Any) -> type[Struct] | None:  # noqa: ANN401 - a type
    """Return the struct that a tuple of structs is made of."""
    inner = get_args(plain)[0] if get_origin(plain) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, Struct) else None


def row_type(cls: type[Struct], name: str) -> type[Struct]:
    """Return the struct that a field's rows are made of."""
    row = row_of(plain_of(next(field.type for field in msgspec.structs.fields(cls) if field.name == name)))
    assert row is not None
    return row


def required(cls: type[Struct]) -> list[str]:
    """Return the keys that a table must have."""
    return [field.encode_name for field in msgspec.structs.fields(cls) if field.required]


def describe(of: Any) -> str:  # noqa: ANN401 - a type
    """Say what a setting of type `of` may be, for people."""
    plain, limits = _parts_of(of)
    for limit in limits:
        if limit.description:
            return limit.description
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(plain))
    if row_of(plain) is not None:
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
