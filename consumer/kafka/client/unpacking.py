"""
Unpacking with a bound: what one poll may unpack, whatever the batches say.

The client unpacks a batch as a whole, and however large it becomes: a MiB of zeros that were packed well is a GiB. Here it ends at the
bound, as a damaged batch does. What a poll has unpacked counts together, so that many batches below the bound fill no memory, either.
"""

import gzip
import io
import struct
import sys
from contextvars import ContextVar
from mmap import mmap
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

MOST_BYTES: Final = 64 * 1024 * 1024
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEAD_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">i")
_FULL: Final = "failed to write whole buffer"
"""What the unpacker says where the place that it was given is too small."""
_left_bytes: ContextVar[int] = ContextVar("left_bytes", default=MOST_BYTES)


class UnpacksTooLarge(ValueError):
    """A batch is larger than a poll may unpack."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {MOST_BYTES // 1024 // 1024} MiB")


def begin_poll(bound_bytes: int = MOST_BYTES) -> None:
    """Let what the task unpacks from now on be at most so much."""
    _left_bytes.set(bound_bytes)


def _taken(unpacked: bytes) -> bytes:
    left = _left_bytes.get() - len(unpacked)
    if left < 0:
        raise UnpacksTooLarge
    _left_bytes.set(left)
    return unpacked


# ---- The codecs, each in place of the client's function of the same name ----


def gzip_decode(payload: Any) -> bytes:  # noqa: ANN401 - whatever has a buffer
    """Unpack gzip."""
    with gzip.GzipFile(fileobj=io.BytesIO(payload)) as file:
        return _taken(file.read(_left_bytes.get() + 1))


def snappy_decode(payload: Any) -> bytes:  # noqa: ANN401
    """Unpack snappy, in blocks with their lengths as Java writes them, or as one."""
    data = bytes(payload)
    if not data.startswith(_XERIAL) or len(data) <= _XERIAL_HEAD_BYTES:
        return _snappy_block(data)
    blocks, at = [], _XERIAL_HEAD_BYTES
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if not 0 < length <= len(data) - at:
            raise ValueError("a block of no such length")
        blocks.append(_snappy_block(data[at : at + length]))
        at += length
    return b"".join(blocks)


def _snappy_block(data: bytes) -> bytes:
    from cramjam import snappy  # noqa: PLC0415 - the client asks first whether it is there

    if snappy.decompress_raw_len(data) > _left_bytes.get():
        raise UnpacksTooLarge
    return _taken(bytes(snappy.decompress_raw(data)))


def lz4_decode(payload: Any) -> bytes:  # noqa: ANN401
    """Unpack lz4."""
    from cramjam import lz4  # noqa: PLC0415

    return _into_bound(lz4, payload)


def zstd_decode(payload: Any) -> bytes:  # noqa: ANN401
    """Unpack zstd."""
    from cramjam import zstd  # noqa: PLC0415

    return _into_bound(zstd, payload)


def _into_bound(codec: Any, payload: Any) -> bytes:  # noqa: ANN401
    """Unpack into as much room as is left: the system gives the pages of it as they are written."""
    from cramjam import DecompressionError  # noqa: PLC0415

    with mmap(-1, max(1, _left_bytes.get())) as room:
        try:
            length = codec.decompress_into(payload, room)
        except DecompressionError as error:
            if _FULL in str(error):
                raise UnpacksTooLarge from error
            raise
        return _taken(room[:length])


_CODECS: Final = (gzip_decode, snappy_decode, lz4_decode, zstd_decode)


def unpack_with_bound() -> None:
    """Let the client unpack by the functions of this file: it asks for them by name where it reads batches, old and new ones."""
    for batch in (DefaultRecordBatch, LegacyRecordBatch):
        module = sys.modules[batch.__module__]
        for codec in _CODECS:
            if hasattr(module, codec.__name__):  # The old ones know no zstd.
                setattr(module, codec.__name__, codec)
