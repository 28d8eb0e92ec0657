"""Takes records out of a consumer fairly: as many of each partition, and never those of a revoked assignment."""

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from service.broker.batches import as_record
from service.broker.errors import BrokerUnavailable, describe
from service.broker.log_reader import LogReader
from service.submission.records import Record
from service.telemetry.logs import log

DRAIN_SECONDS = 0.5


class FairFetch:
    """Fetches for one topic; `reader` steps over batches that aiokafka cannot decode.

    `paused` holds the partitions that the consumer of the records has paused, `delivered` by partition the offset of
    the first record handed out and the one after the last, `generation` changes whenever partitions are revoked.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self.generation = 0
        self.paused: set[int] = set()
        self.delivered: dict[int, tuple[int, int]] = {}

    def begin(self) -> None:
        """Begin with a new assignment."""
        self.paused.clear()
        self.delivered.clear()

    def revoke(self) -> None:
        """Drop what is being fetched at the moment: it belongs to the assignment that ends now."""
        self.generation += 1

    async def fetch(self, client: AIOKafkaConsumer, max_records: int, timeout: float) -> dict[int, list[Record]]:
        """Return records by partition, at most `max_records` of each; raises KafkaError."""
        batches: dict[int, list[Record]] = {}
        try:
            # cancelled only while it waits, so no record is lost; nor does a record that cannot be decoded lose those
            # of other partitions, as it does from a getmany over several
            async with asyncio.timeout(timeout):
                first = await self._first(client)
        except TimeoutError:
            return {}
        generation = self.generation  # a record belongs to the assignment of the moment it is returned
        if first is not None:
            batches[first.partition] = [as_record(first.topic, first.partition, first)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):  # during a rebalance getmany would wait without end
                for partition in client.assignment():
                    wanted = max_records - len(batches.get(partition.partition, ()))
                    more = await self._more(client, partition, wanted, undecodable=first is None) if wanted else []
                    if generation != self.generation:  # what came before was revoked: others read it again
                        generation, batches = self.generation, {}
                    batches.setdefault(partition.partition, []).extend(more)
        if generation != self.generation:
            return {}
        fetched = {partition: records for partition, records in batches.items() if records}
        for partition, records in fetched.items():
            first, _ = self.delivered.get(partition, (records[0].offset, 0))
            self.delivered[partition] = min(first, records[0].offset), records[-1].offset + 1
        return fetched

    @staticmethod
    async def _first(client: AIOKafkaConsumer) -> Any:
        """Wait for a record of any partition; None where it cannot be decoded, of whichever it was."""
        try:
            return await client.getone()
        except UnicodeDecodeError:
            return None

    async def _more(
        self, client: AIOKafkaConsumer, partition: TopicPartition, wanted: int, *, undecodable: bool
    ) -> list[Record]:
        """Return up to `wanted` records of one partition that are there already.

        Where the client gives none because it cannot decode them, they are those of one batch.
        """
        try:
            messages = (await client.getmany(partition, timeout_ms=0, max_records=wanted)).get(partition, [])
        except UnicodeDecodeError:
            messages, undecodable = [], True
        except KafkaError as error:
            log.warning("fetch-failed", partition=partition.partition, reason=describe(error))
            return []
        if undecodable and not messages and partition.partition not in self.paused:
            messages = await self._step_over(client, partition)
        return [as_record(partition.topic, partition.partition, message) for message in messages]

    async def _step_over(self, client: AIOKafkaConsumer, partition: TopicPartition) -> list[Any]:
        """Read the batch at the client's position, if there is one, in its place."""
        generation = self.generation
        try:
            position = await client.position(partition)
            batches, _ = await self._reader.batches(partition.partition, position, 1)
        except (KafkaError, BrokerUnavailable) as error:
            log.warning("fetch-failed", partition=partition.partition, reason=describe(error))
            return []
        messages, next_offset = next(batches, ([], position))
        if generation != self.generation:
            return []
        client.seek(partition, next_offset)
        return [message for message in messages if message.offset >= position]
