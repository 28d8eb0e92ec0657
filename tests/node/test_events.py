"""What the topic `job-events` says of pods that really ran: each Job's way and its one end."""

import asyncio
from collections import defaultdict

import pytest
from aiokafka import AIOKafkaConsumer

from service.submission.job_events import is_terminal, read_job_event
from service.submission.records import Record

JOBS = {
    "ends": {"script": "echo done", "ttlAfterFinish": "10m"},
    "fails": {"script": "echo first; echo the last line; exit 3"},
    "is killed": {"command": "tail /dev/zero", "memoryLimit": "32Mi"},
    "is not kept": {"script": "sleep 1", "ttlAfterFinish": "0s"},
}


@pytest.fixture(scope="module")
def histories(jobs, settings):
    """The events of each job, once all have ended."""
    names = jobs.submit_all(JOBS)
    seen = asyncio.run(read(settings, set(names.values())))
    return {which: seen[name] for which, name in names.items()}


async def read(settings, names):
    consumer = AIOKafkaConsumer(
        settings["TOPICS_JOB_EVENTS"],
        bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
        auto_offset_reset="earliest",
    )
    seen = defaultdict(list)
    await consumer.start()
    try:
        async with asyncio.timeout(90):
            while not all(any(map(is_terminal, seen[name])) for name in names):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for each in records:
                        where = (each.topic, each.partition, each.offset, each.timestamp, each.key, each.value)
                        event = read_job_event(Record(*where, tuple(each.headers)))
                        if event.id not in {one.id for one in seen[event.state.name]}:
                            seen[event.state.name].append(event)
    finally:
        await consumer.stop()
    return seen


@pytest.mark.parametrize(
    ("which", "kind", "exited"),
    [
        ("ends", "succeeded", None),
        ("fails", "failed", (3, "Error")),
        ("is killed", "failed", (137, "OOMKilled")),
        ("is not kept", "succeeded", None),
    ],
)
def test_a_real_end_is_told_once_with_what_failed(histories, which, kind, exited):
    events = histories[which]
    assert [event.kind for event in events if is_terminal(event)] == [kind]
    (end,) = [event.state.exit for event in events if is_terminal(event)]
    assert (end and (end.code, end.reason)) == exited


def test_a_job_is_told_to_run_between_its_beginning_and_its_end(histories):
    kinds = [event.kind for event in histories["is not kept"]]
    assert kinds[0] == "created"
    assert kinds.index("created") < kinds.index("running") < kinds.index("succeeded")
