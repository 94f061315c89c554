"""What a poll unpacks: all that is good up to the bound, and nothing beyond it, in little memory."""

import gzip
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, codec
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from cramjam import lz4, snappy, zstd

from consumer.kafka.client import unpacking
from consumer.kafka.client.clients import Reader
from consumer.kafka.client.failures import DAMAGED, cure, damage, is_damage
from consumer.kafka.client.unpacking import MOST_BYTES, UnpacksTooLarge, begin_poll, unpack_with_bound

Pack = Callable[[bytes], bytes]
Unpack = Callable[[bytes], bytes]

_MIB: Final = 1024 * 1024
_CODECS: Final[dict[str, tuple[Pack, Unpack]]] = {
    "gzip": (codec.gzip_encode, unpacking.gzip_decode),
    "gzip in parts": (lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:]), unpacking.gzip_decode),
    "snappy": (lambda data: bytes(snappy.compress_raw(data)), unpacking.snappy_decode),
    "snappy in blocks": (codec.snappy_encode, unpacking.snappy_decode),
    "lz4": (codec.lz4_encode, unpacking.lz4_decode),
    "zstd": (codec.zstd_encode, unpacking.zstd_decode),
}
_BATCHES: Final = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_BOUND: Final = 300_000

each_codec = pytest.mark.parametrize(("pack", "unpack"), _CODECS.values(), ids=_CODECS)


