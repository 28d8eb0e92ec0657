"""Events of jobs as the watcher writes them, for tests of who reads them."""

from typing import Any

from service.submission.identity import SubmissionId
from service.submission.job_events import EventKind, JobEvent, JobState, Phase

TOPIC = "job-events"


def key(number: int) -> str:
    return SubmissionId("test", str(number)).key


def job_event(number: int, sequence: int = 1, *, kind: EventKind = EventKind.RUNNING, **more: Any) -> JobEvent:
    """An event of the job of a number; some of the jobs were created in the same millisecond."""
    state = {
        "id": f"uid-{number}",
        "submission": key(number),
        "cluster": "main",
        "project": "team-a",
        "name": f"job-{number}",
        "namespace": "runai-team-a",
        "user": "john",
        "status": "Running",
        "phase": Phase.RUNNING,
        "created_at": 1000 + number // 3,
        **more,
    }
    return JobEvent(state=JobState(**state), sequence=sequence, kind=kind, at=1)
