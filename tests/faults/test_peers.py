"""The relays between brokers: whose connections pass, and which do not while one is cut off."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from devstack.ports import free_port
from tests.faults.relays import Relays, Route, has_socket, inode_of, owner_of


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a server that sends back what it is sent."""
    tasks = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(lambda *ends: tasks.add(asyncio.create_task(echo(*ends))), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*tasks)


class Peer:
    """What a broker has connected to another, or to itself."""

    def __init__(self, relay: int, source: int, sources: dict[int, int]) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        sources[self._socket.getsockname()[1]] = source
        self._socket.connect(("127.0.0.1", relay))
        self._socket.setblocking(False)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hears(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, 100)

    def silent(self) -> bool:
        try:
            return self._socket.recv(100) == b"never"
        except BlockingIOError:
            return True

    def close(self) -> None:
        self._socket.close()


async def test_a_broker_that_is_cut_off_hears_its_peers_again_when_it_rejoins(port):
    sources: dict[int, int] = {}
    routes = {node: Route(free_port(), node, port) for node in (1, 2, 3)}
    peers: dict[tuple[int, int], Peer] = {}

    def connect(*way: int) -> None:
        peers[way] = Peer(routes[way[1]].relay, way[0], sources)

    async def pass_through(*ways: tuple[int, int]) -> bool:
        for way in ways:
            await peers[way].send(b"a")
        return [await peers[way].hears() for way in ways] == [b"a"] * len(ways)

    async with Relays(routes.values()).running() as relays:
        for way in ((1, 2), (2, 1), (2, 3), (1, 1)):
            connect(*way)
        assert await pass_through(*peers)
        relays.isolate(1, sources.get)
        for way in ((1, 2), (2, 1)):
            await peers[way].send(b"late")
        connect(3, 1)  # while it is cut off
        await peers[3, 1].send(b"late")
        assert await pass_through((2, 3), (1, 1)), "those of others, and to itself"
        assert all(peers[way].silent() for way in ((1, 2), (2, 1), (3, 1)))
        relays.isolate(None, sources.get)
        assert [await peers[way].hears() for way in ((1, 2), (2, 1), (3, 1))] == [b"late"] * 3
        assert await pass_through(*peers)
        for peer in peers.values():
            peer.close()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_a_connection_is_known_by_the_process_that_has_it(family, host):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as ours:
        ours.connect((host, server.getsockname()[1]))
        port = ours.getsockname()[1]
        inode = inode_of(port)
        assert inode is not None
        assert has_socket(os.getpid(), inode)
        assert owner_of(port, {1: os.getppid(), 2: os.getpid()}) == 2
        assert owner_of(port, {1: os.getppid()}) is None
    assert inode_of(1) is None
