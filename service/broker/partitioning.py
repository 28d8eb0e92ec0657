"""Which partition a key belongs to, the same as for every Kafka client (murmur2, the Java client's default)."""

from aiokafka.partitioner import murmur2


def home_partition(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of that many partitions."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
