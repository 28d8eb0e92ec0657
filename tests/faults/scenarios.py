"""What goes wrong in a run, by name: each scenario plays its faults while the clients send, and then leaves off.

A scenario leaves no fault behind: servers run, the plans of both proxies are empty, every member of the fleet runs.
"""

import asyncio
from dataclasses import dataclass

from tests.faults.clocks import java_clock
from tests.faults.faultplan import CONNECTION_FAULTS, HTTP_FAULTS, Fault
from tests.faults.fleet import SESSION_SECONDS, Member
from tests.faults.several_brokers import (
    coordinator_killed,
    isolated,
    leader_killed,
    one_of_three_frozen,
    rolling_restart,
    two_brokers_gone,
)
from tests.faults.shortages import broker_disk_full, etcd_full, few_files, starved
from tests.faults.world import Play, World, replace

_DAY = 24 * 3600
_WRONG = ("+8d", "-8d", "+2h", "-2h")
"""How clocks are wrong: beyond the duplicate window, and within it."""


async def nothing(_: World) -> None:
    """Play no fault at all."""


async def kill_consumers(world: World) -> None:
    """Kill -9 a consumer at random moments; another process takes its place at once or a little later."""
    for _ in range(world.chance.randint(2, 4)):
        await world.pause(0.3, 2.0)
        await replace(world, world.chance.choice(world.fleet.consumers), "kill -9 of a consumer")


async def kill_ingress(world: World) -> None:
    """Kill -9 the ingress at random moments."""
    for _ in range(world.chance.randint(2, 3)):
        await world.pause(0.5, 2.5)
        await replace(world, world.fleet.ingress, "kill -9 of the ingress")


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


async def kill_watchers(world: World) -> None:
    """Kill -9 watchers, one or all, or stop one beyond its session, while Jobs are made, end and are collected."""
    for _ in range(world.chance.randint(3, 5)):
        await world.pause(0.3, 1.5)
        one = world.chance.choice(world.fleet.watchers)
        match world.chance.choice(("one", "all", "stall")):
            case "one":
                await replace(world, one, "kill -9 of a watcher")
            case "all":
                world.played["kill -9 of all watchers"] += 1
                await asyncio.gather(*(each.kill() for each in world.fleet.watchers))
                await world.pause(0.5, 2.5)
                for each in world.fleet.watchers:
                    each.start()
            case "stall":
                world.played["SIGSTOP of a watcher beyond its session"] += 1
                await one.stall(SESSION_SECONDS * world.chance.uniform(1.2, 2.0))


async def expire_watches(world: World) -> None:
    """Have the API server forget what the watchers have seen (410 Gone): it restarts while they are stopped."""
    await world.pause(1.0, 3.0)
    world.played["watches expired"] += 1
    restarting = asyncio.create_task(restart_api_server(world))
    await asyncio.gather(restarting, *(each.stall(SESSION_SECONDS) for each in world.fleet.watchers))


async def kill_everything(world: World) -> None:
    """Kill every kind of process, and the servers too."""
    await asyncio.gather(kill_watchers(world), kill_consumers(world), kill_ingress(world), restart_broker(world))
    await expire_watches(world)


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


async def far_away(world: World) -> None:
    """Hold every request back for a while, to the broker and to the API server, as a slow network does."""
    await world.pause(0.2, 1.0)
    world.kafka.rates = world.kube.rates = {Fault.DELAY: 1.0}
    await world.pause(3, 5)
    world.kafka.calm()
    world.kube.calm()


async def one_way(world: World) -> None:
    """Cut one direction of the way to the broker or to the API server: connections stay, and nothing arrives."""
    await world.pause(0.5, 1.5)
    for plan in world.chance.sample((world.kafka, world.kube), 2):
        plan.rates = {world.chance.choice((Fault.NEVER_ARRIVES, Fault.BLACK_HOLE)): 1.0}
        await world.pause(2, 4)
        plan.calm()


async def login_refused(world: World) -> None:
    """Let the API server refuse the credentials (401), whoever asks for what."""
    await _all_through_the_kube_proxy(world, Fault.UNAUTHORIZED)


async def login_lost(world: World) -> None:
    """Have the API server take the service for somebody unknown, to whom it denies everything (403)."""
    await _all_through_the_kube_proxy(world, Fault.ANONYMOUS)


async def page_in_front(world: World) -> None:
    """Put a proxy in front of the API server that answers everything with a page of its own, of many statuses."""
    await _all_through_the_kube_proxy(world, Fault.PAGE)


async def _all_through_the_kube_proxy(world: World, fault: Fault) -> None:
    await world.pause(0.5, 2.0)
    world.kube.rates = {fault: 1.0}
    await world.pause(2, 5)
    world.kube.calm()


