"""P1, P2, P3: Jobs a second, and CPU a Job, beside a bare client of the API server. P5: accepted POSTs a second.

For P5 no consumer runs: a POST is accepted (202) once Kafka has it. Its reference is an aiohttp server that says 202.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from bench.backlog import make_topics, outcome_count, rate, submissions, write
from bench.figures import Figure, figure
from bench.jobs import BODY, USER
from bench.load import CONNECTIONS, HttpLoad
from bench.pairs import Options, in_turns
from bench.reference import bare_client
from bench.stack import Service, Stack, small_server

WARM_UP = 500


class Throughput(NamedTuple):
    """Jobs a second, and CPU seconds a Job of ingress and consumer."""

    rate: float
    ingress_cpu: float
    consumer_cpu: float


async def end_to_end(load: HttpLoad, ingress: Service, consumer: Service, count: int) -> Throughput:
    """POST `count` jobs, each answered with its outcome."""
    before = ingress.cpu, consumer.cpu
    done = (await load.closed(load.request(BODY, RA_USER=USER), count, CONNECTIONS)).expect(200)
    return Throughput(done.rate, (ingress.cpu - before[0]) / count, (consumer.cpu - before[1]) / count)


async def posts(stack: Stack, options: Options) -> list[Figure]:
    """Measure P1 and P3."""
    count = options.scaled(6000)
    async with stack.both(stack.environment()) as (ingress, consumer):
        load = HttpLoad(ingress.jobs)
        async with bare_client(stack) as bare:
            await bare.calibrate(options.scaled(1000))
            await end_to_end(load, ingress, consumer, options.scaled(WARM_UP))
            pairs = await in_turns(
                options.pairs, lambda: bare.run(count), lambda: end_to_end(load, ingress, consumer, count)
            )
        load.close()
    return [
        figure(
            "P1",
            [subject.rate / reference[0] for reference, subject in pairs],
            bare=[reference[0] for reference, _ in pairs],
            service=[subject.rate for _, subject in pairs],
        ),
        figure(
            "P3",
            [(subject.ingress_cpu + subject.consumer_cpu) / reference[1] for reference, subject in pairs],
            bare=[reference[1] for reference, _ in pairs],
            ingress=[subject.ingress_cpu for _, subject in pairs],
            consumer=[subject.consumer_cpu for _, subject in pairs],
        ),
    ]


async def drain(stack: Stack, options: Options) -> list[Figure]:
    """Measure P2: each time a new topic with a backlog, and a consumer that starts on it."""
    count = options.scaled(10_000)
    async with bare_client(stack) as bare:
        await bare.calibrate(options.scaled(1000))
        pairs = await in_turns(
            options.pairs, lambda: bare.run(count), lambda: drained(stack, stack.environment(), count)
        )
    return [
        figure(
            "P2",
            [subject / reference for (reference, _), subject in pairs],
            bare=[reference for (reference, _), _ in pairs],
            service=[subject for _, subject in pairs],
        )
    ]


async def drained(stack: Stack, environment: Mapping[str, str], count: int) -> float:
    """Write a backlog, start a consumer, and return the Jobs a second from its first outcome to its last."""
    await make_topics(environment)
    await write(stack, environment["TOPICS_SUBMISSIONS"], submissions(environment["TOPICS_SUBMISSIONS"], count))
    async with outcome_count(stack, environment["TOPICS_OUTCOMES"]) as outcomes:
        watching = asyncio.create_task(outcomes.watch(lambda ends: sum(ends.values()) >= count, every=0.1))
        async with stack.service("consumer", environment):
            return rate(await watching)


async def acceptance(stack: Stack, options: Options) -> list[Figure]:
    """Measure P5."""
    count = options.scaled(5000)
    with small_server("bare", stack.folder / "bare.log") as url:
        async with stack.service("ingress", stack.environment()) as ingress:
            bare, ours = HttpLoad(f"{url}/api/job"), HttpLoad(ingress.jobs)

            async def accepted(load: HttpLoad) -> float:
                request = load.request(BODY, RA_USER=USER, Prefer="respond-async")
                return (await load.closed(request, count, CONNECTIONS)).expect(202).rate

            await accepted(ours)
            pairs = await in_turns(options.pairs, lambda: accepted(bare), lambda: accepted(ours))
            bare.close()
            ours.close()
    return [
        figure(
            "P5",
            [subject / reference for reference, subject in pairs],
            bare=[reference for reference, _ in pairs],
            service=[subject for _, subject in pairs],
        )
    ]
