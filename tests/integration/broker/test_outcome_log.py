"""The outcomes are loaded whole, looked up one by one, and followed without a hole."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from service.broker import BrokerUnavailable, OutcomeLog, Producer, SubmissionSource
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.identity import SubmissionId
from service.submission.records import NewRecord, Record, Submission, submission_record
from service.telemetry.metrics import Metrics
from service.views.pending import PendingSubmissions
from tests.integration.broker.conftest import produce_name_that_is_no_text, until


@pytest.fixture
async def outcomes(kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> AsyncIterator[OutcomeLog]:
    log = OutcomeLog(kafka, topics, metrics)
    yield log
    await log.stop()


@pytest.fixture
async def admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def write(producer: Producer, topics: TopicSettings) -> Callable[..., object]:
    async def write(*keys: str, partition: int = 0) -> list[int]:
        written = [await producer.send(NewRecord(topics.outcomes, partition, key.encode(), b"{}", ())) for key in keys]
        return [position.offset for position in written]

    return write


async def scanned(outcomes: OutcomeLog, partition: int = 0, from_offset: int = 0) -> list[tuple[bytes | None, int]]:
    return [found async for step in outcomes.scan(partition, from_offset) for found in step]


async def test_a_scan_gives_all_keys_with_their_offsets(outcomes: OutcomeLog, write: Callable) -> None:
    assert await outcomes.partition_count() == 3
    assert await scanned(outcomes) == []
    await write("a", "b", "a", "c")
    await write("d", partition=1)

    assert await scanned(outcomes) == [(b"a", 0), (b"b", 1), (b"a", 2), (b"c", 3)]
    assert await scanned(outcomes, partition=1) == [(b"d", 0)]
    assert await scanned(outcomes, from_offset=2) == [(b"a", 2), (b"c", 3)]
    assert await scanned(outcomes, from_offset=4) == []
    # an offset beyond the end was learned from a topic that was made anew since
    assert await scanned(outcomes, from_offset=99) == [(b"a", 0), (b"b", 1), (b"a", 2), (b"c", 3)]


async def test_the_end_of_a_partition_without_copies_is_its_leaders_to_say(
    outcomes: OutcomeLog, producer: Producer
) -> None:
    assert await outcomes.proven_end(0, producer) is None
    assert await scanned(outcomes) == []


async def test_the_beginning_is_where_nothing_was_deleted_yet(
    outcomes: OutcomeLog, producer: Producer, admin: AIOKafkaAdminClient, topics: TopicSettings
) -> None:
    async def delete_before(offset: int) -> None:
        await admin.delete_records({TopicPartition(topics.outcomes, 0): RecordsToDelete(before_offset=offset)})

    assert await outcomes.beginning(0) == (0, None)
    times = [(await producer.send(NewRecord(topics.outcomes, 0, key, b"{}", ()))).timestamp for key in (b"a", b"b")]
    assert await outcomes.beginning(0) == (0, times[0])
    await delete_before(1)
    assert await outcomes.beginning(0) == (1, times[1])
    await delete_before(2)
    assert await outcomes.beginning(0) == (2, None)


async def test_a_scan_takes_many_steps_and_leaves_other_tasks_their_turn(
    outcomes: OutcomeLog, stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    sent = [await stranger.send(topics.outcomes, b"x" * 200, b"%052d" % i, 0) for i in range(20_000)]
    await asyncio.gather(*sent)

    steps = [step async for step in outcomes.scan(0)]

    assert [found for step in steps for found in step] == [(b"%052d" % i, i) for i in range(20_000)]
    assert len(steps) > 3


async def test_what_retention_has_deleted_is_not_there(
    outcomes: OutcomeLog, write: Callable, admin: AIOKafkaAdminClient, topics: TopicSettings
) -> None:
    await write("a", "b", "c")
    await admin.delete_records({TopicPartition(topics.outcomes, 0): RecordsToDelete(before_offset=2)})

    assert await scanned(outcomes) == [(b"c", 2)]
    assert await outcomes.read(0, 1) is None
    assert await outcomes.read(0, 2) is not None


async def test_offsets_without_a_record_are_gaps_and_no_end(
    outcomes: OutcomeLog, write: Callable, kafka: KafkaSettings, topics: TopicSettings
) -> None:
    await write("before")
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"t-{topics.outcomes}"
    ) as transactional:
        async with transactional.transaction():
            await transactional.send_and_wait(topics.outcomes, b"{}", b"inside", 0)
        assert await scanned(outcomes) == [(b"before", 0), (b"inside", 1)]  # the marker is the last offset
        await transactional.begin_transaction()
        await transactional.send_and_wait(topics.outcomes, b"{}", b"open", 0)
        after = await write("after")

        # an open transaction must not hide the outcomes behind it
        assert after == [4]
        assert await scanned(outcomes) == [(b"before", 0), (b"inside", 1), (b"open", 3), (b"after", 4)]
        assert await outcomes.read(0, 2) is None
        assert (await outcomes.read(0, 4)).key == b"after"  # type: ignore[union-attr]
        await transactional.abort_transaction()


async def test_reading_beyond_the_end_finds_nothing(outcomes: OutcomeLog, write: Callable) -> None:
    await write("a")

    assert await outcomes.read(0, 1) is None
    assert await outcomes.read(0, 2) is None


async def test_an_unknown_partition_is_an_outage(kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> None:
    outcomes = OutcomeLog(kafka.model_copy(update={"request_timeout_seconds": 0.5}), topics, metrics)
    try:
        with pytest.raises(BrokerUnavailable):
            await outcomes.read(99, 0)
        with pytest.raises(BrokerUnavailable):
            await scanned(outcomes, partition=99)
    finally:
        await outcomes.stop()


class Follower:
    def __init__(self, outcomes: OutcomeLog) -> None:
        self.seen: list[tuple[int, int, bytes | None]] = []
        self.task = asyncio.create_task(outcomes.follow(self._note))

    def _note(self, records: list[Record]) -> None:
        self.seen += [(record.partition, record.offset, record.key) for record in records]

    async def __aenter__(self) -> "Follower":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_follower_sees_everything_from_the_moment_it_is_ready(outcomes: OutcomeLog, write: Callable) -> None:
    await write("past")
    assert not outcomes.ready
    async with Follower(outcomes) as follower:
        await until(lambda: outcomes.ready)
        await write("a", "b")
        await write("c", partition=2)
        await until(lambda: len(follower.seen) == 3)

    assert sorted(follower.seen) == [(0, 1, b"a"), (0, 2, b"b"), (2, 0, b"c")]


async def test_a_header_whose_name_is_no_text_hides_nothing(
    outcomes: OutcomeLog, write: Callable, stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await write("a")
    await produce_name_that_is_no_text(stranger, topics.outcomes)
    await write("b")

    assert await scanned(outcomes) == [(b"a", 0), (b"odd", 1), (b"b", 2)]
    assert (await outcomes.read(0, 1)).headers == (("\ufffd\ufffd", b"v"),)  # type: ignore[union-attr]


def submission(number: int) -> Submission:
    return Submission(SubmissionId("test", str(number)), has_own_id=True, body=b"{}", received=0)


async def test_the_backlog_holds_what_the_group_has_not_committed(
    kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings, producer: Producer, metrics: Metrics
) -> None:
    async def ignore(_: list[int]) -> None: ...

    backlog = PendingSubmissions(kafka, topics, group.group)
    source = SubmissionSource(kafka, topics, group, metrics)
    try:
        submissions = [submission(number) for number in range(4)]
        *waiting, never_sent = (each.id.key for each in submissions)
        assert [await backlog.place(key) for key in waiting] == [None] * 3
        records = [submission_record(each, topics.submissions) for each in submissions]
        places = [await producer.send(each) for each in records[:-1]]
        assert all([await backlog.place(key) for key in waiting])
        assert await backlog.place(never_sent) is None
        assert await backlog.lag() == 3

        await source.start(ignore, ignore)
        await until(source.confirmed)
        async with asyncio.timeout(20):
            while not await source.commit({places[0].partition: places[0].offset + 1}):
                await source.fetch(1, 0.1)
        assert await backlog.place(waiting[0]) is None
        assert await backlog.lag() == 2
        assert bool(await backlog.place(waiting[2])) == (
            places[2].partition != places[0].partition or places[2].offset > places[0].offset
        )
    finally:
        await source.stop()
        await backlog.stop()


async def test_a_reader_gives_up_after_its_time(kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> None:
    nowhere = kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 0.5})
    outcomes, backlog = OutcomeLog(nowhere, topics, metrics), PendingSubmissions(nowhere, topics, "g")
    started = time.monotonic()
    try:
        for asked in (outcomes.partition_count(), outcomes.read(0, 0), backlog.place("k"), scanned(outcomes)):
            with pytest.raises(BrokerUnavailable):
                await asked
    finally:
        await outcomes.stop()
        await backlog.stop()
    assert time.monotonic() - started < 20
