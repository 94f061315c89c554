"""The leaves of settings: each value with its path as people write it, so that what looks at all of a kind leaves none out."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

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
