"""Writes what becomes of a record: its outcome, a dead letter, or the record itself once more.

Part of `record_handler`. Every write first confirms the lease of the record's partition, and waits for Kafka for as
long as an outage lasts: an outage delays a submission and decides nothing about it.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from service.broker import BrokerUnavailable, Position, Producer, RecordTooLarge
from service.settings import TopicSettings
from service.submission.dead_letters import dead_letter_record, delivery_attempts, retry_record
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record, Submission
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.worker.kafka_trouble import KafkaTrouble
from service.worker.partitions import Slot

T = TypeVar("T")

KAFKA_RETRY_SECONDS = 0.5
"""Pause between two tries to write to Kafka: the client has waited its own time-out before."""
CLOCK_KEY: Final = b"clock"
"""Key of a tombstone that deletes nothing: its acknowledgement has the brokers' time."""


class Publisher:
    """Writes for the records of this process."""

    def __init__(self, producer: Producer, window: DuplicateWindow, topics: TopicSettings, metrics: Metrics) -> None:
        self._producer = producer
        self._window = window
        self._topics = topics
        self._dead_letters = metrics.dead_letters
        self._trouble = KafkaTrouble()

    async def outcome(self, outcome: Outcome, partition: int, slot: Slot) -> Position:
        """Write an outcome to `partition` and remember it."""
        await slot.lease.confirm()
        written = await self._write(outcome_record(outcome, self._topics.outcomes, partition, time.time()), slot)
        self._window.remember(partition, [(outcome.key.encode(), written.offset)])
        return written

    async def reply(self, submission: Submission, outcome: Outcome) -> None:
        """Send a copy of the outcome to the topic that the producer named, once: what counts is the outcome itself."""
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

    async def reroute(self, record: Record, key: str, partition: int, slot: Slot) -> bool:
        """Write a record byte for byte to `partition`, where its duplicates meet, under the key of what it is about.

        False where that is too large for the topic: the key is longer than the one it had.
        """
        moved = NewRecord(self._topics.submissions, partition, key.encode(), record.value, record.headers)
        try:
            await self.forward(moved, slot)
        except RecordTooLarge:
            return False
        log.info("submission-rerouted", submission=key, partition=record.partition, to=partition)
        return True

    async def forward(self, record: NewRecord, slot: Slot) -> None:
        """Write a record for the submissions topic. Raises RecordTooLarge."""
        await slot.lease.confirm()
        await self._write(record, slot)

    async def retry(self, record: Record, attempts: int, slot: Slot) -> bool:
        """Write a record once more with the number of tries so far; False where that is too large for the topic."""
        await slot.lease.confirm()
        try:
            await self._write(retry_record(record, attempts), slot)
        except RecordTooLarge:  # it was as large as the topic takes before the count was added
            return False
        return True

    async def dead_letter(self, record: Record, error_class: str, reason: str, slot: Slot) -> None:
        """Write a record to the dead letters byte for byte; only what Kafka does not take for its size is left out."""
        await slot.lease.confirm()
        attempts, topic = delivery_attempts(record) + 1, self._topics.dead_letters
        letter = dead_letter_record(record, error_class, reason, topic, attempts)
        for left_out, smaller in (
            ("the value is", record._replace(value=None)),
            ("key, value and headers are", record._replace(key=None, value=None, headers=())),
        ):
            try:
                await self._write(letter, slot)
                break
            except RecordTooLarge:
                remark = f"{left_out} left out: too large for {topic}; {reason}"
                letter = dead_letter_record(smaller, error_class, remark, topic, attempts)
        else:
            await self._write(letter, slot)
        self._dead_letters.inc()
        log.error("dead-letter", partition=record.partition, offset=record.offset, reason=reason, attempts=attempts)

    async def broker_time(self, partition: int, slot: Slot) -> float | None:
        """Return the time of the outcomes' brokers in milliseconds since the epoch; None where they do not tell it.

        Kafka has no request for it, but each acknowledgement of a write has it. Where there was none of late, the
        deletion of a key that never existed is written, which changes nothing in a compacted topic.
        """
        if self._producer.clock.now_ms() is None:
            await slot.lease.confirm()
            await self._write(NewRecord(self._topics.outcomes, partition, CLOCK_KEY, None, ()), slot)
        return self._producer.clock.now_ms()

    async def until_answered(self, ask: Callable[[], Awaitable[T]], slot: Slot) -> T:
        """Ask until Kafka answers, and return the answer. Raises LeaseLost."""
        waits = False
        try:
            while True:
                try:
                    return await ask()
                except BrokerUnavailable as error:
                    if not waits:
                        waits = True
                        self._trouble.begin(str(error))
                await slot.sleep(KAFKA_RETRY_SECONDS)
                await slot.lease.confirm()
        finally:
            if waits:
                self._trouble.end()

    async def _write(self, record: NewRecord, slot: Slot) -> Position:
        return await self.until_answered(lambda: self._producer.send(record), slot)
