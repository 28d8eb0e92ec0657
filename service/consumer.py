"""Reads submissions from Kafka, has each one carried out, writes its outcome, and only then commits.

A record is fetched -> queued fairly (`work_queue`) -> carried out (`record_handler`) -> its outcome is acknowledged ->
committable (`offsets`) -> committed. Several partitions and several submissions at once. The fetch loop waits for none
of them, so that the group membership outlives any outage.
"""

import asyncio
import math
from collections.abc import Callable, Mapping

from service.broker import BrokerUnavailable, SubmissionSource
from service.errors import LeaseLost, TooManyDeadLetters
from service.lifecycle import cancel, ends_before
from service.settings import ConsumerSettings
from service.submission.waiting_in_log import Trouble
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.repetitions import Repetitions
from service.views.duplicates import DuplicateWindow
from service.worker.intake import Intake
from service.worker.offsets import OffsetTracker
from service.worker.partitions import Assignment, Lease, Slot
from service.worker.proof import Proof
from service.worker.record_handler import RecordHandler
from service.worker.slots import Slots
from service.worker.work_queue import Work, WorkQueue

REVOKE_SECONDS = 5.0
"""How long a rebalance waits for the submissions in progress of the partitions that leave."""
FETCH_SECONDS = 0.5
"""How long one fetch waits for records."""
RETRY_SECONDS = 1.0
"""Pause after a failure that nobody can foresee."""


