"""What becomes of one record, on a simulated Kafka and Kubernetes: which records are written, in which order."""

import asyncio
import math
import time
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.broker import BrokerUnavailable, Position, RecordTooLarge
from service.errors import Fault, InvalidSubmission, LeaseLost, TooManyDeadLetters
from service.settings import ConsumerSettings, TopicSettings
from service.submission import rejections
from service.submission.dead_letters import ATTEMPT, read_dead_letter
from service.submission.identity import fingerprint, record_id
from service.submission.outcomes import Outcome, read_outcome
from service.submission.records import NewRecord, Record, Submission
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, Untraced
from service.worker.record_handler import RecordHandler
from service.worker.work_queue import Work, read_work

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

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.lost = False
        self.lease = self

    async def confirm(self) -> None:
        if self.lost:
            raise LeaseLost

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class World:
    """Kafka, the window and Kubernetes in memory; `handle` carries out one record."""

    def __init__(self, tracing: Tracing | None = None, **settings: Any) -> None:
        self.written: list[NewRecord] = []
        self.largest = 10**6
        self.done: dict[tuple[str, int], Outcome] = {}
        self.submitted: list[Submission] = []
        self.released: list[Outcome] = []
        self.failures: list[Exception] = []
        self.submit_error: Exception | None = None
        self.slot = Slot()
        self.forgotten_before: float | None = None
        self.clock = self
        self.has_read_the_clock = True
        self.handler = RecordHandler(
            self, self, self, TOPICS, ConsumerSettings(**settings), LIMIT, Metrics(), tracing or Untraced()
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


@pytest.fixture
def world() -> World:
    return World()


def submission_of(given: Record) -> Submission:
    submission = read_work(given, LIMIT).submission
    assert submission is not None
    return submission


async def test_a_submission_gets_its_outcome_and_is_released_after_it(world):
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c")
    assert await world.handle(given) == [outcome_of(submission_of(given))]
    assert world.submitted == [submission_of(given)]
    assert world.released == [outcome_of(submission_of(given))]
    assert world.written[0].partition == PARTITION


async def test_what_was_done_is_not_done_again(world):
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    assert await world.handle(given) == []
    assert (world.submitted, world.released) == ([], [known])


async def test_a_retry_is_answered_under_its_own_correlation(world):
    first = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c1")
    known = outcome_of(submission_of(first))
    world.done[known.key, PARTITION] = known
    again = record(8, ce_id=b"1", ce_source=b"/t", correlation_id=b"c2")
    assert await world.handle(again) == [replace(known, correlation_id="c2")]
    assert world.submitted == []


async def test_a_used_id_with_another_body_is_a_conflict(world):
    first = record(ce_id=b"1", ce_source=b"/t")
    known = outcome_of(submission_of(first))
    world.done[known.key, PARTITION] = known
    other = record(8, value=b'{"job": {"project": "team-a", "image": "j"}}', ce_id=b"1", ce_source=b"/t")
    [conflict] = await world.handle(other)
    assert (conflict.status, conflict.is_aside, conflict.body) == (422, True, rejections.id_reused("job-1").body())
    assert world.submitted == []


async def test_a_record_elsewhere_is_rerouted_byte_for_byte(world):
    given = record(partition=0, ce_id=b"1", ce_source=b"/t", x=b"\xff")
    [sent] = await world.handle(given)
    assert sent == NewRecord("in", PARTITION, submission_of(given).id.key.encode(), BODY, given.headers)
    assert world.submitted == []


async def test_a_record_without_an_id_stays_where_it_is(world):
    given = record(partition=0)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


WINDOW = TOPICS.duplicate_window_seconds
OLD = WINDOW + 10


async def test_what_may_have_been_done_and_forgotten_is_refused_and_displaces_nothing(world):
    world.forgotten_before = NOW - 1000
    given = record(age=OLD, ce_id=b"1", ce_source=b"/t")
    [refused] = await world.handle(given)
    assert (refused.status, refused.is_aside, world.submitted) == (410, True, [])
    assert world.written[0].key == f"{submission_of(given).id.key}.{refused.fingerprint}".encode()


@pytest.mark.parametrize("begins", [None, NOW - (OLD + 1) * 1000])
async def test_what_was_surely_never_done_is_carried_out_however_old(world, begins):
    world.forgotten_before = begins
    given = record(age=OLD)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("age", [0, 60, WINDOW, -8 * 24 * 3600])
async def test_what_is_younger_than_the_window_is_carried_out_whatever_the_log_has_lost(world, age):
    world.forgotten_before = math.inf
    given = record(age=age)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("days", [-8, 8, 400])
async def test_the_clock_of_this_process_decides_nothing(world, days, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW / 1000 + days * 24 * 3600)
    world.forgotten_before = NOW
    young, old = record(age=60, ce_id=b"young"), record(age=OLD, ce_id=b"old")
    assert [outcome.status for outcome in await world.handle(young) + await world.handle(old)] == [200, 410]


async def test_a_process_that_has_not_heard_the_brokers_time_asks_for_it_first(world):
    world.forgotten_before, world.has_read_the_clock = math.inf, False
    await world.handler.handle(read_work(record(age=60), LIMIT), world.slot)
    question, outcome = world.written
    assert question == NewRecord("out", PARTITION, b"clock", None, ())
    assert outcome.key != question.key


async def test_without_the_brokers_time_what_may_have_been_done_is_not_done_again(world, monkeypatch):
    """Topics that take the producers' word for the time tell none; starting up says so."""
    monkeypatch.setattr(world, "now_ms", lambda: None)
    world.forgotten_before = math.inf
    await world.handler.handle(read_work(record(), LIMIT), world.slot)
    assert [dict(new.headers).get("status") for new in world.written] == [None, b"410"]
    assert world.submitted == []


async def test_what_is_older_but_known_keeps_its_outcome(world):
    world.forgotten_before = math.inf
    given = record(age=OLD, ce_id=b"1", ce_source=b"/t")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    assert await world.handle(given) == []


async def test_a_key_once_refused_as_too_old_is_carried_out_when_it_is_sent_again(world):
    given = record(ce_id=b"1", ce_source=b"/t")
    refused = replace(outcome_of(submission_of(given)), status=410, body={"status": 410}, is_aside=True)
    world.done[submission_of(given).id.key, PARTITION] = refused
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_a_body_above_the_limit_is_refused_unread(world):
    [refused] = await world.handle(record(value=b"[" * 1001))
    assert (refused.status, refused.body["message"]) == (413, "the body is larger than 1000 bytes")


async def test_faulty_headers_are_a_rejection(world):
    [refused] = await world.handle(record(ce_specversion=b"0.3"))
    assert refused.status == 400
    assert [fault["path"] for fault in refused.body["details"]] == ["headers.ce_specversion"]


async def test_a_broken_identity_is_a_dead_letter_and_has_an_outcome_under_the_records_offset(world):
    given = record(ce_id=b"\xff", correlation_id=b"c", ra_user=b"john")
    letter, outcome = await world.handle(given)
    assert letter.topic == "dead"
    read = read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers))
    assert (read.original, read.error_class, read.attempts) == (given, "UnreadableRecord", 1)
    assert outcome == Outcome(
        id=record_id("in", PARTITION, 7, NOW),
        status=400,
        body=rejections.invalid_parameters(
            InvalidSubmission((Fault("headers", "header ce_id must be UTF-8 text"),))
        ).body(),
        fingerprint=fingerprint(BODY),
        user="john",
        correlation_id="c",
    )


