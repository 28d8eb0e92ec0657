"""The contract of the doors to Kafka: the real ones on a real broker, and the fakes."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from service.broker import OutcomeLog, Producer, SubmissionSource, TopicFollower, Topics
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.contract.kafka_suite import PARTITIONS, KafkaContract
from tests.unit.fake_kafka import FakeKafka, FakeOutcomeLog, FakeProducer, FakeSource, FakeTopicFollower

if TYPE_CHECKING:
    from tests.servers import KafkaServer


@dataclass
class RealDoors:
    kafka: KafkaSettings
    names: TopicSettings
    group: ConsumerSettings
    producer: Producer
    outcome_log: OutcomeLog

    @property
    def submissions(self) -> str:
        return self.names.submissions

    @property
    def outcomes(self) -> str:
        return self.names.outcomes

    def follower(self, *, from_beginning: bool) -> TopicFollower:
        return TopicFollower(
            self.kafka, self.outcomes, Metrics(), client="contract", from_beginning=from_beginning, at_once=2
        )

    def source(self) -> SubmissionSource:
        return SubmissionSource(self.kafka, self.names, self.group, Metrics())

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()


class FakeDoors:
    submissions = "submissions"
    outcomes = "outcomes"

    def __init__(self) -> None:
        self.kafka = FakeKafka(PARTITIONS)
        self.producer = FakeProducer(self.kafka)
        self.outcome_log = FakeOutcomeLog(self.kafka)

    def follower(self, *, from_beginning: bool) -> FakeTopicFollower:
        return FakeTopicFollower(self.kafka, self.outcomes, from_beginning=from_beginning)

    def source(self) -> FakeSource:
        return FakeSource(self.kafka)

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.kafka.retain_from(topic, partition, offset)


class TestBroker(KafkaContract):
    @pytest.fixture
    async def doors(self, kafka_server: "KafkaServer") -> AsyncIterator[RealDoors]:
        run, metrics = uuid.uuid4().hex[:8], Metrics()
        kafka = KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers, request_timeout_seconds=5)
        names = TopicSettings(
            submissions=f"s-{run}", outcomes=f"o-{run}", dead_letters=f"d-{run}", partitions=PARTITIONS
        )
        await Topics(kafka, names).ensure()
        producer, log = Producer(kafka, metrics), OutcomeLog(kafka, names, metrics)
        await producer.start()
        yield RealDoors(kafka, names, ConsumerSettings(group=f"g-{run}"), producer, log)
        await log.stop()
        await producer.stop()


class TestFake(KafkaContract):
    @pytest.fixture
    def doors(self) -> FakeDoors:
        return FakeDoors()
