"""What a scenario may break."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.faults.account import CredentialPlugin
from tests.faults.etcd import Etcd
from tests.faults.faultplan import FaultPlan
from tests.faults.fleet import Fleet, Member
from tests.faults.load import Clients
from tests.faults.peers import PartedCluster
from tests.faults.stack import Stack


@dataclass
class World:
    """What a scenario may break. `played` counts the faults that are not a proxy's."""

    stack: Stack
    fleet: Fleet
    kafka: FaultPlan
    kube: FaultPlan
    chance: random.Random
    clients: Clients
    plugin: CredentialPlugin
    etcd: Etcd
    brokers: PartedCluster | None = None
    played: Counter[str] = field(default_factory=Counter)

    async def pause(self, shortest: float, longest: float) -> None:
        """Let a random time pass."""
        await asyncio.sleep(self.chance.uniform(shortest, longest))


Play = Callable[[World], Coroutine[Any, Any, None]]


async def replace(world: World, member: Member, what: str) -> None:
    """Kill -9 a member; another process takes its place at once or a little later."""
    world.played[what] += 1
    await member.kill()
    await world.pause(0, 1.0)
    member.start()