async def test_unreadable_records_stop_no_consumer_however_many_there_are():
    """Found by attack: 120 records with an empty ce_id halted all consumers."""
    world = World(dead_letter_limit_percent=1)
    with capture_logs():
        for offset in range(120):
            letter, outcome = await world.handle(record(offset, ce_id=b""))
            assert (letter.topic, outcome.status) == ("dead", 400)


async def test_unreadable_records_make_no_room_for_crashes():
    world = World(max_attempts=1, dead_letter_limit_percent=1)
    world.submit_error = RuntimeError("boom")
    with capture_logs():
        await world.handle(record(0))
        for offset in range(100):
            await world.handle(record(offset, ce_id=b""))
        with pytest.raises(TooManyDeadLetters, match="boom"):
            await world.handle(record(1))


async def test_records_that_crash_at_once_do_not_pass_the_limit_together():
    """Found by attack: each looked at the limit before any of the others had been counted."""
    world = World(max_attempts=1, dead_letter_limit_percent=10)
    world.submit_error = RuntimeError("boom")
    write = world.send

    async def slowly(new: NewRecord) -> Position:
        await asyncio.sleep(0.01)
        return await write(new)

    world.send = slowly
    with capture_logs():
        ends = await asyncio.gather(
            *(world.handler.handle(read_work(record(offset), LIMIT), world.slot) for offset in range(30)),
            return_exceptions=True,
        )
    assert [type(end) for end in ends if end is not None] == [TooManyDeadLetters] * 20
    assert len([new for new in world.written if new.topic == "dead"]) == 10


