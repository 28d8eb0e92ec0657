"""`GET /api/v1/jobs/<project>/<name>/logs`: what the pods of a job print, as a stream of text.

The ingress has no rights in the cluster: `source` is the watcher's, in this process or behind its port (`remote_logs`).
The watcher's own port has the same handler, without users.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from aiohttp import web

from service.api.routes import RIGHTS
from service.errors import LogBrokeOff
from service.lifecycle import cancel
from service.spec.log_request import LogRequest, read_log_request
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log

PATH: Final = "/api/v1/jobs/{project}/{name}/logs"

LOOK_SECONDS: Final = 2.0
"""How often a client is looked after while nothing is written: one that has gone leaves no other trace."""

_HEADERS: Final = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",  # what a job prints may look like a page
    "Cache-Control": "no-store",
}


class LogSource(Protocol):
    """Where logs come from."""

    def open(self, project: str, name: str, request: LogRequest) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the log of a job in chunks, which may raise LogBrokeOff.

        Raises SubmissionRejected, InvalidSubmission.
        """


class NoLogs:
    """Stands for a source where none was given."""

    def open(self, *_: object) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Raise SubmissionRejected."""
        raise SubmissionRejected(rejections.logs_not_served())


class JobLogs:
    """Streams logs, at most `most` at once."""

    def __init__(self, source: LogSource, most: int) -> None:
        self._source = source
        self._most = most
        self._streams: set[asyncio.Task[None]] = set()
        self._is_ending = False

    async def get_allowed(self, request: web.Request) -> web.StreamResponse:
        """Answer as `get`, where the sender may read the logs of the project. Raises SubmissionRejected."""
        await request[RIGHTS].require(request.match_info["project"])
        return await self.get(request)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer 200 with the log; a connection that ends without the end of the body was cut off.

        Raises SubmissionRejected, InvalidSubmission.
        """
        asked = read_log_request(request.query.items())
        if len(self._streams) >= self._most or self._is_ending:
            raise SubmissionRejected(rejections.too_many_requests("logs are being read"))
        response = web.StreamResponse(headers=_HEADERS)
        streaming = asyncio.ensure_future(self._stream(request, response, asked))
        self._streams.add(streaming)
        streaming.add_done_callback(self._streams.discard)
        try:
            while not streaming.done() and request.transport is not None:  # None once the client has gone
                await asyncio.wait([streaming], timeout=LOOK_SECONDS)
        finally:
            await cancel([streaming])
        if streaming.cancelled():
            _cut(request)
        else:
            streaming.result()
        return response

    async def end(self, *_: object) -> None:
        """Cut off all streams: a client that follows a log would hold up the end of the process."""
        self._is_ending = True
        await cancel(self._streams)

    async def _stream(self, request: web.Request, response: web.StreamResponse, asked: LogRequest) -> None:
        project, name = request.match_info["project"], request.match_info["name"]
        async with self._source.open(project, name, asked) as chunks:
            await response.prepare(request)
            if request.method == "HEAD":
                return
            try:
                async for chunk in chunks:
                    await response.write(chunk)
            except LogBrokeOff as error:
                log.warning("log-broke-off", project=project, name=name, reason=str(error))
                _cut(request)
            except ConnectionError:
                pass  # the client has gone
            else:
                await response.write_eof()


def _cut(request: web.Request) -> None:
    """Close the connection without the end of the body, so that the client sees that something is missing."""
    if request.transport is not None:
        request.transport.abort()
