"""The topic `job-events`: who may write to which partition, what stands in it, and what comes new.

The watcher owns partitions as a member of a group (it never fetches through it: membership is all it is for) and reads
them from the beginning; the ingress follows all of them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiokafka.errors import KafkaError

from service.broker.batches import as_record
from service.broker.connection import until_connected
from service.broker.errors import BrokerUnavailable, describe
from service.broker.log_reader import LogReader
from service.broker.membership import Callback, Membership
from service.broker.partitioning import partition_for
from service.broker.patches import close
from service.broker.producer import Producer
from service.broker.proven_end import proven_end
from service.broker.queries import EARLIEST
from service.lifecycle import cancel
from service.settings import KafkaSettings, WatcherSettings
from service.submission.records import Record
from service.telemetry.logs import log

SCAN_BYTES: Final = 1024 * 1024
UPKEEP_SECONDS: Final = 5.0
"""How often a membership that the group has forgotten is looked for."""


async def _ignore(_partitions: list[int]) -> None:
    """Stand in for a callback before `start`."""


class JobEventLog:
    """One writer's part of the topic."""

    def __init__(self, kafka: KafkaSettings, topic: str, group: WatcherSettings) -> None:
        self.topic = topic
        self._kafka = kafka
        self._group = group
        self._reader = LogReader(kafka, topic)
        self._membership: Membership | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._on_assigned: Callback = _ignore
        self._on_revoked: Callback = _ignore
        self._partitions = 0

    async def start(self, on_assigned: Callback, on_revoked: Callback) -> None:
        """Join the group, however long Kafka takes to answer; the callbacks are told which partitions come and go."""
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        await self._join()
        self._upkeep = asyncio.create_task(self._keep_membership())

    async def stop(self) -> None:
        """Disconnect, and leave the group unless membership is static."""
        if self._upkeep is not None:
            await cancel([self._upkeep])
        membership, self._membership = self._membership, None
        if membership is not None:
            await close(membership.client)
        await self._reader.stop()

    def partition_of(self, key: str, own: int | None = None) -> int | None:
        """Return the partition of a submission's events, that of its outcome; None before the first assignment.

        `own` is the partition of a record that is identified by its offset. The number of partitions is that of the
        last assignment: where some are added, the group assigns anew.
        """
        if not self._partitions:
            return None
        return own if own is not None and own < self._partitions else partition_for(key.encode(), self._partitions)

    def confirmed(self) -> bool:
        """Tell whether the group has confirmed this membership recently enough to act on it."""
        return self._membership is not None and self._membership.confirmed()

    async def proven_end(self, partition: int, producer: Producer) -> int | None:
        """Return an end that no leader of the past can hide, as of `proven_end`. Raises BrokerUnavailable."""
        return await proven_end(self._reader, producer, partition)

    async def scan(self, partition: int, written_end: int | None = None) -> AsyncIterator[list[Record]]:
        """Yield all records of a partition up to its present end, in lists; `written_end`: one that is known.

        Raises BrokerUnavailable.
        """
        start = await self._reader.offset_at(partition, EARLIEST) or 0
        async for messages in self._reader.scan(partition, start, SCAN_BYTES, written_end):
            yield [as_record(self.topic, partition, message) for message in messages]

    async def _join(self) -> None:
        async def connect() -> Membership:
            return await Membership.of(self._kafka, self._group, await self._reader.partition_count())

        self._membership = await until_connected(connect, "job-events")
        self._membership.join(self.topic, self._assigned, self._on_revoked)

    async def _assigned(self, partitions: list[int]) -> None:
        self._partitions = await self._partition_count()
        await self._on_assigned(partitions)

    async def _partition_count(self) -> int:
        while True:
            try:
                return await self._reader.partition_count()
            except BrokerUnavailable as error:
                log.warning("job-events-unreadable", reason=str(error))
                await asyncio.sleep(UPKEEP_SECONDS)

    async def _keep_membership(self) -> None:
        """Tell the group of added partitions; replace a client that it has refused, or will hardly hear of again."""
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            membership = self._membership
            if membership is None:
                continue
            reason = "silent" if membership.lost() else await self._refused(membership)
            if reason is None:
                with contextlib.suppress(BrokerUnavailable):
                    membership.note_partitions(await self._reader.partition_count())
                continue
            log.warning("kafka-client-replaced", client="job-events", reason=reason)
            await self._on_revoked([each.partition for each in membership.client.assignment()])
            await close(membership.client)
            await self._join()

    @staticmethod
    async def _refused(membership: Membership) -> str | None:
        """Return why the group has refused the client, if it has; aiokafka tells only those who fetch.

        All partitions stay paused, so that nothing comes.
        """
        try:
            async with asyncio.timeout(1):  # during a rebalance it would wait without end
                await membership.client.getmany(timeout_ms=0)
        except TimeoutError:
            return None
        except KafkaError as error:
            return describe(error)
        return None
