"""HTTP/1.1 to one server over kept connections: less CPU than an HTTP library takes for requests as small as ours.

Part of `transport`. A connection is there first, then the lease is confirmed, then the request goes out in one write:
nothing is waited for between the proof and the write. There is one request at a time on a connection, and whatever
goes wrong on one ends it. Answers are parsed by llhttp (httptools). Source: RFC 9112.
"""

import asyncio
import socket
import ssl
import time
from typing import Final, NamedTuple

import httptools
from multidict import CIMultiDict, CIMultiDictProxy

from service.kube.errors import Answer, ApiUnreachable, Reason
from service.kube.fencing import Confirm

KEEP_ALIVE_SECONDS: Final = 60
"""How long an idle connection is kept, less than the 90 s after which an API server closes it."""
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""An object takes at most 1.5 MiB in the cluster's store, and a few times that as JSON."""

_READ: Final = {b"warning", b"retry-after"}  # headers that somebody here reads
_FRAMING: Final = {b"content-length", b"transfer-encoding"}
_NO_HEADERS: Final = CIMultiDictProxy(CIMultiDict[str]())


class Origin(NamedTuple):
    """A server: where it is, and how to know it; `tls` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    server_name: str


class Http1Client:
    """Makes requests of one origin at a time; its connections go to the newest one asked for."""

    def __init__(self) -> None:
        self._origin: Origin | None = None
        self._idle: list[_Connection] = []

    def close(self) -> None:
        """End the idle connections. Those in use end with their requests."""
        while self._idle:
            self._idle.pop().abort()
        self._origin = None

    async def exchange(
        self, origin: Origin, request: bytes, *, is_safe: bool, confirm: Confirm | None = None
    ) -> Answer:
        """Write a whole request and return its answer; one that `is_safe` (RFC 9110, section 9.2.1) may go out twice.

        `confirm` is awaited right before the request is written; nothing is when it raises. Raises ApiUnreachable,
        LeaseLost.
        """
        while True:
            connection = self._kept(origin)
            is_fresh = connection is None
            if connection is None:
                connection = await _connect(origin)
            if confirm is not None:
                try:
                    await confirm()
                except BaseException:
                    self._keep(origin, connection)
                    raise
            if not connection.is_open:
                continue  # closed while it was idle
            try:
                answer = await connection.request(request)
            except ApiUnreachable:
                if is_safe and not is_fresh and not connection.has_answered:
                    continue  # the server closed it while the request was on its way
                raise
            self._keep(origin, connection)
            return answer

    def _kept(self, origin: Origin) -> "_Connection | None":
        if origin != self._origin:
            self.close()
            self._origin = origin
        oldest_allowed = time.monotonic() - KEEP_ALIVE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since >= oldest_allowed:
                return connection
            connection.abort()
        return None

    def _keep(self, origin: Origin, connection: "_Connection") -> None:
        """Keep a connection for the next request; end the one that has been idle for longest if that is too long."""
        if not connection.is_open or origin != self._origin:
            connection.abort()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._idle[0].idle_since < connection.idle_since - KEEP_ALIVE_SECONDS:
            self._idle.pop(0).abort()


async def _connect(origin: Origin) -> "_Connection":
    loop = asyncio.get_running_loop()
    server_name = origin.server_name if origin.tls else None
    try:
        _, connection = await loop.create_connection(
            _Connection, origin.host, origin.port, ssl=origin.tls, server_hostname=server_name
        )
    except OSError as error:  # an SSLError is one
        why = str(error) or type(error).__name__  # a connection that is reset while TLS begins has no text
        raise ApiUnreachable(_reason(error), f"no connection to {origin.host}:{origin.port}: {why}") from error
    return connection


def _reason(error: OSError) -> Reason:
    match error:
        case socket.gaierror():
            return Reason.UNRESOLVED
        case ssl.SSLError():
            return Reason.TLS
        case TimeoutError():
            return Reason.TIMEOUT
        case ConnectionRefusedError():
            return Reason.REFUSED
        case _:
            return Reason.CONNECT


class _Connection(asyncio.Protocol):
    """One connection; llhttp calls its methods `on_...` for what it finds."""

    def __init__(self) -> None:
        self.is_open = False
        self.idle_since = 0.0
        self.has_answered = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answer] | None = None
        self._begin()

    def _begin(self) -> None:
        """Forget the last answer."""
        self._received = 0
        self._status = 0
        self._has_end = False
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    async def request(self, data: bytes) -> Answer:
        """Write a request and return its answer. Raises ApiUnreachable; without an answer the connection ends."""
        assert self._transport is not None  # noqa: S101 - there is one once it is connected
        self._begin()
        self.has_answered = False
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            return await self._waiting
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiting = None

    def abort(self) -> None:
        """End the connection at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # --- what the event loop calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's transports are a class of their own
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.abort()  # nobody has asked
            return
        self.has_answered = True
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Reason.NOT_THE_API, f"the answer is not HTTP: {error}")
        if not self._status and self._received > MAX_HEADER_BYTES:
            self._fail(Reason.NOT_THE_API, f"an answer with more than {MAX_HEADER_BYTES} bytes of headers")
        if self._received > MAX_ANSWER_BYTES:
            self._fail(Reason.NOT_THE_API, f"an answer of more than {MAX_ANSWER_BYTES} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if exc is None and self._status >= 200 and not self._has_end:
            self._answer()  # the end of the connection is the end of the answer (RFC 9112, section 6.3)
        self._fail(Reason.DISCONNECT, f"the connection ended before the answer{f': {exc}' if exc else ''}")

    # --- what the parser calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiting is None or self._waiting.done():
            self.is_open = False  # more than one answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower in _READ:
            self._headers.append((lower.decode(), value.decode("utf-8", "replace")))
        elif lower in _FRAMING:
            self._has_end = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._status < 200:  # an interim answer: the final one follows (RFC 9110, section 15.2)
            self._begin()
            return
        if not self._parser.should_keep_alive():
            self.is_open = False
        self._answer()

    def _answer(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            headers = CIMultiDictProxy(CIMultiDict(self._headers)) if self._headers else _NO_HEADERS
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._waiting.set_result(Answer(self._status, headers, body))

    def _fail(self, reason: Reason, detail: str) -> None:
        self.abort()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ApiUnreachable(reason, detail))
