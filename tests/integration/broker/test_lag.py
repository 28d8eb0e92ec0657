"""The lag counts what waits, and nothing else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from structlog.testing import capture_logs

from service.broker import lag
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from tests.integration.broker.members import Member, fill


@pytest.fixture(autouse=True)
def _measure_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.broker.source.WATCH_SECONDS", 0.1)


@pytest.fixture
async def transactional(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=uuid.uuid4().hex
    ) as producer:
        yield producer


async def committed(kafka: KafkaSettings, group: ConsumerSettings, topic: str) -> dict[int, int | None]:
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=group.group) as client:
        return {partition: await client.committed(TopicPartition(topic, partition)) for partition in range(3)}


async def test_lag_is_counted_from_what_was_committed(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await fill(stranger, topics.submissions, 0, 10)
    member = await member_of().join()
    await member.fetch_until(lambda: member.source.lag() == {0: 10, 1: 0, 2: 0})
    assert await member.source.commit({0: 4})
    await member.fetch_until(lambda: member.source.lag() == {0: 6, 1: 0, 2: 0})


async def test_the_markers_of_transactions_are_no_lag_for_anybody(
    member_of: Callable[..., Member],
    transactional: AIOKafkaProducer,
    kafka: KafkaSettings,
    group: ConsumerSettings,
    topics: TopicSettings,
) -> None:
    member = await member_of().join()
    await member.fetch_until(lambda: member.owned)
    for is_kept in (True, False):
        async with asyncio.timeout(10):
            await transactional.begin_transaction()
            await transactional.send_and_wait(topics.submissions, b"{}", b"k", 0)
            await (transactional.commit_transaction() if is_kept else transactional.abort_transaction())
    await member.fetch_until(lambda: member.source.lag().get(0) == 4)  # while the record is in progress, all waits
    assert await member.source.commit({0: 1})

    await member.fetch_until(lambda: member.source.lag() == {0: 0, 1: 0, 2: 0})

    async with asyncio.timeout(10):
        while (await committed(kafka, group, topics.submissions))[0] != 4:
            await member.fetch()
    assert member.offsets(0) == [0]


async def test_what_an_open_transaction_blocks_is_lag_and_is_told(
    member_of: Callable[..., Member],
    transactional: AIOKafkaProducer,
    stranger: AIOKafkaProducer,
    topics: TopicSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lag, "BLOCKED_SECONDS", 0.5)
    member = await member_of().join()
    await transactional.begin_transaction()
    await transactional.send_and_wait(topics.submissions, b"{}", b"k", 0)
    await fill(stranger, topics.submissions, 0, 5)

    with capture_logs() as logs:
        await member.fetch_until(lambda: member.source.lag().get(0) == 6)
        await member.fetch_until(lambda: logs)
        assert member.offsets(0) == []
        await transactional.commit_transaction()
        await member.fetch_until(lambda: len(member.offsets(0)) == 6)
        await member.fetch_until(lambda: len(logs) == 2)

    blocked, unblocked = logs
    assert (blocked["event"], blocked["partition"], blocked["offset"], blocked["records"]) == (
        "partition-blocked",
        0,
        0,
        6,
    )
    assert (unblocked["event"], unblocked["partition"]) == ("partition-unblocked", 0)
