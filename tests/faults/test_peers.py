"""The relays between brokers: whose connections pass, and which do not while one is cut off."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from tests.faults.peers import Relays, has_socket, inode_of


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


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
    relays = Relays(sources.get)
    doors = {node: relays.route(node, port) for node in (1, 2, 3)}
    relays.start()
    peers = {way: Peer(doors[way[1]], way[0], sources) for way in ((1, 2), (2, 1), (2, 3), (1, 1))}

    async def pass_through(*ways: tuple[int, int]) -> bool:
        for way in ways:
            await peers[way].send(b"a")
        return [await peers[way].hears() for way in ways] == [b"a"] * len(ways)

    try:
        assert await pass_through(*peers)
        relays.isolate(1)
        for way in ((1, 2), (2, 1)):
            await peers[way].send(b"late")
        peers[3, 1] = Peer(doors[1], 3, sources)  # while it is cut off
        await peers[3, 1].send(b"late")
        assert await pass_through((2, 3), (1, 1)), "those of others, and to itself"
        assert all(peers[way].silent() for way in ((1, 2), (2, 1), (3, 1)))
        relays.isolate(None)
        assert [await peers[way].hears() for way in ((1, 2), (2, 1), (3, 1))] == [b"late"] * 3
        assert await pass_through(*peers)
    finally:
        for peer in peers.values():
            peer.close()
        await asyncio.to_thread(relays.stop)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_a_connection_is_known_by_the_process_that_has_it(port, family):
    with socket.socket(family) as ours:
        if family == socket.AF_INET6:
            ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        ours.connect(("127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1", port))
        inode = inode_of(ours.getsockname()[1])
        assert inode is not None
        assert has_socket(os.getpid(), inode)
        assert not has_socket(os.getppid(), inode)
    assert inode_of(1) is None
