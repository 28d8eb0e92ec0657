"""The duplicate window: which submissions already have an outcome, and at which offset of `job-outcomes`.

The consumer asks it before it acts, so that reading the whole topic again creates nothing, even long after the Jobs
are gone; the ingress asks it for `GET /api/submissions/<id>`. It keeps a 64-bit hash of the submission's key and the
outcome's offset (SQLite in memory, one table a partition: about 30 bytes a submission). The outcome itself is read
from Kafka when it is asked for, and its whole key compared, so that a collision of hashes never passes for a duplicate.

It remembers exactly what the topic holds. Nothing in here looks at a clock: the brokers' retention decides what is
forgotten, and `begins` tells how far back the topic goes.
"""

import asyncio
import math
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from service.broker import BrokerUnavailable, OutcomeLog
from service.errors import UnreadableRecord
from service.submission.outcomes import Outcome, read_outcome
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

KEY_LENGTH: Final = 52
"""Length of a submission's key; that of an outcome that `is_aside` has the fingerprint appended."""
UPKEEP_SECONDS: Final = 15.0
"""How often the submissions remembered are counted."""
EXPIRE_EVERY: Final = 40
"""Number of counts between two looks at what retention has deleted."""

_DECIDED, _ASIDE = "decided", "aside"  # tables: outcomes of an id, and refusals that decide nothing about it

_hash = hash  # of bytes: 64 bits, with a secret of the process (PEP 456)


EndOf = Callable[[int], Awaitable[int | None]]


async def _as_asked(_partition: int) -> None:
    """Leave it to the partition's leader where it ends."""


