"""Settings of a test's own topics, and ways to produce as strangers do."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from service.broker import Producer, SubmissionSource, Topics
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.integration.broker.members import Member


@pytest.fixture
def kafka(kafka_server: Any) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers, request_timeout_seconds=5)


@pytest.fixture
def names() -> TopicSettings:
    """Topics of this test's own, which need not exist yet."""
    run = uuid.uuid4().hex[:8]
    return TopicSettings(submissions=f"s-{run}", outcomes=f"o-{run}", dead_letters=f"d-{run}", partitions=3)


@pytest.fixture
async def topics(kafka: KafkaSettings, names: TopicSettings) -> TopicSettings:
    """Topics of this test's own, made."""
    await Topics(kafka, names).ensure()
    return names


@pytest.fixture
def group() -> ConsumerSettings:
    return ConsumerSettings(group=f"g-{uuid.uuid4().hex[:8]}", session_timeout_seconds=6)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def producer(kafka: KafkaSettings, metrics: Metrics) -> AsyncIterator[Producer]:
    producer = Producer(kafka, metrics)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def stranger(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A plain client, as anybody with access to the topics has one."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as client:
        yield client


@pytest.fixture
async def member_of(
    kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings, metrics: Metrics
) -> AsyncIterator[Callable[..., Member]]:
    members = []

    def member(**changes: object) -> Member:
        members.append(Member(SubmissionSource(kafka, topics, group.model_copy(update=changes), metrics)))
        return members[-1]

    yield member
    for left in members:
        await left.source.stop()


async def produce_name_that_is_no_text(client: AIOKafkaProducer, topic: str, partition: int = 0) -> None:
    """Produce a record whose only header has a name that is no UTF-8: brokers take it, aiokafka's own API does not."""

    class Name(str):
        __slots__ = ()

        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    batch = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 100_000)
    batch.append(0, None, b"odd", b"{}", [(Name("h"), b"v")])
    await client.client._wait_on_metadata(topic)
    leader = client.client.cluster.leader_for_partition(TopicPartition(topic, partition))
    request = ProduceRequest(None, -1, 1000, [(topic, [(partition, bytes(batch.build()))])])
    response = await client.client.send(leader, request)
    assert response.topics[0][1][0][1] == 0


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until `condition` is true; the limit is there so that a failing test ends."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
