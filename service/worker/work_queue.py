"""The order in which fetched records are taken up: fair between partitions, equal submissions one after the other.

Pure bookkeeping for `consumer`. One record a partition in turn, so that a long backlog in one starves no other; a
record whose submission is already in progress steps aside until that one is finished, without holding up the rest.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from service.errors import UnreadableRecord
from service.submission.records import Record, Submission, read_submission


class Work(NamedTuple):
    """A record and either the submission it holds or, where it cannot be read, the `fault`.

    Records with the same `key` must not be in progress at once.
    """

    record: Record
    key: str
    submission: Submission | None
    fault: UnreadableRecord | None = None


def read_work(record: Record) -> Work:
    """Return the work a record asks for; one that cannot be read is work too, under a key of its own."""
    try:
        submission = read_submission(record)
    except UnreadableRecord as error:
        return Work(record, f"{record.partition}-{record.offset}", None, error)
    return Work(record, submission.id.key, submission)


class WorkQueue:
    """Work by partition, taken in rotation."""

    __slots__ = ("_aside", "_busy", "_lanes", "_rotation")

    def __init__(self) -> None:
        self._lanes: dict[int, deque[Work]] = {}
        self._rotation: deque[int] = deque()
        self._busy: set[str] = set()
        self._aside: dict[str, deque[Work]] = {}

    def put(self, partition: int, work: Iterable[Work]) -> None:
        """Append work of a partition."""
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = deque()
        if not lane:
            self._rotation.append(partition)
        lane.extend(work)
        if not lane:
            self._rotation.pop()

    def take(self) -> Work | None:
        """Return the next work and mark its key busy until `finish`; None when nothing can be started now."""
        while self._rotation:
            partition = self._rotation.popleft()
            lane = self._lanes[partition]
            work = lane.popleft()
            if lane:
                self._rotation.append(partition)
            if work.key not in self._busy:
                self._busy.add(work.key)
                return work
            self._aside.setdefault(work.key, deque()).append(work)
        return None

    def waiting(self, partition: int) -> int:
        """Return how much work of a partition waits for its turn."""
        return len(self._lanes.get(partition, ()))

    def __bool__(self) -> bool:
        """Tell whether it is worth asking for work."""
        return bool(self._rotation)

    def finish(self, work: Work) -> None:
        """Free the key; the next record that stepped aside for it goes to the front of its partition."""
        self._busy.discard(work.key)
        aside = self._aside.get(work.key)
        if aside is None:
            return
        following = aside.popleft()
        if not aside:
            del self._aside[work.key]
        partition = following.record.partition
        lane = self._lanes.setdefault(partition, deque())
        if not lane:
            self._rotation.appendleft(partition)
        lane.appendleft(following)

    def drop(self, partition: int) -> None:
        """Forget the waiting work of a partition that was taken away."""
        if self._lanes.pop(partition, None):
            self._rotation.remove(partition)
        for key in list(self._aside):
            kept = deque(work for work in self._aside[key] if work.record.partition != partition)
            if kept:
                self._aside[key] = kept
            else:
                del self._aside[key]