async def test_a_record_that_cannot_be_read_for_a_defect_of_ours_is_a_dead_letter(world):
    given = record(**{ATTEMPT: (2).to_bytes(4)})
    with capture_logs():
        await world.handler.handle(Work(given, None, ZeroDivisionError("ours")), world.slot)
    assert [new.topic for new in world.written] == ["dead"]


async def test_what_crashes_after_it_was_decided_keeps_its_outcome(world):
    """The first outcome of an id is never displaced, by a dead letter's 500 neither."""
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c", **{ATTEMPT: (2).to_bytes(4)})
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known

    async def release(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    world.release = release
    with capture_logs():
        assert [new.topic for new in await world.handle(given)] == ["dead"]
        again = record(8, ce_id=b"1", ce_source=b"/t", correlation_id=b"c2", **{ATTEMPT: (2).to_bytes(4)})
        first, letter, second = await world.handle(again)
    assert (first, letter.topic, second) == (replace(known, correlation_id="c2"), "dead", first)


async def test_a_crash_is_tried_again_with_its_count_then_a_dead_letter_with_an_outcome(world):
    world.submit_error = RuntimeError("boom")
    given = record(ce_id=b"1", ce_source=b"/t")
    for attempt in (1, 2):
        [again] = await world.handle(given)
        assert (again.topic, again.value, dict(again.headers)[ATTEMPT]) == ("in", BODY, attempt.to_bytes(4))
        given = given._replace(offset=given.offset + 1, headers=again.headers)
    letter, outcome = await world.handle(given)
    assert read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers)).attempts == 3
    assert (letter.topic, outcome.status) == ("dead", 500)


async def test_a_replayed_dead_letter_is_carried_out(world):
    given = record(ce_id=b"1", ce_source=b"/t", **{ATTEMPT: (3).to_bytes(4)})
    dead = replace(outcome_of(submission_of(given)), status=500, body={"status": 500, "message": "m"})
    world.done[dead.key, PARTITION] = dead
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_an_outage_of_kafka_is_waited_out(world):
    world.failures = [BrokerUnavailable("gone"), BrokerUnavailable("gone")]
    given = record()
    assert await world.handle(given) == [outcome_of(submission_of(given))]
    assert len(world.slot.slept) == 2
    assert len(world.submitted) == 1


async def test_a_lost_lease_writes_nothing(world):
    world.slot.lost = True
    with pytest.raises(LeaseLost):
        await world.handle(record())
    assert world.written == []


@pytest.mark.parametrize(("topic", "copies"), [(b"mine", 1), (b"other", 0), (b"out", 0)])
async def test_the_reply_topic_gets_a_copy_where_it_is_allowed(world, topic, copies):
    given = record(reply_topic=topic, reply_partition=b"3", correlation_id=b"c")
    await world.handle(given)
    assert [(w.topic, w.partition) for w in world.written[1:]] == [("mine", 3)] * copies


