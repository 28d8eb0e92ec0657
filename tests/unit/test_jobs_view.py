"""What an ingress makes of the topic of job events: the last state of each job, and when it can be believed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.lifecycle import cancel
from service.submission.job_events import EventKind, JobEvent, Phase, job_event_record
from service.submission.records import NewRecord
from service.telemetry.metrics import Metrics
from service.views import jobs as view
from service.views.job_index import JobFilter
from service.views.jobs import Jobs
from tests.unit.fake_kafka import FakeKafka, FakeTopicFollower
from tests.unit.job_events import TOPIC, job_event, key

FAR_FUTURE = job_event(1).state.value().replace(b'"createdAt":1000', b'"createdAt":999999999999999999')
"""A time that RFC 3339 cannot write."""


@dataclass
class Topic:
    kafka: FakeKafka
    jobs: Jobs
    metrics: Metrics

    async def write(self, *records: NewRecord | JobEvent) -> None:
        for record in records:
            self.kafka.append(job_event_record(record, TOPIC, 0) if isinstance(record, JobEvent) else record)
        async with asyncio.timeout(10):
            while self.jobs.recent.position[0] < len(self.kafka.partitions[TOPIC, 0]):
                await asyncio.sleep(0.001)

    def names(self) -> list[str]:
        return [entry.name for step in self.jobs.index.scan(JobFilter(), None) for entry in step]


@contextlib.asynccontextmanager
async def following(kafka: FakeKafka | None = None) -> AsyncIterator[Topic]:
    kafka, metrics = kafka or FakeKafka(), Metrics()
    events: Any = FakeTopicFollower(kafka, TOPIC, from_beginning=True)
    jobs = Jobs(events, 100, metrics)
    running = asyncio.create_task(jobs.run())
    try:
        async with asyncio.timeout(10):
            while not jobs.loaded:
                await asyncio.sleep(0.001)
        yield Topic(kafka, jobs, metrics)
    finally:
        await cancel([running])


async def test_what_stood_on_the_topic_is_known_and_what_comes_is_added():
    kafka = FakeKafka()
    kafka.append(job_event_record(job_event(1), TOPIC, 0))
    async with following(kafka) as topic:
        assert topic.names() == ["job-1"]
        await topic.write(job_event(4), job_event(1, 2, status="Succeeded"))
        assert topic.names() == ["job-4", "job-1"]
        assert topic.jobs.index.newest("team-a", "job-1").status == "Succeeded"
        assert topic.metrics.registry.get_sample_value("job_submission_known_jobs") == 2


async def test_an_event_that_was_written_twice_is_told_once():
    async with following() as topic:
        await topic.write(job_event(1), job_event(1), job_event(1, 2), job_event(1))
        events = topic.jobs.recent.since(0, 10)
    assert [json.loads(event.document)["id"] for event in events] == ["uid-1/1", "uid-1/2"]


async def test_a_deleted_job_stays_until_its_history_ends():
    gone = job_event(1, 2, kind=EventKind.DELETED, phase=Phase.DELETED, status="Deleted", deleted_at=5)
    async with following() as topic:
        await topic.write(job_event(1), gone)
        assert topic.jobs.index.of_submission(key(1)).deleted
        await topic.write(NewRecord(TOPIC, 0, key(1).encode(), None, ()))
        assert topic.names() == []
        await topic.write(NewRecord(TOPIC, 0, b"\xff never heard of", None, ()))
        assert (len(topic.jobs.recent.since(0, 10)), str(topic.jobs.recent.position)) == (2, "4")


async def test_an_event_is_told_as_a_cloud_event_whose_data_is_the_state():
    event = job_event(1, 3).model_copy(update={"traceparent": "00-1-2-01"})
    async with following() as topic:
        await topic.write(event)
        (told,) = topic.jobs.recent.since(0, 10)
    assert json.loads(told.document) == {
        "specversion": "1.0",
        "id": "uid-1/3",
        "source": "/clusters/main/namespaces/runai-team-a/jobs/job-1",
        "type": "io.job-submission.job.running",
        "subject": "team-a/job-1",
        "time": "1970-01-01T00:00:01.000Z",
        "sequence": "3",
        "datacontenttype": "application/json",
        "traceparent": "00-1-2-01",
        "data": json.loads(event.state.value()),
    }


@pytest.mark.parametrize(
    "record",
    [
        NewRecord(TOPIC, 0, key(1).encode(), b"no json", ()),
        NewRecord(TOPIC, 0, b"another key", job_event(1).state.value(), job_event_record(job_event(1), "t", 0).headers),
        NewRecord(TOPIC, 0, None, b"{}", ()),
        NewRecord(TOPIC, 0, key(1).encode(), FAR_FUTURE, job_event_record(job_event(1), TOPIC, 0).headers),
    ],
)
async def test_what_is_no_event_is_passed_over_with_a_line(record: NewRecord):
    async with following() as topic:
        with capture_logs() as logs:
            await topic.write(record, record, job_event(2))
        assert topic.names() == ["job-2"]
    assert [line["offset"] for line in logs if line["event"] == "job-event-unreadable"] == [0]


async def test_a_topic_that_was_made_anew_is_read_anew():
    async with following() as topic:
        await topic.write(job_event(1), job_event(2), job_event(3))
        reader = topic.jobs.recent.reader(None)
        topic.kafka.make_anew(TOPIC)
        topic.kafka.append(job_event_record(job_event(1, status="Pending"), TOPIC, 0))
        async with asyncio.timeout(10):
            while topic.names() != ["job-1"]:
                await asyncio.sleep(0.001)
        assert (topic.jobs.index.newest("team-a", "job-1").status, reader.missed()) == ("Pending", True)


@pytest.mark.parametrize(
    ("caught_up", "trouble", "seconds", "state"),
    [
        (True, None, 0, True),
        (True, "no brokers", 0, True),
        (False, None, 0, False),
        (False, None, 59, False),
        (False, None, 61, "what has become of the jobs is still being read"),
        (False, "there is no topic job-events", 0, "there is no topic job-events"),
    ],
)
def test_only_reading_keeps_a_process_out_of_service_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, caught_up: bool, trouble: str | None, seconds: float, state: bool | str
):
    follower: Any = FakeTopicFollower(FakeKafka(), TOPIC)
    now = 1000.0
    monkeypatch.setattr(view.time, "monotonic", lambda: now)
    jobs = Jobs(follower, 100, Metrics())
    follower.caught_up, follower.trouble = caught_up, trouble
    now += seconds
    assert jobs.state == state
