"""Reads any place of a topic, without a group and without a background task: one question, one answer.

The outcomes are looked up and loaded with it, and the backlog of submissions is searched. aiokafka's consumer is made
for streams; for single places its prefetching stands in the way, so this asks the partition's leader directly. The
client is connected on first use and given up after a failure, so that a cluster that came back elsewhere is found.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest

from service.broker import queries
from service.broker.batches import read_batches
from service.broker.connection import client_arguments
from service.broker.errors import BrokerUnavailable, TopicMissing, describe
from service.broker.queries import EARLIEST, LATEST, READ_COMMITTED, READ_UNCOMMITTED, Committed
from service.settings import KafkaSettings

T = TypeVar("T")
Batches = Iterator[tuple[list[Any], int]]

RETRY_SECONDS = 0.1


class LogReader:
    """Reads the partitions of one topic, up to the high watermark (a transaction left open hides nothing)."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings = settings
        self.topic = topic
        self._client: AIOKafkaClient | None = None
        self._connecting = asyncio.Lock()

    async def stop(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def partition_count(self) -> int:
        """Return the number of partitions; raises TopicMissing where there are none, else BrokerUnavailable."""

        async def ask(client: AIOKafkaClient) -> int:
            return queries.partition_count(client, self.topic)

        return await self._until_answered(ask)

    async def offset_at(self, partition: int, time_ms: int) -> int | None:
        """Return the offset of the first record not older than `time_ms`, None if there is none.

        EARLIEST and LATEST give the first offset and the one after the last. Raises BrokerUnavailable.
        """

        async def ask(client: AIOKafkaClient) -> int | None:
            return (await queries.list_offsets(client, self.topic, {partition: time_ms}))[partition]

        return await self._until_answered(ask)

    async def ends(self, partitions: Collection[int]) -> dict[int, tuple[int, int]]:
        """Return the high watermark and the last stable offset by partition; raises BrokerUnavailable.

        They differ while a transaction is open: what lies between may not be read yet.
        """

        async def ask(client: AIOKafkaClient) -> dict[int, tuple[int, int]]:
            latest = dict.fromkeys(partitions, LATEST)
            stable = await queries.list_offsets(client, self.topic, latest, READ_COMMITTED)
            high = await queries.list_offsets(client, self.topic, latest)
            return {partition: (high[partition] or 0, stable[partition] or 0) for partition in partitions}

        return await self._until_answered(ask)

    async def batches(self, partition: int, offset: int, max_bytes: int) -> tuple[Batches, int]:
        """Return the batches from the one that holds `offset` on (see `read_batches`), and the end the leader knows of.

        At least one batch comes, however large, unless `offset` is the end. The first may begin before `offset`.
        Raises OffsetOutOfRangeError for an offset that is not there (any more), else BrokerUnavailable.
        """

        async def ask(client: AIOKafkaClient) -> tuple[Any, int]:
            place = [(self.topic, [(partition, offset, max_bytes)])]
            request = FetchRequest(0, 0, max_bytes, READ_UNCOMMITTED, place)
            response = await client.send(queries.leader(client, self.topic, partition), request)
            _, error, end, *rest = response.topics[0][1][0]
            queries.check(error)
            return read_batches(rest[-1]), end

        return await self._until_answered(ask)

    async def committed(self, partition: int, group: str) -> Committed | None:
        """Return what a consumer group has committed, None if it has not. Raises BrokerUnavailable."""

        async def ask(client: AIOKafkaClient) -> Committed | None:
            return (await queries.committed(client, self.topic, (partition,), group))[partition]

        return await self._until_answered(ask)

    async def lag(self, group: str) -> int:
        """Return how many records of all partitions a consumer group has not committed. Raises BrokerUnavailable."""

        async def ask(client: AIOKafkaClient) -> int:
            partitions = range(queries.partition_count(client, self.topic))
            done = await queries.committed(client, self.topic, partitions, group)
            untouched = [partition for partition in partitions if done[partition] is None]
            first = await queries.list_offsets(client, self.topic, dict.fromkeys(untouched, EARLIEST))
            end = await queries.list_offsets(client, self.topic, dict.fromkeys(partitions, LATEST))
            begin = {each: found.offset if found else first[each] for each, found in done.items()}
            return sum(max(0, (end[each] or 0) - (begin[each] or 0)) for each in partitions)

        return await self._until_answered(ask)

    async def is_replicated(self, partition: int) -> bool:
        """Tell whether a partition has copies, so that its leader may change; raises BrokerUnavailable."""

        async def ask(client: AIOKafkaClient) -> bool:
            return await queries.replica_count(client, self.topic, partition) > 1

        return await self._until_answered(ask)

    async def scan(
        self, partition: int, start: int, max_bytes: int, written_end: int | None = None
    ) -> AsyncIterator[list[Any]]:
        """Yield aiokafka's raw records from `start` to the end as of the beginning, a response at a time.

        Where `start` is not there, because retention has deleted it or the topic was made anew, all that is there
        comes. The end is asked for: a leader answers that only once it knows of everything that was acknowledged, while
        the end that comes with fetched records lags behind after a change of leader, and the records do (KIP-207).
        `written_end` is an end that is known to be there, as of `proven_end`: a leader that does not know of it is none
        any more. Raises BrokerUnavailable.
        """
        position, end = start, await self._end(partition) if written_end is None else written_end
        if position > end:
            position = await self.offset_at(partition, EARLIEST) or 0
        patience = self._settings.request_timeout_seconds
        while position < end:
            try:
                batches, _ = await self.batches(partition, position, max_bytes)
            except OffsetOutOfRangeError:
                position, end = await self._anew(partition, position, written_end)
                continue
            found, before = [], position
            for records, next_offset in batches:
                found += [record for record in records if record.offset >= before]
                position = max(position, next_offset)
            if found:
                yield found
            if position > before:
                patience = self._settings.request_timeout_seconds
                continue
            if patience <= 0:
                raise BrokerUnavailable(self._too_short(partition, end))
            patience -= RETRY_SECONDS
            await asyncio.sleep(RETRY_SECONDS)

    async def _anew(self, partition: int, position: int, written_end: int | None) -> tuple[int, int]:
        """Return from where to where to read, as `position` is not there. Raises BrokerUnavailable."""
        first = await self.offset_at(partition, EARLIEST) or 0
        if written_end is None:
            return first, await self._end(partition)
        if first <= position:  # retention deletes from the beginning: this log is shorter than what was written
            raise BrokerUnavailable(self._too_short(partition, written_end))
        return first, written_end

    def _too_short(self, partition: int, end: int) -> str:
        return f"partition {partition} of {self.topic} cannot be read up to its end, {end}"

    async def _end(self, partition: int) -> int:
        return await self.offset_at(partition, LATEST) or 0

    async def _connected(self) -> AIOKafkaClient:
        async with self._connecting:
            if self._client is None:
                client = AIOKafkaClient(**client_arguments(self._settings))
                try:
                    await client.bootstrap()
                    await client.set_topics([self.topic])
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def _until_answered(self, ask: Callable[[AIOKafkaClient], Awaitable[T]]) -> T:
        """Ask again after errors that pass; raises BrokerUnavailable when the request timeout is over."""
        last: BaseException | None = None
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                while True:
                    try:
                        client = await self._connected()
                        return await ask(client)
                    except OffsetOutOfRangeError:
                        raise
                    except KafkaError as error:
                        last = error
                        if not error.retriable:
                            break
                        if self._client is not None:
                            self._client.force_metadata_update()  # goes on beside the pause
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            last = last or error
        await self.stop()
        if isinstance(last, UnknownTopicOrPartitionError):
            raise TopicMissing(self.topic) from last
        raise BrokerUnavailable(describe(last)) from last
