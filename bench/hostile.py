"""P10: what clients that mean harm do to the event loops, and to everybody else."""

import asyncio
import contextlib
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer

from bench.beside import p99_beside
from bench.bombs import BOMBS
from bench.figures import Figure, figure
from bench.jobs import USER
from bench.load import HttpLoad
from bench.pairs import Options
from bench.stack import Service, Stack, canned_cluster
from bench.watched import FILE, LongestTurn
from bench.wire_bombs import WIRE_BOMBS
from devstack.process import Process

SECONDS: Final = 30.0
RATE: Final = 4.0
"""Bombs a second beside the healthy load: the whole corpus in 25 s."""
TRIES: Final = 3
"""Runs of each bomb; the shortest is used, as a garbage collection may fall into one."""
ANSWER_SECONDS: Final = 10.0
READY: Final = "ready"
REST_SECONDS: Final = 0.1
"""Pause after each bomb, for garbage collection and the closing of connections."""


def requests() -> dict[str, bytes]:
    """Return every bomb as it goes over the wire to the ingress."""
    load = HttpLoad("http://bench/api/job")
    bodies = {name: load.request(body, RA_USER=USER, Prefer="respond-async") for name, body in BOMBS.items()}
    return bodies | WIRE_BOMBS


async def turns(stack: Stack, _options: Options) -> list[Figure]:
    """Measure the longest turn of each loop, bomb by bomb: requests at both ports, bodies on the topic too."""
    ingress, consumer = dict[str, float](), dict[str, float]()
    with canned_cluster(stack) as canned:
        async with _watched(stack, "ingress", canned) as (service, longest):
            for name, octets in requests().items():
                ingress[name] = await _longest(longest, lambda: send(service.url, octets))  # noqa: B023 - awaited here
        environment = stack.environment(**canned)
        async with (
            _watched(stack, "consumer", environment) as (service, longest),
            AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers) as producer,
        ):
            for name, octets in WIRE_BOMBS.items():
                consumer[f"probes: {name}"] = await _longest(longest, lambda: send(service.probes, octets))  # noqa: B023
            for name, body in BOMBS.items():
                record = (environment["TOPICS_SUBMISSIONS"], body)
                consumer[name] = await _longest(longest, lambda: producer.send_and_wait(*record))  # noqa: B023
    return [_worst("P10 ingress", ingress), _worst("P10 consumer", consumer)]


def _worst(name: str, measured: dict[str, float]) -> Figure:
    milliseconds = {bomb: [seconds * 1000] for bomb, seconds in measured.items()}
    return figure(name, max(milliseconds.values()), **milliseconds)


@contextlib.asynccontextmanager
async def _watched(stack: Stack, role: str, settings: dict[str, str]) -> AsyncIterator[tuple[Service, LongestTurn]]:
    file = stack.folder / f"turns-{role}"
    environment = stack.environment() | settings | {FILE: str(file)}
    longest = LongestTurn(file)
    async with stack.service(role, environment, "bench.watched") as service:
        yield service, longest


async def _longest(longest: LongestTurn, bomb: Callable[[], Awaitable[object]]) -> float:
    tries = []
    for _ in range(TRIES):
        longest.seconds = 0
        await bomb()
        await asyncio.sleep(REST_SECONDS)
        tries.append(longest.seconds)
    return min(tries)


async def send(url: str, octets: bytes) -> None:
    """Send a request on a connection of its own and wait for the beginning of an answer, or the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(octets)
            await writer.drain()
            await reader.read(1)
    writer.transport.abort()


async def others(stack: Stack, options: Options) -> list[Figure]:
    """Measure the p99 of healthy POSTs with and without bombs."""
    return await p99_beside(
        "P10 others", stack, options, SECONDS, lambda url, _: _bombarded(url, stack.folder / "bombs.log")
    )


@contextlib.asynccontextmanager
async def _bombarded(url: str, log: Path) -> AsyncIterator[None]:
    """Send bombs from a process of its own: what they cost whoever sends them must not delay the healthy load."""
    process = Process("the bombs", [sys.executable, "-m", "bench.hostile", url], log)
    try:
        process.wait_until(lambda: READY in process.output())  # packing them takes a moment
        yield
    finally:
        process.stop(signal.SIGKILL)


async def _bombard(url: str) -> None:
    bombs = itertools.cycle(requests().values())
    print(READY, file=sys.stderr, flush=True)
    async with asyncio.TaskGroup() as tasks:
        for octets in bombs:
            tasks.create_task(send(url, octets))
            await asyncio.sleep(1 / RATE)


if __name__ == "__main__":
    asyncio.run(_bombard(sys.argv[1]))
