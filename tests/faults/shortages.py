"""What runs short: the processor, file descriptors, the broker's disk, etcd's space.

The kernel, or etcd, makes it so without a file system of its own, so that a run that is killed leaves nothing behind.
"""

import asyncio
import resource
from pathlib import Path

from devstack.process import Process
from tests.faults.world import World

TURN_SECONDS = 0.2
SHARE = 0.05
"""The part of the time in which a starved process runs."""
FILES_LEFT = 3
LARGEST_FILE = 4096
"""Bytes that a file may have when the disk is "full": the segments of busy partitions are longer."""
HALT_SECONDS = 20
"""How long a broker with a full disk may take to give up."""


async def starved(world: World) -> None:
    """Let the service's processes run for a twentieth of the time, as on a node that has no processor left."""
    await world.pause(0.5, 1.5)
    ends = asyncio.get_running_loop().time() + world.chance.uniform(4, 6)
    while asyncio.get_running_loop().time() < ends:
        processes = [member.process for member in world.fleet.members if member.process is not None]
        world.played["SIGSTOP for most of a moment"] += len(processes)
        for process in processes:
            process.pause()
        try:
            await asyncio.sleep(TURN_SECONDS * (1 - SHARE))
        finally:
            for process in processes:
                process.resume()
        await asyncio.sleep(TURN_SECONDS * SHARE)


async def few_files(world: World) -> None:
    """Leave the service's processes a few file descriptors, so that most new connections cannot be made."""
    await world.pause(0.5, 1.5)
    processes = [member.process for member in world.fleet.members if member.process is not None]
    limits = {process.pid: resource.prlimit(process.pid, resource.RLIMIT_NOFILE) for process in processes}
    for pid, (_, hard) in limits.items():
        open_files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())  # noqa: ASYNC240 - the kernel's own
        world.played["file descriptors run out"] += 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files + FILES_LEFT, hard))
    await world.pause(3, 5)
    for process in processes:
        if process.running:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits[process.pid])


async def broker_disk_full(world: World) -> None:
    """Let the broker's writes fail, at which it ends itself, and start it again when there is room.

    By a limit of the size of files: the broker cannot tell it from a full disk, each is an IOException in the middle of
    an append. (The Java machine ignores SIGXFSZ.)
    """
    await world.pause(0.5, 2.0)
    broker = world.stack.kafka
    process = broker._process
    assert process is not None
    world.played["the broker's disk is full"] += 1
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, resource.RLIM_INFINITY))
    await _until_ended(process)
    await asyncio.to_thread(broker.kill)
    await world.pause(0, 1.0)
    await asyncio.to_thread(broker.start)


async def _until_ended(process: Process) -> None:
    for _ in range(HALT_SECONDS * 10):
        if not process.running:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the broker goes on although its disk is full")


async def etcd_full(world: World) -> None:
    """Raise etcd's own alarm for a full disk: until it is taken back every write fails, and reads go on."""
    await world.pause(0.5, 2.0)
    world.played["etcd is out of space"] += 1
    await world.etcd.out_of_space(is_so=True)
    try:
        await world.pause(2, 5)
    finally:
        await world.etcd.out_of_space(is_so=False)
