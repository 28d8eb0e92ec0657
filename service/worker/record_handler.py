"""Handles one record: was it done before, else carry it out; then write its outcome.

Called by `consumer`, which decides when a record is handled and when its offset is committed; calls `submitter`, which
knows Kubernetes. `handle` returns when Kafka has acknowledged what became of the record: an outcome, a dead letter, or
the same record in the partition where its duplicates meet. Whatever a record holds, it never raises for it.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from service.broker import BrokerUnavailable, Position, Producer, RecordTooLarge
from service.errors import InvalidSubmission, LeaseLost, TooManyDeadLetters
from service.settings import ConsumerSettings, TopicSettings
from service.submission import rejections
from service.submission.dead_letters import dead_letter_record, delivery_attempts, retry_record
from service.submission.identity import fingerprint, partition_source
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record, Submission
from service.submission.rejections import Rejection
from service.submitter import Submitter
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.worker.dead_letter_limit import DeadLetterLimit
from service.worker.partitions import Slot
from service.worker.work_queue import Work

T = TypeVar("T")

KAFKA_RETRY_SECONDS = 0.5
"""Pause between two tries to write to Kafka: the client has waited its own time-out before."""


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

    async def handle(self, work: Work, slot: Slot) -> None:
        """Handle `work` to its end.

        Raises LeaseLost when the partition was taken away before, TooManyDeadLetters when this would be one too many,
        and nothing else.
        """
        record = work.record
        try:
            if work.submission is not None:
                await self._carry_out(record, work.submission, slot)
                self._limit.note(dead=False)
            elif work.fault is not None:
                await self._dead_letter(record, work.fault, slot)
        except (LeaseLost, TooManyDeadLetters):
            raise
        except Exception as error:  # noqa: BLE001 - a record must never take the consumer down
            log.exception("record-failed", partition=record.partition, offset=record.offset)
            await self._retry_or_dead_letter(work, error, slot)

    async def _carry_out(self, record: Record, submission: Submission, slot: Slot) -> None:
        tried = delivery_attempts(record)
        key, known = submission.id.key, None
        if self._window.may_know(key, record.partition):
            known = await self._until_kafka_answers(slot, lambda: self._window.find(key, record.partition))
        if known is not None and known.status == rejections.handling_failed.status and tried:
            known = None  # a dead letter that is replayed
        if known is not None:
            await self._repeat_outcome(record, submission, known, slot)
            return
        outcome = self._refusal_before_reading(submission)
        # one identified by its record stays in that partition, also when it is tried again with the id as its own
        moves = submission.has_own_id and submission.id.source != partition_source(record.topic, record.partition)
        if outcome is None and moves:
            partition = await self._until_kafka_answers(slot, lambda: self._partition_for(submission))
            if partition != record.partition:
                await self._reroute(record, submission, partition, slot)
                return
        outcome = outcome or self._refusal(submission)
        outcome = outcome or await self._submitter.submit(submission, confirm=slot.lease.confirm, sleep=slot.sleep)
        await self._publish_outcome(record, submission, outcome, slot)

    async def _partition_for(self, submission: Submission) -> int:
        return self._producer.partition_for(self._topics.submissions, submission.id.key.encode())

    def _refusal_before_reading(self, submission: Submission) -> Outcome | None:
        """Return the refusal of a submission that must not be rerouted.

        A new record has a new timestamp: one that is rerouted each time it is read would never expire.
        """
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
        return fingerprint(body, self._max_body_bytes)

    async def _repeat_outcome(self, record: Record, submission: Submission, known: Outcome, slot: Slot) -> None:
        """Publish the outcome of a duplicate again, or tell it that its id was used for another request."""
        self._metrics.duplicates.inc()
        own_fingerprint = self._fingerprint(submission.body)
        if known.fingerprint != own_fingerprint:
            conflict = Outcome.of(submission, own_fingerprint, rejections.id_reused(known.name), conflict=True)
            await self._publish_outcome(record, submission, conflict, slot)
            return
        if known.correlation_id != submission.correlation_id:
            again = replace(known, correlation_id=submission.correlation_id, traceparent=submission.traceparent)
            await self._publish_outcome(record, submission, again, slot)
        else:
            await self._follow_up(submission, known, slot)

    async def _publish_outcome(self, record: Record, submission: Submission, outcome: Outcome, slot: Slot) -> None:
        """Write the outcome, remember it, and do what waited for its acknowledgement."""
        await slot.lease.confirm()
        new = outcome_record(outcome, self._topics.outcomes, record.partition, time.time())
        written = await self._write(new, slot)
        self._window.remember(record.partition, [(outcome.key.encode(), written.offset)])
        await self._follow_up(submission, outcome, slot)
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

    async def _follow_up(self, submission: Submission, outcome: Outcome, slot: Slot) -> None:
        """Tell the reply topic and release the Job; made good on redelivery where a crash came first."""
        await self._reply(submission, outcome)
        await self._submitter.release(submission, outcome, confirm=slot.lease.confirm, sleep=slot.sleep)

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

    async def _reroute(self, record: Record, submission: Submission, partition: int, slot: Slot) -> None:
        """Send a record that was keyed otherwise, byte for byte, to the partition where its duplicates meet."""
        await slot.lease.confirm()
        key = submission.id.key.encode()
        await self._write(NewRecord(self._topics.submissions, partition, key, record.value, record.headers), slot)
        log.info("submission-rerouted", submission=submission.id.key, partition=record.partition, to=partition)

    async def _retry_or_dead_letter(self, work: Work, error: Exception, slot: Slot) -> None:
        attempts = delivery_attempts(work.record) + 1
        if attempts < self._settings.max_attempts:
            await slot.lease.confirm()
            try:
                await self._write(retry_record(work.record, attempts), slot)
            except RecordTooLarge:  # it was as large as the topic takes before the count was added
                pass
            else:
                return
        await self._dead_letter(work.record, error, slot)
        if work.submission is not None:
            failed = self._refused(work.submission, rejections.handling_failed())
            await self._publish_outcome(work.record, work.submission, failed, slot)

    async def _dead_letter(self, record: Record, error: Exception, slot: Slot) -> None:
        """Write a record to the dead letters byte for byte; only what Kafka does not take for its size is left out."""
        if self._limit.reached:
            raise TooManyDeadLetters(f"{type(error).__name__}: {error}")
        await slot.lease.confirm()
        attempts = delivery_attempts(record) + 1
        kind, reason, topic = type(error).__name__, str(error), self._topics.dead_letters
        letter = dead_letter_record(record, kind, reason, topic, attempts)
        for left_out, smaller in (
            ("the value is", record._replace(value=None)),
            ("key, value and headers are", record._replace(key=None, value=None, headers=())),
        ):
            try:
                await self._write(letter, slot)
                break
            except RecordTooLarge:
                remark = f"{left_out} left out: too large for {topic}; {reason}"
                letter = dead_letter_record(smaller, kind, remark, topic, attempts)
        else:
            await self._write(letter, slot)
        self._limit.note(dead=True)
        self._metrics.dead_letters.inc()
        log.error("dead-letter", partition=record.partition, offset=record.offset, reason=reason, attempts=attempts)

    async def _write(self, record: NewRecord, slot: Slot) -> Position:
        return await self._until_kafka_answers(slot, lambda: self._producer.send(record))

    async def _until_kafka_answers(self, slot: Slot, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until Kafka answers: an outage delays a submission and never decides it."""
        while True:
            try:
                answer = await ask()
            except BrokerUnavailable as error:
                self._note_kafka(away=True, reason=str(error))
                await slot.sleep(KAFKA_RETRY_SECONDS)
                await slot.lease.confirm()
            else:
                self._note_kafka(away=False)
                return answer

    def _note_kafka(self, *, away: bool, reason: str | None = None) -> None:
        """Log the beginning and the end of an outage, not every try of every submission."""
        if away != self._kafka_away:
            self._kafka_away = away
            log.warning("kafka-unavailable" if away else "kafka-back", reason=reason)
