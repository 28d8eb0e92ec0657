"""P13: how soon the watcher tells what has changed in the cluster, and what that costs it."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from bench.backlog import make_topics
from bench.figures import Figure, figure
from bench.jobs import NAMESPACE, manifests
from bench.load import Load
from bench.pairs import Options
from bench.stack import PARTITIONS, Stack
from service.submission.job_events import JobEvent, read_job_event
from service.submission.records import Record

JOBS: Final = 400
CHANGES: Final = 4000
CHANGES_A_SECOND: Final = 200
ROUNDS: Final = 3
"""Times that this is measured; one pause of a server's garbage collector is a hundredth of a round."""
CAUSES: Final = 400
CAUSES_A_SECOND: Final = 40
AT_ONCE: Final = 16
PATIENCE_SECONDS: Final = 60.0

Told = tuple[str, int | str]
"""What an event says: the uid of its Job, and how many pods have failed or the reason for which it waits."""


class Made(NamedTuple):
    """A Job that was made for this, and the label and image of its pods."""

    uid: str
    name: str
    template: dict[str, Any]


class Reader:
    """Notes when something was said for the first time; a number of failed pods says all smaller ones too."""

    def __init__(self) -> None:
        self.seen: dict[Told, float] = {}
        self._failed: dict[str, int] = {}
        self._came = asyncio.Event()

    def note(self, event: JobEvent) -> None:
        """Take in an event that was just read."""
        now, state = time.perf_counter(), event.state
        for number in range(self._failed.get(state.id, -1) + 1, state.pods.failed + 1):
            self.seen[state.id, number] = now
            self._failed[state.id] = number
        if state.waiting is not None:
            self.seen.setdefault((state.id, state.waiting.reason), now)
        self._came.set()

    async def until(self, wanted: Collection[Told]) -> None:
        """Return when all of that was said; raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(each in self.seen for each in wanted):
                self._came.clear()
                await self._came.wait()


class Cluster:
    """Plays the controllers: changes what they would."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def make_jobs(self, number: int) -> list[Made]:
        """Make Jobs."""
        left, made = manifests(), list[Made]()

        async def make() -> None:
            while len(made) < number:
                job = await self._ask("POST", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", next(left))
                made.append(Made(job["metadata"]["uid"], job["metadata"]["name"], job["spec"]["template"]))

        await asyncio.gather(*(make() for _ in range(AT_ONCE)))
        return made[:number]

    async def make_pod(self, job: Made) -> None:
        """Make a pod of a Job, as the Job controller does."""
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": job.uid, "controller": True}
        metadata = {"name": f"{job.name}-0", "labels": job.template["metadata"]["labels"], "ownerReferences": [owner]}
        spec = {"containers": [{"name": "main", "image": "busybox"}]}
        await self._ask("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", {"metadata": metadata, "spec": spec})

    async def fail(self, job: Made, number: int) -> None:
        """Count a failed pod of a Job."""
        status = {"failed": number, "startTime": "2026-01-01T00:00:00Z", "uncountedTerminatedPods": {}}
        await self._ask("PATCH", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{job.name}/status", {"status": status})

    async def find_no_node(self, job: Made) -> None:
        """Say why the pod of a Job is not scheduled, as the scheduler does."""
        message = "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{job.name}-0/status"
        await self._ask("PATCH", path, {"status": {"conditions": [condition]}})

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind}
        async with self._session.request(method, self._url + path, data=orjson.dumps(body), headers=headers) as answer:
            text = await answer.read()
            if answer.status not in (200, 201):
                raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
            return orjson.loads(text)


async def telling(stack: Stack, options: Options) -> list[Figure]:
    """Measure P13."""
    jobs, changes, causes = options.scaled(JOBS), options.scaled(CHANGES), options.scaled(CAUSES)
    environment = stack.environment(TOPICS_JOB_EVENTS=f"job-events-{next(stack.numbers)}")
    await make_topics(environment, job_events=True)
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    await asyncio.to_thread(stack.cluster.api.ensure, accounts, {"metadata": {"name": "default"}})  # a controller's
    async with (
        stack.service("watcher", environment) as watcher,
        cluster_of(stack) as cluster,
        reading(stack, environment["TOPICS_JOB_EVENTS"]) as reader,
    ):
        made = await cluster.make_jobs(max(jobs, causes))
        await reader.until([(job.uid, 0) for job in made])
        turns = [asyncio.Lock() for _ in range(jobs)]  # a status never goes back
        before = watcher.cpu

        async def change(number: int) -> Told:
            job, failed = made[number % jobs], number // jobs + 1
            async with turns[number % jobs]:
                await cluster.fail(job, failed)
            return job.uid, failed

        rounds = [range(index * changes, (index + 1) * changes) for index in range(ROUNDS)]
        statuses = [await told_after(reader, change, each, CHANGES_A_SECOND) for each in rounds]
        cpu = (watcher.cpu - before) / (ROUNDS * changes)
        for job in made[:causes]:
            await cluster.make_pod(job)

        async def hinder(number: int) -> Told:
            await cluster.find_no_node(made[number])
            return made[number].uid, "NotEnoughGpu"

        reasons = await told_after(reader, hinder, range(causes), CAUSES_A_SECOND)
    return [
        _figure("P13 status", *statuses),
        _figure("P13 cause", reasons),
        figure("P13 cpu", [cpu * 1000]),
    ]


def _figure(name: str, *loads: Load) -> Figure:
    p50, p99 = ([load.quantile(part) * 1000 for load in loads] for part in (0.5, 0.99))
    return figure(
        name, p99, p50=p50, changes=[len(load.latencies) for load in loads], rate=[load.rate for load in loads]
    )


async def told_after(
    reader: Reader, change: Callable[[int], Awaitable[Told]], numbers: Sequence[int], rate: float
) -> Load:
    """Make these changes at a rate, if the API server can; return how long after its answer each event was read."""
    made: dict[Told, float] = {}

    async def one(number: int) -> None:
        told = await change(number)
        made[told] = time.perf_counter()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for index, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + index / rate - time.perf_counter()))
            tasks.create_task(one(number))
    load = Load(seconds=time.perf_counter() - began)
    await reader.until(made)
    load.latencies += [max(0.0, reader.seen[told] - at) for told, at in made.items()]
    return load


@contextlib.asynccontextmanager
async def cluster_of(stack: Stack) -> AsyncIterator[Cluster]:
    """Have a connection to the API server."""
    api = stack.cluster.api
    tls = ssl.create_default_context(cafile=str(api.ca_file))
    connector = aiohttp.TCPConnector(ssl=tls, limit=4 * AT_ONCE)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {api.token}"}) as session:
        yield Cluster(session, api.url)


@contextlib.asynccontextmanager
async def reading(stack: Stack, topic: str) -> AsyncIterator[Reader]:
    """Read the events of a topic while the block runs."""
    reader = Reader()
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap_servers) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        task = asyncio.create_task(_read(consumer, reader))
        try:
            yield reader
        finally:
            task.cancel()


async def _read(consumer: AIOKafkaConsumer, reader: Reader) -> None:
    async for each in consumer:
        record = Record(
            each.topic, each.partition, each.offset, each.timestamp, each.key, each.value, tuple(each.headers)
        )
        if (event := read_job_event(record)) is not None:
            reader.note(event)
