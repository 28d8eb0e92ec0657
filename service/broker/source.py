"""Reads the submissions as a member of the consumer group: fairly, without ever committing by itself.

`consumer` pulls from it, pauses what it has enough of, and says what may be committed. Membership is kept by
aiokafka's heartbeats in the background, through any outage of Kubernetes. When heartbeats or fetches go unanswered
although the brokers are there, the client is replaced, which for the consumer is one more rebalance.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from service.broker.connection import describe, until_connected
from service.broker.errors import BrokerUnavailable
from service.broker.log_reader import LogReader
from service.broker.membership import Callback, Membership
from service.broker.stalls import StallDetector, as_record, close
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.records import Record
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

REVOKE_SECONDS = 15.0
"""How much of the time for a rebalance (`membership`) the consumer gets for finishing and committing."""
LAG_SECONDS = 5.0
DRAIN_SECONDS = 0.5
ERROR_SECONDS = 1.0
"""Pause before a client that fails is replaced, as the next one may fail alike."""


class SubmissionSource:
    """This process's part of the submissions topic. One task fetches; the other methods may be called from any."""

    def __init__(
        self, kafka: KafkaSettings, topics: TopicSettings, settings: ConsumerSettings, metrics: Metrics
    ) -> None:
        self._kafka = kafka
        self._topic = topics.submissions
        self._settings = settings
        self._rebuilds = metrics.rebuilds.labels(client="submissions")
        self._reader = LogReader(kafka, topics.submissions)
        self._membership: Membership | None = None
        self._on_assigned: Callback | None = None
        self._on_revoked: Callback | None = None
        self._watch = StallDetector()
        self._paused: set[int] = set()
        self._generation = 0
        self._committed: dict[int, int] = {}
        self._lag: dict[int, int] = {}
        self._lag_at = 0.0

    async def start(self, on_assigned: Callback, on_revoked: Callback) -> None:
        """Join the group, however long Kafka takes to answer.

        `on_revoked` is awaited (for REVOKE_SECONDS at most) before partitions are given back, `on_assigned` after all
        partitions that are ours from now on have been assigned, before a record of theirs is fetched.
        """
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._join(await until_connected(self._connect, "submissions"))

    async def stop(self) -> None:
        """Disconnect, and leave the group unless membership is static. Commits nothing."""
        membership, self._membership = self._membership, None
        if membership is not None:
            await close(membership.client)
        await self._reader.stop()

    async def fetch(self, max_records: int, timeout: float) -> dict[int, list[Record]]:
        """Return records by partition, at most `max_records` of each, as soon as there are any or after `timeout` s.

        A partition with a long backlog gives no more than any other. Only partitions that `on_assigned` was told of
        are in it, and never what was fetched before they were revoked and came back. Does not raise for Kafka's
        troubles: then there are no records for a while.
        """
        membership = self._membership
        if membership is None:
            await asyncio.sleep(timeout)
            return {}
        client = membership.client
        if self._deaf(client) or membership.lost():
            await self._replace(client, "silent")
            return {}
        await self._measure_lag(client)
        try:
            return await self._fetch_fairly(client, max_records, timeout)
        except KafkaError as error:
            await asyncio.sleep(ERROR_SECONDS)
            await self._replace(client, describe(error))
            return {}

    async def _fetch_fairly(
        self, client: AIOKafkaConsumer, max_records: int, timeout: float
    ) -> dict[int, list[Record]]:
        batches: dict[int, list[Record]] = {}
        try:
            # cancelled only while it waits, so no record is lost; nor does a record that cannot be decoded lose those
            # of other partitions, as it does from a getmany over several
            async with asyncio.timeout(timeout):
                first = await self._first(client)
        except TimeoutError:
            return {}
        generation = self._generation  # a record belongs to the assignment of the moment it is returned
        if first is not None:
            batches[first.partition] = [as_record(first.topic, first.partition, first)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):  # during a rebalance getmany would wait without end
                for place in client.assignment():
                    wanted = max_records - len(batches.get(place.partition, ()))
                    more = await self._more(client, place, wanted, undecodable=first is None) if wanted else []
                    if generation != self._generation:  # what came before was revoked: others read it again
                        generation, batches = self._generation, {}
                    batches.setdefault(place.partition, []).extend(more)
        return {
            partition: records for partition, records in batches.items() if records and generation == self._generation
        }

    @staticmethod
    async def _first(client: AIOKafkaConsumer) -> Any:
        """Wait for a record of any partition; None where it cannot be decoded, of whichever it was."""
        try:
            return await client.getone()
        except UnicodeDecodeError:
            return None

    async def _more(
        self, client: AIOKafkaConsumer, place: TopicPartition, wanted: int, *, undecodable: bool
    ) -> list[Record]:
        """Return up to `wanted` records of one partition that are there already.

        Where the client gives none because it cannot decode them, they are those of one batch.
        """
        try:
            messages = (await client.getmany(place, timeout_ms=0, max_records=wanted)).get(place, [])
        except UnicodeDecodeError:
            messages, undecodable = [], True
        except KafkaError as error:
            log.warning("fetch-failed", partition=place.partition, reason=describe(error))
            return []
        if undecodable and not messages and place.partition not in self._paused:
            messages = await self._step_over(client, place)
        return [as_record(place.topic, place.partition, message) for message in messages]

    async def _step_over(self, client: AIOKafkaConsumer, place: TopicPartition) -> list[Any]:
        """Read the batch at the client's position, if there is one, in its place."""
        generation = self._generation
        try:
            position = await client.position(place)
            batches, _ = await self._reader.batches(place.partition, position, 1)
        except (KafkaError, BrokerUnavailable) as error:
            log.warning("fetch-failed", partition=place.partition, reason=describe(error))
            return []
        messages, next_offset = next(batches, ([], position))
        if generation != self._generation:
            return []
        client.seek(place, next_offset)
        return [message for message in messages if message.offset >= position]

    def pause(self, partitions: Iterable[int]) -> None:
        """Fetch nothing more of these partitions; what was fetched ahead is fetched again later."""
        self._paused.update(partitions)
        if self._membership is not None:
            self._membership.client.pause(*self._assigned(self._membership.client, partitions))

    def resume(self, partitions: Iterable[int]) -> None:
        """Fetch these partitions again."""
        self._paused.difference_update(partitions)
        if self._membership is not None:
            self._membership.client.resume(*self._assigned(self._membership.client, partitions))

    def _assigned(self, client: AIOKafkaConsumer, partitions: Iterable[int]) -> set[TopicPartition]:
        """Return those of the partitions that are ours: a rebalance may have been quicker than the caller."""
        places: set[TopicPartition] = client.assignment()
        return places & {TopicPartition(self._topic, partition) for partition in partitions}

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit the offset of the next record to be read, by partition.

        False where a rebalance has taken a partition away, so that somebody else reads on from what was committed
        before: nothing is wrong. Raises BrokerUnavailable.
        """
        if self._membership is None:
            return False
        offsets = {TopicPartition(self._topic, partition): offset for partition, offset in positions.items()}
        try:
            async with asyncio.timeout(self._kafka.request_timeout_seconds):
                await self._membership.client.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit-refused", partitions=sorted(positions), reason=describe(error))
            return False
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailable(describe(error)) from error
        self._committed.update(positions)
        return True

    def confirmed(self) -> bool:
        """Tell whether the group has confirmed this membership recently enough to act on it.

        False after the process was stopped, or cut off, for most of the session: the partitions may be others' now.
        """
        return self._membership is not None and self._membership.confirmed()

    def lag(self) -> dict[int, int]:
        """Return the number of records behind the end of the topic by partition, as of a few seconds ago."""
        return self._lag

    # --- membership -------------------------------------------------------------------------------------------------

    async def _connect(self) -> Membership:
        return await Membership.of(self._kafka, self._settings)

    def _join(self, membership: Membership) -> None:
        self._membership = membership
        self._watch = StallDetector()
        membership.join(self._topic, self._assign, self._revoke)

    async def _assign(self, partitions: list[int]) -> None:
        self._paused.clear()
        self._committed.clear()
        self._lag = {}
        if self._on_assigned is not None:
            await self._on_assigned(partitions)
        self.resume(set(partitions) - self._paused)  # they come paused, see `membership`

    async def _revoke(self, partitions: list[int]) -> None:
        self._generation += 1
        if not partitions or self._on_revoked is None:
            return
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                await self._on_revoked(partitions)
        except TimeoutError:
            log.error("revocation-too-slow", partitions=sorted(partitions), seconds=REVOKE_SECONDS)

    def _deaf(self, client: AIOKafkaConsumer) -> bool:
        """Tell whether the client gets no answers to its fetches any more."""
        flowing = [place for place in client.assignment() if place.partition not in self._paused]
        return self._watch.silent(client, flowing)

    async def _replace(self, client: AIOKafkaConsumer, reason: str) -> None:
        """Put a new client in the place of `client`, if the brokers answer it: in an outage the old one is as good."""
        try:
            successor = await self._connect()
        except (KafkaError, BrokerUnavailable, OSError) as error:
            log.warning("kafka-unreachable", client="submissions", reason=describe(error))
            await asyncio.sleep(1)
            return
        log.warning("kafka-client-replaced", client="submissions", reason=reason)
        self._rebuilds.inc()
        await self._revoke([place.partition for place in client.assignment()])
        await close(client)
        self._join(successor)

    async def _measure_lag(self, client: AIOKafkaConsumer) -> None:
        if time.monotonic() - self._lag_at < LAG_SECONDS:
            return
        self._lag_at = time.monotonic()
        places = client.assignment()
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                ends = await client.end_offsets(places) if places else {}
                for place, end in ends.items():
                    at = self._committed.get(place.partition)
                    self._lag[place.partition] = end - (await client.position(place) if at is None else at)
