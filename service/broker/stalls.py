"""What the two endless readers share: records as the service knows them, an ear for a deaf client, and its end."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from service.submission.records import Record

SILENCE_SECONDS = 30.0
"""How long fetches may go unanswered: a client that lost its brokers and recovers by itself needs less."""
STOP_SECONDS = 5.0
"""How long a client may take to close."""


def as_record(topic: str, partition: int, message: Any) -> Record:
    """Return one of aiokafka's records as ours; the null that Kafka allows as a header's value becomes empty."""
    headers = tuple([(name, value or b"") for name, value in message.headers])
    return Record(topic, partition, message.offset, message.timestamp, message.key, message.value, headers)


class StallDetector:
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


async def close(client: AIOKafkaConsumer) -> None:
    """Disconnect, whatever the client has come to.

    aiokafka cancels a fetch that waits to be tried again and stumbles over that, with its connections still open; in a
    task of its own, so that nobody takes this cancellation for one of the caller.
    """
    stopping = asyncio.create_task(client.stop())
    try:
        await asyncio.wait([stopping], timeout=STOP_SECONDS)
    finally:
        stopping.cancel()
    if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
        await client._client.close()  # noqa: SLF001 - stop() does nothing the second time
