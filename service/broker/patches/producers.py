"""Closes a producer without writing what is in its queue (aiokafka #1101)."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed

STOP_SECONDS = 5.0
"""How long a client may take to close."""


async def discard(producer: AIOKafkaProducer) -> None:
    """Close `producer`; whoever waits for one of its records gets ProducerClosed.

    The public `stop` waits for the queue to be written, in an outage for ever.
    """
    accumulator = producer._message_accumulator
    queued = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches.update(queued)  # a batch that fails removes itself from there
    accumulator.fail_all(ProducerClosed())
    for batch in queued:
        batch._drain_waiter.exception()  # retrieved here, else asyncio logs it as never retrieved
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except Exception:  # noqa: BLE001 - stop() raises whatever the producer's sender task has ended with
        await producer.client.close()
