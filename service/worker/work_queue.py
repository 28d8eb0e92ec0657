"""The order in which fetched records are taken up: projects take turns, and within one project its partitions.

Pure bookkeeping for `consumer`. A project with a long backlog, or one partition with it, delays no other by more than
one record. Records of the same submission are taken up one after the other, in the order of their arrival; while the
first waits or is in progress, the rest hold up nobody else.
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from service.submission.cancels import order_of
from service.submission.identity import record_id
from service.submission.records import Record, Submission, read_submission
from service.submission.signatures import matches, project_named

RECORD_BYTES: Final = 2048
"""Memory that a record takes besides its bytes: the objects of Python that it is read into."""

_PROJECT = re.compile(rb'"project"\s{0,9}:\s{0,9}"([^"\\]{1,63})"')
_NO_PROJECT: Final = b""


class Work(NamedTuple):
    """A record and either the submission it holds or, where reading it failed, the `fault`.

    `project` decides whose turn it is: the first one that stands in the body, which need not be JSON yet. Cancels have
    turns of their own, so that they find a slot while all creates of their project wait. Records of one `key` must not
    be in progress at once. `is_cancel` tells whether it takes another submission back, and is known to be allowed to.
    """

    record: Record
    key: str
    submission: Submission | None
    fault: Exception | None = None
    project: bytes = _NO_PROJECT
    is_cancel: bool = False

    def takes_back(self, other: "Work") -> bool:
        """Tell whether it is a cancel for which `other` work of its key has to give way."""
        if not self.is_cancel or self.submission is None:
            return False
        projects = self.submission.projects
        return projects is None or (other.submission is not None and matches(projects, project_named(other.submission)))

    @property
    def size(self) -> int:
        """Memory that the work takes, in bytes, roughly."""
        record, copied = self.record, 0
        if self.submission is not None and self.submission.body is not record.value:
            copied = len(self.submission.body)
        headers = sum([len(name) + len(value) for name, value in record.headers])
        return RECORD_BYTES + len(record.key or b"") + len(record.value or b"") + headers + copied


def believe(_record: Record, cancel: Submission) -> Submission:
    """Return a cancel as it is: where nothing has to be proven."""
    return cancel


def read_work(
    record: Record, max_body_bytes: int, of_cancel: Callable[[Record, Submission], Submission | None] = believe
) -> Work:
    """Return the work a record asks for; one that cannot be read, for a defect of this program, is work too.

    `of_cancel` returns a cancel as far as it is proven, or None.
    """
    try:
        submission = read_submission(record, max_body_bytes)
        key = order_of(submission)
        proven = of_cancel(record, submission) if submission.is_cancel else None
    except Exception as error:  # noqa: BLE001 - the record becomes a dead letter, and the others go on
        key = record_id(record.topic, record.partition, record.offset, record.timestamp).key
        return Work(record, key, None, error)
    found = None if submission.is_cancel else _PROJECT.search(submission.body, 0, max_body_bytes)
    return Work(record, key, proven or submission, None, found[1] if found else _NO_PROJECT, proven is not None)


class _Turns:
    """The waiting work of one project by partition, taken in rotation. No partition in it is without work."""

    __slots__ = ("by_partition", "rotation")

    def __init__(self) -> None:
        self.by_partition: dict[int, deque[Work]] = {}
        self.rotation: deque[int] = deque()

    def put(self, work: Work, *, first: bool) -> None:
        partition = work.record.partition
        waiting = self.by_partition.get(partition)
        if waiting is None:
            waiting = self.by_partition[partition] = deque()
            self.rotation.appendleft(partition) if first else self.rotation.append(partition)
        waiting.appendleft(work) if first else waiting.append(work)

    def take(self) -> Work:
        partition = self.rotation.popleft()
        waiting = self.by_partition[partition]
        work = waiting.popleft()
        if waiting:
            self.rotation.append(partition)
        else:
            del self.by_partition[partition]
        return work

    def drop(self, partition: int) -> deque[Work]:
        dropped = self.by_partition.pop(partition, None)
        if dropped is None:
            return deque()
        self.rotation.remove(partition)
        return dropped


class WorkQueue:
    """Work that waits to be started, in the order in which it is to be."""

    __slots__ = ("_by_project", "_followers", "_rotation", "_waiting")

    def __init__(self) -> None:
        self._by_project: dict[bytes, _Turns] = {}
        self._rotation: deque[bytes] = deque()
        self._followers: dict[str, deque[Work] | None] = {}
        """By the key of all work that waits its turn or is in progress: the work that has to come after it."""
        self._waiting: dict[int, int] = {}

    def put(self, work: Work) -> None:
        """Append work."""
        key = work.key
        if key not in self._followers:
            self._followers[key] = None
            self._line_up(work)
            return
        followers = self._followers[key]
        if followers is None:
            followers = self._followers[key] = deque()
        followers.append(work)

    def put_back(self, work: Work) -> None:
        """Queue work in progress once more, to be taken up again after `finish` and before what follows it."""
        followers = self._followers.get(work.key)
        if followers is None:
            followers = self._followers[work.key] = deque()
        followers.appendleft(work)

    def _line_up(self, work: Work, *, first: bool = False) -> None:
        turns = self._by_project.get(work.project)
        if turns is None:
            turns = self._by_project[work.project] = _Turns()
            self._rotation.appendleft(work.project) if first else self._rotation.append(work.project)
        turns.put(work, first=first)
        partition = work.record.partition
        self._waiting[partition] = self._waiting.get(partition, 0) + 1

    def take(self, may_start: Callable[[bytes], bool] = lambda _: True) -> Work | None:
        """Return the next work of a project that `may_start`; None where there is none.

        Its key is in progress until `finish`.
        """
        for _ in range(len(self._rotation)):
            if may_start(self._rotation[0]):
                break
            self._rotation.rotate(-1)
        else:
            return None
        project = self._rotation.popleft()
        turns = self._by_project[project]
        work = turns.take()
        if turns.rotation:
            self._rotation.append(project)
        else:
            del self._by_project[project]
        self._waiting[work.record.partition] -= 1
        return work

    def waiting(self, partition: int) -> int:
        """Return how much work of a partition could be started if it were its turn."""
        return self._waiting.get(partition, 0)

    def __bool__(self) -> bool:
        """Tell whether there is work to be started."""
        return bool(self._rotation)

    def finish(self, work: Work) -> None:
        """Note that work is no longer in progress; what follows it under its key is next of its project."""
        self._advance(work.key)

    def is_cancelled(self, work: Work) -> bool:
        """Tell whether a cancel waits for this work, which is in progress."""
        return any(follower.takes_back(work) for follower in self._followers.get(work.key) or ())

    def _advance(self, key: str) -> None:
        followers = self._followers.get(key)
        if followers:
            self._line_up(followers.popleft(), first=True)
        else:
            self._followers.pop(key, None)

    def drop(self, partition: int) -> None:
        """Forget the waiting work of a partition that was taken away; what is in progress is still to be finished."""
        for key, followers in self._followers.items():
            if followers:
                kept = deque(work for work in followers if work.record.partition != partition)
                self._followers[key] = kept
        dropped = [work for turns in self._by_project.values() for work in turns.drop(partition)]
        self._by_project = {project: turns for project, turns in self._by_project.items() if turns.rotation}
        self._rotation = deque(project for project in self._rotation if project in self._by_project)
        for work in dropped:
            self._advance(work.key)
        self._waiting.pop(partition, None)
