"""Reads `job-outcomes`: all of a partition at once, the one at a place, or every new one as it comes.

The duplicate window loads and looks up with it, the ingress follows it for the answers to waiting requests. Nothing
here belongs to a consumer group: each process reads what it needs.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiokafka.errors import OffsetOutOfRangeError

from service.broker.batches import as_record
from service.broker.log_reader import LogReader
from service.broker.producer import Producer
from service.broker.proven_end import proven_end
from service.broker.queries import EARLIEST
from service.broker.topic_follower import TopicFollower
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import Record
from service.telemetry.metrics import Metrics

SCAN_BYTES: Final = 1024 * 1024
"""Bytes of a step of `scan`: a few milliseconds of work for the event loop."""
READ_BYTES: Final = 32 * 1024
READ_AHEAD: Final = 64
REMEMBERED: Final = 1024
"""Outcomes kept from the neighbourhood of those read: duplicates mostly come in the order of their originals."""
REMEMBERED_BYTES: Final = 4096
"""Longest value that is kept."""


class OutcomeLog:
    """The outcomes topic, for reading."""

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> None:
        self._topic = topics.outcomes
        self._reader = LogReader(kafka, topics.outcomes)
        self._follower = TopicFollower(kafka, topics.outcomes, metrics, client="outcomes")
        self._remembered: OrderedDict[tuple[int, int], Record] = OrderedDict()

    async def stop(self) -> None:
        """Disconnect; `follow` ends by its own cancellation."""
        await self._reader.stop()
        await self._follower.stop()

    async def partition_count(self) -> int:
        """Return the number of partitions; raises BrokerUnavailable."""
        return await self._reader.partition_count()

    async def proven_end(self, partition: int, producer: Producer) -> int | None:
        """Return an end that no leader of the past can hide, as of `proven_end`. Raises BrokerUnavailable."""
        return await proven_end(self._reader, producer, partition)

    async def scan(
        self, partition: int, from_offset: int = 0, written_end: int | None = None
    ) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        """Yield key and offset of the records from `from_offset` up to the end as of now, in lists never empty.

        Where `from_offset` is not there, because retention has deleted it or the topic was made anew, all come.
        `written_end` is an end that is known, as of `proven_end`. Raises BrokerUnavailable.
        """
        async for records in self._reader.scan(partition, from_offset, SCAN_BYTES, written_end):
            yield [(record.key, record.offset) for record in records]

    async def beginning(self, partition: int) -> tuple[int, int | None]:
        """Return the first offset that is not deleted, and the timestamp of the first record there, None without any.

        Compaction does not count: it deletes what was written again later. Raises BrokerUnavailable.
        """
        first = await self._reader.offset_at(partition, EARLIEST) or 0
        async for records in self._reader.scan(partition, first, READ_BYTES):
            return first, records[0].timestamp
        return first, None

    async def read(self, partition: int, offset: int) -> Record | None:
        """Return the record at `offset`, None if compaction or retention has removed it. Raises BrokerUnavailable."""
        known = self._remembered.get((partition, offset))
        if known is not None:
            return known
        try:
            batches, _ = await self._reader.batches(partition, offset, READ_BYTES)
        except OffsetOutOfRangeError:
            return None
        found = None
        for messages, _ in batches:
            for message in messages:
                if message.offset < offset:
                    continue
                if message.offset > offset + READ_AHEAD:
                    return found
                record = as_record(self._topic, partition, message)
                self._remember(record)
                if message.offset == offset:
                    found = record
        return found

    def _remember(self, record: Record) -> None:
        if len(record.value or b"") <= REMEMBERED_BYTES:
            self._remembered[record.partition, record.offset] = record
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    @property
    def ready(self) -> bool:
        """True once `follow` has fixed its positions: every outcome written from then on will be seen."""
        return self._follower.ready

    async def follow(self, on_records: Callable[[list[Record]], None]) -> None:
        """Give every record written from now on to `on_records`, as `TopicFollower.follow` does, until cancelled."""
        await self._follower.follow(on_records)
