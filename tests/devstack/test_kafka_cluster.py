"""Three local brokers as one Kafka: what one has acknowledged the others have."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devstack.__main__ import main
from devstack.kafka import LocalKafka
from devstack.kafka_cluster import KafkaCluster
from service.broker import BrokerUnavailable, OutcomeLog, Producer
from service.settings import KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics

pytestmark = pytest.mark.long

TOPIC = "kept"


@pytest.fixture(scope="module")
def cluster(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path_factory.mktemp("brokers"), say=lambda _: None) as brokers:
        yield brokers


async def create(cluster: KafkaCluster) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 3)])
    await admin.close()


async def leader(cluster: KafkaCluster) -> LocalKafka:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    (described,) = await admin.describe_topics([TOPIC])
    await admin.close()
    (partition,) = described["partitions"]
    assert sorted(partition["replicas"]) == [1, 2, 3]
    return cluster.brokers[partition["leader"] - 1]


async def write(cluster: KafkaCluster, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, value, partition=0)
    finally:
        await producer.stop()


async def read(cluster: KafkaCluster, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_is_acknowledged_outlives_its_leader_and_two_that_are_gone_stop_all_writing(
    cluster: KafkaCluster,
) -> None:
    await create(cluster)
    await write(cluster, b"before")
    first = await leader(cluster)
    await asyncio.to_thread(first.kill)
    await write(cluster, b"without its first leader")
    assert await read(cluster, 2) == [b"before", b"without its first leader"]

    second = next(broker for broker in cluster.brokers if broker is not first)
    await asyncio.to_thread(second.kill)
    writing = asyncio.create_task(write(cluster, b"late"))
    await asyncio.sleep(2)
    assert not writing.done()
    await asyncio.to_thread(cluster.start, first, second)
    await writing
    assert (await read(cluster, 3))[2] == b"late"


async def test_the_end_of_what_another_may_lead_is_proven_by_a_write(cluster: KafkaCluster) -> None:
    kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, request_timeout_seconds=5)
    metrics = Metrics()
    outcomes = OutcomeLog(kafka, TopicSettings(outcomes=TOPIC), metrics)
    hurry = kafka.model_copy(update={"request_timeout_seconds": 1})
    impatient = OutcomeLog(hurry, TopicSettings(outcomes=TOPIC), metrics)
    producer = Producer(kafka, metrics)
    await producer.start()
    try:
        end = await outcomes.proven_end(0, producer)
        assert end is not None
        found = [each async for step in outcomes.scan(0, 0, end) for each in step]
        assert found[-1] == (b"end", end - 1)
        with pytest.raises(BrokerUnavailable, match="cannot be read up to its end"):
            [each async for each in impatient.scan(0, 0, end + 1)]
    finally:
        await producer.stop()
        await outcomes.stop()
        await impatient.stop()


def test_another_number_of_brokers_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROKERS", "2")
    assert main(["up"]) == 1
    assert "BROKERS is 2: it must be 1, or 3" in capsys.readouterr().err
