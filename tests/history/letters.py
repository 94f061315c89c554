"""A record of the dead-letter topic as a history has it."""

from collections.abc import Mapping

from tests.history.operations import Closed, Operation, Parked


def letter_op(offset: int, at: float, key: bytes | None, value: bytes | None, headers: Mapping[str, str], *, version: int) -> Operation:
    """
    Return what a record of the dead-letter topic does.

    Args:
        version: of the user's state when it was written.
    """
    if not value and "letter" in headers:
        return Closed(at=at, letter=_offset(headers["letter"]))
    return Parked(
        at=at,
        letter=offset,
        user=key.decode() if value and key is not None else "",
        account=headers.get("makeas.account", ""),
        lists=_split(headers.get("makeas.lists", "")),
        code=headers.get("error.code", ""),
        source=(int(headers["source.partition"]), int(headers["source.offset"])),
        replaces=tuple(map(_offset, _split(headers.get("replaces", "")))),
        version=version if value else 0,
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _offset(place: str) -> int:
    return int(place.partition(":")[2])
