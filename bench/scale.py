"""P8, P9: memory at start and over many submissions, twice the consumers, a thousand times as much to remember."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack

from bench.backlog import OutcomeCount, make_topics, outcome_count, rate, submissions, write
from bench.figures import Figure, figure
from bench.jobs import BODY, USER, fresh_id
from bench.load import CONNECTIONS, HttpLoad
from bench.pairs import Options, in_turns
from bench.stack import PARTITIONS, Service, Stack, canned_cluster
from service.broker.partitioning import partition_for
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord

CORE_SHARE = 0.25
PERIOD_SECONDS = 0.04
"""How often a throttled consumer is stopped and let go on."""
REMEMBERED = (1_000, 1_000_000)
WARM_UP = 5000
SUBMISSIONS = 200_000


async def memory(stack: Stack, options: Options) -> list[Figure]:
    """Measure P8 against a canned API server: 200,000 Jobs in a real one would fill the machine's memory."""
    with canned_cluster(stack) as settings:
        async with stack.both(stack.environment(**settings)) as (ingress, consumer):
            at_start = ingress.resident, consumer.resident
            load = HttpLoad(ingress.jobs)
            request = load.request(BODY, RA_USER=USER)
            (await load.closed(request, options.scaled(WARM_UP), CONNECTIONS)).expect(200)
            warm = ingress.resident, consumer.resident
            (await load.closed(request, options.scaled(SUBMISSIONS), CONNECTIONS)).expect(200)
            after = ingress.resident, consumer.resident
            load.close()
    return [
        figure("P8 ingress", [at_start[0]]),
        figure("P8 consumer", [at_start[1]]),
        figure(
            "P8 growth",
            [max(end / begin for end, begin in zip(after, warm, strict=True))],
            ingress=[at_start[0], warm[0], after[0]],
            consumer=[at_start[1], warm[1], after[1]],
        ),
    ]


async def consumers(stack: Stack, options: Options) -> list[Figure]:
    """Measure two consumers beside one.

    Each gets the same share of a core, so that the machine has room for both, the broker and a canned API server: what
    is measured is whether anything but their own CPU limits them.
    """
    count = options.scaled(2000)
    with canned_cluster(stack) as settings:

        async def drained(number: int) -> float:
            environment = stack.environment(**settings)
            topic = environment["TOPICS_SUBMISSIONS"]
            await make_topics(environment)
            async with outcome_count(stack, environment["TOPICS_OUTCOMES"]) as outcomes, AsyncExitStack() as members:
                running = [
                    await members.enter_async_context(stack.service("consumer", environment)) for _ in range(number)
                ]
                await asyncio.sleep(2)  # the second one's arrival is a rebalance
                with throttled(running):
                    watching = asyncio.create_task(outcomes.watch(lambda ends: sum(ends.values()) >= count * number))
                    await write(stack, topic, submissions(topic, count * number))
                    return rate(await watching)

        pairs = await in_turns(options.pairs, lambda: drained(1), lambda: drained(2))
    return [
        figure(
            "P9 consumers",
            [two / one for one, two in pairs],
            one=[one for one, _ in pairs],
            two=[two for _, two in pairs],
        )
    ]


@contextlib.contextmanager
def throttled(services: Sequence[Service]) -> Iterator[None]:
    """Let processes run for a share of each period only, in turns as far as possible."""
    tasks = [
        asyncio.create_task(_throttle(service, PERIOD_SECONDS * number / len(services)))
        for number, service in enumerate(services)
    ]
    try:
        yield
    finally:
        for task, service in zip(tasks, services, strict=True):
            task.cancel()
            os.kill(service.pid, signal.SIGCONT)


async def _throttle(service: Service, offset: float) -> None:
    """Keep a process at its share of a core by what it has used, whatever else the machine does."""
    started, used = time.perf_counter() + offset, service.cpu
    while True:
        allowed = (time.perf_counter() - started) * CORE_SHARE
        os.kill(service.pid, signal.SIGSTOP if service.cpu - used > allowed else signal.SIGCONT)
        await asyncio.sleep(PERIOD_SECONDS / 8)


async def window(stack: Stack, options: Options) -> list[Figure]:
    """Measure a consumer with few remembered submissions beside one with many: CPU, memory, and the time to load."""
    count = options.scaled(2000)
    few, many = (max(100, round(number * options.scale)) for number in REMEMBERED)
    with canned_cluster(stack) as settings:
        async with remembering(stack, settings, few) as little, remembering(stack, settings, many) as much:
            memory = (much.service.resident - little.service.resident) * 1024 * 1024 / (many - few)
            seconds = much.service.start_seconds - little.service.start_seconds
            pairs = await in_turns(options.pairs, lambda: little.cpu_each(count), lambda: much.cpu_each(count))
    return [
        figure(
            "P9 window",
            [subject / reference for reference, subject in pairs],
            few=[reference for reference, _ in pairs],
            many=[subject for _, subject in pairs],
            remembered=[few, many],
        ),
        figure("P9 memory", [memory]),
        figure("P9 load", [seconds]),
    ]


class Remembering:
    """A consumer that knows many outcomes."""

    def __init__(self, stack: Stack, topic: str, service: Service, outcomes: OutcomeCount) -> None:
        self._stack = stack
        self._topic = topic
        self.service = service
        self._outcomes = outcomes

    async def cpu_each(self, count: int) -> float:
        """Return the CPU seconds of each of `count` more submissions."""
        before, end = self.service.cpu, sum((await self._outcomes.now()).values()) + count
        await write(self._stack, self._topic, submissions(self._topic, count))
        await self._outcomes.watch(lambda ends: sum(ends.values()) >= end)
        return (self.service.cpu - before) / count


@contextlib.asynccontextmanager
async def remembering(stack: Stack, settings: dict[str, str], number: int) -> AsyncIterator[Remembering]:
    """Run a consumer with `number` outcomes in its window."""
    environment = stack.environment(**settings)
    await make_topics(environment)
    topic = environment["TOPICS_OUTCOMES"]
    await write(stack, topic, _outcomes(topic, number))
    async with stack.service("consumer", environment) as service, outcome_count(stack, topic) as outcomes:
        yield Remembering(stack, environment["TOPICS_SUBMISSIONS"], service, outcomes)


def _outcomes(topic: str, number: int) -> Iterator[NewRecord]:
    now, like = time.time(), None
    for _ in range(number):
        unique = fresh_id()
        if like is None:
            like = outcome_record(Outcome(unique, 200, {"name": "job-abcdefghijkl"}, "0" * 64, USER), topic, None, now)
        key = unique.key.encode()
        yield NewRecord(topic, partition_for(key, PARTITIONS), key, like.value, like.headers)