class DuplicateWindow:
    """Remembers the outcomes of the partitions it was told to load.

    `end_of` gives the end of a partition where the leader's word for it is not enough: for who acts by what is known.
    """

    def __init__(self, outcomes: OutcomeLog, metrics: Metrics, end_of: EndOf = _as_asked) -> None:
        self._outcomes = outcomes
        self._end_of = end_of
        self._remembered = metrics.remembered
        self._counted = 0
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._next: dict[int, int] = {}
        self._begins: dict[int, float] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that were loaded."""
        return frozenset(self._next)

    async def load(self, partition: int) -> None:
        """Learn all outcomes of `partition` up to its present end.

        A partition that was loaded before is only read from where the last load ended.
        Raises BrokerUnavailable when Kafka cannot be read.
        """
        for kind in (_DECIDED, _ASIDE):
            table = _table(kind, partition)
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} (key INTEGER PRIMARY KEY, outcome_offset INTEGER)")
        start = self._next.setdefault(partition, 0)
        async for outcomes in self._outcomes.scan(partition, start, await self._end_of(partition)):
            if outcomes[0][1] < start:  # the topic was made anew, or retention has deleted all that is known
                self._delete(partition)
            self._insert(partition, outcomes)
            self._next[partition] = start = outcomes[-1][1] + 1

    def remember(self, partition: int, outcomes: Sequence[tuple[bytes | None, int]]) -> None:
        """Note keys of outcomes and their offsets, in order; a partition that was never loaded is left alone."""
        if partition not in self._next:
            return
        self._insert(partition, outcomes)
        for _, offset in outcomes:
            if self._next[partition] == offset:
                self._next[partition] = offset + 1

    def _insert(self, partition: int, outcomes: Sequence[tuple[bytes | None, int]]) -> None:
        rows: dict[str, list[tuple[int, int]]] = {_DECIDED: [], _ASIDE: []}
        for key, offset in outcomes:
            if key is not None and len(key) >= KEY_LENGTH:
                rows[_DECIDED if len(key) == KEY_LENGTH else _ASIDE].append((_hash(key[:KEY_LENGTH]), offset))
        for kind, found in rows.items():
            if found:
                self._db.executemany(
                    f"INSERT INTO {_table(kind, partition)} VALUES (?, ?) ON CONFLICT (key)"  # noqa: S608 - see `_table`
                    " DO UPDATE SET outcome_offset = max(outcome_offset, excluded.outcome_offset)",
                    found,
                )

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that others have taken over."""
        if partition in self._next:
            del self._next[partition]
            self._begins.pop(partition, None)
            for kind in (_DECIDED, _ASIDE):
                self._db.execute(f"DROP TABLE {_table(kind, partition)}")

    async def begins(self, partition: int) -> float | None:
        """Return from when on every outcome of a partition is there, in milliseconds since the epoch.

        None: none was ever deleted; infinity: all were. Raises BrokerUnavailable.
        """
        begins = self._begins.get(partition)
        if begins is None:
            first, timestamp = await self._outcomes.beginning(partition)
            begins = -math.inf if first == 0 else math.inf if timestamp is None else float(timestamp)
            # not of partitions of others, whose outcomes are not known here, nor where the next outcome changes it
            if partition in self._next and begins < math.inf:
                self._begins[partition] = begins
        return None if begins == -math.inf else begins

    async def expire(self) -> None:
        """Forget the outcomes that the topic's retention has deleted. Raises BrokerUnavailable."""
        self._begins.clear()
        for partition in list(self._next):
            first, _ = await self._outcomes.beginning(partition)
            if partition in self._next:  # it may have been forgotten in the meantime
                self._delete(partition, below=first)

    def _delete(self, partition: int, below: float = math.inf) -> None:
        for kind in (_DECIDED, _ASIDE):
            self._db.execute(f"DELETE FROM {_table(kind, partition)} WHERE outcome_offset < ?", (below,))  # noqa: S608 - see `_table`

    async def keep_clean(self) -> None:
        """Count what is remembered and expire it once in a while, until cancelled."""
        tick = 0
        while True:
            self._count()
            await asyncio.sleep(UPKEEP_SECONDS)
            tick += 1
            if tick % EXPIRE_EVERY == 0:
                try:
                    await self.expire()
                except BrokerUnavailable as error:
                    log.warning("outcomes-unreadable", reason=str(error))

    def _count(self) -> None:
        count = len(self)
        self._remembered.inc(count - self._counted)  # a process may have two windows
        self._counted = count

    def may_know(self, key: str, partition: int) -> bool:
        """Tell without a request to Kafka whether `find` may find an outcome in `partition`; mostly it cannot."""
        return self._offset(_DECIDED, key, partition) is not None

    def partition_of(self, key: str) -> int | None:
        """Return the loaded partition in which `find` may find an outcome, if there is one."""
        return next((partition for partition in self._next if self.may_know(key, partition)), None)

    async def find(self, key: str, partition: int | None = None) -> Outcome | None:
        """Return the outcome of the submission with this key, or None; without `partition` all loaded ones are asked.

        Raises BrokerUnavailable when Kafka cannot be read: whoever asks must not act then.
        """
        return await self._find(_DECIDED, key, self._next if partition is None else (partition,))

    async def find_aside(self, key: str) -> Outcome | None:
        """Return the last refusal under this key that `is_aside`, or None.

        Raises BrokerUnavailable.
        """
        return await self._find(_ASIDE, key, self._next)

    async def _find(self, kind: str, key: str, partitions: Sequence[int] | dict[int, int]) -> Outcome | None:
        for partition in list(partitions):
            for _ in range(2):
                offset = self._offset(kind, key, partition)
                if offset is None:
                    break
                record = await self._outcomes.read(partition, offset)
                if record is None:  # compacted, and so written again since, or deleted by retention
                    self._begins.pop(partition, None)
                    await self.load(partition)
                    continue
                try:
                    outcome = read_outcome(record)
                except UnreadableRecord:
                    break
                if outcome.id.key == key:
                    return outcome
                break
        return None

    def _offset(self, kind: str, key: str, partition: int) -> int | None:
        if partition not in self._next:
            return None
        query = f"SELECT outcome_offset FROM {_table(kind, partition)} WHERE key = ?"  # noqa: S608 - see `_table`
        row = self._db.execute(query, (_hash(key.encode()),)).fetchone()
        return None if row is None else int(row[0])

    def __len__(self) -> int:
        """Return the number of submissions remembered; it counts, so ask seldom."""
        queries = (f"SELECT count(*) FROM {_table(_DECIDED, partition)}" for partition in self._next)  # noqa: S608 - see `_table`
        return sum(self._db.execute(query).fetchone()[0] for query in queries)

    def close(self) -> None:
        """Free the memory."""
        self._db.close()


def _table(kind: str, partition: int) -> str:
    """Return the name of a table: there is nothing of a stranger in it."""
    return f"{kind}_{partition:d}"
