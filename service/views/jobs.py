"""The jobs as the topic `job-events` tells them: in memory, newest first, with what is asked for by filters.

Every ingress follows the topic and keeps the last state of each job here, so that no request of a client asks the
cluster. The state itself stays the JSON it came as; only what filters look at is kept beside it. Positions of a listing
are (creation time, uid), which never change, so that a job which is there all the time comes exactly once.
"""

import base64
import binascii
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from sys import intern
from typing import Final, NamedTuple

from service.submission.job_events import JobEvent

STEP: Final = 500
"""Entries that are looked at in one step of a listing, well below a millisecond."""

Position = tuple[int, str]
"""Creation time in milliseconds, and uid."""


class JobEntry(NamedTuple):
    """A job in the index."""

    position: Position
    key: str
    sequence: int
    project: str
    user: str | None
    name: str
    status: str
    phase: str
    type: str
    reason: str | None
    deleted: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a listing is about; None and empty mean any. Times in milliseconds, of the jobs' creation."""

    projects: frozenset[str] | None = None
    user: str | None = None
    status: str | None = None
    phase: str | None = None
    type: str | None = None
    name: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None
    deleted: bool | None = False

    def takes(self, entry: JobEntry) -> bool:
        """Tell whether an entry is asked for."""
        return (
            (self.projects is None or entry.project in self.projects)
            and (self.deleted is None or entry.deleted == self.deleted)
            and (self.user is None or entry.user == self.user)
            and (self.status is None or entry.status.lower() == self.status.lower())
            and (self.phase is None or entry.phase.lower() == self.phase.lower())
            and (self.type is None or entry.type.lower() == self.type.lower())
            and (self.name is None or self.name in entry.name)
            and (self.reason is None or (entry.reason or "").lower() == self.reason.lower())
            and (self.since is None or entry.position[0] >= self.since)
            and (self.until is None or entry.position[0] < self.until)
        )


class JobIndex:
    """The last state of every job whose history has not ended."""

    def __init__(self) -> None:
        self._entries: dict[str, JobEntry] = {}
        self._by_uid: dict[str, str] = {}
        self._order: list[Position] = []
        self._named: dict[tuple[str, str], list[Position]] = {}

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._entries)

    def put(self, event: JobEvent, value: bytes) -> bool:
        """Keep the state of an event, as its JSON; return False for one that is known or older than what is known."""
        state = event.state
        before = self._entries.get(state.submission)
        if before is not None and before.position[1] == state.id:
            if before.sequence >= event.sequence:
                return False
        elif before is not None:
            self.remove(state.submission)
            before = None
        position = before.position if before is not None else (state.created_at, state.id)
        self._entries[state.submission] = JobEntry(
            position=position,
            key=state.submission,
            sequence=event.sequence,
            project=intern(state.project),
            user=None if state.user is None else intern(state.user),
            name=state.name,
            status=intern(state.status),
            phase=state.phase.value,
            type=intern(state.type),
            reason=None if state.waiting is None else intern(state.waiting.reason),
            deleted=state.deleted_at is not None,
            value=value,
        )
        if before is None:
            self._by_uid[state.id] = state.submission
            insort(self._order, position)
            insort(self._named.setdefault((state.project, state.name), []), position)
        return True

    def remove(self, key: str) -> None:
        """Forget a job whose history has ended."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        del self._by_uid[entry.position[1]]
        del self._order[bisect_left(self._order, entry.position)]
        named = self._named[entry.project, entry.name]
        named.remove(entry.position)
        if not named:
            del self._named[entry.project, entry.name]

    def of_submission(self, key: str) -> JobEntry | None:
        """Return the job of a submission."""
        return self._entries.get(key)

    def newest(self, project: str, name: str) -> JobEntry | None:
        """Return the newest job of this name."""
        named = self._named.get((project, name))
        return self._entries[self._by_uid[named[-1][1]]] if named else None

    def nearest(self, project: str, name: str) -> list[str]:
        """Return names in the project that are close to one that is not there, closest first."""
        names = {entry_name for entry_project, entry_name in self._named if entry_project == project}
        return get_close_matches(name, names)

    def scan(self, wanted: JobFilter, after: Position | None) -> Iterator[list[JobEntry]]:
        """Yield what is asked for, newest first and older than `after`, a list (perhaps empty) for each `STEP`.

        The index may change between two steps: what is there from the first to the last comes exactly once.
        """
        position = after
        while True:
            end = len(self._order) if position is None else bisect_left(self._order, position)
            if not end:
                return
            step = self._order[max(0, end - STEP) : end]
            position = step[0]
            entries = (self._entries[self._by_uid[uid]] for _, uid in reversed(step))
            yield [entry for entry in entries if wanted.takes(entry)]


def write_cursor(position: Position) -> str:
    """Return the position as a word that fits into a URL."""
    return base64.urlsafe_b64encode(f"{position[0]}.{position[1]}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """Return the position that a cursor names; raises ValueError for anything that is none."""
    try:
        created_at, _, uid = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
        return int(created_at), uid
    except (binascii.Error, ValueError):
        raise ValueError("is not a cursor of this service: take it from `next` of the page before") from None
