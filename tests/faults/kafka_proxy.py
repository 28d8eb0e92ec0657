"""A TCP proxy in front of a broker that knows where a request of Kafka's protocol begins and ends, and nothing more.

The broker advertises the proxy's address to whoever came through it, so that it stays in the path.
https://kafka.apache.org/protocol#protocol_common: a request is `size:int32 api_key:int16 api_version:int16
correlation_id:int32 ...`, a response `size:int32 correlation_id:int32 ...`.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Final

from tests.faults.faultplan import Fault, FaultPlan, reset

LONGEST_DELAY: Final = 1.0
"""Seconds a request is held back at most."""

_HEAD = struct.Struct(">hhi")


class KafkaProxy:
    """Forwards `port` to `broker_port`, both of 127.0.0.1, under a plan of faults. One at a time has the port."""

    def __init__(self, port: int, broker_port: int, plan: FaultPlan) -> None:
        self._port = port
        self._broker_port = broker_port
        self._plan = plan
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forward while the block runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, backlog=256)
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    def cut(self) -> None:
        """Reset every connection there is."""
        for connection in self._connections:
            connection.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        to_broker: asyncio.StreamWriter | None = None
        try:
            if self._plan.refuses():
                return
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
            connection = _Connection(self._plan, client, to_client, broker, to_broker)
            directions = [asyncio.create_task(connection.requests()), asyncio.create_task(connection.responses())]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        except OSError:
            pass  # the broker is down: so is this connection
        finally:
            reset(to_client)
            if to_broker is not None:
                to_broker.close()  # in good order: the broker carries out what it was sent


class _Connection:
    """One client's connection; either direction ends by returning, which ends both."""

    def __init__(
        self,
        plan: FaultPlan,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        broker: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
    ) -> None:
        self._plan = plan
        self._client = client
        self._to_client = to_client
        self._broker = broker
        self._to_broker = to_broker
        self._swallowed_from: int | None = None
        self._is_black_hole = False

    async def requests(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(self._client)
                fault = self._plan.choose()
                if fault is Fault.RESET_BEFORE:
                    return
                while fault is Fault.NEVER_ARRIVES:
                    await _frame(self._client)
                if fault is Fault.DELAY:
                    await asyncio.sleep(self._plan.seconds(LONGEST_DELAY))
                if fault in (Fault.RESET_AFTER, Fault.BLACK_HOLE) and self._swallowed_from is None:
                    self._is_black_hole = fault is Fault.BLACK_HOLE
                    self._swallowed_from = _HEAD.unpack_from(frame, 4)[2]
                self._to_broker.write(frame)
                await self._to_broker.drain()

    async def responses(self) -> None:
        is_silent = False
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(self._broker)
                # answers come in the order of the requests, so that nothing after the swallowed one is passed on
                if int.from_bytes(frame[4:8], signed=True) == self._swallowed_from:
                    is_silent = True
                    if not self._is_black_hole:
                        return
                if not is_silent:
                    self._to_client.write(frame)
                    await self._to_client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size))
