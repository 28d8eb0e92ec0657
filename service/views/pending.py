"""Answers whether a submission is still waiting: it stands in the topic, but the consumers have not come to it.

The ingress asks it for `GET /api/submissions/<id>`, so that "pending" and "unknown" are told apart even for records
that another ingress, or anyone else, has produced.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from service.broker.log_reader import EARLIEST, LogReader
from service.broker.partitioning import home_partition
from service.settings import KafkaSettings, TopicSettings
from service.submission.identity import is_submission_key
from service.submission.record_headers import header

SCAN_BYTES: Final = 1024 * 1024


class _Lane:
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
        self._lanes: dict[int, _Lane] = {}

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def holds(self, key: bytes, user: str | None = None) -> bool:
        """Tell whether a record with this key, and of this user if one is given, waits where the key belongs.

        Raises BrokerUnavailable.
        """
        partition = home_partition(key, await self._reader.partition_count())
        lane = self._lanes.setdefault(partition, _Lane())
        async with lane.lock:
            await self._catch_up(partition, lane)
            waiting = lane.keys.get(key)
        return waiting is not None and (user is None or waiting[1] == user.encode("utf-8", "surrogateescape"))

    async def _catch_up(self, partition: int, lane: _Lane) -> None:
        committed = await self._reader.committed(partition, self._group)
        if committed is None:
            committed = await self._reader.offset_at(partition, EARLIEST) or 0
        while lane.keys and next(iter(lane.keys.values()))[0] < committed:
            lane.keys.popitem(last=False)
        async for records in self._reader.scan(partition, max(lane.next, committed), SCAN_BYTES):
            for record in records:
                if record.key is not None and is_submission_key(record.key.decode("ascii", "replace")):
                    lane.keys[record.key] = record.offset, header(tuple(record.headers), "ra-user")
                    lane.keys.move_to_end(record.key)
            lane.next = records[-1].offset + 1
