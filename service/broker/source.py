"""Reads the submissions as a member of the consumer group: fairly, without ever committing by itself.

`consumer` pulls from it, pauses what it has enough of, and says what may be committed. aiokafka keeps the membership
with heartbeats in the background, through any outage of Kubernetes. When heartbeats or fetches go unanswered although
the brokers are there, the client is replaced, which for the consumer is one more rebalance.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, InconsistentGroupProtocolError, KafkaError
from aiokafka.structs import TopicPartition

from service.broker.connection import note_unreachable, until_connected
from service.broker.errors import BrokerUnavailable, TopicMissing, describe
from service.broker.fair_fetch import FairFetch
from service.broker.foreign_commits import ForeignCommits
from service.broker.lag import BlockedPartitions, Progress
from service.broker.log_reader import LogReader
from service.broker.membership import Callback, Membership
from service.broker.patches import close
from service.broker.queries import signed
from service.broker.stalls import StallDetector
from service.lifecycle import cancel
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.submission.records import Record
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

REVOKE_SECONDS = 15.0
"""How much of the time for a rebalance (`membership`) the consumer gets for finishing and committing."""
WATCH_SECONDS = 5.0
"""How often partitions are counted and the lag is measured."""
REFUSAL_SECONDS = 60.0
"""How often it is said that the group refuses this member."""
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
        self._stalls = StallDetector()
        self._fetching = FairFetch(self._reader)
        self._committed: dict[int, int] = {}
        self._lag: dict[int, int] = {}
        self._blocked = BlockedPartitions()
        self._foreign_commits = ForeignCommits(self._reader, settings.group, metrics)
        self._looking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._refusal_told = float("-inf")

    async def start(self, on_assigned: Callback, on_revoked: Callback) -> None:
        """Join the group, however long Kafka takes to answer.

        `on_revoked` is awaited (for REVOKE_SECONDS at most) before partitions are given back, `on_assigned` after all
        partitions that are ours from now on have been assigned, before a record of theirs is fetched.
        """
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._join(await until_connected(self._connect, "submissions"))
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Disconnect, and leave the group unless membership is static. Commits nothing."""
        await cancel(task for task in (self._watching, self._looking) if task is not None)
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
        if self._stalled(client):
            await self._replace(client, "fetches go unanswered")
            return {}
        if membership.lost():
            await self._replace(client, "the group does not answer")
            return {}
        try:
            fetched = await self._fetching.fetch(client, max_records, timeout)
        except InconsistentGroupProtocolError:
            self._note_refusal()
            await asyncio.sleep(ERROR_SECONDS)  # aiokafka tries again after it
            return {}
        except KafkaError as error:
            await asyncio.sleep(ERROR_SECONDS)
            await self._replace(client, describe(error))
            return {}
        for partition, records in fetched.items():
            if records[0].offset < self._committed.get(partition, 0):  # the log was cut, or the topic made anew
                del self._committed[partition]
        return fetched

    def pause(self, partitions: Iterable[int]) -> None:
        """Fetch nothing more of these partitions; what was fetched ahead is fetched again later."""
        self._fetching.paused.update(partitions)
        if self._membership is not None:
            self._membership.client.pause(*self._assigned(self._membership.client, partitions))

    def resume(self, partitions: Iterable[int]) -> None:
        """Fetch these partitions again."""
        self._fetching.paused.difference_update(partitions)
        if self._membership is not None:
            self._membership.client.resume(*self._assigned(self._membership.client, partitions))

    def _assigned(self, client: AIOKafkaConsumer, partitions: Iterable[int]) -> set[TopicPartition]:
        """Return those of the partitions that are ours: a rebalance may have been quicker than the caller."""
        assigned: set[TopicPartition] = client.assignment()
        return assigned & {TopicPartition(self._topic, partition) for partition in partitions}

    async def commit(self, offsets: Mapping[int, int], note: str = "") -> bool:
        """Commit the offset of the next record to be read, by partition, and a note for whoever asks how far we are.

        False where a rebalance has taken a partition away, so that somebody else reads on from what was committed
        before: nothing is wrong. Raises BrokerUnavailable.
        """
        if self._membership is None:
            return False
        committed = {TopicPartition(self._topic, each): (offset, signed(note)) for each, offset in offsets.items()}
        try:
            async with asyncio.timeout(self._kafka.request_timeout_seconds):
                await self._membership.client.commit(committed)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit-refused", partitions=sorted(offsets), reason=describe(error))
            return False
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailable(describe(error)) from error
        self._committed.update(offsets)
        return True

    def confirmed(self) -> bool:
        """Tell whether the group has confirmed this membership recently enough to act on it.

        False after the process was stopped, or cut off, for most of the session: the partitions may be others' now.
        """
        return self._membership is not None and self._membership.confirmed()

    def lag(self) -> dict[int, int]:
        """Return the number of records behind the end of the topic by partition, as of a few seconds ago."""
        return self._lag

    async def _connect(self) -> Membership:
        return await Membership.of(self._kafka, self._settings, await self._reader.partition_count())

    def _join(self, membership: Membership) -> None:
        self._membership = membership
        self._stalls = StallDetector()
        membership.join(self._topic, self._assign, self._revoke)

    async def _assign(self, partitions: list[int]) -> None:
        self._fetching.begin()
        self._committed.clear()
        self._lag = {}
        if partitions:
            self._looking = asyncio.create_task(self._foreign_commits.look(partitions))
        if self._on_assigned is not None:
            await self._on_assigned(partitions)
        self.resume(set(partitions) - self._fetching.paused)  # they come paused, see `membership`

    async def _revoke(self, partitions: list[int]) -> None:
        self._fetching.revoke()
        if not partitions or self._on_revoked is None:
            return
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                await self._on_revoked(partitions)
        except TimeoutError:
            log.error("revocation-too-slow", partitions=sorted(partitions), seconds=REVOKE_SECONDS)

    def _note_refusal(self) -> None:
        """Say once in a while that the group has members of another kind, which would be given partitions of ours."""
        if time.monotonic() - self._refusal_told > REFUSAL_SECONDS:
            self._refusal_told = time.monotonic()
            log.error(
                "group-refused",
                group=self._settings.group,
                reason="consumers of another kind are in this group and lose submissions: stop them; "
                f"kafka-consumer-groups.sh --describe --members --group {self._settings.group} names them",
            )

    def _stalled(self, client: AIOKafkaConsumer) -> bool:
        """Tell whether fetches of the client go unanswered for too long."""
        flowing = [partition for partition in client.assignment() if partition.partition not in self._fetching.paused]
        return self._stalls.stalled(client, flowing)

    async def _replace(self, client: AIOKafkaConsumer, reason: str) -> None:
        """Put a new client in the place of `client`, if the brokers answer it: in an outage the old one is as good."""
        try:
            successor = await self._connect()
        except (KafkaError, BrokerUnavailable, OSError) as error:
            note_unreachable("submissions", describe(error))
            await asyncio.sleep(1)
            return
        log.warning("kafka-client-replaced", client="submissions", reason=reason)
        self._rebuilds.inc()
        await self._revoke([partition.partition for partition in client.assignment()])
        await close(client)
        self._join(successor)

    # --- what is looked after beside the fetching --------------------------------------------------------------------

    async def _watch(self) -> None:
        """Keep the group informed of the number of partitions, and the lag measured."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            membership = self._membership
            if membership is None:
                continue
            try:
                membership.note_partitions(await self._partition_count())
                async with asyncio.timeout(self._kafka.request_timeout_seconds):
                    await self._measure_lag(membership.client)
            except (BrokerUnavailable, KafkaError, TimeoutError) as error:
                self._lag = {}  # unknown: the last value would look current
                log.info("lag-unknown", reason=describe(error))
            except Exception:  # noqa: BLE001 - without this task partitions that are added would never be read
                log.exception("watch-failed")

    async def _partition_count(self) -> int:
        try:
            return await self._reader.partition_count()
        except TopicMissing:
            return 0

    async def _measure_lag(self, client: AIOKafkaConsumer) -> None:
        generation = self._fetching.generation
        assigned = sorted(partition.partition for partition in client.assignment())
        if not assigned:
            self._lag = {}
            return
        ends = await self._reader.ends(assigned)
        progress = {
            partition: Progress(
                *ends[partition],
                await client.position(TopicPartition(self._topic, partition)),
                self._committed.get(partition),
                *self._fetching.delivered.get(partition, (None, None)),
            )
            for partition in assigned
        }
        if generation != self._fetching.generation:
            return
        self._lag = {partition: found.lag for partition, found in progress.items()}
        self._blocked.note(progress)
        offsets = {p: offset for p, found in progress.items() if (offset := found.committable) is not None}
        if offsets:
            await self.commit(offsets)
