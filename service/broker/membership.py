"""One client's membership in the consumer group: how it joins, and how lately the group has confirmed it.

Part of `source`. Nobody may act on a partition on the strength of having been given it once: what counts is an answered
request of the group, and the time at which it was asked.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import NoError, RebalanceInProgressError, UnknownMemberIdError, for_code
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.structs import TopicPartition

from service.broker.assignor import SubmissionAssignor
from service.broker.connection import client_arguments
from service.broker.patches import close, observe_group_responses, rejoin
from service.settings import ConsumerSettings, KafkaSettings, WatcherSettings
from service.telemetry.logs import log
from service.telemetry.repetitions import Repetitions

Callback = Callable[[list[int]], Awaitable[None]]

REBALANCE_SECONDS = 20.0
"""How long the group waits for a member to give its partitions back."""
LEASE_SHARE = 0.75
"""Share of the session after which an unconfirmed membership is not acted on: the rest is for the act itself."""
NEVER_MS = 24 * 3600 * 1000
"""The poll interval after which aiokafka would leave the group: never reached, as the consumer polls all the time."""

_repetitions = Repetitions()


class Membership:
    """A client and its place in the group. Make it with `of`."""

    def __init__(
        self, client: AIOKafkaConsumer, assignor: SubmissionAssignor, session_seconds: float, instance_id: str | None
    ) -> None:
        self.client = client
        self._assignor = assignor
        self._session_seconds = session_seconds
        self._instance_id = instance_id
        self._confirmed = float("-inf")
        self._joined = float("-inf")

    @classmethod
    async def of(cls, kafka: KafkaSettings, settings: ConsumerSettings | WatcherSettings, partitions: int) -> Self:
        """Connect a client for a topic of so many partitions; `join` makes it a member. Raises KafkaError."""

        def pause() -> None:
            # aiokafka starts to fetch before it awaits the listener; records handed out then would belong to nobody yet
            client.pause(*client.assignment())

        assignor = SubmissionAssignor(partitions, pause)
        session_ms = int(settings.session_timeout_seconds * 1000)
        arguments = client_arguments(kafka)
        # a request to join is answered when the whole group has joined
        arguments["request_timeout_ms"] = max(arguments["request_timeout_ms"], int(REBALANCE_SECONDS * 1000) + 5000)
        client = AIOKafkaConsumer(
            **arguments,
            group_id=settings.group,
            group_instance_id=settings.instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",  # what a producer has taken back must not run
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=min(session_ms // 10, 3000),
            rebalance_timeout_ms=int(REBALANCE_SECONDS * 1000),
            max_poll_interval_ms=NEVER_MS,
            partition_assignment_strategy=[assignor],
        )
        try:
            await client.start()
        except BaseException:
            await close(client)
            raise
        return cls(client, assignor, settings.session_timeout_seconds, settings.instance_id)

    def join(self, topic: str, on_assigned: Callback, on_revoked: Callback) -> None:
        """Read `topic` as a member from now on. Partitions come paused; the callbacks may take their time."""
        self._joined = time.monotonic()
        observe_group_responses(self.client, self._note_confirmation)
        self.client.subscribe([topic], listener=_Listener(on_assigned, on_revoked))

    def note_partitions(self, count: int) -> None:
        """Tell the group how many partitions there are, which starts a rebalance where the number is new."""
        if count != self._assignor.partitions:
            log.info("partition-count-changed", before=self._assignor.partitions, now=count)
            self._assignor.partitions = count
            rejoin(self.client)

    def confirmed(self) -> bool:
        """Tell whether the group has confirmed this membership recently enough to act on it."""
        return time.monotonic() - self._confirmed < self._session_seconds * LEASE_SHARE

    def lost(self) -> bool:
        """Tell whether the group has been silent for so long that this client will hardly hear of it again."""
        patience = max(3 * self._session_seconds, 3 * REBALANCE_SECONDS)
        return time.monotonic() - max(self._confirmed, self._joined) > patience

    def _note_confirmation(self, request: Any) -> Callable[[Any], None]:
        """Note an answer that proves the membership, with the time at which it was asked for."""
        asked = time.monotonic()

        def answered(response: Any) -> None:
            error = for_code(response.error_code) if isinstance(request, HeartbeatRequest | SyncGroupRequest) else None
            if error is NoError or (error is RebalanceInProgressError and isinstance(request, HeartbeatRequest)):
                self._confirmed = max(self._confirmed, asked)
            elif error is UnknownMemberIdError:
                self._note_thrown_out()

        return answered

    def _note_thrown_out(self) -> None:
        """Act on nothing until the client has joined again, and tell where somebody else may have its instance id.

        A static member is forgotten when its session is over, or when another one joins under its instance id: two that
        share one throw each other out again and again.
        """
        is_within_session = time.monotonic() - self._confirmed < self._session_seconds
        self._confirmed = float("-inf")
        if self._instance_id is not None and is_within_session:
            suppressed = _repetitions.count(self._instance_id)
            if suppressed is not None:
                log.error(
                    "instance-id-taken",
                    instance_id=self._instance_id,
                    reason="another process has joined the group under this instance id: give each one its own",
                    suppressed=suppressed or None,
                )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Translates aiokafka's callbacks."""

    def __init__(self, on_assigned: Callback, on_revoked: Callback) -> None:
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._on_revoked([place.partition for place in revoked])

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._on_assigned([place.partition for place in assigned])
