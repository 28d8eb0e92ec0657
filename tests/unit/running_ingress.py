"""The ingress on a port of its own, whole but for Kafka: what it produces is kept, and outcomes are put in by hand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from service.api.job_logs import JobLogs, LogSource, NoLogs
from service.api.server import Port, listening
from service.auth.authentication import Verifier
from service.auth.authorisation import Authoriser, ByCredential
from service.auth.browser_login import BrowserLogin
from service.broker import BrokerUnavailable
from service.broker.partitioning import partition_for
from service.http_ingress import HttpIngress
from service.lifecycle import cancel
from service.settings import HttpSettings, Settings, read_settings
from service.submission.job_events import JobEvent, job_event_record
from service.submission.records import NewRecord, Record
from service.submission.waiting_in_log import Place
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, Untraced
from service.views.duplicates import DuplicateWindow
from service.views.jobs import Jobs
from service.views.waiters import Waiters
from tests.unit.fake_kafka import FakeKafka, FakeTopicFollower
from tests.unit.job_events import TOPIC as JOB_EVENTS

PARTITIONS = 3
"""Of the topic of the jobs' events."""
BODY = json.dumps({"job": {"project": "team-a", "image": "quickstart"}}).encode()


class Topic:
    """A producer that keeps what it is given, and a log of outcomes that gives what it is told to."""

    ready = healthy = True

    def __init__(self) -> None:
        self.produced: list[NewRecord] = []
        self.news = asyncio.Condition()
        self.places: dict[str, tuple[str, Place]] = {}
        """Users and places of the submissions that wait, by key."""
        self.past: list[list[NewRecord]] = [[]]
        """The outcomes that stand in each partition of the topic."""
        self.waiting: dict[str, str] = {}
        """The projects of the submissions that stand on the topic without an outcome."""
        self.behind: int | None = 0
        """How many submissions wait; None while nobody can tell."""
        self._on_records: Callable[[list[Record]], None] = lambda records: None

    async def send(self, record: NewRecord) -> None:
        async with self.news:
            self.produced.append(record)
            self.news.notify_all()

    async def next(self) -> NewRecord:
        """Return the oldest record that nobody has asked for, waiting for it."""
        async with self.news:
            await self.news.wait_for(lambda: self.produced)
        return self.produced.pop(0)

    def publish(self, outcome: NewRecord) -> None:
        self._on_records([Record(outcome.topic, 0, 0, 0, outcome.key, outcome.value, outcome.headers)])

    async def follow(self, on_records: Callable[[list[Record]], None]) -> None:
        self._on_records = on_records
        await asyncio.Event().wait()

    async def partition_count(self) -> int:
        return len(self.past)

    async def scan(
        self, partition: int, from_offset: int = 0, written_end: int | None = None
    ) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        for offset, outcome in enumerate(self.past[partition]):
            yield [(outcome.key, offset)]

    async def read(self, partition: int, offset: int) -> Record | None:
        outcome = self.past[partition][offset]
        return Record(outcome.topic, partition, offset, 0, outcome.key, outcome.value, outcome.headers)

    async def place(self, key: str, user: str | None = None) -> Place | None:
        found = self.places.get(key)
        return found[1] if found is not None and user in (None, found[0]) else None

    async def lag(self) -> int:
        if self.behind is None:
            raise BrokerUnavailable("nobody answers")
        return self.behind

    async def project_of(self, key: str, user: str | None = None) -> str | None:
        return self.waiting.get(key)


@dataclass
class Response:
    """What came back on a connection."""

    status: int
    headers: dict[str, str]
    body: Any = field(compare=False)


