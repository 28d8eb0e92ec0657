"""Handles one record: was it done before, else carry it out; then write its outcome.

Called by `consumer`, which decides when a record is handled and when its offset is committed; calls `submitter`, which
knows Kubernetes. `handle` returns when Kafka has acknowledged what became of the record: an outcome, a dead letter, or
the same record in the partition where its duplicates meet. Whatever a record holds, it never raises for it.
"""

import time
from dataclasses import replace

from service.broker import Producer
from service.errors import Fault, GivesWay, InvalidSubmission, LeaseLost, TooManyDeadLetters
from service.settings import ConsumerSettings, TopicSettings
from service.submission import rejections
from service.submission.cancels import request_fingerprint
from service.submission.dead_letters import delivery_attempts
from service.submission.identity import partition_source
from service.submission.outcomes import Outcome, UnseenId
from service.submission.records import Record, Submission
from service.submission.rejection import Rejection, SubmissionRejected
from service.submitter import Submitter
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing
from service.views.duplicates import DuplicateWindow
from service.worker.cancel_handler import CANCELLED, CancelHandler
from service.worker.dead_letter_limit import DeadLetterLimit
from service.worker.partitions import Slot
from service.worker.proof import Proof, disbelieved
from service.worker.publisher import Publisher
from service.worker.work_queue import Work


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
        tracing: Tracing,
        proof: Proof,
    ) -> None:
        self._tracing = tracing
        self._proof = proof
        self._max_body_bytes = max_body_bytes
        self._producer = producer
        self._publisher = Publisher(producer, window, topics, metrics)
        self._window = window
        self._submitter = submitter
        self._cancels = CancelHandler(self._publisher, window, submitter, topics, proof)
        self._topics = topics
        self._max_attempts = settings.max_attempts
        self._metrics = metrics
        self._limit = DeadLetterLimit(settings.dead_letter_limit_percent)
        self._by_class = {digit: metrics.outcomes.labels(status=f"{digit}xx") for digit in (2, 4, 5)}

    async def handle(self, work: Work, slot: Slot) -> None:
        """Handle `work` to its end.

        Raises LeaseLost when the partition was taken away before, TooManyDeadLetters when this would be one too many,
        and nothing else.
        """
        record = work.record
        try:
            if work.submission is None:
                raise work.fault or AssertionError("work without a submission")
            await self._carry_out(work, work.submission, slot)
        except (LeaseLost, TooManyDeadLetters):
            raise
        except Exception as error:  # noqa: BLE001 - a record must never take the consumer down
            log.exception("record-failed", partition=record.partition, offset=record.offset)
            await self._retry_or_dead_letter(work, error, slot)
        else:
            if work.submission.identity_fault is None:  # else its producer could make room for crashes
                self._limit.note_good()

    async def _carry_out(self, work: Work, submission: Submission, slot: Slot) -> None:
        record = work.record
        try:
            submission = await self._proof.proven(record, submission, slot)
        except SubmissionRejected as error:
            unproven = disbelieved(record, submission)
            await self._publish_outcome(record, unproven, self._refused(unproven, error.rejection), slot)
            return
        key, traceparent = submission.id.key, submission.traceparent
        self._tracing.note("queued", traceparent, record.timestamp / 1000, submission=key, partition=record.partition)
        known = await self._known(record, submission, slot)
        if known is not None:
            await self._repeat_outcome(record, submission, known, slot)
            return
        partition = await self._own_partition(work, submission, slot)
        outcome = await self._refusal_of_the_record(record, submission, partition, slot)
        if outcome is None and partition != record.partition:
            if await self._publisher.reroute(record, work.key, partition, slot):
                return
            outcome = self._refused(submission, rejections.too_large(_TOO_LARGE_TO_MOVE), is_aside=True)
        outcome = outcome or self._refusal(submission)
        if outcome is None and submission.is_cancel:
            outcome = await self._cancels.carry_out(record, submission, slot)
            if outcome is None:
                return
        if outcome is None:
            began = time.time()
            outcome = await self._submit(submission, slot)
            self._tracing.note("created", traceparent, began, submission=key, job=outcome.name, status=outcome.status)
        await self._publish_outcome(record, submission, outcome, slot)

    async def _submit(self, submission: Submission, slot: Slot) -> Outcome:
        """Carry a submission out, or give it up for a cancel that waits."""
        if not slot.is_cancelled:
            try:
                return await self._submitter.submit(
                    submission, confirm=slot.lease.confirm, sleep=slot.sleep_unless_cancelled
                )
            except GivesWay:
                log.info("submission-gives-way", submission=submission.id.key)
        return await self._withdraw(submission, slot)

    async def _withdraw(self, submission: Submission, slot: Slot) -> Outcome:
        if submission.is_dry_run:
            return self._refused(submission, CANCELLED)
        lease = slot.lease
        return await self._submitter.withdraw(submission, confirm=lease.confirm, sleep=slot.sleep, since=lease.since)

    async def _known(self, record: Record, submission: Submission, slot: Slot) -> Outcome | None:
        """Return what was decided about the submission before, if anything was."""
        key, partition = submission.id.key, record.partition
        if not self._window.may_know(key, partition):
            return None
        known = await self._publisher.until_answered(lambda: self._window.find(key, partition), slot)
        if known is None or known.is_aside:
            return None
        is_replayed = known.status == rejections.handling_failed.status and delivery_attempts(record) > 0
        return None if is_replayed else known

    async def _own_partition(self, work: Work, submission: Submission, slot: Slot) -> int:
        """Return the partition where the submission's duplicates meet, and its cancel.

        One that is identified by its offset has no duplicates: it stays in its partition, also when it is tried again
        with that identity as its own. A cancel of it finds it there, as it finds one from before partitions were added.
        """
        record = work.record
        is_by_offset = submission.id.source == partition_source(record.topic, record.partition)
        if work.key == submission.id.key and (is_by_offset or not submission.has_own_id):
            return record.partition
        if submission.is_cancel and self._window.may_know(work.key, record.partition):
            return record.partition

        async def ask() -> int:
            return self._producer.partition_for(self._topics.submissions, work.key.encode())

        return await self._publisher.until_answered(ask, slot)

    async def _refusal_of_the_record(
        self, record: Record, submission: Submission, partition: int, slot: Slot
    ) -> Outcome | None:
        """Return the refusal of a record that must not be written once more, to the `partition` of its id."""
        made = min(record.timestamp, round(submission.received * 1000))
        if await self._may_be_forgotten(made, partition, slot):
            # a rerouted record has a new timestamp: it would be carried out
            return self._refused(submission, rejections.too_old(), is_aside=True)
        if submission.identity_fault is not None:
            await self._publisher.dead_letter(record, "UnreadableRecord", submission.identity_fault, slot)
            fault = Fault("headers", submission.identity_fault)
            return self._refused(submission, rejections.invalid_parameters(InvalidSubmission((fault,))))
        if submission.excess is not None:
            too_large = rejections.too_large(submission.excess)
            return self._refused(submission, too_large, is_aside=partition != record.partition)
        return None

    async def _may_be_forgotten(self, made: int, partition: int, slot: Slot) -> bool:
        """Tell whether a record made then (in ms) may have had an outcome that the outcomes topic no longer holds.

        Outcomes are never older than their records, and the topic keeps them for the duplicate window at least. So
        both must be true: the topic has lost its beginning and goes back less far than the record, and by the brokers'
        clock the record is older than the window. No clock of this process has a say, and a broker whose clock was
        wrong for a while makes only one of the two true.
        """
        begins = await self._publisher.until_answered(lambda: self._window.begins(partition), slot)
        if begins is None or made >= begins:
            return False
        now = await self._publisher.broker_time(partition, slot)
        return now is None or now - made > self._topics.duplicate_window_seconds * 1000

    def _refusal(self, submission: Submission) -> Outcome | None:
        """Return the refusal of a submission whose headers break their rules.

        No signature is over all of them: a copy of a good record with one more must not decide about its id.
        """
        if submission.header_faults:
            rejection = rejections.invalid_parameters(InvalidSubmission(submission.header_faults))
            return self._refused(submission, rejection, is_aside=self._proof.is_required)
        return None

    def _refused(self, submission: Submission, rejection: Rejection, *, is_aside: bool = False) -> Outcome:
        return Outcome.of(submission, self._fingerprint(submission), rejection, is_aside=is_aside)

    def _fingerprint(self, submission: Submission) -> str:
        return request_fingerprint(submission, self._max_body_bytes)

    async def _repeat_outcome(self, record: Record, submission: Submission, known: Outcome, slot: Slot) -> None:
        """Publish the outcome of a duplicate again, or tell it that its id was used for another request."""
        if isinstance(known.id, UnseenId):  # cancelled before it came; a try of it may have made a Job and then crashed
            await self._publish_outcome(record, submission, await self._withdraw(submission, slot), slot)
            return
        self._metrics.duplicates.inc()
        if known.fingerprint != self._fingerprint(submission):
            reused = self._refused(submission, rejections.id_reused(known.name), is_aside=True)
            await self._publish_outcome(record, submission, reused, slot)
        elif known.correlation_id != submission.correlation_id:
            await self._publish_outcome(record, submission, _addressed(known, submission), slot)
        else:
            await self._follow_up(submission, known, slot)

    async def _publish_outcome(self, record: Record, submission: Submission, outcome: Outcome, slot: Slot) -> None:
        """Write the outcome, and do what waited for its acknowledgement."""
        began = time.time()
        if submission.is_dry_run and not outcome.is_aside:
            outcome = replace(outcome, is_aside=True)
        written = await self._publisher.outcome(outcome, record.partition, slot)
        key = submission.id.key
        self._tracing.note("answered", submission.traceparent, began, submission=key, status=outcome.status)
        await self._follow_up(submission, outcome, slot)
        # both times are the brokers'
        seconds = max(0.0, (written.timestamp - record.timestamp) / 1000)
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
        await self._publisher.reply(submission, outcome)
        if submission.is_cancel or submission.is_dry_run:
            return
        await self._submitter.release(submission, outcome, confirm=slot.lease.confirm, sleep=slot.sleep)

    async def _retry_or_dead_letter(self, work: Work, error: Exception, slot: Slot) -> None:
        """Try a record that crashed once more, later; after the last try make it a dead letter with an outcome."""
        record, submission = work.record, work.submission
        attempts = delivery_attempts(record) + 1
        if attempts < self._max_attempts and await self._publisher.retry(record, attempts, slot):
            return
        if not self._limit.admit():
            raise TooManyDeadLetters(f"{type(error).__name__}: {error}")
        await self._publisher.dead_letter(record, type(error).__name__, str(error), slot)
        if submission is None:
            return
        known = await self._known(record, submission, slot)
        if known is None:
            await self._publish_outcome(record, submission, self._refused(submission, _FAILED), slot)
        elif known.correlation_id != submission.correlation_id and not submission.is_dry_run:
            # it crashed after it was decided: that stands, and nothing more is tried for it
            await self._publisher.outcome(_addressed(known, submission), record.partition, slot)


_FAILED = rejections.handling_failed()
_TOO_LARGE_TO_MOVE = "the record is too large for Kafka to be moved to the partition of its id: key it by its id"


def _addressed(outcome: Outcome, submission: Submission) -> Outcome:
    """Return the outcome as the answer to this duplicate of its submission."""
    return replace(outcome, correlation_id=submission.correlation_id, traceparent=submission.traceparent)
