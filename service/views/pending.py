"""Tells whether a submission is still waiting: it is in the topic, and the consumers have not committed it yet.

The ingress asks it for `GET /api/submissions/<id>`, so that "pending" and "unknown" are told apart even for records
that another ingress, or any other producer, has written.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from service.broker.log_reader import LogReader
from service.broker.partitioning import partition_for
from service.broker.queries import EARLIEST
from service.settings import KafkaSettings, TopicSettings
from service.submission.identity import is_submission_key
from service.submission.record_headers import header

SCAN_BYTES: Final = 1024 * 1024


class _Partition:
    """The keys of one partition between the committed offset and the end, in the order of their offsets, with users."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.keys: OrderedDict[bytes, tuple[int, bytes | None]] = OrderedDict()
        self.next = 0


class PendingSubmissions:
    """The submissions beyond the group's committed offsets. Each record is read once, when somebody asks."""

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings, group: str) -> None:
        self._group = group
        self._reader = LogReader(kafka, topics.submissions)
        self._partitions: dict[int, _Partition] = {}

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def holds(self, key: bytes, user: str | None = None) -> bool:
        """Tell whether a record with this key, and of this user if one is given, waits in the key's partition.

        Raises BrokerUnavailable.
        """
        partition = partition_for(key, await self._reader.partition_count())
        pending = self._partitions.setdefault(partition, _Partition())
        async with pending.lock:
            await self._catch_up(partition, pending)
            found = pending.keys.get(key)
        return found is not None and (user is None or found[1] == user.encode("utf-8", "surrogateescape"))

    async def _catch_up(self, partition: int, pending: _Partition) -> None:
        committed = await self._reader.committed(partition, self._group)
        if committed is None:
            committed = await self._reader.offset_at(partition, EARLIEST) or 0
        while pending.keys and next(iter(pending.keys.values()))[0] < committed:
            pending.keys.popitem(last=False)
        async for records in self._reader.scan(partition, max(pending.next, committed), SCAN_BYTES):
            for record in records:
                if record.key is not None and is_submission_key(record.key.decode("ascii", "replace")):
                    pending.keys[record.key] = record.offset, header(tuple(record.headers), "ra-user")
                    pending.keys.move_to_end(record.key)
            pending.next = records[-1].offset + 1
