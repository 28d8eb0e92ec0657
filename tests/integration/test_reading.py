"""Reading jobs on real servers: from the POST to the list, one job and its events, whatever is cut, gone or missing."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from devstack.service import ServiceProcess
from service.broker import Topics
from service.broker.partitioning import partition_for
from service.settings import KafkaSettings, TopicSettings
from service.submission.job_events import EventKind, JobEvent, Phase, job_event_record
from tests.unit.job_events import job_event

USER = {"RA-USER": "john"}
CUTS = 100
PARTITIONS = 3


class Reader:
    """A client of the events that comes back with the last position it was told, as a browser does."""

    def __init__(self, http: aiohttp.ClientSession, query: str = "") -> None:
        self.told: list[dict[str, Any]] = []
        self.resyncs = 0
        self._http = http
        self._query = query
        self._last: str | None = None

    async def until(self, url: str, enough: Callable[["Reader"], bool]) -> None:
        """Read from this process until that is so, then cut the connection."""
        headers = USER | ({"Last-Event-ID": self._last} if self._last is not None else {})
        path = f"{url}/api/v1/jobs/events{self._query}"
        async with asyncio.timeout(60), self._http.get(path, headers=headers) as response:
            assert response.status == 200, await response.text()
            place, kind = "", "message"
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    place = value
                elif name == "event":
                    kind = value
                elif name == "data" and kind == "message":
                    self.told.append(json.loads(value))
                elif name == "data":
                    self.resyncs += 1
                elif not name:
                    self._last, kind = place, "message"
                    if enough(self):
                        return

    def of(self, name: str) -> list[str]:
        """The kinds of a job's events."""
        return [event["type"].rpartition(".")[2] for event in self.told if event["data"]["name"] == name]


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with http.get(url, headers=USER) as response:
        return response.status, await response.json()


async def test_a_job_is_listed_told_and_followed_from_its_post_to_its_deletion(service, http, post, api):
    reader = Reader(http, "?project=team-b")
    following = asyncio.create_task(reader.until(service.url, lambda seen: "deleted" in seen.of(name)))
    name = f"seen-{uuid.uuid4().hex[:8]}"
    answer = await post({"job": {"project": "team-b", "image": "busybox", "name": name, "gpu": 1}})
    assert answer.status == 200
    job: Any = {}
    async with asyncio.timeout(60):
        while job.get("phase") != "Succeeded":
            await asyncio.sleep(0.1)
            status, job = await get(http, f"{service.url}/api/v1/jobs/team-b/{name}")
            assert status in (200, 404)
    assert {
        field: job[field] for field in ("project", "name", "user", "type", "status", "images", "requestedGPUs")
    } == {
        "project": "team-b",
        "name": name,
        "user": "john",
        "type": "Train",
        "status": "Succeeded",
        "images": "busybox",
        "requestedGPUs": 1.0,
    }
    status, listed = await get(http, f"{service.url}/api/v1/jobs?project=team-b&name={name}&phase=succeeded")
    assert (status, listed) == (200, {"data": [job], "next": None})
    _, before = await get(http, f"{service.url}/researcher/api/job?project=team-b")
    assert [view["status"] for view in before["data"] if view["name"] == name] == ["Succeeded"]
    _, projects = await get(http, f"{service.url}/api/v1/projects")
    assert "team-b" in [project["name"] for project in projects["data"]]

    path = f"/apis/batch/v1/namespaces/runai-team-b/jobs/{name}?propagationPolicy=Background"
    assert (await api.request("DELETE", path))[0] == 200
    await following
    kinds = reader.of(name)
    assert (kinds[0], kinds[-2:], reader.resyncs) == ("created", ["succeeded", "deleted"], 0)
    _, listed = await get(http, f"{service.url}/api/v1/jobs?project=team-b&name={name}")
    assert listed["data"] == []
    _, listed = await get(http, f"{service.url}/api/v1/jobs?project=team-b&name={name}&deleted=true")
    assert [(each["id"], each["phase"]) for each in listed["data"]] == [(job["id"], "Succeeded")]
    status, near = await get(http, f"{service.url}/api/v1/jobs/team-b/{name[:-1]}")
    assert (status, near["reason"], name in near["message"]) == (404, "UnknownJob", True)


