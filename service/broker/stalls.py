"""Detects consumers whose fetches are no longer answered."""

import time
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

STALL_SECONDS = 30.0
"""How long fetches may go unanswered: a client that lost its brokers and recovers by itself needs less."""


class StallDetector:
    """Watches the fetches of one consumer (aiokafka #703: its fetch task can end without an error).

    The brokers answer fetches of an idle partition too, about twice a second, so a stall does not depend on whether
    there are records.
    """

    def __init__(self) -> None:
        self._answered: dict[TopicPartition, tuple[int | None, float]] = {}
        self._looked = time.monotonic()

    def stalled(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> bool:
        """Tell whether fetches of one of `partitions`, all assigned and not paused, go unanswered for too long.

        To be asked regularly. After a gap between two calls (the process was stopped) the count starts anew.
        """
        now = time.monotonic()
        if now - self._looked > STALL_SECONDS / 2:
            self._answered.clear()
        self._looked = now
        answered = {}
        for partition in partitions:
            stamp = consumer.last_poll_timestamp(partition)
            before = self._answered.get(partition)
            answered[partition] = before if before is not None and before[0] == stamp else (stamp, now)
        self._answered = answered
        return any(now - since > STALL_SECONDS for _, since in answered.values())
