"""Answers whether a submission is still waiting: it stands in the topic, but the consumers have not come to it.

The ingress asks it for `GET /api/submissions/<id>`, so that "pending" and "unknown" are told apart even for records
that another ingress, or anyone else, has produced.
"""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from service.broker.connection import client_arguments, describe
from service.broker.errors import BrokerUnavailable
from service.broker.log_reader import EARLIEST, LogReader
from service.broker.partitioning import home_partition
from service.naming import is_submission_key
from service.settings import KafkaSettings, TopicSettings

SCAN_BYTES: Final = 1024 * 1024


class _Lane:
    """The keys of one partition between the committed offset and the end, in the order of their offsets."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.keys: dict[bytes, int] = {}
        self.next = 0


class Backlog:
    """The submissions beyond the group's committed offsets. Each record is read once, when somebody asks."""

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings, group: str) -> None:
        self._kafka = kafka
        self._topic = topics.submissions
        self._group = group
        self._reader = LogReader(kafka, topics.submissions)
        self._admin: AIOKafkaAdminClient | None = None
        self._lanes: dict[int, _Lane] = {}

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()
        await self._disconnect()

    async def holds(self, key: bytes) -> bool:
        """Tell whether a record with this key waits in the partition where the key belongs.

        Raises BrokerUnavailable.
        """
        partition = home_partition(key, await self._reader.partition_count())
        lane = self._lanes.setdefault(partition, _Lane())
        async with lane.lock:
            await self._catch_up(partition, lane)
            return key in lane.keys

    async def _catch_up(self, partition: int, lane: _Lane) -> None:
        committed = await self._committed(partition)
        if committed is None:
            committed = await self._reader.offset_at(partition, EARLIEST) or 0
        for key in [key for key, offset in lane.keys.items() if offset < committed]:
            del lane.keys[key]
        lane.next = max(lane.next, committed)
        try:
            async for records in self._reader.scan(partition, lane.next, SCAN_BYTES):
                for record in records:
                    if record.key is not None and is_submission_key(record.key.decode("ascii", "replace")):
                        lane.keys[record.key] = record.offset
                lane.next = records[-1].offset + 1
        except OffsetOutOfRangeError:  # the topic was made anew, or retention has overtaken the consumers
            self._lanes.pop(partition, None)
            lane.keys.clear()

    async def _committed(self, partition: int) -> int | None:
        place = TopicPartition(self._topic, partition)
        try:
            async with asyncio.timeout(self._kafka.request_timeout_seconds):
                if self._admin is None:
                    admin = AIOKafkaAdminClient(**client_arguments(self._kafka))
                    try:
                        await admin.start()
                    except BaseException:
                        await admin.close()
                        raise
                    self._admin = admin
                offsets = await self._admin.list_consumer_group_offsets(self._group, partitions=[place])
        except (KafkaError, TimeoutError) as error:
            await self._disconnect()
            raise BrokerUnavailable(describe(error)) from error
        offset: int = offsets[place].offset
        return None if offset < 0 else offset

    async def _disconnect(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()
