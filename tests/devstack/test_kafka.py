"""The local broker: its data outlive it, and several run side by side."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from jgo.maven import MavenContext

from devstack.cache import cache_dir
from devstack.kafka import LocalKafka, kafka_jars
from devstack.process import ServerError
from devstack.produce import produce


@pytest.fixture(scope="module")
def kafka(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


async def create(kafka: LocalKafka, *topics: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
    await admin.close()


async def error_code(kafka: LocalKafka, topic: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    (described,) = await admin.describe_topics([topic])
    await admin.close()
    return int(described["error_code"])


async def write(kafka: LocalKafka, topic: str, value: bytes) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        sent = await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()
    return int(sent.offset)


async def read(kafka: LocalKafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_restart_keeps_address_and_data(kafka: LocalKafka) -> None:
    await create(kafka, "kept")
    assert await write(kafka, "kept", b"before") == 0
    address = kafka.bootstrap_servers
    await asyncio.to_thread(kafka.restart)
    assert kafka.bootstrap_servers == address
    assert await write(kafka, "kept", b"after a restart") == 1
    await asyncio.to_thread(kafka.kill)
    await asyncio.to_thread(kafka.start)
    assert await read(kafka, "kept", 2) == [b"before", b"after a restart"]


async def test_a_paused_broker_answers_after_it_goes_on(kafka: LocalKafka) -> None:
    await create(kafka, "paused")
    kafka.pause()
    writing = asyncio.create_task(write(kafka, "paused", b"late"))
    await asyncio.sleep(0.2)
    assert not writing.done()
    kafka.resume()
    assert await writing == 0


async def test_a_mistyped_topic_is_not_made(kafka: LocalKafka) -> None:
    assert await error_code(kafka, "mistyped") == UnknownTopicOrPartitionError.errno
    assert await error_code(kafka, "mistyped") == UnknownTopicOrPartitionError.errno


async def test_two_brokers_run_side_by_side(kafka: LocalKafka, tmp_path: Path) -> None:
    with LocalKafka(tmp_path) as other:
        assert other.bootstrap_servers != kafka.bootstrap_servers
        await create(other, "own")
        assert await write(other, "own", b"x") == 0
        assert await error_code(kafka, "own") == UnknownTopicOrPartitionError.errno


async def test_produce_prints_the_outcome_of_its_own_submission(kafka: LocalKafka) -> None:
    with pytest.raises(ServerError, match="has no topic job-outcomes"):
        await produce("{}", kafka.bootstrap_servers, user=None, timeout=5)
    await create(kafka, "job-submissions", "job-outcomes")

    async def serve() -> list[tuple[bytes, dict[str, bytes]]]:
        """Answer two submissions in the wrong order."""
        consumer = AIOKafkaConsumer(
            "job-submissions", bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        try:
            seen = [await consumer.getone() for _ in range(2)]
            for record in reversed(seen):
                headers = [("status", b"200"), ("correlation-id", dict(record.headers)["correlation-id"])]
                await producer.send_and_wait("job-outcomes", b"outcome of " + record.value, headers=headers)
            return [(record.value, dict(record.headers)) for record in seen]
        finally:
            await producer.stop()
            await consumer.stop()

    serving = asyncio.create_task(serve())
    answers = await asyncio.gather(
        produce("a", kafka.bootstrap_servers, user="john", timeout=20),
        produce("b", kafka.bootstrap_servers, user=None, timeout=20),
    )
    assert answers == ["200 outcome of a", "200 outcome of b"]
    assert {value: headers.get("ra-user") for value, headers in await serving} == {b"a": b"john", b"b": None}


async def test_produce_ends_clearly_when_kafka_goes_away(kafka: LocalKafka) -> None:
    await create(kafka, "job-submissions", "job-outcomes")
    producing = asyncio.create_task(produce("a", kafka.bootstrap_servers, user=None, timeout=2))
    await asyncio.sleep(1)  # it waits for its outcome by now
    await asyncio.to_thread(kafka.kill)
    try:
        with pytest.raises(ServerError, match="no outcome within 2 s"):
            await producing
    finally:
        await asyncio.to_thread(kafka.start)


def test_jars_that_cannot_be_fetched_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(MavenContext, "create_dependency", fail)
    with pytest.raises(ServerError, match=r"Apache Kafka .* could not be fetched: no route to host"):
        kafka_jars(lambda _: None)
    assert [entry for entry in cache_dir().iterdir() if entry.is_dir()] == []
