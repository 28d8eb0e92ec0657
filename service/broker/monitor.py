"""Asks the brokers every few seconds, in every role: do they answer, are the topics there, is every partition read?

Without it an outage shows only when a request has waited its time-out, and a partition that nobody reads, or a topic
that is gone, not at all.
"""

import asyncio
import contextlib
import math
import time
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from service.broker import queries
from service.broker.assignor import ASSIGNOR_NAME
from service.broker.connection import client_arguments
from service.broker.errors import BrokerUnavailable, describe
from service.broker.topics import Topics
from service.settings import KafkaSettings, TopicSettings
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

PROBE_SECONDS = 5.0
"""How often the brokers are asked, and how long they may take to answer."""
GROUP_SECONDS = 15.0
"""How often the group is looked at."""
UNREAD_SECONDS = 60.0
"""How long a partition may be without a reader before it is told: a rebalance or a rollout takes less."""
MISSING_SECONDS = 10.0
"""How long a topic has to be missing: a broker that has just started may not know all topics."""
ENSURE_SECONDS = 30.0
"""Pause between two tries to make topics that are missing."""
_SETTLED: Final = ("Stable", "Empty", "Dead")


class KafkaMonitor:
    """Updates the gauges of Kafka, and makes vanished topics anew where that is allowed. `run` it beside a role."""

    def __init__(
        self, kafka: KafkaSettings, names: TopicSettings, topics: Topics, group: str, metrics: Metrics
    ) -> None:
        self._kafka = kafka
        self._submissions = names.submissions
        self._may_create = names.create
        self._topics = topics
        self._group = group
        self._metrics = metrics
        self._client: AIOKafkaClient | None = None
        self._is_up: bool | None = None
        self._answers = False
        self._is_recovering = False
        self._missing_since: float | None = None
        self._ensured_at = float("-inf")
        self._group_at = float("-inf")
        self._unread_since: float | None = None
        self._unread_told = False
        self._unread: frozenset[int] | None = None
        self._foreign_told = False
        metrics.kafka_up.set(0)

    @property
    def ready(self) -> bool:
        """True while some broker answers for the submissions and no topic is missing."""
        return self._answers

    def is_read(self, partition: int) -> bool | None:
        """Tell whether a consumer reads a partition of the submissions; None where that is not known.

        One that has just lost its reader counts as read: a rebalance or a rollout finds it another.
        """
        if self._unread is None or not self._is_up:
            return None
        return partition not in self._unread or not self._unread_told

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                started = time.monotonic()
                try:
                    await self._look()
                except Exception:  # noqa: BLE001 - without this task nothing would tell of an outage
                    log.exception("kafka-monitor-failed")
                await asyncio.sleep(started + PROBE_SECONDS - time.monotonic())
        finally:
            await self._disconnect()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                client = await self._connected()
        except (KafkaError, BrokerUnavailable, OSError) as error:  # OSError includes TimeoutError
            self._note(answers=False, reason=_reason(error))
            await self._disconnect()
            return
        missing = [name for name in self._topics.names if _is_missing(client, name)]
        if missing:
            await self._note_missing(client, missing)
            self._note(answers=False, reason=f"there is no topic {', '.join(missing)}")
            return
        self._missing_since = None
        count = queries.partition_count(client, self._submissions)
        silent, reason = await self._silent_partitions(client, count)
        if len(silent) == count:
            self._note(answers=False, reason=reason)
            await self._disconnect()  # bootstrap anew: the brokers may have come back elsewhere
            return
        self._note(answers=True, reason=reason, partitions=silent)
        if time.monotonic() - self._group_at > GROUP_SECONDS:
            self._group_at = time.monotonic()
            await self._look_at_group(client, count)

    async def _silent_partitions(self, client: AIOKafkaClient, count: int) -> tuple[list[int], str | None]:
        """Return the partitions of the submissions whose leader does not answer, and why the first does not."""
        failures = await asyncio.gather(*(self._ask_leader(client, partition) for partition in range(count)))
        silent = [partition for partition, failure in enumerate(failures) if failure is not None]
        return silent, next((failure for failure in failures if failure is not None), None)

    async def _ask_leader(self, client: AIOKafkaClient, partition: int) -> str | None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await queries.list_offsets(client, self._submissions, {partition: queries.LATEST})
        except (KafkaError, OSError) as error:
            client.force_metadata_update()  # goes on by itself
            return _reason(error)
        return None

    def _note(self, *, answers: bool, reason: str | None, partitions: list[int] | None = None) -> None:
        if answers and not partitions and self._is_up is False and not self._is_recovering:
            self._is_recovering = True  # one good answer may be the last one
            return
        self._is_recovering = False
        self._answers = answers
        is_up = answers and not partitions
        self._metrics.kafka_up.set(is_up)
        if not is_up and self._is_up is not False:
            log.warning("kafka-down", reason=reason, partitions=partitions or None)
        elif is_up and self._is_up is False:
            log.info("kafka-up")
        self._is_up = is_up
        if not is_up:  # what the group does is not known either
            self._metrics.unread_partitions.set(math.nan)
            self._metrics.foreign_members.set(math.nan)

    async def _note_missing(self, client: AIOKafkaClient, missing: list[str]) -> None:
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since >= MISSING_SECONDS and now - self._ensured_at >= ENSURE_SECONDS:
            self._ensured_at = now
            log.error("topics-missing", topics=missing, creating=self._may_create)
            with contextlib.suppress(TimeoutError):  # Kafka is gone too: the next look tells
                async with asyncio.timeout(ENSURE_SECONDS):
                    await self._topics.check()
                    await client.force_metadata_update()

    # --- the group --------------------------------------------------------------------------------------------------

    async def _look_at_group(self, client: AIOKafkaClient, count: int) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                group = await queries.describe_group(client, self._group)
        except (KafkaError, OSError) as error:
            self._metrics.unread_partitions.set(math.nan)
            self._metrics.foreign_members.set(math.nan)
            log.info("group-unknown", group=self._group, reason=_reason(error))
            return
        if group.state not in _SETTLED:  # a rebalance
            return
        self._note_foreign(group)
        self._note_unread(group, count)

    def _note_foreign(self, group: queries.Group) -> None:
        foreign = group.members if group.assignor != ASSIGNOR_NAME else ()
        self._metrics.foreign_members.set(len(foreign))
        if foreign and not self._foreign_told:
            members = sorted({f"{member.client_id} at {member.host.lstrip('/')}" for member in foreign})
            log.error("group-has-foreign-members", group=self._group, members=members)
        self._foreign_told = bool(foreign)

    def _note_unread(self, group: queries.Group, count: int) -> None:
        read = {p for member in group.members for topic, p in member.assigned if topic == self._submissions}
        unread = sorted(set(range(count)) - read) if group.assignor == ASSIGNOR_NAME else list(range(count))
        self._metrics.unread_partitions.set(len(unread))
        self._unread = frozenset(unread)
        if not unread:
            if self._unread_told:
                log.info("partitions-read", group=self._group)
            self._unread_since, self._unread_told = None, False
            return
        now = time.monotonic()
        self._unread_since = now if self._unread_since is None else self._unread_since
        if now - self._unread_since >= UNREAD_SECONDS and not self._unread_told:
            self._unread_told = True
            log.warning("partitions-unread", group=self._group, partitions=unread, members=len(group.members))

    # --- the connection ---------------------------------------------------------------------------------------------

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            arguments = client_arguments(self._kafka) | {"request_timeout_ms": int(PROBE_SECONDS * 1000)}
            client = AIOKafkaClient(**arguments)
            try:
                await client.bootstrap()
                await client.set_topics(self._topics.names)
            except BaseException:
                await client.close()
                raise
            self._client = client
        return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _is_missing(client: AIOKafkaClient, topic: str) -> bool:
    try:
        queries.partition_count(client, topic)
    except UnknownTopicOrPartitionError:
        return True
    except KafkaError:  # it may not be described
        return False
    return False


def _reason(error: BaseException) -> str:
    return f"no answer within {PROBE_SECONDS:g} s" if isinstance(error, TimeoutError) else describe(error)
