"""Reads `job-outcomes`: all of a partition at once, the one at a place, or every new one as it comes.

The duplicate window loads and looks up with it, the ingress follows it for the answers to waiting requests. Nothing
here belongs to a consumer group: each process reads what it needs.
"""

import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from service.broker.batches import as_record
from service.broker.connection import client_arguments, until_connected
from service.broker.errors import BrokerUnavailable, describe
from service.broker.log_reader import LogReader
from service.broker.patches import close
from service.broker.queries import EARLIEST, LATEST
from service.broker.stalls import StallDetector
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import Record
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

SCAN_BYTES: Final = 1024 * 1024
"""Bytes of a step of `scan`: a few milliseconds of work for the event loop."""
READ_BYTES: Final = 32 * 1024
READ_AHEAD: Final = 64
REMEMBERED: Final = 1024
"""Outcomes kept from the neighbourhood of those read: duplicates mostly come in the order of their originals."""
REMEMBERED_BYTES: Final = 4096
"""Longest value that is kept."""
NEW_PARTITIONS_SECONDS: Final = 10.0


class OutcomeLog:
    """The outcomes topic, for reading."""

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> None:
        self._kafka = kafka
        self._topic = topics.outcomes
        self._reader = LogReader(kafka, topics.outcomes)
        self._rebuilds = metrics.rebuilds.labels(client="outcomes")
        self._remembered: OrderedDict[tuple[int, int], Record] = OrderedDict()
        self._positions: dict[int, int] = {}

    async def stop(self) -> None:
        """Disconnect; `follow` ends by its own cancellation."""
        await self._reader.stop()

    async def partition_count(self) -> int:
        """Return the number of partitions; raises BrokerUnavailable."""
        return await self._reader.partition_count()

    async def scan(self, partition: int, from_offset: int = 0) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        """Yield key and offset of the records from `from_offset` up to the end as of now, in lists never empty.

        Where `from_offset` is not there, because retention has deleted it or the topic was made anew, all come.
        Raises BrokerUnavailable.
        """
        async for records in self._reader.scan(partition, from_offset, SCAN_BYTES):
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
        return bool(self._positions)

    async def follow(self, on_records: Callable[[list[Record]], None]) -> None:
        """Give every record written from now on to `on_records`, those of one partition at a time, until cancelled.

        An outage delays records and loses none; partitions that are added later are read from their beginning.
        """
        while True:
            consumer = await until_connected(self._at_positions, "outcomes")
            try:
                await self._pass_on(consumer, on_records)
                reason = "fetches go unanswered"
            except (KafkaError, BrokerUnavailable) as error:
                reason = describe(error)
            finally:
                await close(consumer)
            log.warning("kafka-client-replaced", client="outcomes", reason=reason)
            self._rebuilds.inc()

    async def _at_positions(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **client_arguments(self._kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # only where retention or a new topic has overtaken a position
        )
        try:
            await consumer.start()
            await self._assign(consumer)
        except BaseException:
            await close(consumer)
            raise
        return consumer

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Assign all partitions: at the end the first time, later ones from their beginning."""
        start = EARLIEST if self._positions else LATEST
        positions = dict(self._positions)
        for partition in range(await self._reader.partition_count()):
            if partition not in positions:
                positions[partition] = await self._reader.offset_at(partition, start) or 0
        consumer.assign([TopicPartition(self._topic, partition) for partition in positions])
        for partition, position in positions.items():
            consumer.seek(TopicPartition(self._topic, partition), position)
        self._positions = positions

    async def _pass_on(self, consumer: AIOKafkaConsumer, on_records: Callable[[list[Record]], None]) -> None:
        """Pass records on until fetches go unanswered."""
        stalls = StallDetector()
        counted = time.monotonic()
        while not stalls.stalled(consumer, consumer.assignment()):
            try:
                batches = await consumer.getmany(timeout_ms=500)
            except UnicodeDecodeError:
                await self._step_over(consumer, on_records)
                continue
            for place, messages in batches.items():
                self._deliver(place.partition, messages, on_records)
            if time.monotonic() - counted > NEW_PARTITIONS_SECONDS:
                counted = time.monotonic()
                known = consumer.partitions_for_topic(self._topic) or ()
                if len(known) > len(self._positions):
                    await self._assign(consumer)

    def _deliver(self, partition: int, messages: list[Any], on_records: Callable[[list[Record]], None]) -> None:
        if messages:
            self._positions[partition] = messages[-1].offset + 1
            on_records([as_record(self._topic, partition, message) for message in messages])

    async def _step_over(self, consumer: AIOKafkaConsumer, on_records: Callable[[list[Record]], None]) -> None:
        """Read a batch of every partition without the consumer, which cannot decode one of their records."""
        for partition, position in list(self._positions.items()):
            batches, _ = await self._reader.batches(partition, position, READ_BYTES)
            for messages, next_offset in itertools.islice(batches, 1):
                self._deliver(partition, [message for message in messages if message.offset >= position], on_records)
                self._positions[partition] = next_offset
            consumer.seek(TopicPartition(self._topic, partition), self._positions[partition])
