"""The last state of every job, newest first, with what listings ask for beside it.

The state itself stays JSON, packed; only what filters look at is kept apart from it. The order is by creation time and
submission, which never change for a job, so that one which is there throughout a paged listing comes exactly once.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from sys import intern
from typing import Final, NamedTuple

from service.submission.job_events import JobEvent
from service.views.packing import pack, unpack

STEP: Final = 500
"""Jobs that are looked at in one step of a listing: less than a tenth of a millisecond a filter."""

Position = tuple[int, str]
"""Creation time in milliseconds, and the key of the submission."""


class JobEntry(NamedTuple):
    """A job in the index; the first two members are its position."""

    created_at: int
    key: str
    uid: str
    sequence: int
    project: str
    name: str
    user: str | None
    status: str
    phase: str
    type: str
    reason: str | None
    deleted: bool
    packed: bytes

    @property
    def position(self) -> Position:
        """Where it stands in the order."""
        return self.created_at, self.key

    @property
    def value(self) -> bytes:
        """The state as JSON."""
        return unpack(self.packed)


Row = tuple[int, str, str, int, str, str, str | None, str, str, str, str | None, bool, bytes]
"""A `JobEntry` as it is kept: the garbage collector visits named tuples again and again, and plain ones but once."""

_KEY: Final = 1
_UID: Final = 2
_SEQUENCE: Final = 3
_PROJECT: Final = 4
_NAME: Final = 5
_USER: Final = 6
_STATUS: Final = 7
_PHASE: Final = 8
_TYPE: Final = 9
_REASON: Final = 10
_DELETED: Final = 11


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a listing is about; None means any."""

    projects: frozenset[str] | None = None
    users: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    """In lower case."""
    phases: frozenset[str] | None = None
    types: frozenset[str] | None = None
    reasons: frozenset[str] | None = None
    name: str | None = None
    """A part of the name."""
    since: int | None = None
    until: int | None = None
    """Bounds of the creation time in milliseconds, the first included, the second not."""
    deleted: bool | None = None

    def of(self, rows: list[Row]) -> list[Row]:
        """Return those that are asked for."""
        # one pass a filter that is there: most listings have one or two
        if self.projects is not None:
            rows = [row for row in rows if row[_PROJECT] in self.projects]
        if self.deleted is not None:
            rows = [row for row in rows if row[_DELETED] is self.deleted]
        if self.users is not None:
            rows = [row for row in rows if row[_USER] in self.users]
        if self.statuses is not None:
            rows = [row for row in rows if row[_STATUS].lower() in self.statuses]
        if self.phases is not None:
            rows = [row for row in rows if row[_PHASE] in self.phases]
        if self.types is not None:
            rows = [row for row in rows if row[_TYPE] in self.types]
        if self.reasons is not None:
            rows = [row for row in rows if row[_REASON] in self.reasons]
        if self.name is not None:
            rows = [row for row in rows if self.name in row[_NAME]]
        return rows


class JobIndex:
    """The jobs whose history has not ended."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._order: list[Row] = []
        self._of: dict[str, list[Row]] = {}  # by project, in the same order
        self._named: dict[str, dict[str, tuple[str, ...]]] = {}  # by project and name: keys

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._rows)

    @property
    def projects(self) -> frozenset[str]:
        """The projects that have jobs."""
        return frozenset(self._of)

    def put(self, event: JobEvent, value: bytes) -> JobEntry | None:
        """Keep the state of an event, which is `value` as JSON; None for one that is known or older than that."""
        state = event.state
        before = self._rows.get(state.submission)
        if before is not None and before[_UID] != state.id:  # a Job that was made after the one known was deleted
            self.remove(state.submission)
            before = None
        if before is None:
            created_at, key, uid = state.created_at, state.submission, state.id
            project, name = intern(state.project), state.name
        elif before[_SEQUENCE] < event.sequence:
            created_at, key, uid, _, project, name, *_ = before  # of a Job these never change
        else:
            return None
        row: Row = (
            created_at,
            key,
            uid,
            event.sequence,
            project,
            name,
            None if state.user is None else intern(state.user),
            intern(state.status),
            state.phase.value,
            state.type,
            None if state.waiting is None else intern(state.waiting.reason),
            state.deleted_at is not None,
            pack(value),
        )
        if before is None:
            self._insert(row)
        else:
            self._replace(before, row)
        return JobEntry(*row)

    def _insert(self, row: Row) -> None:
        self._rows[row[_KEY]] = row
        insort(self._order, row)
        insort(self._of.setdefault(row[_PROJECT], []), row)
        named = self._named.setdefault(row[_PROJECT], {})
        named[row[_NAME]] = (*named.get(row[_NAME], ()), row[_KEY])

    def _replace(self, before: Row, row: Row) -> None:
        self._rows[row[_KEY]] = row
        for order in (self._order, self._of[row[_PROJECT]]):
            order[bisect_left(order, before)] = row

    def remove(self, key: str) -> None:
        """Forget a job whose history has ended."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        project, name = row[_PROJECT], row[_NAME]
        del self._order[bisect_left(self._order, row)]
        del self._of[project][bisect_left(self._of[project], row)]
        left = tuple(each for each in self._named[project][name] if each != key)
        if left:
            self._named[project][name] = left
        else:
            del self._named[project][name]
        if not self._of[project]:
            del self._of[project], self._named[project]

    def clear(self) -> None:
        """Forget all jobs."""
        for kept in (self._rows, self._order, self._of, self._named):
            kept.clear()

    def of_submission(self, key: str) -> JobEntry | None:
        """Return the job of a submission."""
        row = self._rows.get(key)
        return None if row is None else JobEntry(*row)

    def newest(self, project: str, name: str) -> JobEntry | None:
        """Return the newest job of this name."""
        keys = self._named.get(project, {}).get(name, ())
        return JobEntry(*max(self._rows[key] for key in keys)) if keys else None

    def created(self, project: str) -> int | None:
        """Return when the oldest job of a project was created, None where it has none."""
        rows = self._of.get(project)
        return rows[0][0] if rows else None

    def names(self, project: str, most: int) -> list[str]:
        """Return the names of the newest jobs of a project, `most` at most."""
        return [row[_NAME] for row in islice(reversed(self._of.get(project, ())), most)]

    def scan(self, wanted: JobFilter, after: Position | None) -> Iterator[list[JobEntry]]:
        """Yield what is asked for, newest first and older than `after`: a list, perhaps empty, for each step.

        The index may change between two steps: what is there from the first to the last comes exactly once.
        """
        order = self._order
        if wanted.projects is not None and len(wanted.projects) == 1:
            (project,) = wanted.projects
            order = self._of.get(project, [])
        elif wanted.projects is not None and wanted.projects >= self._of.keys():
            wanted = replace(wanted, projects=None)
        end: Position | tuple[int] | None = after
        if wanted.until is not None and (end is None or wanted.until <= end[0]):
            end = (wanted.until,)  # sorts before all positions of that time
        least = () if wanted.since is None else (wanted.since,)
        while True:
            stop = len(order) if end is None else bisect_left(order, end)
            start = max(bisect_left(order, least), stop - STEP)
            if start >= stop:
                return
            step = order[start:stop]
            end = step[0][:2]
            step.reverse()
            yield [JobEntry(*row) for row in wanted.of(step)]
