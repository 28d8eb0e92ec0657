"""Passes TCP connections on, from one network namespace to another, or where a CONNECT asks to."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from devstack.node.syscalls import network_of

Dial = Callable[[], Awaitable[socket.socket]]
_CHUNK = 256 * 1024


async def connect(host: str, port: int, namespace: int | None = None) -> socket.socket:
    """A connection made in a network namespace (its descriptor; None: this process's).

    Raises:
        OSError: nobody listens there.
    """
    with network_of(namespace):
        sock = socket.socket()
    sock.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def listener(host: str, port: int, namespace: int | None = None) -> socket.socket:
    """A listening socket in a network namespace.

    Raises:
        OSError: the address is taken.
    """
    with network_of(namespace):
        return socket.create_server((host, port), backlog=1024)


async def serve(listening: socket.socket, dial: Dial) -> asyncio.Server:
    """Pass on each connection to what `dial` connects to; one that cannot be is reset, as by a closed port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = await dial()
        except OSError:
            writer.transport.abort()
            return
        await _pass_on(reader, writer, target)

    return await asyncio.start_server(handle, sock=listening)


async def serve_connect(path: str, names: dict[str, str]) -> asyncio.Server:
    """Serve the method CONNECT (RFC 9110, section 9.3.6) on a Unix socket: the way of the API server to pods and nodes.

    Args:
        path: the socket.
        names: the addresses of names that are asked for; others are looked up.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host, _, port = head.split()[1].decode().rpartition(":")
        try:
            target = await connect(names.get(host, host.strip("[]")), int(port))
        except OSError as error:
            writer.write(f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nReason: {error}\r\n\r\n".encode())
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await _pass_on(reader, writer, target)

    return await asyncio.start_unix_server(handle, path)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: socket.socket) -> None:
    there_reader, there_writer = await asyncio.open_connection(sock=target)
    try:
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
    finally:
        for each in (writer, there_writer):
            each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end, and pass the end on: the other direction may have more to say."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
