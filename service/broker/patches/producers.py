"""Closes a producer without writing what is in its queue, keeps why a batch was not written, and fails in order."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.producer.transaction_manager import TransactionManager, TransactionState

STOP_SECONDS = 5.0
"""How long a client may take to close."""

upstream_send_produce_req = Sender._send_produce_req
upstream_can_retry = SendProduceReqHandler._can_retry
upstream_fatal_error = TransactionManager.fatal_error

_REASON: Final = "job_submission_reason"
_REQUESTS: Final = "job_submission_requests"


def install() -> None:
    """Replace the methods; doing it again changes nothing."""
    SendProduceReqHandler._can_retry = _can_retry
    TransactionManager.fatal_error = _fatal_error
    Sender._send_produce_req = _send_produce_req


def _can_retry(handler: SendProduceReqHandler, error: KafkaError, batch: Any) -> Any:
    """Decide whether to write a batch again, and note the error in it, for `discard`; one that has failed stays so.

    aiokafka tries without end (#1101) and only logs the error, so that lost in-sync replicas look like a time-out.
    """
    setattr(batch, _REASON, error)
    return not batch.future.done() and upstream_can_retry(handler, error, batch)


def _fatal_error(manager: TransactionManager, error: BaseException) -> None:
    """Note that the producer has failed, and fail its transaction where there is one.

    aiokafka takes for granted that there is: of an idempotent producer it raises AttributeError in a callback, which
    asyncio logs with a traceback. No upstream issue.
    """
    if manager._transaction_waiter is None:
        manager._transition_to(TransactionState.FATAL_ERROR)
    else:
        upstream_fatal_error(manager, error)


async def _send_produce_req(sender: Sender, *request: Any) -> None:
    """Send one request, in a task that `discard` can end; aiokafka keeps those in a local variable."""
    tasks: set[asyncio.Task[Any] | None] = sender.__dict__.setdefault(_REQUESTS, set())
    own = asyncio.current_task()
    tasks.add(own)
    try:
        await upstream_send_produce_req(sender, *request)
    finally:
        tasks.discard(own)


async def discard(producer: AIOKafkaProducer) -> None:
    """Close `producer`; whoever waits for one of its records gets the error of its last try, else ProducerClosed.

    The public `stop` waits for the queue to be written, in an outage for ever (aiokafka #1101), and then for the
    requests under way; cut off there it leaves its tasks behind, which connect again. They are ended first.
    """
    accumulator = producer._message_accumulator
    queued = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches.update(queued)  # a batch that fails removes itself from there
    for batch in list(accumulator._pending_batches):
        batch.failure(getattr(batch, _REASON, ProducerClosed()))
    accumulator.fail_all(ProducerClosed())
    for batch in queued:
        batch._drain_waiter.exception()  # retrieved here, else asyncio logs it as never retrieved
    sender: asyncio.Task[None] | None = producer._sender.sender_task
    if sender is not None:
        ending = [sender, *getattr(producer._sender, _REQUESTS, ())]
        for task in ending:
            task.cancel()
        await asyncio.wait(ending, timeout=STOP_SECONDS)
    # in a task of its own: the CancelledError of a sender that `stop` ends would be taken for the caller's
    stopping = asyncio.create_task(producer.stop())
    try:
        await asyncio.wait([stopping], timeout=STOP_SECONDS)
    finally:
        stopping.cancel()
    if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
        await producer.client.close()
