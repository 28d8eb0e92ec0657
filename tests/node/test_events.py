"""What the topic `job-events` says of pods that really ran: each Job's way and its one end."""

import asyncio
from collections import defaultdict

import pytest

from service.submission.job_events import is_terminal
from tests.job_events import job_events

JOBS = {
    "ends": {"script": "echo done", "ttlAfterFinish": "10m"},
    "fails": {"script": "echo first; echo the last line; exit 3"},
    "is killed": {"command": "tail /dev/zero", "memoryLimit": "32Mi"},
    "is not kept": {"script": "sleep 1", "ttlAfterFinish": "0s"},
    "fails and is not kept": {"script": "echo out of data; exit 4", "ttlAfterFinish": "0s"},
}


@pytest.fixture(scope="module")
def histories(jobs, settings):
    """The events of each job, once all have ended."""
    names = jobs.submit_all(JOBS)
    seen = asyncio.run(read(settings, set(names.values())))
    return {which: seen[name] for which, name in names.items()}


async def read(settings, names):
    seen = defaultdict(list)
    async with asyncio.timeout(90), job_events(settings) as events:
        async for event in events:
            seen[event.state.name].append(event)
            if all(any(map(is_terminal, seen[name])) for name in names):
                break
    return seen


@pytest.mark.parametrize(
    ("which", "kind", "exited"),
    [
        ("ends", "succeeded", None),
        ("fails", "failed", (3, "Error")),
        ("is killed", "failed", (137, "OOMKilled")),
        ("is not kept", "succeeded", None),
        ("fails and is not kept", "failed", (4, "Error")),
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