class Writer:
    """Writes job events as a watcher does; there is no cluster."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def write(self, *events: JobEvent) -> None:
        sent = []
        for event in events:
            partition = partition_for(event.state.submission.encode(), PARTITIONS)
            record = job_event_record(event, self._topic, partition)
            headers = list(record.headers)
            sent.append(await self._producer.send(record.topic, record.value, record.key, partition, headers=headers))
        await asyncio.gather(*sent)


@pytest.fixture
async def alone(kafka_server: Any) -> dict[str, str]:
    """Settings of ingresses that have topics of their own, and no cluster at all."""
    run = uuid.uuid4().hex[:8]
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
        "TOPICS_JOB_EVENTS": f"job-events-{run}",
        "TOPICS_PARTITIONS": str(PARTITIONS),
        "CONSUMER_GROUP": f"group-{run}",
    }


@pytest.fixture
async def start(alone: dict[str, str]) -> AsyncIterator[Callable[[], Any]]:
    running: list[ServiceProcess] = []

    async def begin() -> ServiceProcess:
        process = ServiceProcess("ingress", alone)
        running.append(process)
        return await asyncio.to_thread(process.until_ready)

    yield begin
    for process in reversed(running):
        assert await asyncio.to_thread(process.stop) == 0


async def make_topic(alone: dict[str, str]) -> str:
    """Make the topic of the job events, as a watcher does at its start; return its name."""
    names = {
        name: alone[f"TOPICS_{name.upper()}"] for name in ("submissions", "outcomes", "dead_letters", "job_events")
    }
    kafka = KafkaSettings(bootstrap_servers=alone["KAFKA_BOOTSTRAP_SERVERS"])
    await Topics(kafka, TopicSettings(partitions=PARTITIONS, **names), job_events=True).ensure()
    return names["job_events"]


@pytest.fixture
async def writer(alone: dict[str, str]) -> AsyncIterator[Writer]:
    topic = await make_topic(alone)
    async with AIOKafkaProducer(bootstrap_servers=alone["KAFKA_BOOTSTRAP_SERVERS"], acks="all") as producer:
        yield Writer(producer, topic)


async def test_a_reader_cut_a_hundred_times_between_two_processes_misses_and_repeats_nothing(start, writer, http):
    processes = [await start(), await start()]
    reader = Reader(http, "?after=0")
    total = 10 * CUTS

    async def write() -> None:
        for number in range(total // 2):
            await writer.write(job_event(number), job_event(number, 2, kind=EventKind.SUCCEEDED, phase=Phase.SUCCEEDED))

    writing = asyncio.create_task(write())
    cuts = 0
    while len(reader.told) < total:
        wanted = min(total, len(reader.told) + total // CUTS)
        await reader.until(processes[cuts % 2].url, lambda seen: len(seen.told) >= wanted)  # noqa: B023 - used at once
        cuts += 1
    await writing
    assert (cuts >= CUTS, reader.resyncs) == (True, 0)
    ids = [event["id"] for event in reader.told]
    assert sorted(ids) == sorted(f"uid-{number}/{sequence}" for number in range(total // 2) for sequence in (1, 2))
    for number in range(total // 2):
        assert [one for one in ids if one.startswith(f"uid-{number}/")] == [f"uid-{number}/1", f"uid-{number}/2"]


async def test_a_process_that_has_just_started_is_ready_when_it_knows_all_jobs(start, writer, http):
    await writer.write(*(job_event(number) for number in range(2000)))
    ingress = await start()
    found, cursor = [], ""
    while cursor is not None:
        _, page = await get(http, f"{ingress.url}/api/v1/jobs?limit=300" + (f"&cursor={cursor}" if cursor else ""))
        found += [job["name"] for job in page["data"]]
        cursor = page["next"]
    assert sorted(found) == sorted(f"job-{number}" for number in range(2000))
    assert "job_submission_known_jobs 2000.0" in await asyncio.to_thread(ingress.metrics)


async def test_without_the_topic_an_ingress_is_ready_takes_submissions_and_says_what_is_missing(alone, start, http):
    ingress = await start()
    body = {"job": {"project": "team-a", "image": "busybox"}}
    headers = USER | {"Prefer": "respond-async"}
    async with http.post(f"{ingress.url}/api/job", json=body, headers=headers) as response:
        assert response.status == 202
    missing = f"there is no topic {alone['TOPICS_JOB_EVENTS']}, or this service may not describe it"
    status, refused = await get(http, f"{ingress.url}/api/v1/jobs")
    assert (status, refused["reason"], refused["details"]) == (503, "JobsNotLoaded", missing)
    async with http.get(f"{ingress.probes}/readyz") as response:
        assert (response.status, (await response.json())["jobs"]) == (200, missing)
    told = [line["topic"] for line in ingress.lines if line["action"] == "topic-missing"]
    assert told == [alone["TOPICS_JOB_EVENTS"]]

    await make_topic(alone)
    async with asyncio.timeout(60):
        while (await get(http, f"{ingress.url}/api/v1/jobs"))[0] != 200:
            await asyncio.sleep(0.2)


async def test_streams_end_when_the_process_stops_so_that_their_clients_go_elsewhere(start, writer, http):
    first, second = await start(), await start()
    reader = Reader(http)
    following = asyncio.create_task(reader.until(first.url, lambda _: False))
    async with asyncio.timeout(20):
        while reader._last is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(following), 0.1)
    await asyncio.to_thread(first.stop)
    await following  # it was ended, not broken off
    await writer.write(job_event(1))
    await reader.until(second.url, lambda seen: bool(seen.told))
    assert reader.of("job-1") == ["running"]
