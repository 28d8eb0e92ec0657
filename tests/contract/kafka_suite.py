"""What the unit tests rely on in the doors to Kafka: one suite for the real ones on a real broker and for the fakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from service.broker import BrokerUnavailable, OutcomeLog, Producer, RecordTooLarge, SubmissionSource, TopicFollower
from service.broker.partitioning import partition_for
from service.lifecycle import cancel
from service.submission.records import NewRecord, Record

PARTITIONS = 3


class Doors(Protocol):
    """Kafka with topics of the test's own, PARTITIONS each."""

    submissions: str
    outcomes: str
    producer: Producer
    outcome_log: OutcomeLog

    def source(self) -> SubmissionSource: ...

    def follower(self, *, from_beginning: bool) -> TopicFollower:
        """Of the outcomes."""

    async def delete_before(self, topic: str, partition: int, offset: int) -> None: ...


async def nothing(_partitions: list[int]) -> None:
    """Nothing has to be done when partitions come or go."""


@dataclass
class Reader:
    """A member of the group and what it was assigned."""

    source: SubmissionSource
    assigned: list[int]

    async def next(self, count: int, max_records: int = 100) -> dict[int, list[int]]:
        """The offsets of the next records by partition, `count` in all."""
        found: dict[int, list[int]] = {}
        async with asyncio.timeout(30):
            while sum(map(len, found.values())) < count:
                for partition, records in (await self.source.fetch(max_records, 0.1)).items():
                    assert len(records) <= max_records
                    found.setdefault(partition, []).extend(record.offset for record in records)
        return found


@contextlib.asynccontextmanager
async def reading(doors: Doors) -> AsyncIterator[Reader]:
    reader = Reader(doors.source(), [])

    async def assigned(partitions: list[int]) -> None:
        reader.assigned[:] = partitions

    await reader.source.start(assigned, nothing)
    try:
        yield reader
    finally:
        await reader.source.stop()


@contextlib.asynccontextmanager
async def following(follower: TopicFollower) -> AsyncIterator[tuple[TopicFollower, list[Record]]]:
    """A follower at work, and what it gives."""
    given: list[Record] = []
    task = asyncio.create_task(follower.follow(given.extend))
    try:
        yield follower, given
    finally:
        await cancel([task])
        await follower.stop()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


