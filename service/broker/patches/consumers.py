"""Looks into aiokafka's consumers: what the group has answered, and their connections when `stop` fails."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer

STOP_SECONDS = 5.0
"""How long a client may take to close."""


def observe_group_responses(consumer: AIOKafkaConsumer, observe: Callable[[Any], Callable[[Any], None]]) -> None:
    """Call `observe` with each request to the group coordinator, and what it returned with the response.

    aiokafka has no public way to learn that a heartbeat was answered. No upstream issue.
    """
    coordinator = consumer._coordinator
    send = coordinator._send_req

    async def observed(request: Any) -> Any:
        on_response = observe(request)
        response = await send(request)
        on_response(response)
        return response

    coordinator._send_req = observed


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Have the consumer join its group again, with its partitions revoked before.

    The Java client has `enforceRebalance` for it (KIP-568), aiokafka nothing public. No upstream issue.
    """
    consumer._coordinator.request_rejoin()


async def close(consumer: AIOKafkaConsumer) -> None:
    """Disconnect, whatever state the consumer is in (aiokafka #647).

    `stop` cancels a fetch that waits to be tried again and raises that CancelledError before its connections are
    closed; called a second time it does nothing. It runs in a task of its own, so that the CancelledError is not taken
    for a cancellation of the caller.
    """
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping], timeout=STOP_SECONDS)
    finally:
        stopping.cancel()
    if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
        await consumer._client.close()
