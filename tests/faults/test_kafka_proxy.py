"""The proxy in front of the broker plays what the plan says, and knows a request from a response."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest

from devstack.ports import free_port
from tests.faults.faultplan import Fault, FaultPlan
from tests.faults.kafka_proxy import KafkaProxy


class Broker:
    """Answers each request with its correlation id, and notes it."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                _, _, correlation_id = struct.unpack_from(">hhi", await reader.readexactly(size))
                self.seen.append(correlation_id)
                writer.write(struct.pack(">ii", 4, correlation_id))
        writer.close()


def request(correlation_id: int) -> bytes:
    return struct.pack(">ihhi", 8, 0, 0, correlation_id)


@pytest.fixture
async def broker() -> Broker:
    return Broker()


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan(seed=1)


@pytest.fixture
async def client(broker: Broker, plan: FaultPlan) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port, broker_port = free_port(), free_port()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", broker_port)
    async with KafkaProxy(port, broker_port, plan).running():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()
    server.close()


async def test_requests_pass(client, broker):
    reader, writer = client
    writer.write(request(1) + request(2))
    assert await reader.readexactly(16) == struct.pack(">iiii", 4, 1, 4, 2)
    assert broker.seen == [1, 2]


@pytest.mark.parametrize(("fault", "seen"), [(Fault.RESET_BEFORE, [1]), (Fault.RESET_AFTER, [1, 2])])
async def test_a_reset_before_or_after_the_broker_has_seen_it(client, broker, plan, fault, seen):
    reader, writer = client
    writer.write(request(1))
    await reader.readexactly(8)
    plan.rates = {fault: 1.0}
    writer.write(request(2))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(1)
    assert broker.seen == seen
    assert plan.played == {fault: 1}


async def test_a_black_hole_swallows_what_the_broker_answers(client, broker, plan):
    reader, writer = client
    plan.rates = {Fault.BLACK_HOLE: 1.0}
    writer.write(request(1) + request(2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    assert broker.seen == [1, 2]


async def test_what_never_arrives_leaves_the_connection_open(client, broker, plan):
    reader, writer = client
    plan.rates = {Fault.NEVER_ARRIVES: 1.0}
    writer.write(request(1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    plan.calm()
    writer.write(request(2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    assert broker.seen == []


async def test_a_refused_connection_is_reset(broker, plan):
    plan.rates = {Fault.REFUSE: 1.0}
    port = free_port()
    async with KafkaProxy(port, free_port(), plan).running():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
    assert plan.played == {Fault.REFUSE: 1}
