"""What goes wrong with three brokers: one or two are killed, stopped, frozen, restarted or cut off."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient

from tests.faults.peers import PartedCluster
from tests.faults.world import World


async def leader_killed(world: World) -> None:
    """Kill -9 one of three brokers, which leads a third of the partitions and may be coordinator and controller."""
    brokers = _three(world)
    for broker in world.chance.sample(brokers.brokers, world.chance.randint(1, 2)):
        await world.pause(0.5, 2.0)
        world.played["kill -9 of one of three brokers"] += 1
        await asyncio.to_thread(broker.kill)
        await world.pause(0.5, 4.0)
        await asyncio.to_thread(broker.start)


async def two_brokers_gone(world: World) -> None:
    """End two of three brokers, so that too few replicas are in sync, and start them again."""
    brokers = _three(world)
    gone = world.chance.sample(brokers.brokers, 2)
    for broker in gone:
        await world.pause(0.2, 1.5)
        world.played["kill -9 of two of three brokers"] += 1
        await asyncio.to_thread(broker.kill)
    await world.pause(2.0, 5.0)
    await asyncio.to_thread(brokers.start, *gone)


async def one_of_three_frozen(world: World) -> None:
    """Stop the process of one of three brokers: its connections stay, and its partitions move."""
    broker = world.chance.choice(_three(world).brokers)
    await world.pause(0.5, 2.0)
    world.played["SIGSTOP of one of three brokers"] += 1
    broker.pause()
    try:
        await world.pause(3.0, 8.0)
    finally:
        broker.resume()


async def rolling_restart(world: World) -> None:
    """Restart three brokers one after the other, in good order, as an upgrade of Kafka does."""
    for broker in _three(world).brokers:
        await world.pause(0.2, 1.0)
        world.played["restart of one of three brokers"] += 1
        await asyncio.to_thread(broker.restart)


async def coordinator_killed(world: World) -> None:
    """Kill -9 the broker that coordinates the consumer group."""
    brokers = _three(world)
    await world.pause(0.5, 2.0)
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers.bootstrap_servers)
    await admin.start()
    try:
        node = await admin.find_coordinator(world.fleet.environment["CONSUMER_GROUP"])
    finally:
        await admin.close()
    coordinator = brokers.brokers[node - 1]
    world.played["kill -9 of the group's coordinator"] += 1
    await asyncio.to_thread(coordinator.kill)
    await world.pause(1.0, 4.0)
    await asyncio.to_thread(coordinator.start)


async def isolated(world: World) -> None:
    """Cut one of three brokers off from its peers, while clients reach it: it goes on taking itself for a leader."""
    brokers = _three(world)
    await world.pause(0.5, 2.0)
    world.played["one of three brokers cut off from its peers"] += 1
    brokers.isolate(world.chance.randint(1, len(brokers.brokers)))
    try:
        await world.pause(4.0, 9.0)
    finally:
        brokers.rejoin()


def _three(world: World) -> PartedCluster:
    assert world.brokers is not None
    return world.brokers
