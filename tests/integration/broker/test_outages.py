"""The broker goes away, hangs and comes back: nothing is lost, nobody waits for ever, nobody has to be restarted."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.kafka import LocalKafka
from service.broker import BrokerUnavailable, OutcomeLog, Producer, SubmissionSource, Topics
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Record
from service.telemetry.metrics import Metrics
from service.views.pending import PendingSubmissions
from tests.integration.broker.conftest import until


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of our own, which no other test needs alive."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(broker: LocalKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_seconds=2)


def outcome(names: TopicSettings, key: bytes, value: bytes = b"{}", partition: int | None = 0) -> NewRecord:
    return NewRecord(names.outcomes, partition, key, value, ())


def rebuilds(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("job_submission_kafka_client_rebuilds_total", {"client": "producer"})


async def test_a_restart_of_the_broker_delays_and_loses_nothing(
    broker: LocalKafka, topics: TopicSettings, metrics: Metrics
) -> None:
    patient = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_seconds=20), metrics)
    await patient.start()
    try:
        await patient.send(outcome(topics, b"before"))
        await asyncio.to_thread(broker.stop)
        sending = [asyncio.create_task(patient.send(outcome(topics, b"during"))) for _ in range(50)]
        await asyncio.to_thread(broker.start)
        positions = await asyncio.gather(*sending)
    finally:
        await patient.stop()

    assert [position.offset for position in positions] == list(range(1, 51))
    assert rebuilds(metrics) == 0


async def test_a_broker_that_hangs_is_told_in_time_and_found_again(
    broker: LocalKafka, kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics
) -> None:
    producer = Producer(kafka, metrics)
    await producer.start()
    try:
        await producer.send(outcome(topics, b"before"))
        broker.pause()
        waiting = await asyncio.gather(
            *(producer.send(outcome(topics, b"during")) for _ in range(600)), return_exceptions=True
        )
        while_away = producer.healthy
        with pytest.raises(BrokerUnavailable, match="not connected") as refused:
            await producer.send(outcome(topics, b"away"))
        broker.resume()
        await until(lambda: producer.healthy)
        await producer.send(outcome(topics, b"after"))
    finally:
        broker.resume()
        await producer.stop()

    # 512 were handed over and may be in the topic, the others were never let in
    assert [type(error) for error in waiting] == [BrokerUnavailable] * 600
    assert sum(error.maybe_written for error in waiting if isinstance(error, BrokerUnavailable)) == 512
    assert not while_away
    assert not refused.value.maybe_written
    assert rebuilds(metrics) == 1


async def test_starting_waits_for_a_broker_that_is_not_there_yet(
    broker: LocalKafka, kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics
) -> None:
    await asyncio.to_thread(broker.stop)
    producer = Producer(kafka, metrics)
    starting = asyncio.gather(Topics(kafka, topics).ensure(), producer.start())
    try:
        assert not producer.healthy
        await asyncio.to_thread(broker.start)
        await starting
        await producer.send(outcome(topics, b"k"))
    finally:
        starting.cancel()
        await producer.stop()


async def test_readers_live_through_a_restart_of_the_broker(
    broker: LocalKafka, kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings, metrics: Metrics
) -> None:
    producer, outcomes = Producer(kafka, metrics), OutcomeLog(kafka, topics, metrics)
    source = SubmissionSource(kafka, topics, group, metrics)
    events: list[tuple[str, list[int]]] = []
    seen: list[bytes | None] = []
    fetched: list[int] = []

    def note(records: list[Record]) -> None:
        seen.extend(record.key for record in records)

    async def assigned(partitions: list[int]) -> None:
        events.append(("assigned", sorted(partitions)))

    async def revoked(partitions: list[int]) -> None:
        events.append(("revoked", sorted(partitions)))

    async def fetch_until(count: int) -> None:
        async with asyncio.timeout(30):
            while len(fetched) < count:
                for records in (await source.fetch(10, 0.2)).values():
                    fetched.extend(record.offset for record in records)

    await producer.start()
    following = asyncio.create_task(outcomes.follow(note))
    try:
        await source.start(assigned, revoked)
        await until(lambda: outcomes.ready)
        await producer.send(outcome(topics, b"before"))
        await producer.send(NewRecord(topics.submissions, 0, b"k", b"{}", ()))
        await fetch_until(1)
        assert await source.commit({0: 1})

        await asyncio.to_thread(broker.kill)
        with pytest.raises(BrokerUnavailable):
            await source.commit({0: 1})
        with pytest.raises(BrokerUnavailable):
            await outcomes.read(0, 1)
        await asyncio.to_thread(broker.start)

        await until(lambda: producer.healthy)
        await producer.send(outcome(topics, b"after"))
        await producer.send(NewRecord(topics.submissions, 0, b"k", b"{}", ()))
        await fetch_until(2)
        await until(lambda: len(seen) == 2)
        assert await source.commit({0: 2})
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await source.stop()
        await outcomes.stop()
        await producer.stop()

    assert seen == [b"before", b"after"]
    assert fetched == [0, 1]
    assert events[0] == ("assigned", [0, 1, 2])


async def test_who_cannot_reach_the_group_knows_that_its_partitions_may_be_gone(
    broker: LocalKafka, kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings, metrics: Metrics
) -> None:
    async def ignore(_: list[int]) -> None: ...

    source = SubmissionSource(kafka, topics, group.model_copy(update={"session_timeout_seconds": 2}), metrics)
    try:
        await source.start(ignore, ignore)
        await until(source.confirmed)
        broker.pause()
        await until(lambda: not source.confirmed())
        broker.resume()
        await until(source.confirmed)
    finally:
        broker.resume()
        await source.stop()


async def test_the_first_question_about_a_group_waits_until_the_broker_has_loaded_it(
    kafka_build: None, names: TopicSettings, tmp_path: Path
) -> None:
    """A broker that is still loading its groups answers for all of a group at once, which once was an IndexError."""
    with LocalKafka(tmp_path, settings={"offsets.topic.num.partitions": "300"}) as slow:
        kafka = KafkaSettings(bootstrap_servers=slow.bootstrap_servers)
        await Topics(kafka, names).ensure()
        async with contextlib.AsyncExitStack() as stack:
            for number in range(20):
                backlog = PendingSubmissions(kafka, names, f"group-{number}")
                stack.push_async_callback(backlog.stop)
                assert await backlog.place("key") is None
