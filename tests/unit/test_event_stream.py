"""`GET /api/v1/jobs/events`, over the wire: who follows it misses and repeats nothing, however often it is cut off."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from service.api import events
from service.auth.authorisation import Verb
from service.auth.principal import Principal
from service.broker.partitioning import partition_for
from service.submission import rejections
from service.submission.job_events import EventKind, Phase
from service.submission.rejection import SubmissionRejected
from service.views.recent_events import Position
from tests.unit.job_events import job_event, key
from tests.unit.running_ingress import PARTITIONS, RunningIngress, running


@dataclass
class Frame:
    """One event as a browser would hand it on, or a line that is none."""

    id: str | None = None
    event: str = "message"
    data: str | None = None
    comments: list[str] = field(default_factory=list)
    retry: str | None = None

    @property
    def name(self) -> str:
        return str(json.loads(self.data or "")["data"]["name"])


class Stream:
    """A client of Server-Sent Events (WHATWG HTML, section 9.2.6), on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.headers: dict[str, str] = {}
        self.status = 0

    async def begin(self) -> None:
        top = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = top.strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines)
        self._buffer = b""

    async def frame(self) -> Frame | None:
        """The next frame, None at the end of the stream."""
        while b"\n\n" not in self._buffer:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await self._reader.readexactly(size + 2)
            if not size:
                return None
            self._buffer += chunk[:-2]
        text, _, self._buffer = self._buffer.partition(b"\n\n")
        frame = Frame()
        for line in text.decode().split("\n"):
            name, _, value = line.partition(":")
            if not name:
                frame.comments.append(value.strip())
            else:
                setattr(frame, name, value.removeprefix(" "))
        return frame

    async def event(self) -> Frame:
        """The next frame that is an event."""
        async with asyncio.timeout(10):
            while True:
                frame = await self.frame()
                assert frame is not None
                if frame.data is not None:
                    return frame


@contextlib.asynccontextmanager
async def following(
    ingress: RunningIngress, *lines: str, query: str = "", user: str = "RA-USER: john", method: str = "GET"
) -> AsyncIterator[Stream]:
    """A client that follows the events, with these header lines."""
    async with ingress.connection() as (reader, writer):
        head = [f"{method} {events.PATH}{query} HTTP/1.1", "Host: x", user, *lines, "", ""]
        writer.write("\r\n".join(head).encode())
        stream = Stream(reader, writer)
        async with asyncio.timeout(10):
            await stream.begin()
        yield stream


async def test_an_event_comes_with_its_position_and_the_document_of_the_record():
    async with running() as ingress, following(ingress) as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")
        assert (stream.headers["Cache-Control"], stream.headers["Server"]) == ("no-store", "job-submission")
        assert await stream.frame() == Frame(id="0", retry="2000")
        await ingress.tell(job_event(1))
        told = await stream.event()
        (kept,) = ingress.jobs.recent.since(0, 10)
        assert told == Frame(id=str(ingress.jobs.recent.position), data=kept.document.decode())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["job-1", "job-2", "job-3", "job-4"]),
        ("?project=team-b", ["job-2", "job-4"]),
        ("?project=team-b&project=team-c", ["job-2", "job-4"]),
        ("?phase=succeeded", ["job-3", "job-4"]),
        ("?user=jill&type=train", ["job-4"]),
    ],
)
async def test_filters(query: str, names: list[str]):
    async with running() as ingress, following(ingress, query=query) as stream:
        await ingress.tell(
            job_event(1),
            job_event(2, project="team-b"),
            job_event(3, phase=Phase.SUCCEEDED),
            job_event(4, project="team-b", user="jill", phase=Phase.SUCCEEDED),
        )
        assert [(await stream.event()).name for _ in names] == names


async def test_what_changes_after_a_listing_comes_when_the_stream_begins_where_the_listing_says():
    async with running() as ingress:
        await ingress.tell(job_event(1))
        position = (await ingress.get("/api/v1/jobs")).headers["Last-Event-ID"]
        await ingress.tell(job_event(2), job_event(1, 2, kind=EventKind.SUCCEEDED))
        async with following(ingress, query=f"?after={position}") as stream:
            told = [json.loads((await stream.event()).data)["id"] for _ in range(2)]
    assert told == ["uid-2/1", "uid-1/2"]


async def test_a_reader_that_is_cut_off_a_hundred_times_misses_and_repeats_nothing():
    total = 400
    async with running() as ingress:

        async def write() -> None:
            for number in range(total):
                await ingress.tell(job_event(number))

        writing = asyncio.create_task(write())
        told: list[str] = []
        last, cuts = None, 0
        while len(told) < total:
            resume = () if last is None else (f"Last-Event-ID: {last}",)
            async with following(ingress, *resume, query="?after=0") as stream:
                for _ in range(min(4, total - len(told))):
                    frame = await stream.event()
                    assert frame.event == "message"
                    told.append(frame.name)
                    last = frame.id
            cuts += 1
        await writing
    assert cuts == 100
    assert sorted(told) == sorted(f"job-{number}" for number in range(total))


async def test_who_comes_back_too_late_is_told_to_list_anew_and_goes_on_from_now():
    async with running(events_remembered=2) as ingress:
        await ingress.tell(*(job_event(number) for number in range(9)))
        async with following(ingress, "Last-Event-ID: 0") as stream:
            resync = await stream.event()
            assert (resync.event, resync.id) == ("resync", str(ingress.jobs.recent.position))
            await ingress.tell(job_event(20))
            assert (await stream.event()).name == "job-20"


