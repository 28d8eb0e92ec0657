"""P12: 100,000 jobs in the memory of an ingress, listed page by page while they change."""

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiokafka import AIOKafkaProducer

from bench.backlog import make_topics, write
from bench.figures import Figure, figure
from bench.jobs import USER, fresh_id
from bench.load import Load
from bench.pairs import Options
from bench.stack import PARTITIONS, Service, Stack
from bench.watched import FILE, LongestTurn
from service.broker.partitioning import partition_for
from service.submission.job_events import EventKind, Exit, JobEvent, JobState, Phase, PodCounts, Transition
from service.submission.job_events import job_event_record as as_record
from service.submission.records import NewRecord

JOBS: Final = 100_000
FEW: Final = 100
PAGE: Final = 100
CHANGES_A_SECOND: Final = 500
TICK_SECONDS: Final = 0.02
NOW: Final = int(time.time() * 1000)
_LINES: Final = "\n".join(f"  File '/workspace/train.py', line {line}, in step" for line in range(40, 50))


async def listing(stack: Stack, options: Options) -> list[Figure]:
    """Measure P12."""
    many = max(FEW, round(JOBS * options.scale))
    async with ingress_with(stack, FEW) as few, ingress_with(stack, many) as much:
        memory = (much.service.resident - few.service.resident) * 1024 * 1024 / (many - FEW)
        seconds = much.service.start_seconds - few.service.start_seconds
        loading, much.turn.seconds = much.turn.seconds, 0
        pages, wrong, changes = await _listed_while_changing(stack, much)
        held = much.turn.seconds
    return [
        figure("P12 once", [wrong], jobs=[many], changes=[changes]),
        figure(
            "P12 page", [pages.quantile(0.99) * 1000], p50=[pages.quantile(0.5) * 1000], pages=[len(pages.latencies)]
        ),
        figure("P12 turn", [held * 1000], loading=[loading * 1000]),
        figure("P12 memory", [memory]),
        figure("P12 load", [seconds]),
    ]


@dataclass(frozen=True)
class Ingress:
    """An ingress, the topics it reads, the last event of each job there, and its longest turn."""

    service: Service
    topic: str
    outcomes: str
    events: list[JobEvent]
    turn: LongestTurn


@asynccontextmanager
async def ingress_with(stack: Stack, number: int) -> AsyncIterator[Ingress]:
    """Run an ingress that knows so many jobs."""
    run = next(stack.numbers)
    file = stack.folder / f"turn-{run}"
    turn = LongestTurn(file)
    environment = stack.environment(**{"TOPICS_JOB_EVENTS": f"job-events-{run}", FILE: str(file)})
    await make_topics(environment, job_events=True)
    events = [event_of(index) for index in range(number)]
    topic = environment["TOPICS_JOB_EVENTS"]
    await write(stack, topic, (record_of(event, topic) for event in events))
    async with stack.service("ingress", environment, module="bench.watched") as service:
        yield Ingress(service, topic, environment["TOPICS_OUTCOMES"], events, turn)


async def _listed_while_changing(stack: Stack, ingress: Ingress) -> tuple[Load, int, int]:
    """List all jobs; return the times of the pages, the jobs that did not come exactly once, and the changes made."""
    stop = asyncio.Event()
    changing = asyncio.create_task(_change(stack, ingress.topic, ingress.events, stop))
    await asyncio.sleep(1)
    load, seen, cursor = Load(), Counter[str](), ""
    async with aiohttp.ClientSession(headers={"RA-USER": USER}) as http:
        while cursor is not None:
            began = time.perf_counter()
            query = {"limit": str(PAGE), "deleted": "any"} | ({"cursor": cursor} if cursor else {})
            async with http.get(f"{ingress.service.url}/api/v1/jobs", params=query) as response:
                await response.read()
                load.latencies.append(time.perf_counter() - began)
                load.statuses[response.status] += 1
                body = await response.json()
            cursor = body["next"]
            seen.update(job["submission"] for job in body["data"])
    stop.set()
    changes = await changing
    wrong = sum(seen[event.state.submission] != 1 for event in ingress.events)
    return load.expect(200), wrong, changes


async def _change(stack: Stack, topic: str, events: list[JobEvent], stop: asyncio.Event) -> int:
    """Change jobs and add some, so many a second, until it is time to stop; return how many changes there were."""
    made, began = 0, time.perf_counter()
    new = itertools.count(len(events))
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers) as producer:
        while not stop.is_set():
            while made < (time.perf_counter() - began) * CHANGES_A_SECOND:
                place = made * 7919 % len(events)
                if made % 10 == 0:
                    event = event_of(next(new))
                else:
                    event = events[place] = events[place].model_copy(update={"sequence": events[place].sequence + 1})
                record = record_of(event, topic)
                await producer.send(topic, record.value, record.key, record.partition, headers=list(record.headers))
                made += 1
            await asyncio.sleep(TICK_SECONDS)
        await producer.flush()
    return made


def record_of(event: JobEvent, topic: str) -> NewRecord:
    """Return the record of an event."""
    return as_record(event, topic, partition_for(event.state.submission.encode(), PARTITIONS))


def event_of(number: int, project: str | None = None) -> JobEvent:
    """Return a job's last event: of ten one runs, one has failed, eight have succeeded."""
    created = NOW - 30 * 24 * 3600 * 1000 + number * 25
    phase = (Phase.RUNNING, Phase.FAILED, *[Phase.SUCCEEDED] * 8)[number % 10]
    steps = (Phase.PENDING, Phase.STARTING, Phase.RUNNING, phase)[: 3 if phase is Phase.RUNNING else 4]
    key, project = fresh_id().key, project or f"team-{number % 50}"
    state = JobState(
        id=str(uuid.uuid4()),
        submission=key,
        cluster="default",
        project=project,
        name=f"job-{key[:12]}",
        namespace=f"runai-{project}",
        user=f"user-{number % 500}",
        status=phase.value,
        phase=phase,
        created_at=created,
        started_at=created + 4211,
        finished_at=created + 3_600_123 if phase.ended else None,
        images=(f"registry.example.com/{project}/train:{number % 97}",),
        nodes=(f"node-{number % 200}",),
        requested_gpus=float(number % 8),
        allocated_gpus=0.0 if phase.ended else float(number % 8),
        completions=1,
        parallelism=1,
        pods=PodCounts(succeeded=1),
        exit=Exit(code=1, reason="Error", message=f"{_LINES}\nValueError: {number}") if phase is Phase.FAILED else None,
        history=tuple(Transition(at=created + 1733 * index, phase=step) for index, step in enumerate(steps)),
    )
    return JobEvent(state=state, sequence=len(steps), kind=EventKind.RUNNING, at=created)
