"""Relays between brokers, in a process of their own: `python -m tests.faults.relays '[[relay, node, port], ...]'`.

A relay passes connections on to a port of a broker, the node. Each line of standard input is a command,
`{"isolated": node or null, "processes": {node: process id, ...}}`: nothing passes between that node and the others
until the next one. Standard output has a line when all relays listen. It ends with its input.
"""

import asyncio
import contextlib
import functools
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

_CHUNK = 64 * 1024
_ESTABLISHED = "01"

SourceOf = Callable[[int], int | None]


class Route(NamedTuple):
    """Where a relay listens, and to which port of which broker it leads."""

    relay: int
    node: int
    port: int


class Connection:
    """One connection to a broker, from a port of 127.0.0.1. While it is not `open` nothing passes, in no direction."""

    def __init__(self, source_port: int, target: int) -> None:
        self.source_port, self.target = source_port, target
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """Connect to the broker's port, when that is not cut off, and pass everything on until either side ends."""
        try:
            await self.open.wait()
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(self._copy(reader, onward_writer), self._copy(onward_reader, writer))
        except OSError:
            pass  # the broker is not there: so it ends for the one that asked
        finally:
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes in one direction; what comes while it is cut waits, as on a dead line."""
        try:
            while data := await reader.read(_CHUNK):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Relays:
    """All relays of a cluster."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {route.relay: route for route in routes}
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._isolated: int | None = None
        self._source_of: SourceOf = lambda _: None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen while the block runs."""
        servers = [await asyncio.start_server(self._accept, "127.0.0.1", relay) for relay in self._routes]
        try:
            yield self
        finally:
            for server in servers:
                server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def isolate(self, node: int | None, source_of: SourceOf) -> None:
        """Let nothing through between a broker and its peers, or everything; `source_of` knows whose a port is."""
        self._isolated, self._source_of = node, source_of
        for connection in self._connections.values():
            self._cut_or_open(connection)

    def _cut_or_open(self, connection: Connection) -> None:
        if self._isolated is not None:
            source = self._source_of(connection.source_port)
            if source != connection.target and self._isolated in (source, connection.target):
                connection.open.clear()
                return
        connection.open.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        route = self._routes[writer.get_extra_info("sockname")[1]]
        connection = Connection(writer.get_extra_info("peername")[1], route.node)
        self._cut_or_open(connection)
        task = asyncio.create_task(connection.serve(reader, writer, route.port))
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)


def owner_of(port: int, processes: dict[int, int]) -> int | None:
    """The node whose process has the connection from a port of 127.0.0.1: proc(5), /proc/net/tcp and /proc/PID/fd."""
    inode = inode_of(port)
    return next((node for node, pid in processes.items() if inode is not None and has_socket(pid, inode)), None)


def inode_of(port: int) -> str | None:
    """The socket of this machine that is connected from a port of 127.0.0.1, as the kernel numbers it."""
    local = f":{port:04X}"
    for table in ("tcp", "tcp6"):  # Java's sockets are of IPv6, whatever they connect to
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                _, address, _, state, *_, inode = line.split()[:10]
                if address.endswith(local) and state == _ESTABLISHED:
                    return inode
    return None


def has_socket(pid: int, inode: str) -> bool:
    """Whether a process has this socket."""
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(file.readlink()) == f"socket:[{inode}]":
                    return True
    return False


async def main(routes: Iterable[Route]) -> None:
    """Relay until standard input ends."""
    commands = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(commands)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    relays = Relays(routes)
    async with relays.running():
        print("listening", flush=True)
        while line := await commands.readline():
            command = json.loads(line)
            processes = {int(node): pid for node, pid in command["processes"].items()}
            relays.isolate(command["isolated"], functools.partial(owner_of, processes=processes))


if __name__ == "__main__":
    asyncio.run(main(Route(*each) for each in json.loads(sys.argv[1])))