async def test_a_reader_that_is_too_slow_for_the_buffer_is_told_so(monkeypatch: pytest.MonkeyPatch):
    async with running(events_remembered=5) as ingress, following(ingress) as stream:
        await stream.frame()
        monkeypatch.setattr(events, "SENT_AT_ONCE", 1)
        monkeypatch.setattr(events, "PAUSE_SECONDS", 0.5)
        await ingress.tell(*(job_event(number) for number in range(20)))
        while (await stream.event()).event != "resync":
            pass
        await ingress.tell(job_event(30))
        assert (await stream.event()).name == "job-30"


async def test_who_comes_from_a_process_that_is_ahead_waits_for_this_one():
    async with running() as ingress:
        await ingress.tell(job_event(1))
        ahead = [*ingress.jobs.recent.position, 0, 0, 0][:3]
        ahead[partition_for(key(2).encode(), PARTITIONS)] += 1
        writing = asyncio.create_task(_later(ingress.tell(job_event(2), job_event(3))))
        async with following(ingress, f"Last-Event-ID: {Position(ahead)}") as stream:
            assert (await stream.event()).name == "job-3"
        await writing


async def _later(work: Awaitable[None]) -> None:
    await asyncio.sleep(0.1)
    await work


async def test_a_position_that_is_never_reached_is_of_another_topic(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "AHEAD_SECONDS", 0.1)
    async with running() as ingress, following(ingress, query="?after=7.7.7") as stream:
        assert (await stream.event()).event == "resync"


@pytest.mark.parametrize("lines", [("Last-Event-ID: x",), ("Last-Event-ID: 1.-2",)])
async def test_a_position_that_is_none_is_refused(lines: tuple[str, ...]):
    async with running() as ingress:
        answer = await ingress.get(events.PATH, *lines)
    assert (answer.status, answer.body["details"][0]["path"]) == (400, "Last-Event-ID")


async def test_a_quiet_stream_says_now_and_then_that_it_is_there_and_where(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    async with running() as ingress, following(ingress, query="?project=team-b") as stream:
        await stream.frame()
        await ingress.tell(job_event(1))
        async with asyncio.timeout(10):
            while (frame := await stream.frame()).id != str(ingress.jobs.recent.position):
                assert frame.data is None
    assert (frame.comments, frame.data) == (["still here"], None)


async def test_too_many_streams_are_refused_and_one_that_has_ended_makes_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    async with running(max_event_streams=3) as ingress:
        async with following(ingress), following(ingress, user="RA-USER: jill"):
            assert ingress.sample("event_streams") == 2
            answer = await ingress.get(events.PATH)
            assert (answer.status, answer.headers["Retry-After"], answer.body["message"]) == (
                429,
                "5",
                "too many connections of user john that follow events: try again later",
            )
            async with following(ingress, user="RA-USER: jack") as third:
                assert third.status == 200
                full = await ingress.get(events.PATH, "RA-USER: joe")
                assert full.body["message"] == "too many connections that follow events: try again later"
        async with asyncio.timeout(10):
            while ingress.sample("event_streams"):
                await asyncio.sleep(0.01)


async def test_streams_end_when_the_process_stops():
    async with running() as ingress, following(ingress) as stream:
        await stream.frame()
        ingress.ingress.end_streams()
        async with asyncio.timeout(10):
            assert await stream.frame() is None
        async with following(ingress) as late:
            assert [await late.frame(), await late.frame()] == [Frame(id="0", retry="2000"), None]


async def test_a_head_tells_what_a_get_would_and_streams_nothing():
    async with running() as ingress, following(ingress, method="HEAD") as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")
        async with asyncio.timeout(10):
            while ingress.sample("event_streams"):
                await asyncio.sleep(0.01)


class Logins:
    """Knows every token, for as long as `known`, as that of a user of `projects`."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(known=True, projects=("team-a",))

    async def verify(self, token: str) -> Principal:
        if not self.state.known:
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        return Principal(token, projects=self.state.projects)


async def test_nobody_is_told_of_projects_that_are_not_theirs_or_no_longer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.02)
    logins = Logins()
    async with running(logins) as ingress, following(ingress, user="Authorization: Bearer jane") as stream:
        await ingress.tell(job_event(1), job_event(2, project="team-b"), job_event(3))
        assert [(await stream.event()).name for _ in range(2)] == ["job-1", "job-3"]
        logins.state.projects = ("team-b",)
        await asyncio.sleep(0.2)
        await ingress.tell(job_event(4), job_event(5, project="team-b"))
        assert (await stream.event()).name == "job-5"
        logins.state.known = False
        async with asyncio.timeout(10):
            while await stream.frame() is not None:
                pass


class Deciding:
    """Lets everybody see all, while it can be asked."""

    away = False

    async def allowed(self, _principal: Principal, _verb: Verb, projects: Collection[str]) -> frozenset[str]:
        if self.away:
            raise SubmissionRejected(rejections.access_unknown("the cluster cannot be asked"))
        return frozenset(projects)


async def test_a_stream_ends_when_nobody_can_tell_what_its_reader_may_see():
    deciding = Deciding()
    async with running(None, deciding) as ingress, following(ingress) as stream:
        await ingress.tell(job_event(1))
        assert (await stream.event()).name == "job-1"
        deciding.away = True
        await ingress.tell(job_event(2, project="team-b"))
        async with asyncio.timeout(10):
            while (frame := await stream.frame()) is not None:
                assert frame.data is None
