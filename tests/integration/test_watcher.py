"""The watcher on real servers: what becomes of a Job is told in order, and its end once, whatever crashes."""

import asyncio
import itertools
import signal
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer

from devstack.service import ServiceProcess
from service.submission.job_events import EventKind, JobEvent, Phase, is_terminal, read_job_event
from service.submission.records import Record

JOBS = 30


@dataclass
class Histories:
    """Every event on the topic, by the uid of its Job, as a reader has it that drops what comes twice."""

    of: dict[str, list[JobEvent]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    partitions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    repeats: list[tuple[JobEvent, JobEvent]] = field(default_factory=list)

    def add(self, record: Any) -> None:
        headers = tuple(record.headers)
        event = read_job_event(
            Record(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers)
        )
        assert event is not None
        known = {one.id: one for one in self.of[event.state.id]}
        if event.id in known:
            self.repeats.append((known[event.id], event))
            return
        self.of[event.state.id].append(event)
        self.keys[event.state.id].add(record.key)
        self.partitions[event.state.id].add(record.partition)

    def named(self, name: str) -> list[JobEvent]:
        return next((events for events in self.of.values() if events[0].state.name == name), [])

    def ended(self, names: set[str]) -> bool:
        return all(any(map(is_terminal, self.named(name))) for name in names)

    def check(self) -> None:
        for uid, events in self.of.items():
            assert [event.sequence for event in events] == list(range(1, len(events) + 1)), uid
            assert sum(map(is_terminal, events)) <= 1, uid
            assert events[0].kind is EventKind.CREATED
            assert (len(self.keys[uid]), len(self.partitions[uid])) == (1, 1)


@pytest.fixture
async def run(environment: dict[str, str], api: Any) -> dict[str, str]:
    """Settings of an installation of its own, with one project."""
    name = uuid.uuid4().hex[:8]
    await api.ensure_namespace(f"runai-{name}")
    return environment | {
        "TOPICS_SUBMISSIONS": f"submissions-{name}",
        "TOPICS_OUTCOMES": f"outcomes-{name}",
        "TOPICS_JOB_EVENTS": f"job-events-{name}",
        "CONSUMER_GROUP": f"group-{name}",
        "WATCHER_GROUP": f"watcher-{name}",
        "WATCHER_NAMESPACES": f"runai-{name}",
        "WATCHER_SESSION_TIMEOUT_SECONDS": "6",
        "WATCHER_MIN_INTERVAL_SECONDS": "0.05",
        "PROJECT": name,
    }


@pytest.fixture
async def start(run: dict[str, str]) -> AsyncIterator[Callable[[str], Any]]:
    running: list[ServiceProcess] = []

    async def begin(role: str) -> ServiceProcess:
        process = ServiceProcess(role, run)
        running.append(process)
        return await asyncio.to_thread(process.until_ready)

    yield begin
    for process in reversed(running):
        await asyncio.to_thread(process.stop)


@pytest.fixture
async def histories(run: dict[str, str]) -> AsyncIterator[Callable[[Callable[[Histories], bool]], Any]]:
    """Read the topic until a condition holds."""
    seen = Histories()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=run["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="earliest", metadata_max_age_ms=500
    )
    await consumer.start()

    async def until(condition: Callable[[Histories], bool]) -> Histories:
        if not consumer.subscription():
            consumer.subscribe([run["TOPICS_JOB_EVENTS"]])
        async with asyncio.timeout(90):
            while not condition(seen):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        seen.add(record)
        seen.check()
        return seen

    yield until
    await consumer.stop()


async def submit(url: str, project: str, number: int, **more: Any) -> set[str]:
    headers = {"RA-USER": "john", "Content-Type": "application/json"}

    async def one(session: aiohttp.ClientSession) -> str:
        body = {"job": {"project": project, "image": "busybox", **more}}
        async with session.post(f"{url}/api/job", json=body) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["name"])

    async with aiohttp.ClientSession(headers=headers) as session:
        return set(await asyncio.gather(*(one(session) for _ in range(number))))


async def delete(api: Any, project: str, name: str) -> None:
    path = f"/apis/batch/v1/namespaces/runai-{project}/jobs/{name}?propagationPolicy=Background"
    status, body = await api.request("DELETE", path)
    assert status == 200, body


async def test_a_job_is_told_from_its_creation_to_its_deletion(run, start, histories, api):
    service, project = await start("all"), run["PROJECT"]
    (name,) = await submit(service.url, project, 1, gpu=1)
    await histories(lambda seen: seen.ended({name}))
    await delete(api, project, name)
    seen = await histories(lambda seen: seen.named(name)[-1].kind is EventKind.DELETED)
    events = seen.named(name)
    steps = (event.kind for event in events if event.kind is not EventKind.WAITING)
    kinds = [kind for kind, _ in itertools.groupby(steps)]
    assert kinds == [EventKind.CREATED, EventKind.RUNNING, EventKind.SUCCEEDED, EventKind.DELETED]
    last = events[-1].state
    assert (last.phase, last.project, last.user, last.images, last.requested_gpus) == (
        Phase.SUCCEEDED,
        project,
        "john",
        ("busybox",),
        1,
    )
    assert seen.keys[last.id] == {last.submission.encode()}


async def test_a_job_that_waits_says_why_and_one_that_is_deleted_before_it_ended_ends_deleted(
    run, start, histories, api
):
    service, project = await start("all"), run["PROJECT"]
    (name,) = await submit(service.url, project, 1, nodeType="nowhere")
    seen = await histories(
        lambda seen: any(
            event.state.waiting and event.state.waiting.reason == "NoNodeOfType" for event in seen.named(name)
        )
    )
    waiting = seen.named(name)[-1].state.waiting
    assert (waiting.stage, waiting.reason_class, waiting.next) == ("schedule", "misconfiguration", "change nodeType")
    assert "run.ai/type=nowhere" in waiting.sentence
    await delete(api, project, name)
    seen = await histories(lambda seen: seen.ended({name}))
    assert (seen.named(name)[-1].kind, seen.named(name)[-1].state.phase) == (EventKind.DELETED, Phase.DELETED)


async def test_every_end_is_told_once_though_the_watcher_is_killed_and_jobs_end_and_go_meanwhile(
    run, start, histories, api
):
    project = run["PROJECT"]
    ingress, _, watcher = await start("ingress"), await start("consumer"), await start("watcher")
    names = await submit(ingress.url, project, JOBS)
    await histories(lambda seen: len(seen.of) >= JOBS // 3)
    await asyncio.to_thread(watcher.stop, signal.SIGKILL)
    names |= await submit(ingress.url, project, JOBS)
    seen = await histories(lambda _: True)
    known = [name for name in names if seen.named(name)][:5]
    for name in known:
        await delete(api, project, name)
    await start("watcher")
    seen = await histories(lambda seen: seen.ended(names))
    assert all(before == after for before, after in seen.repeats)


async def test_a_second_watcher_takes_over_what_the_first_had(run, start, histories):
    project = run["PROJECT"]
    ingress, _ = await start("ingress"), await start("consumer")
    first, _ = await start("watcher"), await start("watcher")
    names = await submit(ingress.url, project, JOBS)
    await histories(lambda seen: len(seen.of) >= JOBS // 2)
    await asyncio.to_thread(first.stop, signal.SIGKILL)
    names |= await submit(ingress.url, project, JOBS)
    seen = await histories(lambda seen: seen.ended(names))
    assert all(before == after for before, after in seen.repeats)
