"""Reads the dead letters, all or one, for the command that lists, shows and replays them."""

from collections.abc import AsyncIterator
from typing import Final

from service.broker.batches import as_record
from service.broker.log_reader import LogReader
from service.broker.queries import EARLIEST
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import Record

SCAN_BYTES: Final = 1024 * 1024


class DeadLetterLog:
    """The dead-letter topic, for reading."""

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings) -> None:
        self._topic = topics.dead_letters
        self._reader = LogReader(kafka, topics.dead_letters)

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def scan(self) -> AsyncIterator[Record]:
        """Yield every dead letter that is there now, partition by partition. Raises BrokerUnavailable."""
        for partition in range(await self._reader.partition_count()):
            start = await self._reader.offset_at(partition, EARLIEST) or 0
            async for messages in self._reader.scan(partition, start, SCAN_BYTES):
                for message in messages:
                    yield as_record(self._topic, partition, message)
