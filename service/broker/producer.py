"""Writes records: idempotent, acknowledged by all in-sync replicas, and alive again by itself after any failure.

The ingress writes submissions with it, the consumer outcomes and dead letters. aiokafka's producer is done for after a
fatal error and waits without end in an outage; so the records in progress are watched from here, and a client that
failed one of them or kept it for too long is replaced. Its queue is thrown away then: whoever waited is told that the
record may or may not have been written, and nothing of it is written later on.
"""

import asyncio
import contextlib
import time
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from service.broker.clock import BrokerClock
from service.broker.connection import client_arguments, until_connected
from service.broker.errors import BrokerUnavailable, RecordTooLarge, describe
from service.broker.partitioning import partition_for
from service.broker.patches import discard
from service.settings import KafkaSettings
from service.submission.records import NewRecord
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

LOG_APPEND_TIME = 1
"""Type of the timestamps that brokers give (KIP-32)."""
MAX_IN_FLIGHT = 512
"""Records handed to the client at once: about two full batches for each of a handful of partitions."""
BATCH_BYTES = 128 * 1024
MAX_RECORD_BYTES = 2 * 1024 * 1024
"""Above the brokers' default (`message.max.bytes`, 1 MiB), so that the topic's own limit decides."""
WATCH_SECONDS = 0.5
STOP_SECONDS = 5.0
"""How long a client may take to close."""


class Position(NamedTuple):
    """Where a record was written; `timestamp` in milliseconds since the epoch."""

    partition: int
    offset: int
    timestamp: int


class Producer:
    """One producer for the whole process; `send` may be called from any number of tasks."""

    def __init__(self, settings: KafkaSettings, metrics: Metrics) -> None:
        self._settings = settings
        self.clock = BrokerClock(metrics)
        self._rebuilds = metrics.rebuilds.labels(client="producer")
        self._client: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._in_progress: dict[asyncio.Future[Any], float] = {}
        self._connected = asyncio.Event()
        self._broken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when Kafka can be written to, however long that takes."""
        self._keeping = asyncio.create_task(self._keep())
        connected = asyncio.create_task(self._connected.wait())
        try:
            await asyncio.wait((self._keeping, connected), return_when=asyncio.FIRST_COMPLETED)
            if self._keeping.done():
                self._keeping.result()
        finally:
            connected.cancel()

    async def stop(self) -> None:
        """Write what is waiting, for a few seconds at most, and disconnect."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await client.flush()
        except TimeoutError:
            log.warning("producer-stopped-early", unwritten=len(self._in_progress))
        await discard(client)

    @property
    def healthy(self) -> bool:
        """True while records can be handed over."""
        return self._client is not None and not self._broken.is_set()

    def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition that `key` has in `topic`; raises BrokerUnavailable where its partitions are unknown."""
        if self._client is not None:
            known = self._client.client.cluster.partitions_for_topic(topic)
            if known:
                self._partitions[topic] = len(known)
            else:
                self._client.client.add_topic(topic)
        if topic not in self._partitions:
            msg = f"the partitions of topic {topic} are not known"
            raise BrokerUnavailable(msg)
        return partition_for(key, self._partitions[topic])

    async def send(self, record: NewRecord) -> Position:
        """Write a record and return its place once all in-sync replicas have it.

        Raises BrokerUnavailable, at once while there is no connection and else after the request timeout at the
        latest, and RecordTooLarge. Cancelling the caller does not take back a record that was handed over.
        """
        async with self._slots:
            client = self._client
            if client is None:
                msg = "not connected to Kafka"
                raise BrokerUnavailable(msg)
            acknowledged = await self._hand_over(client, record)
            self._in_progress[acknowledged] = time.monotonic()
            try:
                written = await acknowledged
            except KafkaError as error:
                if client is self._client:
                    # the sequence of an idempotent producer has a gap now, its next records would be refused
                    self._broken.set()
                raise _translated(error, maybe_written=True) from error
            finally:
                del self._in_progress[acknowledged]
            if written.timestamp_type == LOG_APPEND_TIME:
                self.clock.note(written.timestamp)
            return Position(written.partition, written.offset, written.timestamp)

    async def _hand_over(self, client: AIOKafkaProducer, record: NewRecord) -> asyncio.Future[Any]:
        value = b"" if record.key is None and record.value is None else record.value  # aiokafka refuses two nulls
        try:
            future: asyncio.Future[Any] = await client.send(
                record.topic, value, record.key, self._partition(record), headers=list(record.headers)
            )
        except AssertionError as error:  # how aiokafka says that the topic has no such partition
            msg = f"topic {record.topic} has no partition {record.partition}"
            raise BrokerUnavailable(msg) from error
        except KafkaError as error:
            expected = (MessageSizeTooLargeError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError)
            if client is self._client and not isinstance(error, expected):
                self._broken.set()
            raise _translated(error, maybe_written=False) from error
        return future

    def _partition(self, record: NewRecord) -> int | None:
        """Return the partition for a record; None, where key or topic are unknown, leaves it to aiokafka."""
        if record.partition is None and record.key is not None and record.topic in self._partitions:
            return self.partition_for(record.topic, record.key)
        return record.partition

    async def _keep(self) -> None:
        """Keep a working client, replacing one that has failed, whatever it has failed of."""
        while True:
            try:
                await self._keep_one()
            except Exception:  # noqa: BLE001 - without this task every record would fail for good, and in silence
                log.exception("kafka-client-failed", client="producer")
                await asyncio.sleep(WATCH_SECONDS)

    async def _keep_one(self) -> None:
        """Connect a client and return when it has failed and is closed."""
        self._client = await until_connected(self._connect, "producer")
        self._broken.clear()
        self._connected.set()
        while not self._broken.is_set() and not self._overdue():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._broken.wait()
        client, self._client = self._client, None
        log.warning("kafka-client-replaced", client="producer", in_progress=len(self._in_progress))
        self._rebuilds.inc()
        await discard(client)

    def _overdue(self) -> bool:
        oldest = next(iter(self._in_progress.values()), None)
        return oldest is not None and time.monotonic() - oldest > self._settings.request_timeout_seconds

    async def _connect(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            **client_arguments(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=self._settings.linger_ms,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                await client.start()
                # a client that has not asked for any topic yet learns of all there are
                await client.client.force_metadata_update()
        except ClusterAuthorizationFailedError as error:
            await discard(client)
            # how brokers refuse an idempotent producer, which may be one as soon as it may write to any topic
            msg = "Kafka's ACLs do not let this user write to any topic"
            raise BrokerUnavailable(msg) from error
        except BaseException:
            await discard(client)
            raise
        cluster = client.client.cluster
        self._partitions = {topic: len(cluster.partitions_for_topic(topic)) for topic in cluster.topics()}
        return client


def _translated(error: KafkaError, *, maybe_written: bool) -> BrokerUnavailable | RecordTooLarge:
    if isinstance(error, ProducerClosed):
        return BrokerUnavailable("no acknowledgement in time", maybe_written=maybe_written)
    if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
        return RecordTooLarge(describe(error))
    return BrokerUnavailable(describe(error), maybe_written=maybe_written)