class KafkaContract:
    """Inherited once for each kind; the heir's fixture `doors` gives one."""

    # --- the producer -----------------------------------------------------------------------------------------------

    async def test_records_of_a_partition_have_rising_offsets(self, doors: Doors) -> None:
        sent = [await doors.producer.send(NewRecord(doors.outcomes, 1, b"k", b"v", ())) for _ in range(3)]
        assert [(position.partition, position.offset) for position in sent] == [(1, 0), (1, 1), (1, 2)]

    async def test_without_a_partition_the_key_chooses_it(self, doors: Doors) -> None:
        for key in (b"a", b"b", b"c", b"d"):
            written = await doors.producer.send(NewRecord(doors.outcomes, None, key, b"v", ()))
            home = partition_for(key, PARTITIONS)
            assert (written.partition, doors.producer.partition_for(doors.outcomes, key)) == (home, home)

    async def test_a_partition_that_is_not_there(self, doors: Doors) -> None:
        await doors.producer.send(NewRecord(doors.outcomes, 0, b"k", b"v", ()))
        with pytest.raises(BrokerUnavailable):
            await doors.producer.send(NewRecord(doors.outcomes, PARTITIONS, b"k", b"v", ()))

    async def test_a_record_above_the_limit_is_refused_and_the_next_is_written(self, doors: Doors) -> None:
        with pytest.raises(RecordTooLarge):
            await doors.producer.send(NewRecord(doors.outcomes, 0, b"k", bytes(3 * 1024 * 1024), ()))
        assert (await doors.producer.send(NewRecord(doors.outcomes, 0, b"k", b"v", ()))).offset == 0

    # --- the outcome log --------------------------------------------------------------------------------------------

    async def test_a_record_is_read_as_it_was_written(self, doors: Doors) -> None:
        headers = (("status", b"200"), ("twice", b"\xff"), ("twice", b""))
        new = [
            NewRecord(doors.outcomes, 0, b"k", b"v", headers),
            NewRecord(doors.outcomes, 0, b"k", None, ()),
        ]
        written = [await doors.producer.send(each) for each in new]
        read = [await doors.outcome_log.read(0, position.offset) for position in written]
        assert read == [
            Record(doors.outcomes, 0, position.offset, position.timestamp, each.key, value, each.headers)
            for each, position, value in zip(new, written, (b"v", None), strict=True)
        ]

    async def test_a_scan_gives_keys_and_offsets_from_an_offset_on(self, doors: Doors) -> None:
        assert await doors.outcome_log.partition_count() == PARTITIONS
        assert await self.scanned(doors, 0) == []
        for key in (b"a", b"b", b"a"):
            await doors.producer.send(NewRecord(doors.outcomes, 0, key, b"v", ()))
        await doors.producer.send(NewRecord(doors.outcomes, 1, b"c", b"v", ()))
        assert await self.scanned(doors, 0) == [(b"a", 0), (b"b", 1), (b"a", 2)]
        assert await self.scanned(doors, 0, 1) == [(b"b", 1), (b"a", 2)]
        assert await self.scanned(doors, 0, 3) == []
        assert await self.scanned(doors, 1) == [(b"c", 0)]

    async def test_an_offset_beyond_the_end_is_of_a_topic_made_anew(self, doors: Doors) -> None:
        await doors.producer.send(NewRecord(doors.outcomes, 0, b"a", b"v", ()))
        assert await self.scanned(doors, 0, 99) == [(b"a", 0)]
        assert await doors.outcome_log.read(0, 99) is None

    async def test_what_retention_has_deleted_is_gone(self, doors: Doors) -> None:
        assert await doors.outcome_log.beginning(0) == (0, None)
        sent = [await doors.producer.send(NewRecord(doors.outcomes, 0, key, b"v", ())) for key in (b"a", b"b", b"c")]
        assert await doors.outcome_log.beginning(0) == (0, sent[0].timestamp)
        await doors.delete_before(doors.outcomes, 0, 2)
        assert await doors.outcome_log.beginning(0) == (2, sent[2].timestamp)
        assert await doors.outcome_log.read(0, 1) is None
        assert await self.scanned(doors, 0) == [(b"c", 2)]
        assert await self.scanned(doors, 0, 1) == [(b"c", 2)]

    # --- the follower -----------------------------------------------------------------------------------------------

    async def test_a_follower_from_the_end_gets_what_is_written_from_then_on(self, doors: Doors) -> None:
        await doors.producer.send(NewRecord(doors.outcomes, 0, b"before", b"v", ()))
        async with following(doors.follower(from_beginning=False)) as (follower, given):
            await until(lambda: follower.ready)
            written = await doors.producer.send(NewRecord(doors.outcomes, 0, b"k", None, (("h", b"\xff"),)))
            await until(lambda: given)
        assert given == [Record(doors.outcomes, *written, b"k", None, (("h", b"\xff"),))]

    async def test_a_follower_from_the_beginning_gets_all_and_then_has_caught_up(self, doors: Doors) -> None:
        for partition, key in ((0, b"a"), (0, b"b"), (2, b"c")):
            await doors.producer.send(NewRecord(doors.outcomes, partition, key, b"v", ()))
        async with following(doors.follower(from_beginning=True)) as (follower, given):
            assert not follower.caught_up
            await until(lambda: follower.caught_up)
            found = sorted((record.partition, record.offset, record.key) for record in given)
            assert found == [(0, 0, b"a"), (0, 1, b"b"), (2, 0, b"c")]
            await doors.producer.send(NewRecord(doors.outcomes, 1, b"d", b"v", ()))
            await until(lambda: len(given) == 4)
            assert (given[-1].key, follower.trouble) == (b"d", None)

    # --- the source -------------------------------------------------------------------------------------------------

    async def test_a_member_alone_has_every_partition_and_reads_each_in_order(self, doors: Doors) -> None:
        await self.submit(doors, 0, 0, 0, 2)
        async with reading(doors) as reader:
            assert await reader.next(4, max_records=2) == {0: [0, 1, 2], 2: [0]}
            assert sorted(reader.assigned) == list(range(PARTITIONS))
            await self.submit(doors, 1)
            assert await reader.next(1) == {1: [0]}

    async def test_a_submission_is_read_as_it_was_written(self, doors: Doors) -> None:
        written = await doors.producer.send(NewRecord(doors.submissions, 0, None, None, (("h", b"\xff"),)))
        async with reading(doors) as reader, asyncio.timeout(30):
            while not (fetched := await reader.source.fetch(10, 0.1)):
                pass
        assert fetched == {0: [Record(doors.submissions, *written, None, b"", (("h", b"\xff"),))]}

    async def test_a_new_member_begins_at_what_was_committed(self, doors: Doors) -> None:
        await self.submit(doors, 0, 0, 0, 1)
        async with reading(doors) as reader:
            await reader.next(4)
            assert reader.source.confirmed()
            assert await reader.source.commit({0: 2})
        assert not await reader.source.commit({0: 3})
        assert not reader.source.confirmed()
        async with reading(doors) as reader:
            assert await reader.next(2) == {0: [2], 1: [0]}

    async def test_a_paused_partition_gives_nothing_and_loses_nothing(self, doors: Doors) -> None:
        await self.submit(doors, 0)
        async with reading(doors) as reader:
            assert await reader.next(1) == {0: [0]}
            reader.source.pause([0])
            await self.submit(doors, 0, 1)
            assert await reader.next(1) == {1: [0]}
            assert await reader.source.fetch(10, 0.3) == {}
            reader.source.resume([0])
            assert await reader.next(1) == {0: [1]}

    async def scanned(self, doors: Doors, partition: int, from_offset: int = 0) -> list[tuple[bytes | None, int]]:
        return [found async for step in doors.outcome_log.scan(partition, from_offset) for found in step]

    async def submit(self, doors: Doors, *partitions: int) -> None:
        for partition in partitions:
            await doors.producer.send(NewRecord(doors.submissions, partition, b"k", b"v", ()))
