"""The client's own HTTP/1.1 against servers that do whatever a connection can do to it, in plain text and over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from service.errors import LeaseLost
from service.kube import http1
from service.kube.errors import Answer, ApiUnreachable, Reason
from service.kube.http1 import Http1Client, Origin

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
AUTHORITY = trustme.CA()


def trust(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def answer(status: int = 200, raw: bytes = b"ok", *headers: tuple[str, str]) -> Answer:
    return Answer(status, CIMultiDictProxy(CIMultiDict(headers)), raw)


class Server:
    """A server that plays one script for each connection in turn, the last one for all that follow."""

    def __init__(self, *scripts: Script, name: str = "127.0.0.1", tls: bool = False) -> None:
        self.scripts = list(scripts)
        self.connections = 0
        self.requests: list[bytes] = []
        self.name = name
        self.tls = tls
        self._serving: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Origin]:
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            AUTHORITY.issue_cert(self.name).configure_cert(context)
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            yield Origin("127.0.0.1", port, trust() if self.tls else None, self.name)
        finally:
            server.close()
            for writer in self._serving.values():
                writer.transport.abort()
            await asyncio.gather(*self._serving)


async def read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + (await reader.readexactly(1) if head.startswith(b"POST") else b"")


def sends(*pieces: bytes, closes: bool = False) -> Script:
    """Answer each request with these pieces, and hang up after the first where it `closes`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if closes:
                return

    return script


async def hangs_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await read(reader)


@pytest.fixture
def client() -> Iterator[Http1Client]:
    made = Http1Client()
    yield made
    made.close()


async def exchange(client: Http1Client, origin: Origin, request: bytes = POST, **options: Any) -> Answer:
    async with asyncio.timeout(20):
        return await client.exchange(origin, request, is_safe=request is GET, **options)


WARNED = (
    b'HTTP/1.1 201 Created\r\nWARNING: 299 - "a"\r\nWarning: 299 - "b"\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n'
)

