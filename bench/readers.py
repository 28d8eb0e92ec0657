"""P15: who lists jobs or follows their events, beside what 1,000 submissions a second leave on the topics, and without.

An ingress takes in the outcomes and the events of all submissions, whoever has taken the submissions themselves. Both
are written here as the consumers and the watcher would, in batches, so that this process has time to measure.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaProducer

from bench.figures import Figure, figure
from bench.jobs import USER, fresh_id
from bench.load import Load
from bench.pairs import Options, in_turns
from bench.reading import PAGE, Ingress, event_of, ingress_with, record_of
from bench.stack import PARTITIONS, Stack
from service.broker.partitioning import partition_for
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord

JOBS: Final = 10_000
SECONDS: Final = 6.0
SUBMISSIONS_A_SECOND: Final = 1000
TICK_SECONDS: Final = 0.1
PAGES_A_SECOND: Final = 20
EVENTS_A_SECOND: Final = 20
FOLLOWED: Final = "followed"
"""The project whose events are waited for; it has no other jobs."""

Flow = list[list[tuple[str, int, NewRecord]]]
"""What is written in each tick: topic, partition, record."""


async def beside_submissions(stack: Stack, options: Options) -> list[Figure]:
    """Measure P15."""
    seconds = max(1.0, SECONDS * options.scale)
    async with (
        ingress_with(stack, options.scaled(JOBS)) as ingress,
        AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers) as producer,
    ):

        async def alone() -> tuple[Load, Load]:
            return await asyncio.gather(_pages(ingress, seconds), _told(ingress, producer, seconds))

        async def beside() -> tuple[Load, Load]:
            flow = _flow(ingress, round((seconds + 2) / TICK_SECONDS))
            async with _flowing(producer, flow):
                await asyncio.sleep(1)
                return await alone()

        await alone()
        pairs = await in_turns(options.pairs, alone, beside)
    return [
        _ratio("P15 list", [(without, with_them) for (without, _), (with_them, _) in pairs]),
        _ratio("P15 events", [(without, with_them) for (_, without), (_, with_them) in pairs]),
    ]


def _ratio(name: str, pairs: list[tuple[Load, Load]]) -> Figure:
    quantiles: dict[str, Callable[[Load], float]] = {
        "p50": lambda load: load.quantile(0.5),
        "p99": lambda load: load.quantile(0.99),
    }
    sides = {
        f"{side} {word}": [of(pair[place]) for pair in pairs]
        for place, side in enumerate(("alone", "beside"))
        for word, of in quantiles.items()
    }
    return figure(name, [beside.quantile(0.5) / alone.quantile(0.5) for alone, beside in pairs], **sides)


async def _pages(ingress: Ingress, seconds: float) -> Load:
    """Take the times of pages, at a steady pace."""
    load, began = Load(), time.perf_counter()
    async with aiohttp.ClientSession(headers={"RA-USER": USER}) as http:
        for number in range(round(seconds * PAGES_A_SECOND)):
            await asyncio.sleep(began + number / PAGES_A_SECOND - time.perf_counter())
            asked = time.perf_counter()
            async with http.get(f"{ingress.service.url}/api/v1/jobs", params={"limit": str(PAGE)}) as response:
                await response.read()
                load.statuses[response.status] += 1
            load.latencies.append(time.perf_counter() - asked)
    load.seconds = time.perf_counter() - began
    return load.expect(200)


async def _told(ingress: Ingress, producer: AIOKafkaProducer, seconds: float) -> Load:
    """Take the times from the writing of an event until a client that follows has it."""
    load, began = Load(), time.perf_counter()
    limit = aiohttp.ClientTimeout(sock_read=30)
    async with (
        aiohttp.ClientSession(headers={"RA-USER": USER}, timeout=limit) as http,
        http.get(f"{ingress.service.url}/api/v1/jobs/events", params={"project": FOLLOWED}) as stream,
    ):
        stream.raise_for_status()
        await stream.content.readuntil(b"\n\n")  # where the stream begins
        for number in range(round(seconds * EVENTS_A_SECOND)):
            await asyncio.sleep(began + number / EVENTS_A_SECOND - time.perf_counter())
            record = record_of(event_of(number, FOLLOWED), ingress.topic)
            written = time.perf_counter()
            await producer.send(record.topic, record.value, record.key, record.partition, headers=list(record.headers))
            while b"data:" not in await stream.content.readuntil(b"\n\n"):
                pass
            load.latencies.append(time.perf_counter() - written)
    load.seconds = time.perf_counter() - began
    return load


def _flow(ingress: Ingress, ticks: int) -> Flow:
    """Return what so many ticks' worth of submissions leave on the topics; made before, as making takes time."""
    like = outcome_record(Outcome(fresh_id(), 200, {"name": "job-abcdefghijkl"}, "0" * 64, USER), "", None, time.time())
    flow: Flow = []
    for _ in range(ticks):
        tick = []
        for number in range(round(SUBMISSIONS_A_SECOND * TICK_SECONDS)):
            event = record_of(event_of(number), ingress.topic)
            key = event.key or b""
            partition = partition_for(key, PARTITIONS)
            outcome = NewRecord(ingress.outcomes, partition, key, like.value, like.headers)
            tick += [(ingress.outcomes, partition, outcome), (ingress.topic, partition, event)]
        flow.append(tick)
    return flow


@asynccontextmanager
async def _flowing(producer: AIOKafkaProducer, flow: Flow) -> AsyncIterator[None]:
    """Write the ticks while the block runs. Raises RuntimeError where it takes longer than there is."""

    async def write() -> None:
        began = time.perf_counter()
        for number, tick in enumerate(flow):
            await asyncio.sleep(began + number * TICK_SECONDS - time.perf_counter())
            batches: dict[tuple[str, int], Any] = {}
            for topic, partition, record in tick:
                batch = batches.get((topic, partition)) or batches.setdefault(
                    (topic, partition), producer.create_batch()
                )
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
            for (topic, partition), batch in batches.items():
                await producer.send_batch(batch, topic, partition=partition)

    writing = asyncio.create_task(write())
    try:
        yield
        if writing.done():
            await writing
            raise RuntimeError("there was no more to write before the end: the measurement took too long")
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
