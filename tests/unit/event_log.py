"""A Job as a watch sees it, and the topic `job-events` in memory, for tests of what is told of it."""

from typing import Any

from service.broker import Position
from service.submission.job_events import JobEvent, is_terminal, read_job_event
from service.submission.records import Record

KEY = "s" * 52
JOB: dict[str, Any] = {
    "metadata": {
        "uid": "u1",
        "name": "train",
        "namespace": "runai-team-a",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app.kubernetes.io/managed-by": "job-submission", "project": "team-a"},
        "annotations": {"job-submission.io/submission-id": KEY, "job-submission.io/user": "john"},
    },
    "spec": {"template": {"spec": {"containers": [{"image": "busybox"}]}}},
    "status": {},
}
COMPLETE = {"type": "Complete", "status": "True", "reason": "", "lastTransitionTime": "2026-01-01T00:01:00Z"}
FAILED = COMPLETE | {"type": "Failed", "reason": "BackoffLimitExceeded"}
BEGAN = 1_767_225_700_000
"""When every record is written by the broker's clock, in milliseconds."""
DAY_MS = 24 * 3600 * 1000


class Log:
    """A topic of one partition, and its producer. `now` is the broker's time in milliseconds, None while unknown."""

    topic = "job-events"

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.now: int | None = None
        self.clock = self

    def now_ms(self) -> int | None:
        return self.now

    def partition_of(self, key: str, own: int | None = None) -> int:
        return 0

    async def proven_end(self, partition: int, producer: Any) -> None:
        pass

    async def scan(self, partition: int, written_end: int | None = None) -> Any:
        yield [
            Record(self.topic, partition, number, BEGAN, each.key, each.value, each.headers)
            for number, each in enumerate(self.records)
        ]

    def confirmed(self) -> bool:
        return True

    async def send(self, record: Any) -> Position:
        self.records.append(record)
        return Position(0, len(self.records), BEGAN)

    async def start(self, on_assigned: Any, on_revoked: Any) -> None:
        await on_assigned([0])

    async def stop(self) -> None:
        pass

    @property
    def events(self) -> list[JobEvent]:
        """The events, in order."""
        records = [
            Record(self.topic, 0, number, 0, each.key, each.value, each.headers)
            for number, each in enumerate(self.records)
        ]
        return [event for record in records if (event := read_job_event(record)) is not None]

    @property
    def told(self) -> list[str]:
        """The kinds of the events, in order, with numbers that rise."""
        events = self.events
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert sum(map(is_terminal, events)) <= 1
        return [event.kind.value for event in events]
