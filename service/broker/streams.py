"""What the two endless readers share: records as the service knows them, and an ear for a client that has gone deaf."""

import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from service.records import Record

SILENCE_SECONDS = 30.0
"""How long fetches may go unanswered: a client that lost its brokers and recovers by itself needs less."""


def as_record(topic: str, partition: int, message: Any) -> Record:
    """Return one of aiokafka's records as ours; the null that Kafka allows as a header's value becomes empty."""
    headers = tuple([(name, value or b"") for name, value in message.headers])
    return Record(topic, partition, message.offset, message.timestamp, message.key, message.value, headers)


class SilenceWatch:
    """Notices that the brokers have stopped answering a consumer's fetches (aiokafka #703).

    An idle partition is answered too, about twice a second, so silence has nothing to do with the flow of records.
    """

    def __init__(self) -> None:
        self._answered: dict[TopicPartition, tuple[int | None, float]] = {}
        self._looked = time.monotonic()

    def silent(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> bool:
        """Tell whether one of `partitions`, all assigned and not paused, has been silent for too long.

        To be asked regularly; a gap between two questions (the process was stopped) starts the count anew.
        """
        now = time.monotonic()
        if now - self._looked > SILENCE_SECONDS / 2:
            self._answered.clear()
        self._looked = now
        answered = {}
        for partition in partitions:
            stamp = consumer.last_poll_timestamp(partition)
            before = self._answered.get(partition)
            answered[partition] = before if before is not None and before[0] == stamp else (stamp, now)
        self._answered = answered
        return any(now - since > SILENCE_SECONDS for _, since in answered.values())
