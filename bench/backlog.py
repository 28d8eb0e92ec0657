"""Backlogs: many records written at once, and how far the outcomes have come since."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from bench.jobs import BODY, USER, fresh_id
from bench.stack import PARTITIONS, Stack
from service.broker import Topics
from service.broker.partitioning import partition_for
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Submission, submission_record

Progress = list[tuple[float, dict[int, int]]]
"""Seconds and the number of outcomes by partition, again and again."""

POLL_SECONDS = 0.02
"""How often the progress is looked at where a moment counts; a long drain is looked at less, as looking costs CPU."""


def submissions(topic: str, count: int, body: bytes = BODY) -> Iterable[NewRecord]:
    """Yield records as the ingress would have written them."""
    for _ in range(count):
        submission = Submission(
            id=fresh_id(),
            has_own_id=True,
            body=body,
            user=USER,
            content_type="application/json",
            received=time.time(),
        )
        yield submission_record(submission, topic)


async def make_topics(environment: Mapping[str, str], *, job_events: bool = False) -> None:
    """Make the topics of a service that is yet to start, that of the jobs' events only where it is asked for."""
    kafka = KafkaSettings(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"])
    topics = TopicSettings(
        submissions=environment["TOPICS_SUBMISSIONS"],
        outcomes=environment["TOPICS_OUTCOMES"],
        dead_letters=environment["TOPICS_DEAD_LETTERS"],
        job_events=environment.get("TOPICS_JOB_EVENTS", "job-events"),
        partitions=PARTITIONS,
    )
    await Topics(kafka, topics, job_events=job_events).ensure()


async def write(stack: Stack, topic: str, records: Iterable[NewRecord]) -> None:
    """Write records as fast as possible: batches filled by hand, a partition each."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers, max_batch_size=512 * 1024)
    async with producer:
        open_batches: dict[int, Any] = {}
        for record in records:
            partition = record.partition
            if partition is None:
                partition = partition_for(record.key or b"", PARTITIONS)
            while True:
                batch = open_batches.get(partition) or open_batches.setdefault(partition, producer.create_batch())
                if batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers)):
                    break
                await producer.send_batch(open_batches.pop(partition), topic, partition=partition)
        for partition, batch in open_batches.items():
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()


class OutcomeCount:
    """Asks the broker how many outcomes there are; cheap enough to do it often."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]

    async def now(self) -> dict[int, int]:
        """Return the end of each partition."""
        ends = await self._consumer.end_offsets(self._places)
        return {place.partition: end for place, end in ends.items()}

    async def watch(self, until: Callable[[dict[int, int]], bool], every: float = POLL_SECONDS) -> Progress:
        """Note the progress, `every` so many seconds, until `until` says that it is enough."""
        progress: Progress = [(time.perf_counter(), await self.now())]
        while not until(progress[-1][1]):
            await asyncio.sleep(every)
            progress.append((time.perf_counter(), await self.now()))
        return progress


@asynccontextmanager
async def outcome_count(stack: Stack, topic: str) -> AsyncIterator[OutcomeCount]:
    """Give the counter of an outcomes topic that exists."""
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap_servers) as consumer:
        yield OutcomeCount(consumer, topic)


def rate(progress: Progress) -> float:
    """Return outcomes a second from the first change on."""
    totals = [(at, sum(ends.values())) for at, ends in progress]
    begin = next(number for number, (_, total) in enumerate(totals) if total > totals[0][1])
    (started, first), (ended, last) = totals[begin], totals[-1]
    return (last - first) / (ended - started)
