"""Listens on a port and keeps its connections: at most so many, and none for a client that does not read.

Used for both ports, that of the API and that of the probes. `listening` is the one way to listen.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from aiohttp import web

from service.api.acceptor import Acceptor
from service.api.connection import Connection, Refuse
from service.lifecycle import cancel
from service.settings import FaultySettings
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.open_files import OpenFiles, open_files

ANY: Final = "::"

LISTEN_BACKLOG: Final = 1024
"""Connections that the kernel accepts while the loop is busy."""

SPARE_FILES: Final = 256
"""Open files kept for everything else: Kafka, Kubernetes, the log, the probes' port."""

SEND_SECONDS: Final = 30
"""How long a client may take to read an answer."""

SWEEP_SECONDS: Final = 5
"""How often clients that do not read are looked for."""

QUIET_SECONDS: Final = 10
"""Shortest time between two log lines about dropped connections."""

MOST_LOOKED_AT: Final = 64
"""Most open connections examined to make room for a new one."""


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen, and the bounds of what comes in; `name` is for log and metrics, `prefix` of its settings."""

    name: str
    prefix: str
    host: str
    number: int
    max_connections: int
    max_header_bytes: int

    def bind(self) -> socket.socket:
        """Return a socket bound to the port, on which nobody listens yet; `::` takes IPv4 too.

        Raises FaultySettings for an address that is not of this machine, OSError where the port is taken.
        """
        if self.host == ANY and socket.has_dualstack_ipv6():
            with suppress(FaultySettings):  # IPv6 may be there and switched off
                return self._bound(socket.AF_INET6, self.host)
        host = "0.0.0.0" if self.host == ANY else self.host  # noqa: S104 - the same in IPv4
        return self._bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host)

    def _bound(self, family: socket.AddressFamily, host: str) -> socket.socket:
        sock = socket.socket(family)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != ANY))
            sock.bind((host, self.number))
        except OSError as error:
            sock.close()
            if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise FaultySettings([f"{self.prefix}HOST: {self.host} is no address of this machine"]) from None
            raise self.named(error) from None
        return sock

    def named(self, error: OSError) -> OSError:
        """Return an error of this port that says which one it is."""
        what = f"{error.strerror}: {self.host}:{self.number} ({self.prefix}HOST, {self.prefix}PORT)"
        return OSError(error.errno, what)


class Connections:
    """The open connections of a port.

    A new one above the limit takes the place of the oldest for which nobody waits, of those that never sent a request
    before the others; where there is none it is closed itself.
    """

    def __init__(self, port: Port, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._port = port.name
        self._fresh: dict[Connection, None] = {}  # without a request so far, in order of their arrival
        self._used: dict[Connection, None] = {}
        metrics.http_connections.labels(port=port.name).set_function(lambda: len(self._fresh) + len(self._used))
        self._dropped = {
            why: metrics.http_connections_dropped.labels(port=port.name, reason=why) for why in ("full", "unread")
        }
        self._quiet_until = 0.0

    def opened(self, connection: Connection) -> None:
        """Take a connection in, at the cost of another where there are too many."""
        if len(self._fresh) + len(self._used) >= self._limit:
            self._drop(self._expendable() or connection, "full")
        self._fresh[connection] = None

    def closed(self, connection: Connection) -> None:
        """Let a connection go."""
        self._fresh.pop(connection, None)
        self._used.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Drop the connections whose clients have not read an answer for too long; `now` is the loop's time."""
        for connection in [*self._fresh, *self._used]:
            if not connection.unsent_bytes:
                connection.unsent_since = None
            elif connection.unsent_since is None:
                connection.unsent_since = now
            elif now - connection.unsent_since >= SEND_SECONDS:
                self._drop(connection, "unread")

    def _expendable(self) -> Connection | None:
        while self._fresh:
            connection = next(iter(self._fresh))
            del self._fresh[connection]
            if connection.expendable and not connection.requests:
                return connection
            self._used[connection] = None
        for connection in list(islice(self._used, MOST_LOOKED_AT)):
            if connection.expendable:
                return connection
            self._used[connection] = self._used.pop(connection)  # busy: to the end, examined last next time
        return None

    def _drop(self, connection: Connection, why: str) -> None:
        self.closed(connection)  # at once: many may arrive before the loop tells of its end
        connection.abort()
        self._dropped[why].inc()
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            log.warning("connections-dropped", port=self._port, reason=why, limit=self._limit)


@asynccontextmanager
async def listening(
    sock: socket.socket,
    port: Port,
    app: web.Application,
    refuse: Refuse,
    metrics: Metrics,
    drain_seconds: float = 1,
    files: OpenFiles | None = None,
) -> AsyncIterator[int]:
    """Serve `app` while the block runs and give the port's number; then accept no more and let requests end.

    `sock` comes from `port.bind()`; `refuse` answers what reaches no route. With `files` connections are accepted also
    when the process has no file descriptor left but the kept ones. Raises OSError where the port is taken.
    """
    backlog, limit = _bounds(port)
    connections = Connections(port, limit, metrics)
    async with AsyncExitStack() as stack:
        stack.callback(sock.close)
        stack.push_async_callback(cancel, [asyncio.create_task(_sweep(connections))])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain_seconds)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        server: web.Server = runner.server  # type: ignore[assignment] # there is one after `setup`

        def connection() -> Connection:
            return Connection(server, connections, refuse, port.max_header_bytes)

        listener: asyncio.Server | Acceptor
        try:
            if files is None:
                listener = await asyncio.get_running_loop().create_server(connection, sock=sock, backlog=backlog)
            else:
                listener = Acceptor(sock, connection, files)
                listener.start(backlog)
        except OSError as error:  # somebody else has bound the port too, and listened first
            raise port.named(error) from None
        stack.callback(listener.close)
        yield sock.getsockname()[1]


async def _sweep(connections: Connections) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        connections.sweep(asyncio.get_running_loop().time())


def _bounds(port: Port) -> tuple[int, int]:
    """Return the backlog and the most connections of a port that the limit of open files has room for."""
    files = open_files()
    # the whole backlog may be accepted before one connection can be dropped
    backlog = min(LISTEN_BACKLOG, port.max_connections, files // 8)
    limit = min(port.max_connections, max(1, files - SPARE_FILES - backlog))
    if limit < port.max_connections:
        log.warning("connections-limited", port=port.name, limit=limit, wanted=port.max_connections, open_files=files)
    return backlog, limit
