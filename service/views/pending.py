"""Tells which submissions still wait, and where: in the topic, and the consumers have not committed them yet.

The ingress asks it for `GET /api/submissions/<id>`, so that "pending" and "unknown" are told apart even for records
that another ingress, or any other producer, has written.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from service.broker.batches import as_record
from service.broker.log_reader import LogReader
from service.broker.partitioning import partition_for
from service.broker.queries import EARLIEST, Committed
from service.errors import InvalidSubmission
from service.settings import KafkaSettings, TopicSettings
from service.spec.strict_json import read_document
from service.submission.identity import project_of_post
from service.submission.records import Record, read_submission
from service.submission.waiting_in_log import Place

SCAN_BYTES: Final = 1024 * 1024
RECORD_BYTES: Final = 1
"""So few that one batch comes: whatever is asked for, it is whole."""


STEP: Final = 200
"""Records that are read in one turn of the event loop, some four milliseconds."""


class _Waiting(NamedTuple):
    offset: int
    produced_at: int
    user: str | None


class _Partition:
    """What stands in one partition between the committed offset and the end, in the order of the offsets.

    The last record of each key, and the last of each key and user: anybody who may write can write one under the id of
    somebody else's, and must not hide that from its owner.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.by_key: OrderedDict[str, _Waiting] = OrderedDict()
        self.by_user: OrderedDict[tuple[str, str | None], _Waiting] = OrderedDict()
        self.next = 0

    def add(self, key: str, waiting: _Waiting) -> None:
        """Note a record that stands behind all that are known."""
        self.by_key[key] = self.by_user[key, waiting.user] = waiting
        self.by_key.move_to_end(key)
        self.by_user.move_to_end((key, waiting.user))

    def forget(self, committed: int) -> None:
        """Drop what stands before an offset."""
        for waiting in (self.by_key, self.by_user):
            while waiting and next(iter(waiting.values())).offset < committed:
                waiting.popitem(last=False)

    def find(self, key: str, user: str | None) -> _Waiting | None:
        """Return the last record with this key, of this user if one is given."""
        return self.by_key.get(key) if user is None else self.by_user.get((key, user))


class PendingSubmissions:
    """The submissions beyond the group's committed offsets. Each record is read once, when somebody asks.

    `is_read` tells whether a consumer reads a partition, None where that is not known. Where signatures are required
    nothing is believed that a record says (`is_believed`): there is no key here to verify them by.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: TopicSettings,
        group: str,
        is_read: Callable[[int], bool | None] = lambda _partition: None,
        *,
        is_believed: bool = True,
    ) -> None:
        self._is_believed = is_believed
        self._group = group
        self._is_read = is_read
        self._topic = topics.submissions
        self._reader = LogReader(kafka, topics.submissions)
        self._partitions: dict[int, _Partition] = {}

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def place(self, key: str, user: str | None = None) -> Place | None:
        """Return where the record with this key, and of this user if one is given, waits in the key's partition.

        None where there is none. `why_on_the_topic` says it in words. Raises BrokerUnavailable.
        """
        count = await self._reader.partition_count()
        own = partition_for(key.encode(), count)
        for partition in (own, *(other for other in range(count) if other != own)):  # a cancel is with what it cancels
            found, committed = await self._find(key, partition, user)
            if found is not None:
                break
        else:
            return None
        ahead = max(0, found.offset - committed.offset)
        return Place(ahead, found.produced_at, self._is_read(partition), committed.note)

    async def lag(self) -> int:
        """Return how many records wait in all partitions. Raises BrokerUnavailable."""
        return await self._reader.lag(self._group)

    async def project_of(self, key: str, user: str | None = None) -> str | None:
        """Return the project for which the submission with this key waits, of this user if one is given.

        None where none does, or nobody can tell. That of a POST is part of what the key is made of; of others the body
        says it. Raises BrokerUnavailable.
        """
        partition = partition_for(key.encode(), await self._reader.partition_count())
        found, _ = await self._find(key, partition, user)
        if found is None:
            return None
        async for records in self._reader.scan(partition, found.offset, RECORD_BYTES):
            return _project(as_record(self._topic, partition, records[0]), key, is_believed=self._is_believed)
        return None

    async def _find(self, key: str, partition: int, user: str | None) -> tuple[_Waiting | None, Committed]:
        """Return what waits under a key in a partition, of this user if one is given, and how far that is committed."""
        pending = self._partitions.setdefault(partition, _Partition())
        async with pending.lock:
            committed = await self._catch_up(partition, pending)
            return pending.find(key, user), committed

    async def _catch_up(self, partition: int, pending: _Partition) -> Committed:
        """Read what has come, forget what is committed, and return how far that is."""
        committed = await self._reader.committed(partition, self._group)
        if committed is None:
            committed = Committed(await self._reader.offset_at(partition, EARLIEST) or 0, "")
        pending.forget(committed.offset)
        async for records in self._reader.scan(partition, max(pending.next, committed.offset), SCAN_BYTES):
            for record in records:
                submission = read_submission(as_record(self._topic, partition, record))
                pending.add(submission.id.key, _Waiting(record.offset, record.timestamp, submission.user))
                if record.offset % STEP == 0:
                    await asyncio.sleep(0)
            pending.next = records[-1].offset + 1
        return committed


def _project(record: Record, key: str, *, is_believed: bool) -> str | None:
    """Return the project of the submission with this key, of which this may be the record."""
    submission = read_submission(record)
    if submission.id.key != key:
        return None
    of_post = project_of_post(submission.id)
    if of_post is not None or not is_believed:
        return of_post
    try:
        job = read_document(submission.body).get("job")
    except InvalidSubmission:
        return None
    project = job.get("project") if isinstance(job, dict) else None
    return project if isinstance(project, str) else None
