"""P7: what one bad submission, or one long backlog, does to everybody else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import orjson

from bench.backlog import Progress, make_topics, outcome_count, submissions, write
from bench.beside import p99_beside
from bench.figures import Figure, figure
from bench.jobs import BODY, USER, document
from bench.load import HttpLoad
from bench.pairs import Options
from bench.stack import PARTITIONS, Stack
from service.submission.records import NewRecord

SECONDS = 6.0
SHARE = 200
"""Records in each of the other partitions."""
TIMES = 100
"""How many times as many are in the one."""
BACKLOG = 50_000
"""Submissions of another project."""
BACKLOG_PAIRS = 2
FIRST = 30
"""POSTs that come first: some for each partition."""
FEW_POSTS = 0.1
"""Share of the capacity at which the project behind it POSTs."""
OTHER = "other"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


async def bad_key(stack: Stack, options: Options) -> list[Figure]:
    """Measure the others' p99 with and without a submission whose create hangs and one whose create always fails."""
    return await p99_beside("P7 key", stack, options, SECONDS, lambda _, load: bad_projects(stack, load))


@contextlib.asynccontextmanager
async def bad_projects(stack: Stack, load: HttpLoad) -> AsyncIterator[None]:
    """Have a submission in progress that hangs in an admission webhook, and one whose webhook refuses connections."""
    sleeper = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    hanging_port = sleeper.sockets[0].getsockname()[1]
    hooks = [webhook("hanging", hanging_port), webhook("failing", 1)]
    api = stack.cluster.api
    for hook in hooks:
        project = hook["metadata"]["name"]
        await asyncio.to_thread(api.make_namespace, f"runai-{project}")
        await asyncio.to_thread(api.request, "POST", WEBHOOKS, hook)
    await asyncio.sleep(1)  # the API server notices them by a watch
    for hook in hooks:
        body = orjson.dumps(document(hook["metadata"]["name"]))
        await load.closed(load.request(body, RA_USER=USER, Prefer="respond-async"), 1, 1)
    try:
        yield
    finally:
        for hook in hooks:
            await asyncio.to_thread(api.request, "DELETE", f"{WEBHOOKS}/{hook['metadata']['name']}")
        sleeper.close()
        await asyncio.sleep(2)  # what was refused is tried again and ends


def webhook(project: str, port: int) -> dict[str, Any]:
    """Return a webhook for the Jobs of one project."""
    return {
        "metadata": {"name": project},
        "webhooks": [
            {
                "name": f"{project}.bench.example.com",
                "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
                "rules": [
                    {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": f"runai-{project}"}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 30,
                "failurePolicy": "Fail",
            }
        ],
    }


async def long_backlog(stack: Stack, options: Options) -> list[Figure]:
    """Measure how the partitions fare of which the first has a hundred times the backlog of each other."""
    runs = [await _shares(stack, stack.environment(), options.scaled(SHARE)) for _ in range(options.pairs)]
    return [figure("P7 partition", runs)]


async def _shares(stack: Stack, environment: dict[str, str], share: int) -> float:
    """Return how fast the slowest of the other partitions was done, as a part of a sixth of everything done by then."""
    await make_topics(environment)
    await write(stack, environment["TOPICS_SUBMISSIONS"], _uneven(environment["TOPICS_SUBMISSIONS"], share))
    async with outcome_count(stack, environment["TOPICS_OUTCOMES"]) as outcomes:
        watching = asyncio.create_task(
            outcomes.watch(lambda ends: all(ends[partition] >= share for partition in range(1, PARTITIONS)))
        )
        async with stack.service("consumer", environment):
            progress = await watching
    return slowest_share(progress)


async def other_project(stack: Stack, options: Options) -> list[Figure]:
    """Measure the p99 of a project with and without another one's backlog; a pair takes minutes.

    The side `read` has the seconds until the consumer had read as far as the end of the backlog: meanwhile a POST waits
    for what stands before it in its partition, whoever's it is.
    """
    environment, count = stack.environment(), options.scaled(BACKLOG)
    await make_topics(environment)
    few, read = Options(min(options.pairs, BACKLOG_PAIRS), options.scale), list[float]()

    @contextlib.asynccontextmanager
    async def behind(_: str, load: HttpLoad) -> AsyncIterator[None]:
        async with _backlog_of_another(stack, environment, count):
            first = await load.closed(load.request(BODY, RA_USER=USER), FIRST, FIRST)
            read.append(max(first.expect(200).latencies))
            yield

    (found,) = await p99_beside("P11", stack, few, SECONDS, behind, environment, FEW_POSTS)
    return [replace(found, sides={**found.sides, "read": read})]


@contextlib.asynccontextmanager
async def _backlog_of_another(stack: Stack, environment: dict[str, str], count: int) -> AsyncIterator[None]:
    """Have so many submissions of another project on the topic, and wait in the end until the last is done."""
    await asyncio.to_thread(stack.cluster.api.make_namespace, f"runai-{OTHER}")
    topic = environment["TOPICS_SUBMISSIONS"]
    async with outcome_count(stack, environment["TOPICS_OUTCOMES"]) as outcomes:
        before = sum((await outcomes.now()).values())
        await write(stack, topic, submissions(topic, count, orjson.dumps(document(OTHER))))
        yield
        await outcomes.watch(lambda ends: sum(ends.values()) >= before + count)
    await asyncio.sleep(2)  # the POSTs have outcomes too, so that some of the backlog may be left


def _uneven(topic: str, share: int) -> Iterator[NewRecord]:
    """Yield records without an id, which stay in the partition they are written to."""
    for partition in range(PARTITIONS):
        for _ in range(share if partition else share * TIMES):
            yield NewRecord(topic, partition, None, BODY, ())


def slowest_share(progress: Progress) -> float:
    """Return what the slowest of the others has done, divided by the average of all partitions."""
    ends = progress[-1][1]
    slowest = min(ends[partition] for partition in range(1, PARTITIONS))
    return slowest / (sum(ends.values()) / PARTITIONS)