async def test_a_reply_that_fails_does_not_matter(world):
    async def send(new: NewRecord) -> Position:
        if new.topic == "mine":
            raise BrokerUnavailable("no such topic")
        world.written.append(new)
        return Position(PARTITION, len(world.written), 0)

    world.send = send
    given = record(reply_topic=b"mine")
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_what_may_be_forgotten_is_not_made_young_by_rerouting_it(world):
    world.forgotten_before = NOW
    [refused] = await world.handle(record(partition=0, age=OLD, ce_id=b"1", ce_source=b"/t"))
    assert (refused.status, world.submitted) == (410, [])


async def test_a_body_above_the_limit_is_refused_where_it_is_and_displaces_nothing_elsewhere(world):
    [refused] = await world.handle(record(partition=0, value=b"[" * 1001, ce_id=b"1", ce_source=b"/t"))
    assert (refused.status, refused.is_aside) == (413, True)


async def test_a_record_that_grows_too_large_by_rerouting_is_refused_and_no_crash(world):
    """Found while looking for what else a producer can stop the consumers with."""
    world.largest = 2000
    [refused] = await world.handle(record(partition=0, ce_id=b"1", ce_source=b"/t", x=b"h" * 1890))
    assert (refused.status, refused.is_aside, refused.body["reason"]) == (413, True, "TooLarge")


async def test_a_strangers_count_of_attempts_keeps_no_record_from_its_duplicates(world):
    given = record(partition=0, ce_id=b"1", ce_source=b"/t", **{ATTEMPT: (1).to_bytes(4)})
    [sent] = await world.handle(given)
    assert sent == NewRecord("in", PARTITION, submission_of(given).id.key.encode(), BODY, given.headers)


async def test_a_record_that_got_its_id_from_its_partition_is_tried_again_in_that_partition(world):
    world.submit_error = RuntimeError("boom")
    [again] = await world.handle(record(partition=0))
    world.submit_error = None
    given = Record("in", 0, 8, NOW, again.key, again.value, again.headers)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("percent", [50, 80, 99])
async def test_crashes_count_as_dead_letters_and_not_as_outcomes_too(percent):
    world = World(max_attempts=1, dead_letter_limit_percent=percent)
    world.submit_error = RuntimeError("boom")
    with capture_logs():  # spares the rendering of so many tracebacks
        for offset in range(percent):
            await world.handle(record(offset))
        with pytest.raises(TooManyDeadLetters, match="boom"):
            await world.handle(record(percent))


@pytest.mark.parametrize(
    ("value", "key", "header"),
    [(b"v" * 5000, b"key", b"h"), (b"v", b"key", b"h" * 5000), (b"v", b"k" * 5000, b"h"), (None, b"k" * 5000, b"")],
)
async def test_whatever_of_a_dead_letter_is_too_large_is_left_out(world, value, key, header):
    world.largest = 4000
    given = record(value=value, ce_id=b"\xff", x=header)._replace(key=key)
    letter, _ = await world.handle(given)
    read = read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers))
    assert (read.original.topic, read.original.partition, read.original.offset) == ("in", PARTITION, 7)
    assert read.original.timestamp == given.timestamp
    assert "left out" in read.message


async def test_a_redelivered_submission_sends_its_reply_again(world):
    given = record(ce_id=b"1", ce_source=b"/t", reply_topic=b"mine", correlation_id=b"c")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    [sent] = await world.handle(given)
    assert (sent.topic, sent.key) == ("mine", known.key.encode())


async def test_an_outcome_is_one_line_of_the_log(world):
    given = record(ce_id=b"1", ce_source=b"/t", ra_user=b"john")
    with capture_logs() as logs:
        await world.handle(given)
    [line] = logs
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "outcome",
        "log_level": "info",
        "submission": submission_of(given).id.key,
        "user": "john",
        "project": "team-a",
        "name": "job-1",
        "status": 200,
        "reason": None,
    }
