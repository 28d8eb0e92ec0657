"""The suite's own clients leave nothing behind, whatever they have met: no task and no open connection."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.faults.faultplan import Fault, FaultPlan
from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.load import Clients
from tests.faults.stack import Stack


@pytest.fixture
async def plan() -> FaultPlan:
    return FaultPlan(seed=1)


@pytest.fixture
async def proxy(stack: Stack, plan: FaultPlan) -> AsyncIterator[KafkaProxy]:
    """What the clients reach their broker through."""
    proxy = KafkaProxy(stack.kafka.proxy_port, stack.kafka.back_door_port, plan)
    async with proxy.running():
        yield proxy


@pytest.fixture
async def clients(stack: Stack, proxy: KafkaProxy) -> Clients:
    topic = f"load-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
    return Clients(stack.proxied_bootstrap_servers, topic, lambda: "", random.Random(1))


async def until_disconnected(proxy: KafkaProxy) -> None:
    async with asyncio.timeout(5):
        while proxy.connections:
            await asyncio.sleep(0.01)


async def test_a_producer_is_closed_when_the_clients_are_done(clients: Clients, proxy: KafkaProxy) -> None:
    async with clients.running():
        assert await clients.produce(b"{}", None, [])
        assert proxy.connections
    await until_disconnected(proxy)


@pytest.mark.parametrize("connects_again", [False, True])
async def test_a_producer_is_closed_although_its_broker_is_silent(
    clients: Clients, proxy: KafkaProxy, plan: FaultPlan, *, connects_again: bool
) -> None:
    before = asyncio.all_tasks()
    async with clients.running():
        assert await clients.produce(b"{}", None, [])
        plan.rates = {Fault.BLACK_HOLE: 1.0}
        sending = [asyncio.create_task(clients.produce(b"{}", None, [])) for _ in range(3)]
        while not plan.played[Fault.BLACK_HOLE]:
            await asyncio.sleep(0.01)
        if connects_again:
            seen = plan.played[Fault.BLACK_HOLE]
            proxy.cut()
            while plan.played[Fault.BLACK_HOLE] == seen:
                await asyncio.sleep(0.01)
    assert [await each for each in sending] == [False, False, False]
    await until_disconnected(proxy)
    assert asyncio.all_tasks() == before
