"""Three brokers whose traffic among themselves passes relays, so that one can be cut off from its peers.

Clients reach every broker all the same. A relay stands in front of what a broker's peers connect to: its listener for
replication and its controller. Whose connection it is the kernel knows: the process that has the socket at the other
end (proc(5), /proc/net/tcp and /proc/PID/fd).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from devstack.kafka_cluster import KafkaCluster
from devstack.ports import free_port

_CHUNK = 64 * 1024
_ESTABLISHED = "01"


class Connection:
    """One connection from a broker to one, itself included; `cut` lets nothing more through, in neither direction."""

    def __init__(self, source: int | None, target: int) -> None:
        self.source, self.target = source, target
        self.open = asyncio.Event()
        self.open.set()

    def is_of(self, node: int) -> bool:
        """Whether it is between a broker and one of its peers."""
        return node in (self.source, self.target) and self.source != self.target

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes in one direction until it ends; what comes while it is cut waits, as on a dead line."""
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
    """Relays in a thread of their own, as brokers outlive the event loops of runs."""

    def __init__(self, source_of: Callable[[int], int | None]) -> None:
        self._source_of = source_of
        self._routes: dict[int, tuple[int, int]] = {}
        self._connections: set[Connection] = set()
        self._isolated: int | None = None
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def route(self, node: int, port: int) -> int:
        """Return the port from which connections will be passed on to a port of a broker."""
        relay = free_port()
        self._routes[relay] = (node, port)
        return relay

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """End all connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def isolate(self, node: int | None) -> None:
        """Let nothing through between a broker and its peers; None lets everything through again."""
        self._loop.call_soon_threadsafe(self._isolate, node)

    def _isolate(self, node: int | None) -> None:
        self._isolated = node
        for connection in self._connections:
            if node is not None and connection.is_of(node):
                connection.open.clear()
            else:
                connection.open.set()

    async def _listen(self) -> None:
        self._servers = [await asyncio.start_server(self._serve, "127.0.0.1", relay) for relay in self._routes]

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node, port = self._routes[writer.get_extra_info("sockname")[1]]
        connection = Connection(self._source_of(writer.get_extra_info("peername")[1]), node)
        if self._isolated is not None and connection.is_of(self._isolated):
            connection.open.clear()
        self._connections.add(connection)
        try:
            await connection.open.wait()
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(connection.copy(reader, onward_writer), connection.copy(onward_reader, writer))
        except OSError:
            pass  # the broker is not there: so it ends for the one that asked
        finally:
            self._connections.discard(connection)
            writer.close()


class PartedCluster(KafkaCluster):
    """Three brokers of which one at a time can be cut off from the two others."""

    def __init__(self, data_dir: Path, say: Callable[[str], None] = print) -> None:
        super().__init__(data_dir, say=say)
        self._relays = Relays(self._node_of)
        quorum = self.brokers[0]._quorum.controllers
        controllers = {node: self._relays.route(node, int(at.rpartition(":")[2])) for node, at in quorum.items()}
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
        for node, broker in enumerate(self.brokers, 1):
            door = free_port()
            broker._settings |= {
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PEERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "listeners": f"PLAINTEXT://{broker.bootstrap_servers},PEERS://127.0.0.1:{door},"
                f"CONTROLLER://{quorum[node]}",
                "advertised.listeners": f"PLAINTEXT://{broker.bootstrap_servers},"
                f"PEERS://127.0.0.1:{self._relays.route(node, door)},CONTROLLER://127.0.0.1:{controllers[node]}",
                "inter.broker.listener.name": "PEERS",
                "controller.quorum.voters": voters,
            }

    def __enter__(self) -> Self:
        self._relays.start()
        try:
            return super().__enter__()
        except BaseException:
            self._relays.stop()
            raise

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._relays.stop()

    def isolate(self, node: int) -> None:
        """Cut a broker off from its peers, which it goes on serving clients without."""
        self._relays.isolate(node)

    def rejoin(self) -> None:
        """Let all brokers reach each other again."""
        self._relays.isolate(None)

    def _node_of(self, port: int) -> int | None:
        """The broker whose connection comes from a port of 127.0.0.1."""
        inode = inode_of(port)
        if inode is not None:
            for node, broker in enumerate(self.brokers, 1):
                if broker._process is not None and has_socket(broker._process.pid, inode):
                    return node
        return None


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
