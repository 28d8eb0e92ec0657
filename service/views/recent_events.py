"""The last events of the jobs, for readers that follow them: one bounded buffer for all, in which each has its place.

A position is what has been read of each partition, so that it means the same in every process, and a reader that was
cut off goes on elsewhere. Whoever falls behind the buffer, or comes back with a position from before it, is told so.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple, Self

from service.views.job_index import JobEntry

MAX_PARTITIONS: Final = 10_000
"""Most parts of a position that is read: far more than one topic has partitions."""


class RecentEvent(NamedTuple):
    """An event: where it stands, the job's entry as of then, and the event as a CloudEvents document."""

    partition: int
    offset: int
    entry: JobEntry
    document: bytes


class Position(tuple[int, ...]):
    """By partition, the offset of the next record to read; partitions that are not in it are not read yet."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the position that a text names; raises ValueError for anything that is none."""
        parts = text.split(".", MAX_PARTITIONS)
        if not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
            raise ValueError("is not a position of this service: take it from the `id` of an event")
        return cls(map(int, parts))

    def __str__(self) -> str:
        """Return it as a text without blanks."""
        return ".".join(map(str, self))


class RecentEvents:
    """The buffer: at most `size` events, in the order in which they came to this process."""

    def __init__(self, size: int) -> None:
        self._events: deque[RecentEvent] = deque()
        self._size = size
        self._dropped = 0
        """Number of events that were in the buffer before the present first one."""
        self._next: list[int] = []
        self._whole_from: list[int] = []
        """By partition, the offset from which on every event is in the buffer."""
        self._news = asyncio.Event()

    @property
    def end(self) -> int:
        """The number of all events there have been: the place of one that is yet to come."""
        return self._dropped + len(self._events)

    @property
    def position(self) -> Position:
        """Where the buffer ends."""
        return Position(self._next or (0,))

    def passed(self, partition: int, offset: int) -> None:
        """Note a record that was read, whether or not it is an event; offsets left out were compacted away."""
        missing = partition + 1 - len(self._next)
        if missing > 0:
            self._next += [0] * missing
            self._whole_from += [0] * missing
        if offset != self._next[partition]:
            self._whole_from[partition] = offset
        self._next[partition] = offset + 1

    def append(self, event: RecentEvent) -> None:
        """Add an event whose record was noted as passed, at the cost of the oldest."""
        self._events.append(event)
        if len(self._events) > self._size:
            oldest = self._events.popleft()
            self._dropped += 1
            self._whole_from[oldest.partition] = max(self._whole_from[oldest.partition], oldest.offset + 1)

    def clear(self) -> None:
        """Forget everything, as offsets begin anew; who reads is told that something is missing."""
        self._dropped += len(self._events) + 1
        self._events.clear()
        self._next, self._whole_from = [], []
        self.wake()

    def wake(self) -> None:
        """Let everybody look who waits for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, seconds: float) -> None:
        """Wait for an event, or for `wake`, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def is_behind(self, position: Sequence[int]) -> bool:
        """Tell whether a position is of a process that has read more, or of a topic that was there before this one."""
        return any(offset > end for offset, end in zip_longest(position, self._next, fillvalue=0))

    def holds(self, position: Sequence[int]) -> bool:
        """Tell whether every event after a position is here."""
        bounds = zip_longest(self._whole_from, position, fillvalue=0)
        return not self.is_behind(position) and all(whole_from <= offset for whole_from, offset in bounds)

    def since(self, place: int, most: int) -> list[RecentEvent]:
        """Return up to `most` events from a place on that is in the buffer."""
        start = place - self._dropped
        # by index: a deque finds it from the nearer end, where most readers are
        return [self._events[index] for index in range(start, min(start + most, len(self._events)))]

    def reader(self, after: Position | None) -> "EventReader":
        """Return a reader of what comes after a position, or of what comes from now on."""
        return EventReader(self, after)

    @property
    def first(self) -> int:
        """The place of the oldest event here."""
        return self._dropped


class EventReader:
    """One reader's place in the buffer."""

    def __init__(self, events: RecentEvents, after: Position | None) -> None:
        self._events = events
        self._missed = after is not None and not events.holds(after)
        self._had = Position() if after is None or self._missed else after
        """What it had of each partition when it came."""
        self._place = events.first if self._had else events.end
        # of one that misses something its own: it may be cut off again before it is told
        self._seen = list(events.position if after is None else after)

    @property
    def position(self) -> Position:
        """What it has read: to go on from there later, here or in another process."""
        return Position(self._seen)

    @property
    def at_end(self) -> bool:
        """Whether it has read all there is."""
        return self._place == self._events.end and not self._missed

    def missed(self) -> bool:
        """Tell, once, whether events were dropped before it read them; it goes on with what comes next."""
        if not self._missed and self._place >= self._events.first:
            return False
        self._missed = False
        self._place, self._had = self._events.end, Position()
        self._seen = list(self._events.position)
        return True

    def take(self, most: int) -> Iterator[RecentEvent]:
        """Yield the events that come next, of `most` at most those it has not had; `position` follows each.

        To be used up at once, where `missed` says that there is nothing missing.
        """
        for event in self._events.since(self._place, most):
            self._place += 1
            has_had = event.partition < len(self._had) and event.offset < self._had[event.partition]
            self._note(event.partition, event.offset + 1)
            if not has_had:
                yield event
        if self._place == self._events.end:
            for partition, offset in enumerate(self._events.position):
                self._note(partition, offset)

    def _note(self, partition: int, offset: int) -> None:
        if partition >= len(self._seen):
            self._seen += [0] * (partition + 1 - len(self._seen))
        self._seen[partition] = max(self._seen[partition], offset)
