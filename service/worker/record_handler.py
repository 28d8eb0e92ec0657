"""Handles one record: was it done before, else carry it out; then write its outcome.

Sits between `consumer`, which decides when a record is handled and when it counts as finished, and `submitter`, which
knows Kubernetes. `handle` returns when the record has its outcome, acknowledged by Kafka: as an outcome, as a dead
letter, or handed on to the partition where its duplicates meet. Whatever a record holds, it never raises for it.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from service.broker import BrokerUnavailable, Position, Producer, RecordTooLarge
from service.errors import InvalidSubmission, LeaseLost, TooManyDeadLetters
from service.settings import ConsumerSettings, TopicSettings
from service.submission import rejections
from service.submission.dead_letters import dead_letter_record, delivery_attempts, retry_record
from service.submission.identity import fingerprint_of, place_source, raw_fingerprint
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record, Submission
from service.submission.rejections import Rejection
from service.submitter import Submitter
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.worker.dead_letter_limit import DeadLetterLimit
from service.worker.work_queue import Work

T = TypeVar("T")

KAFKA_RETRY_SECONDS = 0.5
"""Pause between two tries to write to Kafka: the client has waited its own time-out before."""


class Turn(Protocol):
    """A record's turn to be handled, as the consumer grants it."""

    async def guard(self) -> None:
        """Return when this process may write for the record's partition; raises LeaseLost when it may not any more."""

    async def rest(self, seconds: float) -> None:
        """Sleep between two tries, letting others work in the meantime."""