@dataclass
class RunningIngress:
    """The port, and what stands behind it."""

    port: int
    topic: Topic
    metrics: Metrics
    ingress: HttpIngress
    window: DuplicateWindow
    jobs: Jobs
    job_events: FakeKafka
    """The topic of the jobs' events, of three partitions."""

    async def tell(self, *events: JobEvent) -> None:
        """Write events of jobs, and wait until the ingress knows them."""
        for event in events:
            partition = partition_for(event.state.submission.encode(), PARTITIONS)
            await self.write(job_event_record(event, JOB_EVENTS, partition))

    async def tell_all(self, events: Iterable[JobEvent]) -> None:
        """As `tell`, for thousands: it waits once."""
        for event in events:
            partition = partition_for(event.state.submission.encode(), PARTITIONS)
            self.job_events.append(job_event_record(event, JOB_EVENTS, partition))
        ends = [len(self.job_events.partitions[JOB_EVENTS, partition]) for partition in range(PARTITIONS)]
        async with asyncio.timeout(60):
            while [*self.jobs.recent.position, 0, 0, 0][:PARTITIONS] != ends:
                await asyncio.sleep(0.01)

    async def write(self, record: NewRecord) -> None:
        """Write a record to the topic of the jobs' events, and wait until the ingress has it."""
        written = self.job_events.append(record)
        async with asyncio.timeout(10):
            while [*self.jobs.recent.position, 0, 0, 0][written.partition] <= written.offset:
                await asyncio.sleep(0.001)

    async def get(self, path: str, *lines: str, method: str = "GET") -> Response:
        """Send a GET as user john, unless a header line says otherwise, and return its answer."""
        user = () if any(line.startswith(("RA-USER", "Authorization")) for line in lines) else ("RA-USER: john",)
        return await self.raw("\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *user, *lines, "", ""]).encode())

    async def send(self, *lines: str | bytes, body: bytes = BODY) -> Response:
        """Send a POST with these header lines and return its answer."""
        head = ["POST /api/job HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        octets = [line.encode() if isinstance(line, str) else line for line in (*head, *lines)]
        return await self.raw(b"\r\n".join([*octets, b"", body]))

    async def raw(self, octets: bytes) -> Response:
        """Send bytes and return the first answer to them."""
        async with self.connection() as (reader, writer):
            writer.write(octets)
            return await answer(reader)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def sample(self, name: str, **labels: str) -> float | None:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"job_submission_{name}", labels)


async def answer(reader: asyncio.StreamReader) -> Response:
    """Read one answer."""
    async with asyncio.timeout(10):
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = top.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    is_json = headers.get("Content-Type", "").startswith("application/json")
    return Response(int(first.split()[1]), headers, json.loads(body) if is_json and body else body)


def with_http(**http: Any) -> Settings:
    """The default settings, but for these of the group `HTTP_`."""
    return replace(read_settings(), http=HttpSettings(**http))


@contextlib.asynccontextmanager
async def running(
    verifier: Verifier | None = None,
    authoriser: Authoriser | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tracing: Tracing | None = None,
    job_events: FakeKafka | None = None,
    logs: LogSource | None = None,
    login: BrowserLogin | None = None,
    **http: Any,
) -> AsyncIterator[RunningIngress]:
    """Serve an ingress with these settings of the group `HTTP_`."""
    settings, topic, metrics = with_http(**http), Topic(), Metrics()
    job_events = job_events or FakeKafka(PARTITIONS)
    fake: Any = topic
    window = DuplicateWindow(fake, metrics)
    waiters = Waiters(fake, window)
    checks = {"replies": lambda: True}
    authoriser = authoriser or ByCredential()
    events: Any = FakeTopicFollower(job_events, JOB_EVENTS, from_beginning=True)
    jobs = Jobs(events, settings.http.events_remembered, metrics)
    traced, streams = tracing or Untraced(), JobLogs(logs or NoLogs(), 2)
    ingress = HttpIngress(
        settings,
        fake,
        waiters,
        window,
        fake,
        jobs,
        metrics,
        checks,
        verifier,
        authoriser,
        traced,
        streams,
        None,
        login or BrowserLogin(),
    )
    following = [asyncio.create_task(waiters.run()), asyncio.create_task(jobs.run())]
    bounds = settings.http
    listener = Port("api", "HTTP_", host, port, bounds.max_connections, bounds.max_header_bytes)
    try:
        async with listening(
            listener.bind(), listener, ingress.app(), ingress.refusals.unrouted, metrics, 0.1
        ) as number:
            while not (waiters.caught_up and jobs.loaded):
                await asyncio.sleep(0)
            yield RunningIngress(number, topic, metrics, ingress, window, jobs, job_events)
    finally:
        await cancel(following)
        window.close()
