"""Takes fetched records in: reads them, queues them, and pauses a partition that has enough to do.

Part of `consumer`. How far ahead is read decides how fair the projects' turns are: a project whose records lie behind
the others' backlog has its turn only once they are in the queue. The bound is the memory that they take.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from service.broker import SubmissionSource
from service.settings import ConsumerSettings
from service.submission.records import Record
from service.telemetry.logs import log
from service.worker.offsets import OffsetTracker
from service.worker.partitions import Assignment
from service.worker.proof import Proof
from service.worker.work_queue import Work, WorkQueue, read_work

MAX_HELD: Final = 8
"""Most unfinished records of a partition, as a multiple of `queue_per_partition`; most wait for their next try."""
SLICE_SECONDS: Final = 0.005
"""How long records are read before others have a turn on the event loop."""


class Intake:
    """Fills `queue` with the records of the partitions assigned; `on_cancel` is given the cancels."""

    def __init__(
        self,
        source: SubmissionSource,
        queue: WorkQueue,
        assignments: Mapping[int, Assignment],
        on_cancel: Callable[[Work], None],
        settings: ConsumerSettings,
        max_body_bytes: int,
        proof: Proof,
    ) -> None:
        self._proof = proof
        self._source = source
        self._queue = queue
        self._assignments = assignments
        self._on_cancel = on_cancel
        self._settings = settings
        self._max_body_bytes = max_body_bytes

    async def take_in(self, partition: int, records: list[Record]) -> int:
        """Read and queue records of a partition; return how many there were that are still this member's."""
        assignment = self._assignments.get(partition)
        if assignment is None:
            return 0
        since = time.monotonic()
        for count, record in enumerate(records):
            if time.monotonic() - since > SLICE_SECONDS:
                await asyncio.sleep(0)
                since = time.monotonic()
                if self._assignments.get(partition) is not assignment:  # it was revoked, and maybe given back, since
                    return count
            if not assignment.offsets.follows(record.offset):
                self._begin_anew(assignment)
            work = read_work(record, self._max_body_bytes, self._proof.of_cancel)
            assignment.offsets.deliver(record.offset, record.timestamp)
            assignment.held_bytes += work.size
            self._queue.put(work)
            if work.is_cancel:
                self._on_cancel(work)
        if self._load_of(assignment) >= 1 and not assignment.paused:
            assignment.paused = True
            self._source.pause([partition])
        return len(records)

    def finished(self, assignment: Assignment, work: Work) -> None:
        """Note that work of a partition is done."""
        assignment.offsets.finish(work.record.offset)
        assignment.held_bytes -= work.size
        self.relieve(assignment)

    def relieve(self, assignment: Assignment) -> None:
        """Resume a partition that was paused, when half of what it had to do is done."""
        if not assignment.paused or assignment.loading is not None or assignment.lease.revoked:
            return
        if self._load_of(assignment) <= 1 / 2:
            assignment.paused = False
            self._source.resume([assignment.partition])

    def _load_of(self, assignment: Assignment) -> float:
        """Return how much a partition has to do; with 1 it is paused.

        Records that wait to be started count, those that sleep between two tries do not: a project whose webhook is
        down would keep the others away. Both count for the memory they take, of which each partition has its share.
        """
        most = self._settings.queue_per_partition
        share = self._settings.read_ahead_bytes / max(1, len(self._assignments))
        return max(
            self._queue.waiting(assignment.partition) / most,
            len(assignment.offsets) / (most * MAX_HELD),
            assignment.held_bytes / share,
        )

    def _begin_anew(self, assignment: Assignment) -> None:
        """Start over with a partition whose offsets have gone back: the brokers cut it, or the topic was made anew.

        Other records may stand under the same offsets now; what was done is still known to the window.
        """
        log.warning("partition-rewound", partition=assignment.partition)
        self._queue.drop(assignment.partition)
        assignment.offsets, assignment.held_bytes = OffsetTracker(), 0
