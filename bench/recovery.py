"""START, RESUME: seconds until ready, and until the first Job after an outage beside a client that keeps trying."""

import asyncio
import time

from bench.backlog import make_topics, outcome_count, submissions, write
from bench.figures import Figure, figure
from bench.pairs import Options
from bench.reference import BareClient, bare_client
from bench.stack import Stack

OUTAGE_SECONDS = 8.0
BACKLOG = 200


async def resume(stack: Stack, options: Options) -> list[Figure]:
    """Measure RESUME: service and bare client wait for the same start of the API server, again and again."""
    environment = stack.environment()
    topic = environment["TOPICS_SUBMISSIONS"]
    await make_topics(environment)
    bare_seconds, service_seconds = [], []
    async with (
        bare_client(stack) as bare,
        stack.service("consumer", environment),
        outcome_count(stack, environment["TOPICS_OUTCOMES"]) as outcomes,
    ):
        for _ in range(options.pairs):
            done = sum((await outcomes.now()).values())
            await asyncio.to_thread(stack.cluster.stop_api_server)
            await write(stack, topic, submissions(topic, BACKLOG))
            await asyncio.sleep(OUTAGE_SECONDS)
            started = time.perf_counter()
            starting = asyncio.create_task(asyncio.to_thread(stack.cluster.start_api_server))
            first, progress = await asyncio.gather(
                first_create(bare),
                outcomes.watch(lambda ends, done=done: sum(ends.values()) > done),  # type: ignore[misc] # mypy cannot infer a default's type
            )
            await starting
            bare_seconds.append(first - started)
            service_seconds.append(progress[-1][0] - started)
            await outcomes.watch(lambda ends, done=done: sum(ends.values()) >= done + BACKLOG)  # type: ignore[misc] # as above
    return [
        figure(
            "RESUME",
            [subject / reference for reference, subject in zip(bare_seconds, service_seconds, strict=True)],
            bare=bare_seconds,
            service=service_seconds,
        )
    ]


async def first_create(bare: BareClient) -> float:
    """Try to create a Job ten times a second; return the time of the first success."""
    while not await bare.try_create():  # noqa: ASYNC110 - nobody but the API server can tell
        await asyncio.sleep(0.1)
    return time.perf_counter()


async def starts(stack: Stack, options: Options) -> list[Figure]:
    """Measure START: both roles, one after the other, topics there already after the first time."""
    environment = stack.environment()
    seconds: dict[str, list[float]] = {"ingress": [], "consumer": []}
    for _ in range(options.pairs):
        for role, taken in seconds.items():
            async with stack.service(role, environment) as service:
                taken.append(service.start_seconds)
    slower = [max(both) for both in zip(*seconds.values(), strict=True)]
    return [figure("START", slower, **seconds)]
