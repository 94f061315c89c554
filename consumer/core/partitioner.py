"""The partition that a record's key belongs to, as Kafka's own clients place it."""

from typing import Final

from .model import UserKey

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_32: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def usual_key(user: UserKey) -> bytes:
    """Return the key that puts a user on one partition, as Sesamy's forwarder makes it."""
    return f"{user.vendor}|{user.user}".encode()


def partition_of(key: bytes, partitions: int) -> int:
    """Return where a key belongs among `partitions` (1 or more)."""
    return (murmur2(key) & _POSITIVE) % partitions


def murmur2(key: bytes) -> int:
    """
    Return the 32-bit hash of a key, unsigned.

    Source: MurmurHash2 (Appleby), with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
    """
    whole = len(key) & ~3
    hashed = _SEED ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MIX & _32
        hashed = hashed * _MIX & _32 ^ (word ^ word >> 24) * _MIX & _32
    if whole < len(key):
        hashed = (hashed ^ int.from_bytes(key[whole:], "little")) * _MIX & _32
    hashed = (hashed ^ hashed >> 13) * _MIX & _32
    return hashed ^ hashed >> 15
