"""Kafka in memory, behind the same doors as the real one: what the unit tests of its readers and writers trust.

`tests/contract/kafka_suite.py` holds these doors to what the real ones do on a real broker.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

from service.broker import BrokerUnavailable, Position, RecordTooLarge
from service.broker.partitioning import partition_for
from service.submission.records import NewRecord, Record
from tests.unit.fake_api import Crash


class FakeKafka:
    """Topics that all have the same number of partitions. `now_ms` is the broker's clock, which stamps each record.

    A record that retention or compaction has deleted is None in its partition.
    """

    def __init__(self, partitions: int = 1, now_ms: Callable[[], int] = lambda: 0, largest: int = 1024 * 1024) -> None:
        self.count = partitions
        self.now_ms = now_ms
        self.largest = largest
        self.partitions: dict[tuple[str, int], list[Record | None]] = defaultdict(list)
        self.first: dict[tuple[str, int], int] = defaultdict(int)
        self.written: list[Record] = []
        """Everything that ever was, what has been deleted since included."""
        self.committed: dict[tuple[str, str, int], int] = {}
        """By group, topic and partition."""

    def append(self, new: NewRecord) -> Position:
        """Write a record."""
        if new.partition is not None:
            partition = new.partition
        else:
            partition = partition_for(new.key, self.count) if new.key is not None else 0
        if partition >= self.count:
            raise BrokerUnavailable(f"topic {new.topic} has no partition {partition}")
        parts = (new.key, new.value, *(part for name, value in new.headers for part in (name.encode(), value)))
        if sum(len(part or b"") for part in parts) > self.largest:
            raise RecordTooLarge
        records = self.partitions[new.topic, partition]
        position = Position(partition, len(records), self.now_ms())
        value = b"" if new.key is None and new.value is None else new.value
        records.append(record := Record(new.topic, *position, new.key, value, new.headers))
        self.written.append(record)
        return position

    def records(self, topic: str) -> list[Record]:
        """What is left in a topic, one partition after the other."""
        return [record for partition in range(self.count) for record in self.left(topic, partition)]

    def left(self, topic: str, partition: int) -> list[Record]:
        """What is left in a partition."""
        return [record for record in self.partitions[topic, partition] if record is not None]

    def compact(self, topic: str, partition: int, offset: int) -> None:
        """Delete one record, as compaction does with what was written again later."""
        self.partitions[topic, partition][offset] = None

    def retain_from(self, topic: str, partition: int, first: int) -> None:
        """Delete what was written before `first`, as retention does."""
        self.first[topic, partition] = first
        for offset in range(first):
            self.compact(topic, partition, offset)

    def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again."""
        for partition in range(self.count):
            self.partitions.pop((topic, partition), None)
            self.first.pop((topic, partition), None)


class FakeProducer:
    """A `Producer` whose sends fail as scripted: each takes one of `faults` away, then everything works."""

    healthy = True

    def __init__(self, kafka: FakeKafka, faults: list[str] | None = None) -> None:
        self.kafka = kafka
        self.faults = faults if faults is not None else []
        self.clock = self
        self._acknowledged: float | None = None

    async def send(self, record: NewRecord) -> Position:
        """Write a record, or fail before or after it is written."""
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault == "refused":
            raise BrokerUnavailable(fault)
        if fault == "crash-before":
            raise Crash
        written = self.kafka.append(record)
        if fault == "lost-answer":
            raise BrokerUnavailable(fault, maybe_written=True)
        if fault == "crash-after":
            raise Crash
        self._acknowledged = written.timestamp
        return written

    def now_ms(self) -> float | None:
        """The broker's time as its last acknowledgement tells it."""
        return self._acknowledged

    def partition_for(self, _topic: str, key: bytes) -> int:
        """The partition of a key."""
        return partition_for(key, self.kafka.count)