ANSWERS = {
    "a length": ((OK,), answer()),
    "in pieces": (tuple(OK[i : i + 1] for i in range(len(OK))), answer()),
    "chunked": (
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1;x=y\r\nk\r\n0\r\n\r\n"),
        answer(),
    ),
    "nothing in it": ((b"HTTP/1.1 204 No Content\r\n\r\n",), answer(204, b"")),
    "interim answers": ((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nWarning: x\r\n\r\n", OK), answer()),
    "headers": (
        (WARNED,),
        answer(201, b"", ("warning", '299 - "a"'), ("warning", '299 - "b"'), ("retry-after", "7")),
    ),
    "an error": ((b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",), answer(503, b"busy")),
    "a redirect": ((b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",), answer(302, b"")),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("pieces", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_read_and_its_connection_kept(
    client: Http1Client, pieces: tuple[bytes, ...], expected: Answer, tls: bool
) -> None:
    server = Server(sends(*pieces), tls=tls)
    async with server.running() as origin:
        assert [await exchange(client, origin, request) for request in (POST, GET, POST)] == [expected] * 3
    assert server.connections == 1


ENDS = {
    "the end of the connection is the end of the answer": b"HTTP/1.1 200 OK\r\n\r\nok",
    "an old server": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a connection that is to be closed": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("sent", ENDS.values(), ids=ENDS)
async def test_an_answer_that_ends_its_connection_is_read_and_the_next_one_is_new(
    client: Http1Client, sent: bytes, tls: bool
) -> None:
    server = Server(sends(sent, closes=True), tls=tls)
    async with server.running() as origin:
        assert [await exchange(client, origin) for _ in range(2)] == [answer()] * 2
    assert server.connections == 2


BROKEN = {
    "nothing": (b"", Reason.DISCONNECT),
    "half a status line": (b"HTTP/1.1 20", Reason.DISCONNECT),
    "half the headers": (b"HTTP/1.1 201 Created\r\nContent-", Reason.DISCONNECT),
    "half a body": (b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", Reason.DISCONNECT),
    "half the chunks": (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Reason.DISCONNECT),
    "an interim answer alone": (b"HTTP/1.1 100 Continue\r\n\r\n", Reason.DISCONNECT),
    "another protocol": (b"SSH-2.0-OpenSSH\r\n", Reason.NOT_THE_API),
    "a switch of protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        Reason.NOT_THE_API,
    ),
    "a length in words": (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", Reason.NOT_THE_API),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Reason.NOT_THE_API),
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Reason.NOT_THE_API,
    ),
    "no size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Reason.NOT_THE_API),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 8000, Reason.NOT_THE_API),
    "an endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, Reason.NOT_THE_API),
    "an endless body": (b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * (17 * 1024 * 1024), Reason.NOT_THE_API),
    "a page that is too large": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"y" * (17 * 1024 * 1024),
        Reason.NOT_THE_API,
    ),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("sent", "reason"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_none_and_its_connection_ends(
    client: Http1Client, sent: bytes, reason: Reason, tls: bool
) -> None:
    server = Server(sends(sent, closes=True), sends(OK), tls=tls)
    async with server.running() as origin:
        with pytest.raises(ApiUnreachable) as raised:
            await exchange(client, origin)
        assert raised.value.reason is reason
        assert await exchange(client, origin) == answer()
    assert server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_that_was_closed_while_it_was_idle_is_not_used(client: Http1Client, tls: bool) -> None:
    server = Server(sends(OK, closes=True), tls=tls)
    async with server.running() as origin:
        for _ in range(2):
            assert await exchange(client, origin) == answer()
            async with asyncio.timeout(20):
                while client._idle and client._idle[0].is_open:
                    await asyncio.sleep(0.005)
    assert server.connections == 2


async def _answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    writer.write(OK)
    await read(reader)  # and closes at the second request


async def test_of_two_requests_on_a_connection_closed_at_the_write_only_the_safe_one_goes_out_again(
    client: Http1Client,
) -> None:
    server = Server(_answers_once, _answers_once, sends(OK))
    async with server.running() as origin:
        assert await exchange(client, origin) == answer()
        with pytest.raises(ApiUnreachable) as raised:
            await exchange(client, origin, POST)
        assert raised.value.reason is Reason.DISCONNECT  # it may have been carried out
        assert server.connections == 1
        assert await exchange(client, origin) == answer()
        assert await exchange(client, origin, GET) == answer()
    assert server.connections == 3


async def test_a_safe_request_that_fails_on_a_new_connection_is_not_repeated(client: Http1Client) -> None:
    server = Server(hangs_up)
    async with server.running() as origin:
        with pytest.raises(ApiUnreachable):
            await exchange(client, origin, GET)
    assert server.connections == 1


async def test_a_late_answer_is_never_taken_for_that_of_the_next_request(client: Http1Client) -> None:
    gave_up = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await gave_up.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        await writer.drain()

    server = Server(late, sends(OK))
    async with server.running() as origin:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.exchange(origin, POST, is_safe=False)
        gave_up.set()
        assert await exchange(client, origin) == answer()
    assert server.connections == 2


@pytest.mark.parametrize("more", [OK, b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"x"])
async def test_what_nobody_has_asked_for_ends_the_connection(client: Http1Client, more: bytes) -> None:
    server = Server(sends(OK + more), sends(OK))
    async with server.running() as origin:
        assert [await exchange(client, origin) for _ in range(2)] == [answer()] * 2
    assert server.connections == 2


async def test_a_connection_is_not_kept_for_longer_than_the_server_keeps_it(
    client: Http1Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(sends(OK))
    async with server.running() as origin:
        await asyncio.gather(*(exchange(client, origin) for _ in range(3)))
        assert len(client._idle) == server.connections == 3
        monkeypatch.setattr(http1, "KEEP_ALIVE_SECONDS", -1)
        assert await exchange(client, origin) == answer()
    assert server.connections == 4


async def test_connections_of_a_former_server_or_login_are_closed(client: Http1Client) -> None:
    one, two = Server(sends(OK)), Server(sends(OK))
    async with one.running() as first, two.running() as second:
        slow = asyncio.create_task(exchange(client, first))
        await exchange(client, first)
        await exchange(client, second)
        assert await slow == answer()
        assert [connection.is_open for connection in client._idle] == [True]
        assert await exchange(client, second) == answer()
    assert two.connections == 1


async def test_nothing_is_written_when_the_lease_is_lost_and_the_connection_serves_the_next(
    client: Http1Client,
) -> None:
    async def lost() -> None:
        raise LeaseLost

    received: list[bytes] = []

    async def notes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received.append(await read(reader))
            writer.write(OK)

    server = Server(notes)
    async with server.running() as origin:
        with pytest.raises(LeaseLost):
            await exchange(client, origin, confirm=lost)
        assert await exchange(client, origin, GET) == answer()
    assert (received, server.connections) == ([GET], 1)


async def test_a_connection_that_closes_while_the_lease_is_confirmed_is_replaced_and_the_lease_confirmed_again(
    client: Http1Client,
) -> None:
    closing = asyncio.Event()
    confirmed: list[bool] = []

    async def closes(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await closing.wait()

    async def confirm() -> None:
        closing.set()
        async with asyncio.timeout(20):
            while not confirmed and not connections[0]._transport.is_closing():  # type: ignore[union-attr]
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        confirmed.append(True)

    connections: list[http1._Connection] = []
    made = http1._connect

    async def connect(origin: Origin) -> http1._Connection:
        connections.append(await made(origin))
        return connections[-1]

    server = Server(closes, sends(OK))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http1, "_connect", connect)
        async with server.running() as origin:
            assert await exchange(client, origin, confirm=confirm) == answer()
    assert (len(confirmed), server.connections) == (2, 2)


async def test_who_gives_up_ends_the_connection(client: Http1Client) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await reader.read(-1)
        ended.set()

    async with Server(silent).running() as origin:
        waiting = asyncio.create_task(exchange(client, origin))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(20):
            await ended.wait()
    assert client._idle == []


async def test_a_certificate_is_checked_against_the_authority_and_the_name(client: Http1Client) -> None:
    async with Server(sends(OK), name="kubernetes.default", tls=True).running() as origin:
        assert await exchange(client, origin) == answer()
        for wrong in (
            origin._replace(server_name="elsewhere.example"),
            origin._replace(server_name="127.0.0.1"),
            origin._replace(tls=trust(trustme.CA())),
        ):
            with pytest.raises(ApiUnreachable, match="certificate verify failed") as raised:
                await exchange(client, wrong)
            assert raised.value.reason is Reason.TLS


async def test_servers_that_cannot_be_reached(client: Http1Client) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Server(plain).running() as origin:
        with pytest.raises(ApiUnreachable) as raised:
            await exchange(client, origin._replace(tls=trust()))
        assert raised.value.reason is Reason.TLS
    for elsewhere, reason in (
        (origin, Reason.REFUSED),
        (origin._replace(host="no-such-host.invalid"), Reason.UNRESOLVED),
    ):
        with pytest.raises(ApiUnreachable) as raised:
            await exchange(client, elsewhere)
        assert raised.value.reason is reason


class Written(asyncio.Transport):
    """A transport that sends nothing."""

    def write(self, data: Any) -> None: ...

    def abort(self) -> None: ...


SENT = st.sampled_from(
    [b"".join(pieces) for pieces, _ in ANSWERS.values()] + [sent for sent, _ in BROKEN.values()][:12]
)


async def _fed(pieces: list[bytes]) -> Answer | Reason:
    connection = http1._Connection()
    connection.connection_made(Written())
    waiting = asyncio.create_task(connection.request(b""))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    try:
        return await waiting
    except ApiUnreachable as error:
        return error.reason


@given(SENT | st.binary(max_size=200), st.data())
def test_an_answer_means_the_same_however_it_arrives(sent: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if a < b]
    assert asyncio.run(_fed(pieces)) == asyncio.run(_fed([sent] if sent else []))
