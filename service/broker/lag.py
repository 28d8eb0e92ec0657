"""How far the group is behind in the partitions of this member, and which of them an open transaction blocks."""

import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

from service.telemetry.logs import log

BLOCKED_SECONDS = 30.0
"""How long a partition may be blocked by an open transaction before it is told: most end within seconds."""


class Progress(NamedTuple):
    """How far one partition is: all are offsets.

    `high_watermark` is the end of what was written, `last_stable` of what may be read: from there on stand the records
    of a transaction that is still open. `position` is what is fetched next. Of this assignment: `first` is the first
    record handed out and `delivered` the one after the last, None before there is one, `committed` None before the
    first commit.
    """

    high_watermark: int
    last_stable: int
    position: int
    committed: int | None
    first: int | None = None
    delivered: int | None = None

    @property
    def idle(self) -> bool:
        """Tell whether everything that was handed out is done."""
        return self.delivered is None or (self.committed is not None and self.committed >= self.delivered)

    @property
    def committable(self) -> int | None:
        """The offset to commit beyond what the records themselves allow, None where there is none.

        The markers that end transactions, and records that were taken back, are passed without being handed out. Where
        they come last and are not committed, a transactional producer leaves a lag of 1 for ever.
        """
        return self.position if self.idle and self.position > (self.committed or 0) else None

    @property
    def lag(self) -> int:
        """The number of records that wait, up to the high watermark: what is in an open transaction waits too."""
        done = self.position if self.idle else self.first if self.committed is None else self.committed
        return max(self.high_watermark - (done or 0), 0)

    @property
    def blocked(self) -> bool:
        """Tell whether nothing may be read before a transaction has ended."""
        return self.last_stable < self.high_watermark and self.position >= self.last_stable


class BlockedPartitions:
    """Tells of partitions that stay blocked."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._told: set[int] = set()

    def note(self, progress: Mapping[int, Progress]) -> None:
        """Look at all partitions of this member."""
        now = time.monotonic()
        blocked = {partition: found for partition, found in progress.items() if found.blocked}
        self._end(self._since.keys() - blocked.keys())
        for partition, found in blocked.items():
            since = self._since.setdefault(partition, now)
            if now - since > BLOCKED_SECONDS and partition not in self._told:
                self._told.add(partition)
                log.warning(
                    "partition-blocked",
                    partition=partition,
                    offset=found.last_stable,
                    records=found.high_watermark - found.last_stable,
                    reason="a transaction is open: its producer has to end it, or kafka-transactions.sh to abort it",
                )

    def _end(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            del self._since[partition]
            if partition in self._told:
                self._told.discard(partition)
                log.info("partition-unblocked", partition=partition)