def some_bytes(length: int) -> bytes:
    return random.Random(1).randbytes(length // 2) + bytes(length - length // 2)


@each_codec
@pytest.mark.parametrize("length", [1, 100, _BOUND])
def test_what_is_not_larger_than_the_bound_is_unpacked_as_it_was(pack: Pack, unpack: Unpack, length: int) -> None:
    begin_poll(_BOUND)
    data = some_bytes(length)

    assert unpack(pack(data)) == data


@each_codec
@pytest.mark.parametrize("more", [1, 20 * _BOUND])
def test_what_is_larger_is_not_unpacked(pack: Pack, unpack: Unpack, more: int) -> None:
    begin_poll(_BOUND)
    with pytest.raises(UnpacksTooLarge):
        unpack(pack(bytes(_BOUND + more)))


@each_codec
def test_what_a_poll_unpacks_counts_together_and_the_next_poll_begins_anew(pack: Pack, unpack: Unpack) -> None:
    packed = pack(bytes(_BOUND // 2))
    begin_poll(_BOUND)
    assert [len(unpack(packed)), len(unpack(packed))] == [_BOUND // 2] * 2
    with pytest.raises(UnpacksTooLarge):
        unpack(packed)
    begin_poll(_BOUND)
    assert len(unpack(packed)) == _BOUND // 2


@each_codec
def test_what_is_damaged_raises_what_damage_does_whatever_it_says_of_its_length(pack: Pack, unpack: Unpack) -> None:
    packed, chance = pack(some_bytes(5000)), random.Random(2)
    for _ in range(300):
        bad = bytearray(packed[: chance.choice((len(packed), chance.randrange(len(packed))))])
        for _ in range(chance.randrange(3) if bad else 0):
            bad[chance.randrange(min(len(bad), 60))] = chance.choice((0, 0xFF, chance.randrange(256)))
        begin_poll(_BOUND)
        with suppress(*DAMAGED):
            unpack(bytes(bad))


@pytest.mark.parametrize("length", [-4, -5, 0, 1_000])
def test_a_block_of_an_impossible_length_ends_it(length: int) -> None:
    """One that leads back would be read for ever."""
    head = codec.snappy_encode(b"x")[:16]
    with pytest.raises(ValueError, match="no such length"):
        unpacking.snappy_decode(head + length.to_bytes(4, "big", signed=True) + b"abc")


# ---- In the client ----


def batch(codec_id: int, value: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec_id, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=10 * _MIB
    )
    for n in range(3):
        builder.append(n, timestamp=n, key=b"k", value=value, headers=[])
    return bytes(builder.build())


def old_batch(codec_id: int, value: bytes) -> bytes:
    builder = LegacyRecordBatchBuilder(1, codec_id, 10 * _MIB)
    for n in range(3):
        builder.append(n, timestamp=n, key=b"k", value=value)
    return bytes(builder.build())


@pytest.mark.parametrize(
    ("make", "codec_id"),
    [*((batch, one) for one in _BATCHES.values()), *((old_batch, _BATCHES[one]) for one in ("gzip", "snappy", "lz4"))],
)
def test_the_client_unpacks_batches_with_the_bound(make: Callable[[int, bytes], bytes], codec_id: int) -> None:
    """Where a newer client asks for its codecs elsewhere, this says so."""
    unpack_with_bound()
    begin_poll(_BOUND)
    assert [one.value for one in MemoryRecords(make(codec_id, b"v")).next_batch()] == [b"v"] * 3
    with pytest.raises(UnpacksTooLarge):
        list(MemoryRecords(make(codec_id, bytes(_BOUND))).next_batch())


async def test_each_poll_of_a_reader_has_the_whole_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getmany(_: object, *packed: bytes, **__: object) -> list[int]:
        return [len(unpacking.zstd_decode(one)) for one in packed]

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    most, more = (bytes(zstd.compress(bytes(MOST_BYTES + n))) for n in range(2))
    reader = Reader(bootstrap_servers="127.0.0.1:9")

    try:
        for _ in range(2):
            assert await reader.getmany(most) == [MOST_BYTES]
        with pytest.raises(UnpacksTooLarge):
            await reader.getmany(more)
        with pytest.raises(UnpacksTooLarge):
            await reader.getmany(most, more)
        assert await reader.getmany(most) == [MOST_BYTES]
    finally:
        await reader.stop()


def test_it_is_told_with_the_bound_and_the_cure() -> None:
    error = UnpacksTooLarge()
    said = cure(error) or ""

    assert is_damage(error)
    assert isinstance(error, DAMAGED)
    assert damage(error) == "it unpacks to more than 64 MiB"
    assert said.startswith("it unpacks to more than 64 MiB: stop what writes such batches")
    assert "kafka-delete-records.sh" in said
    assert damage(zlib.error("x")) == "it can't be unpacked"


# ---- In memory ----

_CHILD: Final = """
import resource, sys
from consumer.kafka.client import unpacking
packed = open(sys.argv[2], "rb").read()
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[3]),) * 2)
try:
    getattr(unpacking, sys.argv[1])(packed)
except unpacking.UnpacksTooLarge as error:
    print(error)
"""


def gib_in_gzip() -> bytes:
    packer, zeros = zlib.compressobj(1, wbits=31), bytes(_MIB)
    return b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()


def gib_in_zstd() -> bytes:
    packer, zeros = zstd.Compressor(), bytes(_MIB)
    for _ in range(1024):
        packer.compress(zeros)
    return bytes(packer.finish())


def gib_in_lz4() -> bytes:
    packer, zeros = lz4.Compressor(), bytes(_MIB)
    for _ in range(1024):
        packer.compress(zeros)
    return bytes(packer.finish())


def gib_in_snappy() -> bytes:
    """Return a block that says so, and holds less: the room is what counts."""
    return bytes.fromhex("8080808004") + bytes(snappy.compress_raw(bytes(_MIB)))[3:] * 8


_GIBS: Final[dict[str, Callable[[], bytes]]] = {
    "gzip": gib_in_gzip,
    "zstd": gib_in_zstd,
    "lz4": gib_in_lz4,
    "snappy": gib_in_snappy,
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("codec_name", _GIBS)
def test_a_gib_of_zeros_ends_in_a_fourth_of_that_memory(codec_name: str, tmp_path: Path) -> None:
    """The system gives the child no more: one that unpacks it all has no memory."""
    (tmp_path / "packed").write_bytes(_GIBS[codec_name]())
    command = [sys.executable, "-c", _CHILD, f"{codec_name}_decode", str(tmp_path / "packed"), str(256 * _MIB)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.stdout, ended.stderr, ended.returncode) == ("it unpacks to more than 64 MiB\n", "", 0)