async def plugin_hangs(world: World) -> None:
    """Let the credential plugin hang for longer than its credentials live and than it is waited for."""
    await world.pause(0.5, 2.0)
    world.played["credential plugin hangs"] += 1
    world.plugin.hang()
    try:
        await world.pause(6, 10)
    finally:
        world.plugin.answer()


async def wrong_clocks(world: World) -> None:
    """Set the clocks of all roles and of the producers wrong by days, and right again; some restart meanwhile."""
    members = [world.fleet.ingress, *world.fleet.consumers, *world.fleet.watchers]
    for member in world.chance.sample(members, world.chance.randint(1, len(members))):
        await world.pause(0.2, 1.0)
        _set_clock(world, member, world.chance.choice(_WRONG))
        if world.chance.random() < 0.5:
            await replace(world, member, f"kill -9 of a {member.role} with a wrong clock")
    world.played["wrong clock of the producers"] += 1
    world.clients.ahead_seconds = world.chance.choice((8 * _DAY, -8 * _DAY, 3600))
    await world.pause(2, 4)
    for member in members:
        _set_clock(world, member, "+0")
    world.clients.ahead_seconds = 0


def _set_clock(world: World, member: Member, offset: str) -> None:
    assert member.clock is not None
    if offset != "+0":
        world.played[f"clock of one {member.role} {offset}"] += 1
    member.clock.set(offset)


async def wrong_broker_clock(world: World) -> None:
    """Restart the broker with a clock that is wrong by days, and again with the right one.

    By less than the retention of the topics, which is eight days: what is older by its own clock a broker deletes.
    Behind by more than the duplicate window.
    """
    broker = world.stack.kafka
    for offset in (world.chance.choice(("+3d", "-180h", "-2h")), "+0"):
        await world.pause(0.5, 2.0)
        await asyncio.to_thread(broker.stop)
        broker.environment = {} if offset == "+0" else java_clock(offset)
        world.played["broker restart" if offset == "+0" else f"clock of the broker {offset}"] += 1
        await asyncio.to_thread(broker.start)
        await world.pause(1.0, 3.0)


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


@dataclass(frozen=True)
class Scenario:
    """A kind of run: the faults, how often each record with an id is sent, and whether all is read again at the end."""

    name: str
    play: Play
    times: int | None = None
    replays: bool = False
    has_plugin: bool = False
    """Whether the login is a credential plugin's."""
    has_clocks: bool = False
    """Whether the service's processes see clocks that can be set."""
    three_brokers: bool = False
    """Whether Kafka is three brokers, without a proxy in between."""
    cancels: bool = False
    """Whether others cancel many of the submissions meanwhile."""
    watched: bool = False
    """Whether Jobs end, and two watchers tell of it."""


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
        Scenario("far-away", far_away),
        Scenario("one-way", one_way),
        Scenario("starved", starved),
        Scenario("few-files", few_files),
        Scenario("broker-disk-full", broker_disk_full),
        Scenario("etcd-full", etcd_full),
        Scenario("login-refused", login_refused),
        Scenario("login-lost", login_lost),
        Scenario("page-in-front", page_in_front),
        Scenario("plugin-hangs", plugin_hangs, has_plugin=True),
        Scenario("wrong-clocks", wrong_clocks, has_clocks=True),
        Scenario("wrong-clocks-and-replay", wrong_clocks, has_clocks=True, replays=True),
        Scenario("wrong-clocks-and-watchers", wrong_clocks, has_clocks=True, watched=True),
        Scenario("wrong-broker-clock", wrong_broker_clock),
        Scenario("leader-killed", leader_killed, three_brokers=True),
        Scenario("two-brokers-gone", two_brokers_gone, three_brokers=True),
        Scenario("one-of-three-frozen", one_of_three_frozen, three_brokers=True),
        Scenario("rolling-restart", rolling_restart, three_brokers=True),
        Scenario("coordinator-killed", coordinator_killed, three_brokers=True),
        Scenario("isolated-broker", isolated, three_brokers=True),
        Scenario("cancels", nothing, cancels=True),
        Scenario("cancels-and-kills", kill_consumers, cancels=True),
        Scenario("cancels-and-lost-answers", lost_answers, cancels=True),
        Scenario("cancels-and-chaos", chaos, cancels=True),
        Scenario("watchers-killed", kill_watchers, watched=True),
        Scenario("watches-expired", expire_watches, watched=True),
        Scenario("everything-killed", kill_everything, watched=True),
        Scenario("chaos", chaos),
        Scenario("chaos-and-replay", chaos, replays=True),
    )
}
"""Every scenario, by name."""
