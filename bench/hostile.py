"""P10: what clients that mean harm do to the event loops, and to everybody else."""

import asyncio
import contextlib
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer

from bench.bombs import BOMBS
from bench.figures import Figure, figure
from bench.jobs import BODY, USER
from bench.load import CONNECTIONS, HttpLoad, Load
from bench.pairs import Options, in_turns
from bench.stack import Service, Stack, canned_cluster
from bench.watched import FILE, LongestTurn
from bench.wire_bombs import WIRE_BOMBS
from devstack.process import Process

SECONDS: Final = 30.0
RATE: Final = 4.0
"""Bombs a second beside the healthy load: the whole corpus in 25 s."""
LOAD: Final = 0.4
"""Share of the capacity that the healthy load takes."""
TRIES: Final = 3
"""Of each bomb; the shortest counts, as a collection of garbage may fall into one."""
ANSWER_SECONDS: Final = 10.0
READY: Final = "ready"
REST_SECONDS: Final = 0.1
"""After a bomb, for what it leaves behind."""


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
    seconds = max(1.0, SECONDS * options.scale)
    async with stack.both(stack.environment()) as (ingress, _):
        load = HttpLoad(ingress.jobs)
        request = load.request(BODY, RA_USER=USER)
        await load.closed(request, options.scaled(1000), CONNECTIONS)
        capacity = (await load.closed(request, options.scaled(2000), CONNECTIONS)).expect(200).rate

        async def healthy() -> Load:
            return (await load.open(request, capacity * LOAD, seconds)).expect(200)

        async def beside_bombs() -> Load:
            with _bombarded(ingress.url, stack.folder / "bombs.log"):
                return await healthy()

        pairs = await in_turns(options.pairs, healthy, beside_bombs)
        load.close()
    return [
        figure(
            "P10 others",
            [beside.quantile(0.99) / alone.quantile(0.99) for alone, beside in pairs],
            alone=[alone.quantile(0.99) for alone, _ in pairs],
            beside=[beside.quantile(0.99) for _, beside in pairs],
        )
    ]


@contextlib.contextmanager
def _bombarded(url: str, log: Path) -> Iterator[None]:
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
