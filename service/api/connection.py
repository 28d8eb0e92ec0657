"""One connection of the HTTP server, with bounds on what its client can make it hold.

aiohttp's own connection, and on top of it: no body is unpacked, the header section as a whole is bounded (aiohttp
bounds each field), an answer given before the body was read closes the connection and says so, and what arrives after
such an answer is read to a bound and thrown away. Every error has the API's shape, also that for malformed HTTP.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from service.submission import rejections
from service.submission.rejection import Rejection
from service.telemetry.logs import escape, log

KEEP_ALIVE_SECONDS: Final = 75
"""How long a connection may be open without a whole request; proxies in front give an idle one up before (60 s)."""

DISCARD_BYTES: Final = 1024 * 1024
DISCARD_SECONDS: Final = 5
"""How much of a body is still read after it was refused: a client that writes first gets to read the answer then."""

READ_BUFFER_BYTES: Final = 64 * 1024

PIECE_BYTES: Final = 32 * 1024
"""How much is parsed at once: the message of an error holds a copy of what was parsed, and takes its time to write."""

MAX_LINE_BYTES: Final = 8190
"""Longest path and query (RFC 9112, section 3, asks for 8,000): aiohttp's routing takes time quadratic in slashes."""

SERVER: Final = "job-submission"
"""The header `Server`: no versions, which would tell an attacker where to begin."""

Message = tuple[Any, StreamReader]

Refuse = Callable[[web.BaseRequest, Rejection], web.StreamResponse]
"""Answers a request that no route was asked about."""


class Registry(Protocol):
    """Who keeps the open connections of a port."""

    def opened(self, connection: "Connection") -> None:
        """Note a new connection."""

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection, bounded."""

    def __init__(self, server: web.Server, registry: Registry, refuse: Refuse, max_header_bytes: int) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say none
            max_line_size=min(MAX_LINE_BYTES, max_header_bytes),
            max_field_size=max_header_bytes,
            lingering_time=0,  # see `_discard`
            read_bufsize=READ_BUFFER_BYTES,
            auto_decompress=False,
        )
        self._parser = HeaderLimit(self._parser, max_header_bytes)  # type: ignore[assignment] # has what is asked of it
        self._registry = registry
        self._refuse = refuse
        self._max_header_bytes = max_header_bytes
        self._discarding = False
        self.requests = 0
        self.unsent_since: float | None = None
        """Since when the client has not read what was sent to it; kept by the registry."""

    @property
    def expendable(self) -> bool:
        """Whether nobody waits for anything on this connection: it is idle, refused, or its client does not read."""
        return self._discarding or self.writing_paused or not (self._request_in_progress or self._messages)

    @property
    def unsent_bytes(self) -> int:
        """Bytes of answers that the client has not taken and the kernel has no room for."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._registry.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See `asyncio.Protocol`."""
        self._registry.closed(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; every one of the server comes this way, whoever made it."""
        self.requests += 1
        if isinstance(resp, web.HTTPException):  # raised before any middleware, as for an `Expect` nobody knows
            resp = self._refuse(request, rejections.expectation_failed())
        early = not request.content.is_eof()
        if early:
            resp.force_close()
        resp.headers.setdefault("Server", SERVER)
        sent = await super().finish_response(request, resp, start_time)
        if early:
            await self._discard(request.content)
        elif self._messages:
            await asyncio.sleep(0)  # from Python 3.12 on, requests that wait behind this one would be handled at once
        return sent

    async def _discard(self, body: StreamReader) -> None:
        """Read what the client sends on to a bound: closing before makes its kernel drop the answer (RFC 9112, 9.6)."""
        self._discarding = True
        left = DISCARD_BYTES
        with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while left > 0 and not body.is_eof():
                    left -= len(await body.readany())
                    await asyncio.sleep(0)  # `readany` does not wait while there is something

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature; the exception says both
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer malformed HTTP, and what made a handler fail outside all middlewares."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of another answer was sent before")
        if isinstance(exc, HttpProcessingError):
            rejection = self._malformed(exc)
        else:
            log.error("request-failed", path=request.path, exc_info=exc)
            rejection = rejections.internal_error()
        response = self._refuse(request, rejection)
        response.force_close()
        return response

    def _malformed(self, error: HttpProcessingError) -> Rejection:
        if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE_BYTES:
            return rejections.path_too_long(MAX_LINE_BYTES)
        if isinstance(error, LineTooLong) or error.message.startswith("Too many headers"):
            return rejections.headers_too_large(self._max_header_bytes)
        return rejections.malformed_request(escape(error.message.partition("\n")[0][:200]))


class HeaderLimit:
    """aiohttp's parser of requests, fed in pieces, which gives up on a header section above the limit.

    aiohttp bounds each of up to 128 fields alone, so that a connection could hold 128 times the limit.
    """

    def __init__(self, parser: Any, limit: int) -> None:
        self._parser = parser
        self._limit = limit
        self._head = 0
        self._body: StreamReader = EMPTY_PAYLOAD  # of the last request whose header section is complete

    def feed_data(self, data: bytes) -> tuple[Sequence[Message], bool, bytes]:
        """Parse what has arrived: the requests, and what follows one that asks for another protocol.

        Raises HttpProcessingError.
        """
        if len(data) <= PIECE_BYTES:
            return self._feed(data)
        messages: list[Message] = []
        for start in range(0, len(data), PIECE_BYTES):
            more, upgraded, tail = self._feed(data[start : start + PIECE_BYTES])
            messages += more
            if upgraded:
                return messages, True, tail + data[start + PIECE_BYTES :]
        return messages, False, b""

    def _feed(self, data: bytes) -> tuple[Sequence[Message], bool, bytes]:
        in_head = self._body.is_eof()  # asked before: these bytes may be the last of a body
        parsed: tuple[Sequence[Message], bool, bytes] = self._parser.feed_data(data)
        if parsed[0]:
            self._body, self._head = parsed[0][-1][1], 0
        elif in_head:
            self._head += len(data)
            if self._head > self._limit:
                raise LineTooLong(b"", self._limit)
        return parsed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)
