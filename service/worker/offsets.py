"""Which offset of a partition may be committed, whatever order its records are finished in.

Pure bookkeeping for `consumer`. An offset is committable when its record and all before it have their outcome
acknowledged. Offsets may have gaps (transaction markers, compaction), so this follows the records that were delivered
and never counts numbers.
"""

from collections import deque


class OffsetTracker:
    """Tracks delivered and finished offsets of one partition."""

    __slots__ = ("_delivered", "_highest", "_incomplete")

    def __init__(self) -> None:
        self._delivered: deque[tuple[int, int]] = deque()
        self._incomplete: set[int] = set()
        self._highest = -1

    def follows(self, offset: int) -> bool:
        """Tell whether a record at `offset` comes after all that were delivered, as it does unless the log was cut."""
        return offset > self._highest

    def deliver(self, offset: int, timestamp: int) -> None:
        """Note a record that was fetched; `timestamp` in milliseconds. Raises ValueError where it does not follow."""
        if not self.follows(offset):
            msg = f"offset {offset} was passed before"
            raise ValueError(msg)
        self._highest = offset
        self._delivered.append((offset, timestamp))
        self._incomplete.add(offset)

    def finish(self, offset: int) -> None:
        """Note that the record's outcome is acknowledged. Raises ValueError for an offset that is not in progress."""
        if offset not in self._incomplete:
            msg = f"offset {offset} is not in progress"
            raise ValueError(msg)
        self._incomplete.remove(offset)
        while self._delivered and self._delivered[0][0] not in self._incomplete:
            self._delivered.popleft()

    @property
    def committable(self) -> int | None:
        """The offset to commit: the first record not finished, or one past the last; None before any delivery."""
        if self._delivered:
            return self._delivered[0][0]
        return self._highest + 1 if self._highest >= 0 else None

    @property
    def oldest_timestamp(self) -> int | None:
        """Timestamp in milliseconds of the oldest record that is not committable; None when there is none."""
        return self._delivered[0][1] if self._delivered else None

    def __len__(self) -> int:
        """Return the number of records delivered and not committable yet."""
        return len(self._delivered)
