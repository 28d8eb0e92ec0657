"""What goes wrong in a run, by name: each scenario plays its faults while the clients send, and then leaves off.

A scenario leaves no fault behind: servers run, the plans of both proxies are empty, every member of the fleet runs.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.faults.faultplan import CONNECTION_FAULTS, HTTP_FAULTS, Fault, FaultPlan
from tests.faults.fleet import SESSION_SECONDS, Fleet, Member
from tests.faults.stack import Stack


@dataclass
class World:
    """What a scenario may break. `played` counts the faults that are not a proxy's."""

    stack: Stack
    fleet: Fleet
    kafka: FaultPlan
    kube: FaultPlan
    chance: random.Random
    played: Counter[str] = field(default_factory=Counter)

    async def pause(self, shortest: float, longest: float) -> None:
        """Let a random time pass."""
        await asyncio.sleep(self.chance.uniform(shortest, longest))


Play = Callable[[World], Coroutine[Any, Any, None]]


async def nothing(_: World) -> None:
    """Play no fault at all."""


async def kill_consumers(world: World) -> None:
    """Kill -9 a consumer at random moments; another process takes its place at once or a little later."""
    for _ in range(world.chance.randint(2, 4)):
        await world.pause(0.3, 2.0)
        await _replace(world, world.chance.choice(world.fleet.consumers), "kill -9 of a consumer")


async def kill_ingress(world: World) -> None:
    """Kill -9 the ingress at random moments."""
    for _ in range(world.chance.randint(2, 3)):
        await world.pause(0.5, 2.5)
        await _replace(world, world.fleet.ingress, "kill -9 of the ingress")


async def stall_consumer(world: World) -> None:
    """Stop a consumer beyond its session, so that others take over, and wake it up in the middle of its work."""
    await world.pause(0.5, 2.0)
    world.played["SIGSTOP beyond the session"] += 1
    await world.chance.choice(world.fleet.consumers).stall(SESSION_SECONDS * world.chance.uniform(1.2, 2.0))


async def restart_broker(world: World) -> None:
    """Restart the broker, in good order or not."""
    await world.pause(0.5, 2.0)
    if world.chance.random() < 0.5:
        world.played["broker restart"] += 1
        await asyncio.to_thread(world.stack.kafka.stop)
    else:
        world.played["broker kill -9"] += 1
        await asyncio.to_thread(world.stack.kafka.kill)
    await world.pause(0, 1.0)
    await asyncio.to_thread(world.stack.kafka.start)


async def freeze_broker(world: World) -> None:
    """Stop the broker's process for a while: connections stay and nothing answers."""
    await world.pause(0.5, 2.0)
    world.played["broker SIGSTOP"] += 1
    world.stack.kafka.pause()
    try:
        await world.pause(2.0, 6.0)
    finally:
        world.stack.kafka.resume()


async def restart_api_server(world: World) -> None:
    """Restart the API server, in good order or not."""
    await world.pause(0.5, 2.0)
    if world.chance.random() < 0.5:
        world.played["API server restart"] += 1
        await asyncio.to_thread(world.stack.cluster.stop_api_server)
    else:
        world.played["API server kill -9"] += 1
        await asyncio.to_thread(world.stack.cluster.kill_api_server)
    await world.pause(0, 2.0)
    await asyncio.to_thread(world.stack.cluster.start_api_server)


async def freeze_api_server(world: World) -> None:
    """Stop the API server's process for a while."""
    await world.pause(0.5, 2.0)
    world.played["API server SIGSTOP"] += 1
    world.stack.cluster.pause_api_server()
    try:
        await world.pause(1.0, 5.0)
    finally:
        world.stack.cluster.resume_api_server()


async def churn(world: World) -> None:
    """Let members join and leave the group in quick succession."""
    guests = [Member("consumer", world.fleet.environment) for _ in range(2)]
    world.fleet.guests += guests
    try:
        for _ in range(world.chance.randint(4, 6)):
            guest = world.chance.choice(guests)
            if guest.process is None:
                world.played["member joins"] += 1
                guest.start()
            else:
                world.played["member leaves"] += 1
                await guest.leave()
            await world.pause(0.3, 1.5)
    finally:
        await asyncio.gather(*(guest.leave() for guest in guests))


async def kafka_proxy(world: World) -> None:
    """Play every fault of a connection between service and broker."""
    world.kafka.rates = {Fault.REFUSE: 0.1} | {fault: world.chance.uniform(0, 0.015) for fault in CONNECTION_FAULTS}
    await world.pause(5, 8)
    world.kafka.calm()


async def kube_proxy(world: World) -> None:
    """Play every fault of an HTTP request between service and API server."""
    world.kube.rates = {fault: world.chance.uniform(0.01, 0.08) for fault in HTTP_FAULTS}
    await world.pause(5, 8)
    world.kube.calm()


async def lost_answers(world: World) -> None:
    """Let the API server apply most requests and lose the answers: the hardest case for "never twice"."""
    world.kube.rates = {Fault.RESET_AFTER: 0.6, Fault.BLACK_HOLE: 0.1}
    await world.pause(3, 5)
    world.kube.calm()


async def blackout(world: World) -> None:
    """Cut the service off from the API server or the broker altogether, for a few seconds."""
    await world.pause(0.5, 1.5)
    plan, fault = world.chance.choice(
        (
            (world.kube, Fault.RESET_BEFORE),
            (world.kube, Fault.BLACK_HOLE),
            (world.kube, Fault.UNAVAILABLE),
            (world.kube, Fault.TOO_MANY),
            (world.kafka, Fault.RESET_BEFORE),
            (world.kafka, Fault.RESET_AFTER),
        )
    )
    plan.rates = {fault: 1.0} | ({Fault.REFUSE: 1.0} if plan is world.kafka else {})
    await world.pause(2, 5)
    plan.calm()


async def chaos(world: World) -> None:
    """Play several of the others at once."""
    plays: list[Play] = [
        kill_consumers,
        kill_ingress,
        stall_consumer,
        churn,
        kafka_proxy,
        kube_proxy,
        world.chance.choice((restart_broker, freeze_broker)),
        world.chance.choice((restart_api_server, freeze_api_server)),
    ]
    await asyncio.gather(*(play(world) for play in world.chance.sample(plays, world.chance.randint(2, 4))))


async def _replace(world: World, member: Member, what: str) -> None:
    world.played[what] += 1
    await member.kill()
    await world.pause(0, 1.0)
    member.start()


@dataclass(frozen=True)
class Scenario:
    """A kind of run: the faults, how often each record with an id is sent, and whether all is read again at the end."""

    name: str
    play: Play
    times: int | None = None
    replays: bool = False


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("kill-consumers", kill_consumers),
        Scenario("kill-ingress", kill_ingress),
        Scenario("stall", stall_consumer),
        Scenario("broker-restart", restart_broker),
        Scenario("broker-freeze", freeze_broker),
        Scenario("api-restart", restart_api_server),
        Scenario("api-freeze", freeze_api_server),
        Scenario("churn", churn),
        Scenario("replay", nothing, replays=True),
        Scenario("replay-after-kills", kill_consumers, replays=True),
        Scenario("three-times", nothing, times=3),
        Scenario("three-times-lost-answers", lost_answers, times=3),
        Scenario("kafka-proxy", kafka_proxy),
        Scenario("kube-proxy", kube_proxy),
        Scenario("lost-answers", lost_answers),
        Scenario("blackout", blackout),
        Scenario("chaos", chaos),
        Scenario("chaos-and-replay", chaos, replays=True),
    )
}
"""Every scenario, by name."""