class Consumer:
    """One member of the consumer group. `run` works until `stop`; `ready` tells whether it takes part.

    `trouble` tells what keeps Jobs from being made; it is left with the commits for whoever asks why something waits.
    """

    def __init__(
        self,
        source: SubmissionSource,
        window: DuplicateWindow,
        handler: RecordHandler,
        settings: ConsumerSettings,
        max_body_bytes: int,
        metrics: Metrics,
        proof: Proof,
        trouble: Callable[[], Trouble] = lambda: Trouble.NONE,
    ) -> None:
        self._source = source
        self._trouble = trouble
        self._window = window
        self._handler = handler
        self._settings = settings
        self._metrics = metrics
        self._received = metrics.received.labels(via="topic")
        self._assignments: dict[int, Assignment] = {}
        metrics.in_flight.labels(role="consumer").set_function(self._count_in_flight)
        self._repetitions = Repetitions()
        self._committed: dict[int, tuple[int, Trouble]] = {}
        self._queue = WorkQueue()
        self._intake = Intake(source, self._queue, self._assignments, self._cancelled, settings, max_body_bytes, proof)
        self._in_progress: dict[str, tuple[Work, Slot]] = {}
        self._wake = asyncio.Event()
        self._slots = Slots(settings.concurrency, self._wake.set)
        self._stopping = asyncio.Event()
        self._halted = False

    @property
    def ready(self) -> bool:
        """True while this member belongs to the group and has learned what was done in all its partitions."""
        return (
            self._source.confirmed()
            and not self._stopping.is_set()
            and not self._halted
            and all(assignment.loading is None for assignment in self._assignments.values())
        )

    def stop(self) -> None:
        """Ask `run` to finish what is in progress, commit and leave."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop`; on cancellation leave at once. What was not committed is delivered again."""
        await self._source.start(self._assigned, self._revoked)
        intake = [asyncio.create_task(loop()) for loop in (self._fetch, self._dispatch)]
        upkeep = [asyncio.create_task(loop()) for loop in (self._commit_regularly, self._window.keep_clean)]
        loops = [*intake, *upkeep]
        try:
            await ends_before(self._stopping, *loops)
            await cancel(intake)
            await self._drain()
        finally:
            await cancel([*loops, *self._tasks()])
            await self._source.stop()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [
            task
            for assignment in self._assignments.values()
            for task in (*assignment.tasks, assignment.loading)
            if task is not None
        ]

    async def _drain(self) -> None:
        for partition in self._assignments:
            self._queue.drop(partition)
        working = [task for assignment in self._assignments.values() for task in assignment.tasks]
        if working:
            await asyncio.wait(working, timeout=self._settings.drain_seconds)
        await self._commit(self._assignments)
        log.info("consumer-drained", unfinished=sum(not task.done() for task in working))

    # --- partitions come and go -------------------------------------------------------------------------------------

    async def _assigned(self, partitions: list[int]) -> None:
        log.info("partitions-assigned", partitions=sorted(partitions))
        for partition in self._window.partitions - set(partitions):
            self._window.forget(partition)
        for partition in partitions:
            assignment = self._assignments[partition] = Assignment(partition, Lease(self._source.confirmed))
            self._source.pause([partition])
            assignment.loading = asyncio.create_task(self._load(assignment))

    async def _load(self, assignment: Assignment) -> None:
        """Learn what was done in a partition before its first record is handled."""
        while True:
            try:
                await self._window.load(assignment.partition)
                break
            except BrokerUnavailable as error:
                log.warning("outcomes-unreadable", partition=assignment.partition, reason=str(error))
            except Exception:  # noqa: BLE001 - whatever it was, the partition must not stay paused in silence
                log.exception("outcomes-unreadable", partition=assignment.partition)
            await asyncio.sleep(RETRY_SECONDS)
        assignment.loading = None
        assignment.paused = False
        self._source.resume([assignment.partition])

    async def _revoked(self, partitions: list[int]) -> None:
        """Give partitions back: let what is in progress end within a bound, cut off the rest, commit."""
        leaving = {p: self._assignments.pop(p) for p in partitions if p in self._assignments}
        log.info("partitions-revoked", partitions=sorted(leaving))
        for partition, assignment in leaving.items():
            self._queue.drop(partition)
            if assignment.loading is not None:
                assignment.loading.cancel()
        working = [task for assignment in leaving.values() for task in assignment.tasks]
        if working:
            await asyncio.wait(working, timeout=REVOKE_SECONDS)
        for assignment in leaving.values():  # before the commit, which may take longer than the rebalance waits
            assignment.lease.revoked = True
            for task in assignment.tasks:
                task.cancel()
        await self._commit(leaving)
        for partition in leaving:
            self._committed.pop(partition, None)

    # --- records ----------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        while True:
            batches = await self._source.fetch(self._settings.concurrency, FETCH_SECONDS)
            for partition, records in batches.items():
                self._received.inc(await self._intake.take_in(partition, records))
                self._wake.set()

    async def _dispatch(self) -> None:
        while True:
            work = self._queue.take(self._slots.may_take) if self._slots.free and not self._halted else None
            if work is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._slots.take(work.project)
            assignment = self._assignments[work.record.partition]
            self._intake.relieve(assignment)
            task = asyncio.create_task(self._handle(assignment, assignment.offsets, work))
            assignment.tasks.add(task)
            task.add_done_callback(assignment.tasks.discard)

    async def _handle(self, assignment: Assignment, offsets: OffsetTracker, work: Work) -> None:
        slot = Slot(self._slots, work.project, assignment.lease)
        self._in_progress[work.key] = work, slot
        if self._queue.is_cancelled(work):
            slot.cancel()
        try:
            await self._handler.handle(work, slot)
            if offsets is assignment.offsets:
                self._intake.finished(assignment, work)
        except LeaseLost:
            log.info("submission-handed-back", partition=work.record.partition, offset=work.record.offset)
        except TooManyDeadLetters as error:
            self._halt(str(error))
        except Exception:  # noqa: BLE001 - the last resort failed: the record is taken up again, the rest goes on
            log.exception("record-stuck", partition=work.record.partition, offset=work.record.offset)
            await slot.sleep(RETRY_SECONDS)
            if offsets is assignment.offsets:
                self._queue.put_back(work)
        finally:
            slot.release()
            del self._in_progress[work.key]
            self._queue.finish(work)
            self._wake.set()

    def _cancelled(self, cancel: Work) -> None:
        """Let a submission in progress know that a cancel waits for it."""
        work, slot = self._in_progress.get(cancel.key, (None, None))
        if work is not None and slot is not None and cancel.takes_back(work):
            slot.cancel()

    def _halt(self, reason: str) -> None:
        """Start nothing more: a person has to look. What is not committed is delivered again after a restart."""
        if not self._halted:
            self._halted = True
            self._metrics.consumer_stopped.set(1)
            log.critical("consumer-stopped", reason=f"too many dead letters, the last one for {reason}")

    # --- commits and gauges -----------------------------------------------------------------------------------------

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.commit_interval_seconds)
            await self._commit(self._assignments)
            self._observe()

    async def _commit(self, assignments: Mapping[int, Assignment]) -> None:
        """Commit what can be, with what keeps this consumer from working: also where that alone has changed."""
        trouble = Trouble.STOPPED if self._halted else self._trouble()
        offsets = {
            partition: committable
            for partition, assignment in assignments.items()
            if (committable := assignment.offsets.committable) is not None
            and self._committed.get(partition) != (committable, trouble)
        }
        try:
            if offsets and await self._source.commit(offsets, trouble):
                self._committed.update({partition: (offset, trouble) for partition, offset in offsets.items()})
        except BrokerUnavailable as error:
            suppressed = self._repetitions.count(str(error))
            if suppressed is not None:
                log.warning("commit-failed", reason=str(error), suppressed=suppressed or None)

    def _count_in_flight(self) -> float:
        return sum(len(assignment.tasks) for assignment in self._assignments.values())

    def _observe(self) -> None:
        self._metrics.lag.clear()  # of the partitions that are others' now
        for partition, lag in self._source.lag().items():
            self._metrics.lag.labels(partition=str(partition)).set(lag)
        oldest = [t for a in self._assignments.values() if (t := a.offsets.oldest_timestamp) is not None]
        if not self._source.confirmed():  # others may have done it by now
            self._metrics.oldest_uncommitted.set(math.nan)
        else:
            self._metrics.oldest_uncommitted.set(min(oldest) / 1000 if oldest else 0)
