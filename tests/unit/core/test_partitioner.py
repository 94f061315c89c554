"""The partition of a key, as Kafka's own clients choose it."""

import pytest
from aiokafka.partitioner import DefaultPartitioner

from consumer.core.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_is_placed_as_by_kafkas_own_clients(key: bytes, signed: int) -> None:
    """Hashes as in Kafka's own tests; and as our client places any key."""
    assert murmur2(key) == signed % 2**32
    assert [partition_of(bytes(range(length)), 12) for length in range(40)] == [
        DefaultPartitioner()(bytes(range(length)), list(range(12)), []) for length in range(40)
    ]
