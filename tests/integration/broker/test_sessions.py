"""A broker that ends each session after a while (`connections.max.reauth.ms`), as managed ones do, costs nothing.

aiokafka does not log in again on a connection that is open, so the broker closes it, whatever is under way.
"""

from collections.abc import Iterator

import pytest

from service.broker import OutcomeLog, Producer, SubmissionSource
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Record
from service.telemetry.metrics import Metrics
from tests.secured_kafka import SecuredKafka


@pytest.fixture(scope="module")
def forgetful(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("forgetful"), {"connections.max.reauth.ms": "1500"}) as broker:
        yield broker


@pytest.fixture
def kafka(forgetful: SecuredKafka) -> KafkaSettings:
    return forgetful.settings("LOGIN", "SCRAM-SHA-512")


async def test_sessions_that_the_broker_ends_lose_and_fail_nothing(
    kafka: KafkaSettings,
    topics: TopicSettings,
    group: ConsumerSettings,
    metrics: Metrics,
    producer: Producer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, outcomes = SubmissionSource(kafka, topics, group, metrics), OutcomeLog(kafka, topics, metrics)
    taken: list[int] = []
    revoked: list[list[int]] = []

    async def nothing(_partitions: list[int]) -> None:
        pass

    async def lost(partitions: list[int]) -> None:
        revoked.append(partitions)

    def ended_sessions() -> int:
        """How often the broker has closed the connection that records are written on."""
        return caplog.text.count("Got error produce response: KafkaConnectionError")

    async def take() -> None:
        fetched: dict[int, list[Record]] = await source.fetch(10, 0.2)
        for partition, records in fetched.items():
            taken.extend(record.offset for record in records)
            assert await source.commit({partition: records[-1].offset + 1})

    await source.start(nothing, lost)
    sent = 0
    try:
        while ended_sessions() < 3:
            await producer.send(NewRecord(topics.submissions, 0, b"key", b"{}", ()))
            sent += 1
            await take()
            assert await outcomes.read(0, 0) is None  # asked of the broker each time
        while len(taken) < sent:
            await take()
        assert revoked in ([], [[]])  # the group has not noticed
    finally:
        await source.stop()
        await outcomes.stop()

    assert taken == list(range(sent))
