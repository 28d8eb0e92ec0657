"""Which partition a key belongs to, the same as for every Kafka client (murmur2, the Java client's default).

Where it is compiled (`deploy.compiled`) the variables declared `i64` are machine integers; Python never looks at them.
"""

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the 32 bits of the hash (Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2`)."""
    whole = len(data) & ~3
    hashed: i64 = _SEED ^ len(data)
    word: i64
    mixed: i64
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * _MULTIPLIER & _32_BITS
        hashed = (hashed * _MULTIPLIER ^ (mixed ^ mixed >> 24) * _MULTIPLIER) & _32_BITS
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _32_BITS
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _32_BITS
    return hashed ^ hashed >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of that many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
