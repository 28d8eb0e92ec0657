"""Follows a whole topic: gives the records of all its partitions as they come, each once, through every outage.

The ingress follows `job-outcomes` from its end for the answers to waiting requests, and `job-events` from its beginning
for what has become of the jobs. Nothing here belongs to a consumer group: each process reads all that it needs.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from service.broker.batches import as_record
from service.broker.connection import client_arguments, until_connected
from service.broker.errors import BrokerUnavailable, describe
from service.broker.log_reader import LogReader
from service.broker.patches import close
from service.broker.queries import EARLIEST, LATEST
from service.broker.stalls import StallDetector
from service.broker.topics import is_there
from service.settings import KafkaSettings
from service.submission.records import Record
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.repetitions import Repetitions

READ_BYTES: Final = 32 * 1024
NEW_PARTITIONS_SECONDS: Final = 10.0
MISSING_SECONDS: Final = 5.0
"""How often a topic that is not there is looked for."""
LEAST_SECONDS: Final = 1.0
"""Least time between two clients: one that is refused at its first fetch must not be replaced without a pause."""

OnRecords = Callable[[list[Record]], None]


class _MadeAnew(Exception):
    """The topic was deleted and made again, so that its offsets have started anew."""


class TopicFollower:
    """One reader of one topic; `client` names it in log and metrics.

    `at_once` is the most records that are handed over in one turn of the event loop. A reader from the beginning waits
    for a topic that is missing, and reads one that was made anew from its beginning again.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        metrics: Metrics,
        *,
        client: str,
        from_beginning: bool = False,
        at_once: int | None = None,
    ) -> None:
        self.trouble: str | None = None
        """Why nothing can be read at the moment, if so."""
        self._kafka = kafka
        self._topic = topic
        self._client = client
        self._from_beginning = from_beginning
        self._at_once = at_once
        self._reader = LogReader(kafka, topic)
        self._rebuilds = metrics.rebuilds.labels(client=client)
        self._repetitions = Repetitions()
        self._positions: dict[int, int] = {}
        self._past: dict[int, int] = {}
        """By partition, the end as of when positions were fixed, until it is reached."""
        self._may_read = False
        """Whether a fetch was answered well: the positions alone can be had without the right to read."""

    async def stop(self) -> None:
        """Disconnect; `follow` ends by its own cancellation."""
        await self._reader.stop()

    @property
    def ready(self) -> bool:
        """True once `follow` has fixed its positions: every record written from then on will be seen."""
        return bool(self._positions)

    @property
    def caught_up(self) -> bool:
        """True once every record has been given that stood in the topic when positions were fixed."""
        return self._may_read and not self._past

    async def follow(self, on_records: OnRecords, on_made_anew: Callable[[], None] = lambda: None) -> None:
        """Give every record to `on_records`, those of one partition at a time, until cancelled.

        An outage delays records and loses none; partitions that are added later are read from their beginning.
        `on_made_anew` is told before a topic is read from its beginning again.
        """
        while True:
            consumer = await until_connected(self._connect, self._client)
            began = time.monotonic()
            try:
                await self._pass_on(consumer, on_records)
                reason = "fetches go unanswered"
            except (KafkaError, BrokerUnavailable) as error:
                reason = describe(error)
            except _MadeAnew:
                reason = "the topic was made anew"
                self._positions.clear()
                self._may_read = False
                on_made_anew()
            finally:
                await close(consumer)
            self.trouble = reason
            suppressed = self._repetitions.count(reason)
            if suppressed is not None:
                log.warning("kafka-client-replaced", client=self._client, reason=reason, suppressed=suppressed or None)
            self._rebuilds.inc()
            await asyncio.sleep(began + LEAST_SECONDS - time.monotonic())

    async def _connect(self) -> AIOKafkaConsumer:
        """Return a consumer at our positions, noting what keeps us from one."""
        try:
            while self._from_beginning and not self._positions and not await is_there(self._kafka, self._topic):
                if self.trouble is None:
                    log.warning("topic-missing", topic=self._topic)
                self.trouble = f"there is no topic {self._topic}, or this service may not describe it"
                await asyncio.sleep(MISSING_SECONDS)
            consumer = await self._at_positions()
        except (KafkaError, BrokerUnavailable, OSError) as error:
            self.trouble = describe(error)
            raise
        return consumer

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
        """Assign all partitions: where we begin the first time, later ones from their beginning."""
        is_first = not self._positions
        start = LATEST if is_first and not self._from_beginning else EARLIEST
        positions, past = dict(self._positions), {}
        for partition in range(await self._reader.partition_count()):
            if partition not in positions:
                positions[partition] = await self._reader.offset_at(partition, start) or 0
                if is_first:
                    past[partition] = await self._reader.offset_at(partition, LATEST) or 0
        consumer.assign([TopicPartition(self._topic, partition) for partition in positions])
        for partition, position in positions.items():
            consumer.seek(TopicPartition(self._topic, partition), position)
        self._positions = positions
        if is_first:
            self._past = {partition: end for partition, end in past.items() if end > positions[partition]}

    async def _pass_on(self, consumer: AIOKafkaConsumer, on_records: OnRecords) -> None:
        """Pass records on until fetches go unanswered."""
        stalls = StallDetector()
        counted = time.monotonic()
        while not stalls.stalled(consumer, consumer.assignment()):
            try:
                batches = await consumer.getmany(timeout_ms=500, max_records=self._at_once)
            except UnicodeDecodeError:
                await self._step_over(consumer, on_records)
                continue
            self.trouble, self._may_read = None, True
            for place, messages in batches.items():
                self._deliver(place.partition, messages, on_records)
            if self._past:
                await self._note_progress(consumer)
            if batches and self._at_once is not None:
                await asyncio.sleep(0)  # `getmany` does not wait while there is something
            if time.monotonic() - counted > NEW_PARTITIONS_SECONDS:
                counted = time.monotonic()
                known = consumer.partitions_for_topic(self._topic) or ()
                if len(known) > len(self._positions):
                    await self._assign(consumer)

    async def _note_progress(self, consumer: AIOKafkaConsumer) -> None:
        """Note which partitions are read up to their first end; the last offsets before it may have no record."""
        for partition, end in list(self._past.items()):
            if await consumer.position(TopicPartition(self._topic, partition)) >= end:
                del self._past[partition]

    def _deliver(self, partition: int, messages: list[Any], on_records: OnRecords) -> None:
        if not messages:
            return
        if self._from_beginning and messages[0].offset < self._positions[partition]:
            raise _MadeAnew
        self._positions[partition] = messages[-1].offset + 1
        on_records([as_record(self._topic, partition, message) for message in messages])

    async def _step_over(self, consumer: AIOKafkaConsumer, on_records: OnRecords) -> None:
        """Read a batch of every partition without the consumer, which cannot decode one of their records."""
        for partition, position in list(self._positions.items()):
            batches, _ = await self._reader.batches(partition, position, READ_BYTES)
            for messages, next_offset in itertools.islice(batches, 1):
                self._deliver(partition, [message for message in messages if message.offset >= position], on_records)
                self._positions[partition] = next_offset
            consumer.seek(TopicPartition(self._topic, partition), self._positions[partition])