class FakeOutcomeLog:
    """An `OutcomeLog`. `scanned` are the partitions and offsets from which it was read."""

    def __init__(self, kafka: FakeKafka, topic: str = "outcomes") -> None:
        self.kafka = kafka
        self.topic = topic
        self.scanned: list[tuple[int, int]] = []

    async def partition_count(self) -> int:
        return self.kafka.count

    async def scan(
        self, partition: int, from_offset: int = 0, written_end: int | None = None
    ) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        self.scanned.append((partition, from_offset))
        records = self.kafka.partitions[self.topic, partition]
        is_there = self.kafka.first[self.topic, partition] <= from_offset <= len(records)
        for record in records[from_offset if is_there else 0 :]:
            if record is not None:
                yield [(record.key, record.offset)]

    async def beginning(self, partition: int) -> tuple[int, int | None]:
        left = self.kafka.left(self.topic, partition)
        return self.kafka.first[self.topic, partition], left[0].timestamp if left else None

    async def read(self, partition: int, offset: int) -> Record | None:
        records = self.kafka.partitions[self.topic, partition]
        return records[offset] if offset < len(records) else None


class FakeTopicFollower:
    """A `TopicFollower`. It looks for news with every turn of the event loop or so."""

    def __init__(self, kafka: FakeKafka, topic: str, *, from_beginning: bool = False) -> None:
        self.kafka = kafka
        self.topic = topic
        self.from_beginning = from_beginning
        self.trouble: str | None = None
        self.ready = self.caught_up = False

    async def follow(
        self, on_records: Callable[[list[Record]], None], on_made_anew: Callable[[], None] = lambda: None
    ) -> None:
        start = [0 if self.from_beginning else len(self.records(each)) for each in range(self.kafka.count)]
        positions = list(start)
        self.ready = True
        while True:
            if any(position > len(self.records(partition)) for partition, position in enumerate(positions)):
                positions = [0] * self.kafka.count
                on_made_anew()
            for partition, position in enumerate(positions):
                records = [record for record in self.records(partition)[position:] if record is not None]
                positions[partition] = len(self.records(partition))
                if records:
                    on_records(records)
            self.caught_up = True
            await asyncio.sleep(0.001)

    def records(self, partition: int) -> list[Record | None]:
        return self.kafka.partitions[self.topic, partition]

    async def stop(self) -> None:
        """Nothing is held."""


class FakeSource:
    """A `SubmissionSource` that is alone in its group. `member` false is a membership that was lost."""

    def __init__(self, kafka: FakeKafka, topic: str = "submissions", group: str = "group") -> None:
        self.kafka = kafka
        self.topic = topic
        self.group = group
        self.member = True
        self.paused: set[int] = set()
        self.positions: dict[int, int] = {}

    async def start(
        self, on_assigned: Callable[[list[int]], Awaitable[None]], _on_revoked: Callable[[list[int]], Awaitable[None]]
    ) -> None:
        partitions = list(range(self.kafka.count))
        await on_assigned(partitions)
        self.positions = {each: self.kafka.committed.get((self.group, self.topic, each), 0) for each in partitions}

    async def stop(self) -> None:
        self.member = False

    async def fetch(self, max_records: int, timeout: float) -> dict[int, list[Record]]:
        fetched = {}
        for partition in self.positions.keys() - self.paused:
            left = self.kafka.left(self.topic, partition)
            records = [record for record in left if record.offset >= self.positions[partition]][:max_records]
            if records:
                fetched[partition] = records
                self.positions[partition] = records[-1].offset + 1
        if not fetched:
            await asyncio.sleep(timeout)
        return fetched

    def pause(self, partitions: Iterable[int]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[int]) -> None:
        self.paused.difference_update(partitions)

    async def commit(self, offsets: Mapping[int, int], note: str = "") -> bool:
        if self.member:
            self.kafka.committed |= {(self.group, self.topic, each): offset for each, offset in offsets.items()}
        return self.member

    def confirmed(self) -> bool:
        return self.member
