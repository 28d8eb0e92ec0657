"""A submission's way through a broker: in, taken, committed, answered, by the service's own doors."""

import asyncio
from collections.abc import Callable

from service.broker import OutcomeLog, Producer, SubmissionSource, Topics
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.identity import SubmissionId
from service.submission.records import NewRecord, Submission, submission_record
from service.telemetry.metrics import Metrics
from service.views.pending import PendingSubmissions


async def round_trip(kafka: KafkaSettings, names: TopicSettings, group: ConsumerSettings) -> None:
    """Make or check the topics, submit, take and commit the submission, and answer it.

    It has to be the only one that the group has not had yet.
    """
    metrics = Metrics()
    submission = Submission(SubmissionId("/test", "1"), has_own_id=True, body=b"{}", received=0)
    key = submission.id.key.encode()
    (advice,) = await Topics(kafka, names).ensure()
    assert "without replicas" in advice.text
    producer, source = Producer(kafka, metrics), SubmissionSource(kafka, names, group, metrics)
    outcomes, backlog = OutcomeLog(kafka, names, metrics), PendingSubmissions(kafka, names, group.group)
    answers: list[bytes | None] = []
    following = asyncio.create_task(outcomes.follow(lambda records: answers.extend(each.value for each in records)))
    try:
        async with asyncio.timeout(60):
            await producer.start()
            await _until(lambda: outcomes.ready)
            submitted = await producer.send(submission_record(submission, names.submissions))
            assert await backlog.place(submission.id.key)
            await source.start(_nothing, _nothing)
            fetched: dict[int, list] = {}
            while not fetched:
                fetched = await source.fetch(10, 0.2)
            assert [(record.offset, record.key) for record in fetched[submitted.partition]] == [(submitted.offset, key)]
            written = await producer.send(NewRecord(names.outcomes, submitted.partition, key, b"done", ()))
            assert await source.commit({submitted.partition: submitted.offset + 1})
            assert await backlog.place(submission.id.key) is None
            outcome = await outcomes.read(written.partition, written.offset)
            assert (outcome and outcome.value) == b"done"
            await _until(lambda: answers)
            assert answers == [b"done"]
            await producer.send(NewRecord(names.dead_letters, None, key, b"{}", ()))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        for part in (source, producer, outcomes, backlog):
            await part.stop()


async def _nothing(_partitions: list[int]) -> None:
    pass


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)
