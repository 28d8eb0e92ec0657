"""Sends POSTs and takes the times: as fast as the answers come (closed loop), or by the clock (open loop).

A protocol of its own, a tenth of an HTTP library's CPU: whatever the generator takes on the machine it shares with the
service and its servers, the service does not get.
"""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

CONNECTIONS: Final = 64
"""Connections in a closed loop at full load."""
MAX_CONNECTIONS: Final = 2000
"""Most connections of an open loop."""


@dataclass
class Load:
    """What became of some requests: seconds of each, how often each status, and seconds of the whole."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that `share` of the requests stay below."""
        return statistics.quantiles(self.latencies, n=1000, method="inclusive")[round(share * 1000) - 1]

    def expect(self, status: int) -> "Load":
        """Return this load; raises RuntimeError unless every request got `status`."""
        if set(self.statuses) != {status}:
            msg = f"expected nothing but {status}, got {dict(self.statuses)}"
            raise RuntimeError(msg)
        return self


class _Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101 - uvloop's is its own class
        self._transport = transport  # type: ignore[assignment] # as above

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(rest) >= int(length.partition(b"\r\n")[0]) and self._answer is not None:
            self._buffer = b""
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server has closed the connection"))

    async def request(self, data: bytes) -> int:
        """Send a request and return the status of its answer."""
        assert self._transport is not None  # noqa: S101 - a connection is handed out when it is made
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class HttpLoad:
    """A client of one URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = str(parts.hostname), int(parts.port or 80), parts.path
        self._idle: list[_Connection] = []
        self._open = 0

    def request(self, body: bytes, **headers: str) -> bytes:
        """Return a POST as it goes over the wire; underscores in the names of headers become hyphens."""
        lines = [f"POST {self._path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def closed(self, data: bytes, count: int, connections: int) -> Load:
        """Send a request `count` times, the next one on a connection as soon as the last is answered."""
        load, left = Load(), iter(range(count))

        async def work() -> None:
            for _ in left:
                await self._send(data, load, time.perf_counter())

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(connections)))
        load.seconds = time.perf_counter() - started
        return load

    async def open(self, data: bytes, rate: float, seconds: float, seed: int = 1) -> Load:
        """Send requests at random times, `rate` a second on average, whether or not the earlier ones are answered."""
        load, started = Load(), time.perf_counter()
        tasks = [asyncio.create_task(self._send(data, load, due)) async for due in at_random(rate, seconds, seed)]
        await asyncio.gather(*tasks)
        load.seconds = time.perf_counter() - started
        return load

    async def _send(self, data: bytes, load: Load, due: float) -> None:
        while self._idle and self._idle[-1].closed:  # the server has closed what was idle for long
            self._idle.pop()
            self._open -= 1
        connection = self._idle.pop() if self._idle else await self._connect()
        load.statuses[await connection.request(data)] += 1
        load.latencies.append(time.perf_counter() - due)
        self._idle.append(connection)

    async def _connect(self) -> _Connection:
        self._open += 1
        if self._open > MAX_CONNECTIONS:
            msg = f"more than {MAX_CONNECTIONS} requests are unanswered: the load is too high"
            raise RuntimeError(msg)
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection


async def at_random(rate: float, seconds: float, seed: int = 1) -> AsyncIterator[float]:
    """Wait for one time after the other, `rate` a second on average (Poisson), and yield it as `perf_counter` has it.

    A latency counts from there, so that a generator or a server that falls behind shows.
    """
    chance = random.Random(seed)  # noqa: S311 - the same times in every run
    started = due = time.perf_counter()
    while due < started + seconds:
        due += chance.expovariate(rate)
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        yield due
