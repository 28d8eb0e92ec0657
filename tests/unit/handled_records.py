"""A simulated Kafka and Kubernetes around the handler of records, for the tests of what becomes of one."""

from typing import Any

from service.broker import Position, RecordTooLarge
from service.errors import LeaseLost
from service.settings import ConsumerSettings, TopicSettings
from service.submission import rejections
from service.submission.identity import fingerprint
from service.submission.outcomes import Outcome, read_outcome
from service.submission.records import NewRecord, Record, Submission
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, Untraced
from service.worker.proof import Proof
from service.worker.record_handler import RecordHandler
from service.worker.work_queue import read_work

BODY = b'{"job": {"project": "team-a", "image": "i"}}'
TOPICS = TopicSettings(submissions="in", outcomes="out", dead_letters="dead", reply_allowed=frozenset({"mine"}))
PARTITION = 2
LIMIT = 1000
NOW = 1_760_000_000_000
"""The brokers' time in milliseconds: no clock of this process is near it."""


def record(
    offset: int = 7, *, value: bytes | None = BODY, age: float = 0, partition: int = PARTITION, **headers: bytes
) -> Record:
    names = tuple(
        (name if name.startswith(("ce_", "kafka_")) else name.replace("_", "-"), v) for name, v in headers.items()
    )
    return Record("in", partition, offset, NOW - int(age * 1000), b"key", value, names)


class Slot:
    """A slot and its lease in one, which the test may take away."""

    is_cancelled = False
    since = 0.0

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.lost = False
        self.lease = self

    async def confirm(self) -> None:
        if self.lost:
            raise LeaseLost

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    sleep_unless_cancelled = sleep


class World:
    """Kafka, the window and Kubernetes in memory; `handle` carries out one record."""

    def __init__(self, tracing: Tracing | None = None, proof: Proof | None = None, **settings: Any) -> None:
        self.written: list[NewRecord] = []
        self.largest = 10**6
        self.done: dict[tuple[str, int], Outcome] = {}
        self.submitted: list[Submission] = []
        self.released: list[Outcome] = []
        self.withdrawn: list[Submission] = []
        self.failures: list[Exception] = []
        self.submit_error: Exception | None = None
        self.slot = Slot()
        self.forgotten_before: float | None = None
        self.clock = self
        self.has_read_the_clock = True
        metrics = Metrics()
        self.proof = proof or Proof(None, None, metrics)
        self.handler = RecordHandler(
            self, self, self, TOPICS, ConsumerSettings(**settings), LIMIT, metrics, tracing or Untraced(), self.proof
        )

    # the producer
    async def send(self, new: NewRecord) -> Position:
        if self.failures:
            raise self.failures.pop(0)
        parts = (new.key, new.value, *(part for name, value in new.headers for part in (name.encode(), value)))
        if sum(len(part or b"") for part in parts) > self.largest:
            raise RecordTooLarge
        self.written.append(new)
        self.has_read_the_clock = True
        return Position(new.partition or 0, len(self.written), NOW)

    # its clock
    def now_ms(self) -> float | None:
        return NOW if self.has_read_the_clock else None

    def partition_for(self, topic: str, key: bytes) -> int:
        assert (topic, len(key)) == ("in", 52)
        return PARTITION

    # the window
    def may_know(self, key: str, partition: int) -> bool:
        return (key, partition) in self.done

    async def find(self, key: str, partition: int) -> Outcome | None:
        return self.done.get((key, partition))

    async def begins(self, partition: int) -> float | None:
        return self.forgotten_before if partition == PARTITION else None

    def remember(self, partition: int, outcomes: list[tuple[bytes, int]]) -> None:
        for key, offset in outcomes:
            assert self.written[offset - 1].key == key
            assert self.written[offset - 1].partition == partition

    # the submitter
    async def submit(self, submission: Submission, **_: Any) -> Outcome:
        if self.submit_error is not None:
            raise self.submit_error
        self.submitted.append(submission)
        return outcome_of(submission)

    async def withdraw(self, submission: Submission, **_: Any) -> Outcome:
        self.withdrawn.append(submission)
        return Outcome.of(submission, fingerprint(submission.body), rejections.cancelled(), project="team-a")

    async def release(self, submission: Submission, outcome: Outcome, **_: Any) -> None:
        assert submission.id == outcome.id
        self.released.append(outcome)

    async def handle(self, given: Record) -> list[Any]:
        """Handle a record and return what was written: outcomes as such, other records with their topic."""
        self.written.clear()
        await self.handler.handle(read_work(given, LIMIT), self.slot)
        return [
            read_outcome(Record("out", w.partition or 0, 0, 0, w.key, w.value, w.headers)) if w.topic == "out" else w
            for w in self.written
        ]


def outcome_of(submission: Submission) -> Outcome:
    return Outcome(
        id=submission.id,
        status=200,
        body={"name": "job-1"},
        fingerprint=fingerprint(submission.body),
        user=submission.user,
        correlation_id=submission.correlation_id,
        traceparent=submission.traceparent,
        project="team-a",
    )


def submission_of(given: Record) -> Submission:
    submission = read_work(given, LIMIT).submission
    assert submission is not None
    return submission
