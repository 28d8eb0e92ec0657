"""A one-line Kafka producer that also waits for the outcome: `python -m devstack produce '{"job": {...}}'`."""

import asyncio
import contextlib
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from devstack.process import ServerError


async def produce(body: str, bootstrap_servers: str, *, user: str | None, timeout: float) -> str:
    """Send `body` to the topic `job-submissions` and wait for its outcome.

    Args:
        body: the request, as it would be posted.
        bootstrap_servers: the brokers.
        user: who submits; None leaves it out.
        timeout: seconds to wait for the outcome.

    Returns:
        The outcome as `<HTTP status> <JSON body>`.

    Raises:
        ServerError: Kafka did not answer, or no outcome came in time.
    """
    correlation_id = str(uuid.uuid4()).encode()
    headers = [("correlation-id", correlation_id), *([("ra-user", user.encode())] if user else [])]
    outcomes = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="latest", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    try:
        partitions = await _partitions(bootstrap_servers)
        await outcomes.start()
        await producer.start()
        outcomes.assign(partitions)
        for partition in partitions:
            await outcomes.position(partition)  # settles where "latest" is, before the submission is sent
        await producer.send_and_wait("job-submissions", body.encode(), headers=headers)
        async with asyncio.timeout(timeout):
            async for record in outcomes:
                answer = dict(record.headers)
                if answer.get("correlation-id") == correlation_id:
                    return f"{answer['status'].decode()} {(record.value or b'').decode()}"
    except TimeoutError:
        raise ServerError(f"no outcome within {timeout:.0f} s; it comes to the topic job-outcomes later") from None
    except KafkaError as error:
        raise ServerError(f"Kafka at {bootstrap_servers}: {error!r}") from error
    finally:
        await producer.stop()
        with contextlib.suppress(asyncio.CancelledError):  # its own: aiokafka lets it out when the broker is gone
            await outcomes.stop()
    raise ServerError("the stream of outcomes ended")


async def _partitions(bootstrap_servers: str) -> list[TopicPartition]:
    """The partitions of the outcomes; asked for here, because a consumer waits 40 s for a topic that does not exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        (topic,) = await admin.describe_topics(["job-outcomes"])
    finally:
        await admin.close()
    if topic["error_code"]:
        raise ServerError(f"Kafka at {bootstrap_servers} has no topic job-outcomes; does the service run?")
    return [TopicPartition("job-outcomes", partition["partition"]) for partition in topic["partitions"]]
