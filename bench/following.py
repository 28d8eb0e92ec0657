"""P14: what a watcher costs everybody else: POSTs, a drain, CPU and p99, in turns without and with it.

It has a core of its own, from which everything else is kept away on both sides: what it uses itself says P13. What is
left is its share of the API server, and of the broker and the ingress that carry its events on.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Final

from bench.backlog import make_topics, outcome_count
from bench.beside import p99_beside
from bench.cores import keep_to, spare_core
from bench.figures import Figure, figure
from bench.load import HttpLoad
from bench.pairs import Options, in_turns
from bench.stack import Stack
from bench.telling import AT_ONCE, CHANGES_A_SECOND, JOBS, cluster_of
from bench.throughput import WARM_UP, Throughput, drained, end_to_end

POSTS: Final = 3000
BACKLOG: Final = 5000
SECONDS: Final = 6.0
CALM_SECONDS: Final = 1.0
"""How long a watcher that has started has to write no more than is to be expected."""
SPREAD: Final = 1.2
"""By how much the number of changes in a second may vary."""


async def posts(stack: Stack, options: Options) -> list[Figure]:
    """Measure P1 and P3 with a watcher over the same without."""
    environment, count = await _with_events(stack), options.scaled(POSTS)
    with spare_core() as core:
        async with stack.both(environment) as (ingress, consumer):
            load = HttpLoad(ingress.jobs)
            await end_to_end(load, ingress, consumer, options.scaled(WARM_UP))

            async def alone() -> Throughput:
                return await end_to_end(load, ingress, consumer, count)

            async def beside() -> Throughput:
                async with watcher_on(stack, environment, core):
                    return await alone()

            pairs = await in_turns(options.pairs, alone, beside)
            load.close()
    return [
        figure(
            "P14 posts",
            [with_one.rate / without.rate for without, with_one in pairs],
            without=[without.rate for without, _ in pairs],
            with_one=[with_one.rate for _, with_one in pairs],
        ),
        figure(
            "P14 cpu",
            [sum(with_one[1:]) / sum(without[1:]) for without, with_one in pairs],
            without=[sum(without[1:]) for without, _ in pairs],
            with_one=[sum(with_one[1:]) for _, with_one in pairs],
        ),
    ]


async def drain(stack: Stack, options: Options) -> list[Figure]:
    """Measure P2 with a watcher over the same without."""
    watched, count = await _with_events(stack), options.scaled(BACKLOG)
    with spare_core() as core:

        async def alone() -> float:
            return await drained(stack, stack.environment(), count)

        async def beside() -> float:
            async with watcher_on(stack, watched, core):
                return await alone()

        await alone()
        pairs = await in_turns(options.pairs, alone, beside)
    return [
        figure(
            "P14 drain",
            [with_one / without for without, with_one in pairs],
            without=[without for without, _ in pairs],
            with_one=[with_one for _, with_one in pairs],
        )
    ]


async def p99(stack: Stack, options: Options) -> list[Figure]:
    """Measure the p99 of POSTs with a watcher over that without; on both sides statuses change, 200 a second."""
    environment = await _with_events(stack)
    with spare_core() as core:
        rate = CHANGES_A_SECOND * SPREAD

        def watching(*_: object) -> AbstractAsyncContextManager[None]:
            return watcher_on(stack, environment, core, rate)

        async with changing(stack) as changes:
            (measured,) = await p99_beside("P14 p99", stack, options, SECONDS, watching, environment)
    return [replace(measured, sides={**measured.sides, "changes a second": [changes.rate]})]


async def _with_events(stack: Stack) -> dict[str, str]:
    """Return the settings of a service whose topic of events is there, and its own."""
    environment = stack.environment(TOPICS_JOB_EVENTS=f"job-events-{next(stack.numbers)}")
    await make_topics(environment, job_events=True)
    return environment


@asynccontextmanager
async def watcher_on(
    stack: Stack, environment: Mapping[str, str], core: frozenset[int], changes_a_second: float = 0
) -> AsyncIterator[None]:
    """Run a watcher on a core, once it writes no more than what changes now: it first tells all that has happened."""
    async with (
        stack.service("watcher", environment) as watcher,
        outcome_count(stack, environment["TOPICS_JOB_EVENTS"]) as events,
    ):
        keep_to(watcher.pid, core)
        written, before = float("inf"), 0
        while written > changes_a_second * CALM_SECONDS:
            await asyncio.sleep(CALM_SECONDS)
            now = sum((await events.now()).values())
            written, before = now - before, now
        yield


class Changes:
    """How many changes there were, and since when."""

    def __init__(self) -> None:
        self.made = 0
        self._began = time.perf_counter()

    @property
    def rate(self) -> float:
        """Changes a second."""
        return self.made / (time.perf_counter() - self._began)


@asynccontextmanager
async def changing(stack: Stack) -> AsyncIterator[Changes]:
    """Change the statuses of Jobs while the block runs, 200 a second if the API server can."""
    changes = Changes()
    async with cluster_of(stack) as cluster:
        made = await cluster.make_jobs(JOBS)
        numbers = itertools.count()

        async def work() -> None:
            due = time.perf_counter()
            for number in numbers:
                await cluster.fail(made[number % JOBS], number // JOBS + 1)
                changes.made += 1
                due = max(due + AT_ONCE / CHANGES_A_SECOND, time.perf_counter() - 1)
                await asyncio.sleep(due - time.perf_counter())

        async with asyncio.TaskGroup() as workers:
            tasks = [workers.create_task(work()) for _ in range(AT_ONCE)]
            try:
                yield changes
            finally:
                for task in tasks:
                    task.cancel()
