"""What the watcher tells on the topic `job-events`, as a reader has it that drops what comes twice."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from service.submission.job_events import JobEvent, read_job_event
from service.submission.records import Record


@asynccontextmanager
async def job_events(settings: Mapping[str, str]) -> AsyncIterator[AsyncIterator[JobEvent]]:
    """All events of the installation with these settings from the first on, without end."""
    consumer = AIOKafkaConsumer(
        settings["TOPICS_JOB_EVENTS"],
        bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        yield _read(consumer)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer) -> AsyncIterator[JobEvent]:
    seen: set[str] = set()
    async for each in consumer:
        where = (each.topic, each.partition, each.offset, each.timestamp, each.key, each.value)
        event = read_job_event(Record(*where, tuple(each.headers)))
        assert event is not None
        if event.id not in seen:
            seen.add(event.id)
            yield event
