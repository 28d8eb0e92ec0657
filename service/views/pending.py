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
from service.submission.identity import SubmissionId, is_submission_key, project_of_post
from service.submission.record_headers import Headers, header
from service.submission.records import CANCEL_TYPE, Record, read_submission
from service.submission.waiting_in_log import Place

SCAN_BYTES: Final = 1024 * 1024
RECORD_BYTES: Final = 1
"""So few that one batch comes: whatever is asked for, it is whole."""


class _Waiting(NamedTuple):
    offset: int
    produced_at: int
    user: bytes | None


class _Partition:
    """What stands in one partition between the committed offset and the end, by key, in the order of the offsets."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self.next = 0


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

    async def place(self, key: bytes, user: str | None = None) -> Place | None:
        """Return where the record with this key, and of this user if one is given, waits in the key's partition.

        None where there is none. `why_on_the_topic` says it in words. Raises BrokerUnavailable.
        """
        count = await self._reader.partition_count()
        own = partition_for(key, count)
        for partition in (own, *(other for other in range(count) if other != own)):  # a cancel is with what it cancels
            found, committed = await self._find(key, partition)
            if found is not None:
                break
        if found is None or (user is not None and found.user != user.encode("utf-8", "surrogateescape")):
            return None
        ahead = max(0, found.offset - committed.offset)
        return Place(ahead, found.produced_at, self._is_read(partition), committed.note)

    async def project_of(self, key: str) -> str | None:
        """Return the project for which the submission with this key waits; None where none does, or nobody can tell.

        That of a POST is part of what the key is made of; of others the body says it. Raises BrokerUnavailable.
        """
        partition = partition_for(key.encode(), await self._reader.partition_count())
        found, _ = await self._find(key.encode(), partition)
        if found is None:
            return None
        async for records in self._reader.scan(partition, found.offset, RECORD_BYTES):
            return _project(as_record(self._topic, partition, records[0]), key, is_believed=self._is_believed)
        return None

    async def _find(self, key: bytes, partition: int) -> tuple[_Waiting | None, Committed]:
        """Return what waits under a key in a partition, and how far the partition is committed."""
        pending = self._partitions.setdefault(partition, _Partition())
        async with pending.lock:
            committed = await self._catch_up(partition, pending)
            return pending.waiting.get(key), committed

    async def _catch_up(self, partition: int, pending: _Partition) -> Committed:
        """Read what has come, forget what is committed, and return how far that is."""
        committed = await self._reader.committed(partition, self._group)
        if committed is None:
            committed = Committed(await self._reader.offset_at(partition, EARLIEST) or 0, "")
        while pending.waiting and next(iter(pending.waiting.values())).offset < committed.offset:
            pending.waiting.popitem(last=False)
        async for records in self._reader.scan(partition, max(pending.next, committed.offset), SCAN_BYTES):
            for record in records:
                key = _key(record.key, tuple(record.headers))
                if key is not None:
                    user = header(tuple(record.headers), "ra-user")
                    pending.waiting[key] = _Waiting(record.offset, record.timestamp, user)
                    pending.waiting.move_to_end(key)
            pending.next = records[-1].offset + 1
        return committed


def _key(key: bytes | None, headers: Headers) -> bytes | None:
    """Return the key of the submission that a record asks for.

    It is made of the identity that the headers say: a cancel has the key of its target, and any record may have one.
    """
    source, own_id = header(headers, "ce_source"), header(headers, "ce_id")
    if source is not None and own_id is not None:
        return SubmissionId(source.decode("utf-8", "replace"), own_id.decode("utf-8", "replace")).key.encode()
    if header(headers, "ce_type") == CANCEL_TYPE.encode():
        return None
    return key if key is not None and is_submission_key(key.decode("ascii", "replace")) else None


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
