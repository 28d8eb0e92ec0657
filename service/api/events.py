"""`GET /api/v1/jobs/events`: the events of jobs as they come, as Server-Sent Events (WHATWG HTML, section 9.2).

The `id` of each is a position in the topic: a client that was cut off sends the last one as `Last-Event-ID` and misses
and repeats nothing, whichever process it comes to. All readers share one bounded buffer. Whoever asks for what has left
it, or reads too slowly, gets the event `resync`: list the jobs again, and go on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from service.api.connection import SERVER
from service.api.job_query import read_stream
from service.api.jobs import loaded
from service.api.routes import PRINCIPAL, RIGHTS
from service.auth.authorisation import Rights
from service.auth.shares import Shares
from service.errors import Fault, InvalidSubmission
from service.submission.rejection import SubmissionRejected
from service.telemetry.metrics import Metrics
from service.views.job_index import JobFilter
from service.views.jobs import Jobs
from service.views.recent_events import EventReader, Position

PATH: Final = "/api/v1/jobs/events"

HEARTBEAT_SECONDS: Final = 15.0
"""How often a quiet stream says something: proxies end what is silent for a minute, and clients want to know."""
CHECK_SECONDS: Final = 1.0
"""How often it is looked at anew who may see what, and whether it is time to end."""
PAUSE_SECONDS: Final = 0.02
"""Between two writes: what comes meanwhile goes out together."""
SENT_AT_ONCE: Final = 100
AHEAD_SECONDS: Final = 2.0
"""How far one process may be ahead of another in reading the topic: mostly some milliseconds."""
RETRY_MILLISECONDS: Final = 2000
"""How long a browser waits before it connects again."""

RESYNC: Final = b'{"message":"events were dropped before they could be sent: list the jobs again, and go on"}'

_HEADERS: Final = {
    "Server": SERVER,
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back until some kilobytes have come
}

RightsOf = Callable[[web.Request], Awaitable[Rights]]
"""Finds out by its headers what the sender of a request may see; raises SubmissionRejected."""


class Events:
    """Streams events to all who follow them; `rights_of` is asked again and again while a stream lasts."""

    def __init__(self, jobs: Jobs, rights_of: RightsOf, most: int, metrics: Metrics) -> None:
        self._jobs = jobs
        self._rights_of = rights_of
        self._places = Shares(most, "user", "connections{} that follow events")
        self._ended = False
        metrics.event_streams.set_function(lambda: self._places.taken)

    def end(self) -> None:
        """End all streams, for good; their clients go on elsewhere from where they were."""
        self._ended = True
        self._jobs.recent.wake()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Stream events until the client is gone, is no longer known, or the process stops.

        Raises InvalidSubmission, SubmissionRejected: 429 where there are too many streams, 503.
        """
        wanted, after = read_stream(request.query.items(), Position.read)
        after = _last_event_id(request) or after
        recent = loaded(self._jobs).recent
        if after is not None:
            await self._catch_up(after)
        reader = recent.reader(after)
        await request[RIGHTS].among(wanted.projects or ())  # while it can still be said that nobody can tell
        with self._places.place(request[PRINCIPAL].user):
            response = web.StreamResponse(headers=_HEADERS)
            try:
                await response.prepare(request)
                if request.method != "HEAD":
                    await self._stream(request, response, reader, wanted)
            except ConnectionError:
                pass  # the client is gone
            except SubmissionRejected:
                pass  # not known any more, or nobody can tell what they may see: no answer can follow a begun one
            return response

    async def _catch_up(self, position: Position) -> None:
        """Wait a moment for what the client has had from a process that was ahead of this one."""
        recent, now = self._jobs.recent, asyncio.get_running_loop().time
        end = now() + AHEAD_SECONDS
        while recent.is_behind(position) and now() < end:
            await recent.news(end - now())

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, reader: EventReader, wanted: JobFilter
    ) -> None:
        """Write until it is time to end. Raises ConnectionError, SubmissionRejected."""
        now = asyncio.get_running_loop().time
        viewer = _Viewer(request[RIGHTS])
        told = checked = now()
        await response.write(b"retry: %d\n" % RETRY_MILLISECONDS + _frame(reader))
        while not self._ended and request.transport is not None:
            if now() - checked >= CHECK_SECONDS:
                checked = now()
                viewer = _Viewer(await self._rights_of(request))
            frames = await self._frames(reader, wanted, viewer)
            if not frames and now() - told >= HEARTBEAT_SECONDS:
                frames = b": still here\n" + _frame(reader)
            if frames:
                await response.write(frames)
                told = now()
            elif reader.at_end:
                await self._jobs.recent.news(CHECK_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _frames(self, reader: EventReader, wanted: JobFilter, viewer: "_Viewer") -> bytes:
        """Return what comes next, ready to send; nothing where there is no news for this reader."""
        if reader.missed():
            return b"event: resync\n" + _frame(reader, RESYNC)
        frames = [
            _frame(reader, event.document)
            for event in reader.take(SENT_AT_ONCE)
            if wanted.of([event.entry]) and await viewer.sees(event.entry.project)
        ]
        return b"".join(frames)


class _Viewer:
    """What somebody may see, with what was found out about it."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self._sees: dict[str, bool] = {}

    async def sees(self, project: str) -> bool:
        """Tell whether the jobs of a project may be seen."""
        if project not in self._sees:
            self._sees[project] = bool(await self._rights.among((project,)))
        return self._sees[project]


def _last_event_id(request: web.Request) -> Position | None:
    """Return the position that a client comes back with. Raises InvalidSubmission."""
    text = request.headers.get("Last-Event-ID")
    if not text:
        return None
    try:
        return Position.read(text)
    except ValueError as error:
        raise InvalidSubmission((Fault("Last-Event-ID", str(error)),)) from None


def _frame(reader: EventReader, data: bytes | None = None) -> bytes:
    """Return the end of a frame; without data it only tells the position, and no event comes of it."""
    place = b"id: " + str(reader.position).encode()
    return place + b"\n\n" if data is None else place + b"\ndata: " + data + b"\n\n"