class RecordHandler:
    """Turns one record into its outcome."""

    def __init__(
        self,
        producer: Producer,
        window: DuplicateWindow,
        submitter: Submitter,
        topics: TopicSettings,
        settings: ConsumerSettings,
        max_body_bytes: int,
        metrics: Metrics,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._producer = producer
        self._window = window
        self._submitter = submitter
        self._topics = topics
        self._settings = settings
        self._metrics = metrics
        self._kafka_away = False
        self._limit = DeadLetterLimit(settings.dead_letter_limit_percent)
        self._by_class = {digit: metrics.outcomes.labels(status=f"{digit}xx") for digit in (2, 4, 5)}

    async def handle(self, work: Work, turn: Turn) -> None:
        """Handle `work` to its end.

        Raises LeaseLost when the turn has ended before, TooManyDeadLetters when this would be one too many, and
        nothing else.
        """
        record, submission = work.record, work.meaning
        try:
            if isinstance(submission, Submission):
                await self._carry_out(record, submission, turn)
                self._limit.note(dead=False)
            else:
                await self._bury(record, submission, turn)
        except (LeaseLost, TooManyDeadLetters):
            raise
        except Exception as error:  # noqa: BLE001 - a record must never take the consumer down
            log.exception("record-failed", partition=record.partition, offset=record.offset)
            await self._try_again_or_bury(work, error, turn)

    async def _carry_out(self, record: Record, submission: Submission, turn: Turn) -> None:
        tried = delivery_attempts(record)
        key, known = submission.id.key, None
        if self._window.may_know(key, record.partition):
            known = await self._until_kafka_answers(turn, lambda: self._window.find(key, record.partition))
        if known is not None and known.status == rejections.handling_failed.status and tried:
            known = None  # a dead letter that is replayed
        if known is not None:
            await self._answer_again(record, submission, known, turn)
            return
        outcome = self._refusal_unread(submission)
        # a record named after its place belongs there, also when it is tried again and brings that name as its own
        moves = submission.has_own_id and submission.id.source != place_source(record.topic, record.partition)
        if outcome is None and moves:
            home = await self._until_kafka_answers(turn, lambda: self._home(submission))
            if home != record.partition:
                await self._hand_on(record, submission, home, turn)
                return
        outcome = outcome or self._refusal(submission)
        outcome = outcome or await self._submitter.submit(submission, confirm=turn.guard, sleep=turn.rest)
        await self._conclude(record, submission, outcome, turn)

    async def _home(self, submission: Submission) -> int:
        return self._producer.home_partition(self._topics.submissions, submission.id.key.encode())

    def _refusal_unread(self, submission: Submission) -> Outcome | None:
        """Return the refusal of a submission that must not be tried or handed on, which would make it young again."""
        if time.time() - submission.received > self._topics.duplicate_window_seconds:
            window = self._topics.duplicate_window_seconds
            return self._refused(submission, rejections.too_old(window))
        if len(submission.body) > self._max_body_bytes:
            return self._refused(
                submission, rejections.too_large(f"the body is larger than {self._max_body_bytes} bytes")
            )
        return None

    def _refusal(self, submission: Submission) -> Outcome | None:
        """Return the refusal of a submission whose headers break their rules."""
        if submission.header_faults:
            return self._refused(submission, rejections.invalid_parameters(InvalidSubmission(submission.header_faults)))
        return None

    def _refused(self, submission: Submission, rejection: Rejection) -> Outcome:
        return Outcome.of(submission, self._fingerprint(submission.body), rejection)

    def _fingerprint(self, body: bytes) -> str:
        # a body that is too large is refused unread: reading it could hold up everything else
        return fingerprint_of(body) if len(body) <= self._max_body_bytes else raw_fingerprint(body)

    async def _answer_again(self, record: Record, submission: Submission, known: Outcome, turn: Turn) -> None:
        """Give a submission that was handled before the answer it got then, or tell it that its id was used before."""
        self._metrics.duplicates.inc()
        request = self._fingerprint(submission.body)
        if known.fingerprint != request:
            conflict = Outcome.of(submission, request, rejections.id_reused(known.name), conflict=True)
            await self._conclude(record, submission, conflict, turn)
            return
        if known.correlation_id != submission.correlation_id:
            again = replace(known, correlation_id=submission.correlation_id, traceparent=submission.traceparent)
            await self._conclude(record, submission, again, turn)
        else:
            await self._follow_up(submission, known, turn)

    async def _conclude(self, record: Record, submission: Submission, outcome: Outcome, turn: Turn) -> None:
        """Write the outcome, remember it, and do what waited for its acknowledgement."""
        await turn.guard()
        new = outcome_record(outcome, self._topics.outcomes, record.partition, time.time())
        position = await self._write(new, turn)
        self._window.remember(record.partition, [(outcome.key.encode(), position.offset)])
        await self._follow_up(submission, outcome, turn)
        seconds = time.time() - submission.received
        self._by_class[outcome.status // 100].inc()
        self._metrics.outcome_seconds.observe(seconds)
        log.info(
            "outcome",
            submission=submission.id.key,
            user=submission.user,
            project=outcome.project,
            name=outcome.name,
            status=outcome.status,
            reason=None if outcome.name else outcome.body.get("message"),
            seconds=round(seconds, 4),
        )

    async def _follow_up(self, submission: Submission, outcome: Outcome, turn: Turn) -> None:
        """Tell the reply topic and release the Job; made good on redelivery where a crash came first."""
        await self._reply(submission, outcome)
        await self._submitter.release(submission, outcome, confirm=turn.guard, sleep=turn.rest)

    async def _reply(self, submission: Submission, outcome: Outcome) -> None:
        """Send a copy to the topic the producer named; a convenience that never holds up the outcome itself."""
        topic = submission.reply_topic
        if topic is None or topic == self._topics.outcomes:
            return
        if topic not in self._topics.reply_allowed:
            log.warning("reply-topic-not-allowed", submission=submission.id.key, topic=topic)
            return
        try:
            await self._producer.send(outcome_record(outcome, topic, submission.reply_partition, time.time()))
        except (BrokerUnavailable, RecordTooLarge) as error:
            log.warning("reply-failed", submission=submission.id.key, topic=topic, reason=str(error))

    async def _hand_on(self, record: Record, submission: Submission, home: int, turn: Turn) -> None:
        """Send a record that was keyed otherwise, byte for byte, to the partition where its duplicates meet."""
        await turn.guard()
        key = submission.id.key.encode()
        await self._write(NewRecord(self._topics.submissions, home, key, record.value, record.headers), turn)
        log.info("submission-rerouted", submission=submission.id.key, partition=record.partition, to=home)

    async def _try_again_or_bury(self, work: Work, error: Exception, turn: Turn) -> None:
        attempts = delivery_attempts(work.record) + 1
        if attempts < self._settings.max_attempts:
            await turn.guard()
            try:
                await self._write(retry_record(work.record, attempts), turn)
            except RecordTooLarge:  # it was as large as the topic takes before the count was added
                pass
            else:
                return
        await self._bury(work.record, error, turn)
        if isinstance(work.meaning, Submission):
            await self._conclude(
                work.record, work.meaning, self._refused(work.meaning, rejections.handling_failed()), turn
            )

    async def _bury(self, record: Record, error: Exception, turn: Turn) -> None:
        """Put a record aside byte for byte; only what Kafka does not take for its size is left out."""
        if self._limit.reached:
            raise TooManyDeadLetters(f"{type(error).__name__}: {error}")
        await turn.guard()
        attempts = delivery_attempts(record) + 1
        kind, reason, topic = type(error).__name__, str(error), self._topics.dead_letters
        letter = dead_letter_record(record, kind, reason, topic, attempts)
        for left_out, smaller in (
            ("the value is", record._replace(value=None)),
            ("key, value and headers are", record._replace(key=None, value=None, headers=())),
        ):
            try:
                await self._write(letter, turn)
                break
            except RecordTooLarge:
                remark = f"{left_out} left out: too large for {topic}; {reason}"
                letter = dead_letter_record(smaller, kind, remark, topic, attempts)
        else:
            await self._write(letter, turn)
        self._limit.note(dead=True)
        self._metrics.dead_letters.inc()
        log.error("dead-letter", partition=record.partition, offset=record.offset, reason=reason, attempts=attempts)

    async def _write(self, record: NewRecord, turn: Turn) -> Position:
        return await self._until_kafka_answers(turn, lambda: self._producer.send(record))

    async def _until_kafka_answers(self, turn: Turn, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until Kafka answers: an outage delays a submission and never decides it."""
        while True:
            try:
                answer = await ask()
            except BrokerUnavailable as error:
                self._note_kafka(away=True, reason=str(error))
                await turn.rest(KAFKA_RETRY_SECONDS)
                await turn.guard()
            else:
                self._note_kafka(away=False)
                return answer

    def _note_kafka(self, *, away: bool, reason: str | None = None) -> None:
        """Log the beginning and the end of an outage, not every try of every submission."""
        if away != self._kafka_away:
            self._kafka_away = away
            log.warning("kafka-unavailable" if away else "kafka-back", reason=reason)
