"""The duplicate window: which submissions already have an outcome, and at which offset of `job-outcomes`.

The consumer asks it before it acts, so that reading the whole topic again creates nothing, even long after the Jobs
are gone; the ingress asks it for `GET /api/submissions/<id>`. It keeps a 64-bit hash of the submission's key and the
outcome's offset (SQLite in memory, one table a partition: about 30 bytes a submission). The outcome itself is read
from Kafka when it is asked for, and its whole key compared, so that a collision of hashes never passes for a duplicate.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from typing import Final

from service.broker import BrokerUnavailable, OutcomeLog
from service.errors import UnreadableRecord
from service.submission.outcomes import Outcome, read_outcome
from service.telemetry.logs import log

KEY_LENGTH: Final = 52
"""Length of a submission's key; the longer keys of conflicts (422) are no part of the window."""


EXPIRE_SECONDS: Final = 600
"""How often the outcomes that have left the window are forgotten."""


_hash = hash  # of bytes: 64 bits, with a secret of the process (PEP 456)


class DuplicateWindow:
    """Remembers the outcomes of the partitions it was told to load, for the length of the window."""

    def __init__(self, outcomes: OutcomeLog, seconds: int) -> None:
        self._outcomes = outcomes
        self._seconds = seconds
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._next: dict[int, int | None] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that were loaded."""
        return frozenset(self._next)

    async def load(self, partition: int) -> None:
        """Learn all outcomes of `partition` up to its present end.

        A partition that was loaded before is only read from where the last load ended.
        Raises BrokerUnavailable when Kafka cannot be read.
        """
        self._db.execute(f"CREATE TABLE IF NOT EXISTS p{partition:d} (key INTEGER PRIMARY KEY, outcome_offset INTEGER)")
        start = self._next.setdefault(partition, None)
        async for outcomes in self._outcomes.scan(partition, since_ms=self._since_ms(), from_offset=start):
            self._insert(partition, outcomes)
            self._next[partition] = outcomes[-1][1] + 1

    def remember(self, partition: int, outcomes: Sequence[tuple[bytes | None, int]]) -> None:
        """Note keys of outcomes and their offsets, in order; a partition that was never loaded is left alone."""
        if partition not in self._next:
            return
        self._insert(partition, outcomes)
        for _, offset in outcomes:
            if self._next[partition] == offset:
                self._next[partition] = offset + 1

    def _insert(self, partition: int, outcomes: Sequence[tuple[bytes | None, int]]) -> None:
        rows = [(_hash(key), offset) for key, offset in outcomes if key is not None and len(key) == KEY_LENGTH]
        table = f"p{partition:d}"
        self._db.executemany(
            f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (key)"  # noqa: S608 - the partition is a number
            " DO UPDATE SET outcome_offset = max(outcome_offset, excluded.outcome_offset)",
            rows,
        )

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that others have taken over."""
        if partition in self._next:
            del self._next[partition]
            self._db.execute(f"DROP TABLE p{partition:d}")

    async def expire(self) -> None:
        """Forget the outcomes that have left the window. Raises BrokerUnavailable."""
        for partition in list(self._next):
            first = await self._outcomes.first_since(partition, self._since_ms())
            if partition in self._next:  # it may have been forgotten in the meantime
                self._db.execute(f"DELETE FROM p{partition:d} WHERE outcome_offset < ?", (first,))  # noqa: S608 - a number

    async def keep_clean(self) -> None:
        """Expire once in a while, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            try:
                await self.expire()
            except BrokerUnavailable as error:
                log.warning("outcomes-unreadable", reason=str(error))

    def may_know(self, key: str, partition: int) -> bool:
        """Tell without a request to Kafka whether `find` may find an outcome in `partition`; mostly it cannot."""
        return self._offset(key, partition) is not None

    async def find(self, key: str, partition: int | None = None) -> Outcome | None:
        """Return the outcome of the submission with this key, or None; without `partition` all loaded ones are asked.

        An outcome that compaction has removed was written again since, so the rest of the partition is read and asked
        once more. Raises BrokerUnavailable when Kafka cannot be read: whoever asks must not act then.
        """
        for candidate in list(self._next) if partition is None else [partition]:
            for _ in range(2):
                offset = self._offset(key, candidate)
                if offset is None:
                    break
                record = await self._outcomes.read(candidate, offset)
                if record is None:
                    await self.load(candidate)
                    continue
                try:
                    outcome = read_outcome(record)
                except UnreadableRecord:
                    break
                if outcome.id.key == key:
                    return outcome
                break
        return None

    def _since_ms(self) -> int:
        return int((time.time() - self._seconds) * 1000)

    def _offset(self, key: str, partition: int) -> int | None:
        if partition not in self._next:
            return None
        query = f"SELECT outcome_offset FROM p{partition:d} WHERE key = ?"  # noqa: S608 - the partition is a number
        row = self._db.execute(query, (_hash(key.encode()),)).fetchone()
        return None if row is None else int(row[0])

    def __len__(self) -> int:
        """Return the number of submissions remembered; it counts, so ask seldom."""
        queries = (f"SELECT count(*) FROM p{partition:d}" for partition in self._next)  # noqa: S608 - numbers
        return sum(self._db.execute(query).fetchone()[0] for query in queries)

    def close(self) -> None:
        """Free the memory."""
        self._db.close()
