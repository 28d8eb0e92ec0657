"""What Kafka does is told without anybody asking: outages, topics that vanish, partitions nobody reads."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from structlog.testing import capture_logs

from devstack.kafka import LocalKafka
from service.broker import KafkaMonitor, Topics, monitor
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.integration.broker.conftest import until
from tests.integration.broker.members import Member


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {
        "PROBE_SECONDS": 3,
        "GROUP_SECONDS": 0.2,
        "UNREAD_SECONDS": 0.5,
        "MISSING_SECONDS": 0.5,
        "ENSURE_SECONDS": 5,
    }.items():
        monkeypatch.setattr(monitor, name, seconds)


@pytest.fixture(scope="module")
def broker(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of our own, which no other test needs alive."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(broker: LocalKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_seconds=2)


Running = Callable[[TopicSettings], KafkaMonitor]


@pytest.fixture
async def running(kafka: KafkaSettings, group: ConsumerSettings, metrics: Metrics) -> AsyncIterator[Running]:
    tasks = []

    def run(topics: TopicSettings) -> KafkaMonitor:
        started = KafkaMonitor(kafka, topics, Topics(kafka, topics), group.group, metrics)
        tasks.append(asyncio.create_task(started.run()))
        return started

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def gauge(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(f"job_submission_{name}")
    assert value is not None
    return value


@pytest.mark.parametrize("outage", ["frozen", "stopped"])
async def test_a_broker_that_does_not_answer_is_told_and_found_again(
    outage: str, broker: LocalKafka, topics: TopicSettings, metrics: Metrics, running: Running
) -> None:
    with capture_logs() as logs:
        watching = running(topics)
        assert (watching.ready, gauge(metrics, "kafka_up")) == (False, 0)
        await until(lambda: watching.ready)
        assert gauge(metrics, "kafka_up") == 1
        await until(lambda: gauge(metrics, "unread_partitions") == 3)
        await asyncio.to_thread(broker.pause if outage == "frozen" else broker.stop)
        try:
            await until(lambda: not watching.ready)
            assert gauge(metrics, "kafka_up") == 0
            assert math.isnan(gauge(metrics, "unread_partitions"))
        finally:
            await asyncio.to_thread(broker.resume if outage == "frozen" else broker.start)
        await until(lambda: watching.ready)
        assert gauge(metrics, "kafka_up") == 1
    told = [(line["event"], line["log_level"]) for line in logs if line["event"] in ("kafka-down", "kafka-up")]
    assert told == [("kafka-down", "warning"), ("kafka-up", "info")]


async def test_an_outage_is_told_before_the_connections_to_the_brokers_have_ended(
    broker: LocalKafka, topics: TopicSettings, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS they take a second to end where the broker hangs."""
    told, close = asyncio.Event(), AIOKafkaClient.close

    async def close_late(client: AIOKafkaClient) -> None:
        await told.wait()
        await close(client)

    watching = running(topics)
    await until(lambda: watching.ready)
    monkeypatch.setattr(AIOKafkaClient, "close", close_late)
    await asyncio.to_thread(broker.pause)
    try:
        await until(lambda: not watching.ready)
    finally:
        told.set()
        await asyncio.to_thread(broker.resume)
    await until(lambda: watching.ready)


async def test_a_partition_that_nobody_reads_is_told(
    topics: TopicSettings, metrics: Metrics, running: Running, member_of: Callable[..., Member]
) -> None:
    with capture_logs() as logs:
        running(topics)
        await until(lambda: any(line["event"] == "partitions-unread" for line in logs))
        assert gauge(metrics, "unread_partitions") == 3
        member = await member_of().join()
        await member.fetch_until(lambda: any(line["event"] == "partitions-read" for line in logs))
        assert gauge(metrics, "unread_partitions") == 0
    assert gauge(metrics, "foreign_group_members") == 0
    unread = next(line for line in logs if line["event"] == "partitions-unread")
    assert (unread["partitions"], unread["members"]) == ([0, 1, 2], 0)


async def test_consumers_of_somebody_else_in_the_group_are_told(
    kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings, metrics: Metrics, running: Running
) -> None:
    async with AIOKafkaConsumer(
        topics.submissions, bootstrap_servers=kafka.bootstrap_servers, group_id=group.group, client_id="kcat"
    ):
        with capture_logs() as logs:
            running(topics)
            await until(lambda: gauge(metrics, "foreign_group_members") == 1)
        assert gauge(metrics, "unread_partitions") == 3
    told = [line["members"] for line in logs if line["event"] == "group-has-foreign-members"]
    assert told == [["kcat at 127.0.0.1"]]


async def delete(kafka: KafkaSettings, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


async def test_topics_that_vanish_are_made_anew_where_that_is_allowed(
    kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics, running: Running, stranger: AIOKafkaProducer
) -> None:
    watching = running(topics)
    await until(lambda: watching.ready)
    with capture_logs() as logs:
        await delete(kafka, topics.submissions, topics.outcomes)
        await until(lambda: not watching.ready)
        assert gauge(metrics, "kafka_up") == 0
        await until(lambda: watching.ready)
    assert gauge(metrics, "kafka_up") == 1
    assert await Topics(kafka, topics).ensure() == await Topics(kafka, topics).ensure()
    assert await stranger.partitions_for(topics.submissions) == {0, 1, 2}
    (missing,) = [line for line in logs if line["event"] == "topics-missing"]
    assert (missing["topics"], missing["creating"]) == ([topics.submissions, topics.outcomes], True)


async def test_topics_that_vanish_are_told_where_they_may_not_be_made(
    kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics, running: Running
) -> None:
    watching = running(topics.model_copy(update={"create": False}))
    await until(lambda: watching.ready)
    with capture_logs() as logs:
        await delete(kafka, topics.dead_letters)
        await until(lambda: any(line["event"] == "topic-complaint" for line in logs))
    assert not watching.ready
    down = next(line for line in logs if line["event"] == "kafka-down")
    assert down["reason"] == f"there is no topic {topics.dead_letters}"
    complaint = next(line for line in logs if line["event"] == "topic-complaint")
    assert complaint["complaint"].startswith(f"topic {topics.dead_letters} is missing")
    await Topics(kafka, topics).ensure()
    await until(lambda: watching.ready)
