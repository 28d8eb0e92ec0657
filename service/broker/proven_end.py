"""Finds the end of a partition by a write, where asking for it could be answered by a leader that is none any more.

A broker that is cut off from its peers goes on to answer reads, and does not know what its successor has acknowledged.
It cannot acknowledge a write by all in-sync replicas: those have another leader. So one that was acknowledged stands
behind all that was acknowledged before it, and who reads up to it misses nothing of that.
"""

from typing import Final

from service.broker.log_reader import LogReader
from service.broker.producer import Producer
from service.submission.records import NewRecord

KEY: Final = b"end"
"""Of a record without a value, which compaction deletes; no submission has such a key."""


async def proven_end(reader: LogReader, producer: Producer, partition: int) -> int | None:
    """Return the end of a partition behind a record written for that; None where nobody else can lead it.

    Raises BrokerUnavailable.
    """
    if not await reader.is_replicated(partition):
        return None
    written = await producer.send(NewRecord(reader.topic, partition, KEY, None, ()))
    return written.offset + 1
