"""A connection that is lost fails as a connection that is lost, on the event loop the service runs on."""

import asyncio

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from service.broker.connection import client_arguments
from service.settings import KafkaSettings


def test_a_request_on_a_connection_lost_this_moment_fails_as_such_and_the_next_one_makes_a_new_one(
    kafka: KafkaSettings,
) -> None:
    """Under uvloop a write to it raised RuntimeError, which once ended a consumer in a broker restart."""

    async def ask() -> int:
        client = AIOKafkaClient(**client_arguments(kafka))
        await client.bootstrap()
        try:
            node = client.get_random_node()
            await client.send(node, MetadataRequest([]))
            (connection,) = client._conns.values()
            connection._writer.transport.abort()
            await asyncio.sleep(0)  # the transport is closed now, and aiokafka is about to learn of it
            with pytest.raises(KafkaConnectionError):
                await connection.send(MetadataRequest([]))
            return len((await client.send(node, MetadataRequest([]))).brokers)
        finally:
            await client.close()

    assert uvloop.run(ask()) == 1
