"""Writes the events of the jobs in the partitions that are ours: knows what was written last, adds what came since.

Used by `watcher`, which decides when a job is looked at. The log is the memory: a partition is read before its first
event is written, so that sequences go on where another replica, or this one before a crash, has left off.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from service.broker import JobEventLog, Producer
from service.cluster.job_facts import JobFacts
from service.cluster.job_mirror import JobMirror
from service.cluster.job_state import advance, deleted
from service.errors import UnreadableRecord
from service.submission.job_events import JobEvent, JobState, job_event_record, read_job_event
from service.submission.records import NewRecord
from service.telemetry.logs import log
from service.worker.partitions import Lease


class Written(NamedTuple):
    """The last state that was written for a submission's job, as its JSON, and the sequence of its event.

    `is_over` tells that the Job was deleted, `at` when this was written, in milliseconds by the broker's clock.
    """

    uid: str
    sequence: int
    value: bytes
    is_over: bool
    at: int
    waits_for: str | None

    def state(self) -> JobState:
        """Return the state."""
        return JobState.model_validate_json(self.value)


class History(NamedTuple):
    """What stands in a partition, by submission, and the right to write to it; `waiting` counts jobs by reason."""

    lease: Lease
    written: dict[str, Written]
    waiting: Counter[str | None]

    def note(self, event: JobEvent, value: bytes, at: int) -> None:
        """Note an event that stands in the partition as `value` since `at`; one written again changes nothing."""
        state = event.state
        last = self.written.get(state.submission)
        if last is None or last.uid != state.id or last.sequence < event.sequence:
            self.drop(state.submission)
            reason = state.waiting.reason if state.waiting else None
            is_over = state.deleted_at is not None
            self.written[state.submission] = Written(state.id, event.sequence, value, is_over, at, reason)
            self.waiting[reason] += 1

    def drop(self, key: str) -> None:
        """Forget the job of a submission, if it has one."""
        if (last := self.written.pop(key, None)) is not None:
            self.waiting[last.waits_for] -= 1


class JobEventWriter:
    """The histories of the partitions that are ours. `now` gives the time in milliseconds."""

    def __init__(self, mirror: JobMirror, events: JobEventLog, producer: Producer, now: Callable[[], int]) -> None:
        self._mirror = mirror
        self._events = events
        self._producer = producer
        self._now = now
        self._histories: dict[int, History] = {}
        self._key_of: dict[str, tuple[int, str]] = {}

    async def load(self, partition: int) -> None:
        """Read what was written to a partition that has become ours; raises BrokerUnavailable."""
        history = History(Lease(self._events.confirmed), {}, Counter())
        end = await self._events.proven_end(partition, self._producer)
        async for records in self._events.scan(partition, end):
            for record in records:
                try:
                    event = read_job_event(record)
                except UnreadableRecord as error:
                    log.warning("job-event-unreadable", partition=partition, offset=record.offset, reason=str(error))
                    continue
                if event is not None and record.value is not None:
                    history.note(event, record.value, record.timestamp)
                elif record.key is not None:
                    history.drop(record.key.decode("ascii", "replace"))
        self._histories[partition] = history
        for key, last in history.written.items():
            self._key_of[last.uid] = (partition, key)

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that others have taken over."""
        history = self._histories.pop(partition, None)
        if history is None:
            return
        history.lease.revoked = True
        for last in history.written.values():
            self._key_of.pop(last.uid, None)

    def number_waiting(self, reason: str) -> int:
        """Return how many jobs in our partitions wait for this reason."""
        return sum(history.waiting[reason] for history in self._histories.values())

    def missing(self) -> list[str]:
        """Return the uids of Jobs that were there when last written and that the cluster does not have (any more)."""
        return [
            last.uid
            for history in self._histories.values()
            for last in history.written.values()
            if not last.is_over and last.uid not in self._mirror.jobs
        ]

    def uids_in(self, partition: int) -> list[str]:
        """Return the uids of the cluster's Jobs whose events belong into a partition."""
        return [uid for uid, job in self._mirror.jobs.items() if self._partition_of(job) == partition]

    def _partition_of(self, job: JobFacts) -> int | None:
        return self._events.partition_of(job.submission, job.partition)

    async def write(self, uid: str) -> int:
        """Write the events that a Job has come to since the last one; return their number.

        Nothing where its partition is not ours. Raises LeaseLost where it may be another's by now, BrokerUnavailable.
        """
        is_gone = uid not in self._mirror.jobs
        job = self._mirror.gone(uid) if is_gone else self._mirror.jobs[uid]
        if job is not None:
            partition, key = self._partition_of(job), job.submission
            if partition is None:
                return 0
        elif uid in self._key_of:
            partition, key = self._key_of[uid]
        else:
            return 0
        history = self._histories.get(partition)
        if history is None:
            return 0
        last = history.written.get(key)
        if last is not None and last.uid != uid:
            if is_gone:
                return 0  # of a Job before the present one
            last = None
        events = self._since(last, uid, traceparent=None if job is None else job.traceparent, is_gone=is_gone)
        for event in events:
            record = job_event_record(event, self._events.topic, partition)
            await history.lease.confirm()
            position = await self._producer.send(record)
            history.note(event, record.value or b"", position.timestamp)
            self._key_of[uid] = (partition, key)
        self._mirror.forget(uid)
        return len(events)

    def _since(self, last: Written | None, uid: str, *, traceparent: str | None, is_gone: bool) -> list[JobEvent]:
        """Return the events since what was written last; a Job that ended and is gone already ends first."""
        now = self._now()
        before, sequence = (None, 0) if last is None else (last.state(), last.sequence)
        observed = self._mirror.state(uid, now)
        events: list[JobEvent] = []
        if observed is not None and (not is_gone or before is None or observed.phase.ended):
            events += advance(before, sequence, observed, now=now, traceparent=traceparent)
        if is_gone and (known := events[-1].state if events else before) is not None:
            gone = deleted(known, now)
            events += advance(known, sequence + len(events), gone, now=now, traceparent=traceparent)
        return events

    async def expire(self, seconds: float) -> int | None:
        """End the histories whose Job's deletion was written `seconds` ago or earlier; return their number.

        By the brokers' clock alone: this process's own may be wrong by days. None, and nothing is ended, while no
        broker has told the time of late. Raises LeaseLost, BrokerUnavailable.
        """
        now = self._producer.clock.now_ms()
        if now is None:
            return None
        ended = 0
        for partition, history in list(self._histories.items()):
            for key, last in list(history.written.items()):
                if not last.is_over or last.at > now - seconds * 1000:
                    continue
                await history.lease.confirm()
                await self._producer.send(NewRecord(self._events.topic, partition, key.encode(), None, ()))
                history.drop(key)
                self._key_of.pop(last.uid, None)
                ended += 1
        return ended
