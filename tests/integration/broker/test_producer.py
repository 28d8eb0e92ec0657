"""Records arrive byte for byte, and a producer that failed is replaced without help."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber

from service.broker import BrokerUnavailable, OutcomeLog, Producer, RecordTooLarge
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Record
from service.telemetry.metrics import Metrics
from tests.integration.broker.conftest import until


def outcome(names: TopicSettings, key: bytes, value: bytes = b"{}", partition: int | None = 0) -> NewRecord:
    return NewRecord(names.outcomes, partition, key, value, ())


def rebuilds(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("job_submission_kafka_client_rebuilds_total", {"client": "producer"})


async def test_a_record_arrives_byte_for_byte(
    kafka: KafkaSettings, topics: TopicSettings, producer: Producer, metrics: Metrics
) -> None:
    outcomes = OutcomeLog(kafka, topics, metrics)
    headers = (("ce_id", b"\xff\x00"), ("ce_id", b""), ("h", b"x" * 100_000))
    before = int(time.time() * 1000)
    try:
        position = await producer.send(NewRecord(topics.outcomes, 2, b"\xffkey", b"\x00\xfe", headers))
        empty = await producer.send(NewRecord(topics.outcomes, 2, b"key", None, ()))

        assert (position.partition, position.offset, empty.offset) == (2, 0, 1)
        assert before - 1000 <= position.timestamp <= time.time() * 1000 + 1000
        assert await outcomes.read(2, 0) == Record(
            topics.outcomes, 2, 0, position.timestamp, b"\xffkey", b"\x00\xfe", headers
        )
        assert await outcomes.read(2, 1) == Record(topics.outcomes, 2, 1, empty.timestamp, b"key", None, ())
    finally:
        await outcomes.stop()


async def test_a_record_without_key_and_value_is_taken(topics: TopicSettings, producer: Producer) -> None:
    assert (await producer.send(NewRecord(topics.dead_letters, 0, None, None, ()))).offset == 0


async def test_a_key_finds_the_partition_that_is_called_its_home(topics: TopicSettings, producer: Producer) -> None:
    keys = [f"key-{i}".encode() for i in range(20)]

    homes = [producer.partition_for(topics.outcomes, key) for key in keys]  # before the topic was ever used
    written = await asyncio.gather(*(producer.send(outcome(topics, key, partition=None)) for key in keys))

    assert [position.partition for position in written] == homes
    assert set(homes) == {0, 1, 2}


async def test_a_record_that_is_too_large_harms_no_other(topics: TopicSettings, producer: Producer) -> None:
    with pytest.raises(RecordTooLarge):
        await producer.send(outcome(topics, b"huge", b"x" * 3_000_000))  # the client's limit
    with pytest.raises(RecordTooLarge):
        await producer.send(outcome(topics, b"large", b"x" * 1_500_000))  # the topic's

    await until(lambda: producer.healthy)
    assert (await producer.send(outcome(topics, b"small"))).offset == 0


async def test_a_partition_that_does_not_exist_is_an_outage_of_its_own(
    topics: TopicSettings, producer: Producer, metrics: Metrics
) -> None:
    with pytest.raises(BrokerUnavailable, match="has no partition 99") as refused:
        await producer.send(outcome(topics, b"k", partition=99))

    assert not refused.value.maybe_written
    assert producer.healthy
    assert rebuilds(metrics) == 0


async def test_cancelling_the_sender_does_not_take_back_the_record(
    kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics
) -> None:
    slow = Producer(kafka.model_copy(update={"linger_ms": 300}), metrics)
    await slow.start()
    try:
        sending = asyncio.create_task(slow.send(outcome(topics, b"cancelled")))
        await until(lambda: slow._in_progress)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await slow.send(outcome(topics, b"next"))).offset == 1
    finally:
        await slow.stop()


async def test_stopping_writes_what_was_handed_over(
    kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics
) -> None:
    slow = Producer(kafka.model_copy(update={"linger_ms": 1000}), metrics)
    await slow.start()
    sending = [asyncio.create_task(slow.send(outcome(topics, b"k"))) for _ in range(10)]
    await until(lambda: len(slow._in_progress) == 10)
    await slow.stop()

    assert [position.offset for position in await asyncio.gather(*sending)] == list(range(10))


async def test_a_fatal_error_is_answered_with_a_new_client(
    topics: TopicSettings, producer: Producer, metrics: Metrics
) -> None:
    first = await producer.send(outcome(topics, b"first"))
    # the broker refuses a sequence number that leaves a gap (aiokafka #1017: until a restart)
    client: AIOKafkaProducer = producer._client
    manager = client._txn_manager
    for place in list(manager._sequence_numbers):
        manager.increment_sequence_number(place, 7)

    with pytest.raises(BrokerUnavailable) as failed:
        await producer.send(outcome(topics, b"lost"))
    await until(lambda: producer.healthy)
    second = await producer.send(outcome(topics, b"second"))

    assert isinstance(failed.value.__cause__, OutOfOrderSequenceNumber)
    assert failed.value.maybe_written
    assert (first.offset, second.offset) == (0, 1)
    assert rebuilds(metrics) == 1
