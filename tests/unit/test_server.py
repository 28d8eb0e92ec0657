"""What a connection may hold: no body is unpacked, what is read is bounded, and nobody keeps a place for ever."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service.api import connection, probes, server
from service.api.server import Port, listening
from service.settings import FaultySettings
from service.telemetry.metrics import Metrics
from tests.unit.running_ingress import BODY, answer, running

HEAD = b"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\nContent-Type: application/json\r\n"
PORT = Port("api", "HTTP_", "127.0.0.1", 0, max_connections=8, max_header_bytes=4096)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(handler, max_connections: int = 8) -> AsyncIterator[int]:
    """Serve one handler at every path."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    port = replace(PORT, max_connections=max_connections)
    async with listening(port.bind(), port, app, probes.refuse, Metrics(), 0.1) as number:
        yield number


async def raw(port: int, octets: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    try:
        return await answer(reader)
    finally:
        writer.close()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_no_body_is_unpacked(encoding):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    packed = gzip.compress(bytes(1000))
    async with serving(handler) as port:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
        answered = await raw(port, head.encode() + packed)
    assert (answered.status, answered.body) == (200, packed)


async def flood(writer: asyncio.StreamWriter) -> None:
    for _ in range(500):
        writer.write(bytes(100_000))
        await writer.drain()


@pytest.mark.parametrize("path", ["/api/job", "/healthz", "/nothing"])
async def test_what_follows_a_refusal_is_read_to_a_bound(path, monkeypatch):
    monkeypatch.setattr(connection, "DISCARD_BYTES", 100_000)
    async with running() as ingress, ingress.connection() as (reader, writer):
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
        assert (await answer(reader)).headers["Connection"] == "close"
        with pytest.raises(ConnectionError):
            await flood(writer)


@pytest.mark.parametrize(
    ("octets", "status", "reason"),
    [
        (b"nonsense\r\n\r\n", 400, "MalformedRequest"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "MalformedRequest"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "MalformedRequest"),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, "MalformedRequest"),
        (HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400, "MalformedRequest"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, "MalformedRequest"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "MalformedRequest"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "PathTooLong"),
        (b"GET " + b"/" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "PathTooLong"),
        (GET[:-2] + b"Cookie: " + b"x" * 20_000 + b"\r\n\r\n", 431, "HeadersTooLarge"),
        (GET[:-2] + b"Cookie: x\r\n" * 2_000 + b"\r\n", 431, "HeadersTooLarge"),
        (GET[:-2] + (b"Cookie: " + b"x" * 1000 + b"\r\n") * 100, 431, "HeadersTooLarge"),  # and no end
        (HEAD + b"Expect: the worst\r\nContent-Length: 2\r\n\r\n{}", 417, "ExpectationFailed"),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\nExpect: the worst\r\n\r\n", 417, "ExpectationFailed"),
    ],
)
async def test_what_is_no_request_is_refused_in_the_shape_of_the_api(octets, status, reason):
    with capture_logs() as logs:
        async with running() as ingress:
            answered = await ingress.raw(octets)
            counted = ingress.sample("http_requests_total", method="none", route="none", code=str(status))
            posts = ingress.sample("http_requests_total", method="POST", route="/api/job", code=str(status))
    assert (answered.status, answered.body["status"], answered.body["reason"]) == (status, status, reason)
    assert answered.headers["Content-Type"].startswith("application/json")
    assert answered.headers["Server"] == "job-submission"
    assert (counted or posts) == 1
    assert [(line["event"], line["reason"], line["peer"]) for line in logs] == [
        ("request-refused", reason, "127.0.0.1")
    ]


async def test_the_server_names_no_versions():
    async with running() as ingress:
        for octets in (GET, b"nonsense\r\n\r\n", GET.replace(b"/ ", b"/x ")):
            assert (await ingress.raw(octets)).headers["Server"] == "job-submission"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 401),
        (("RA-USER: john", "Content-Encoding: br"), 415),
        (("RA-USER: john", "Expect: 100-continue", "Content-Encoding: zstd"), 415),
        (("RA-USER: john", "X: " + "x" * 16_380), 431),
    ],
)
async def test_an_answer_given_before_the_body_was_read_closes_the_connection_and_says_so(lines, status):
    async with running() as ingress, ingress.connection() as (reader, writer):
        head = ["POST /api/job HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 10000"]
        writer.write("\r\n".join([*head, *lines, "", ""]).encode())
        answered = await answer(reader)
        assert (answered.status, answered.headers["Connection"]) == (status, "close")
        writer.write(bytes(10_000))
        async with asyncio.timeout(5):
            assert await reader.read() == b""


async def test_a_connection_whose_body_was_read_goes_on():
    async with running() as ingress, ingress.connection() as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
            answered = await answer(reader)
            assert (answered.status, answered.headers.get("Connection")) == (400, None)


async def test_a_client_that_waits_to_be_told_to_go_on_is_told_when_its_body_is_wanted():
    async with running() as ingress, ingress.connection() as (reader, writer):
        writer.write(HEAD + b"Prefer: respond-async\r\nExpect: 100-continue\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(BODY))
        assert (await answer(reader)).status == 100
        writer.write(BODY)
        assert (await answer(reader)).status == 202


async def test_the_loop_goes_on_between_requests_that_came_together():
    """From Python 3.12 on aiohttp would answer all of them in one turn."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with running() as ingress, ingress.connection() as (reader, writer):
        counting = asyncio.create_task(others())
        writer.write(GET * 500)
        for _ in range(500):
            assert (await answer(reader)).status == 200
        counting.cancel()
    assert turns > 500


@pytest.mark.parametrize("sent", [b"", b"POST /api/job HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_connection_without_a_whole_request_is_closed(monkeypatch, sent):
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.05)
    async with running() as ingress, ingress.connection() as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read() == b""


def received(sock: socket.socket) -> int:
    """Read to the end; how many bytes there were."""
    sock.settimeout(5)
    total = 0
    with contextlib.suppress(ConnectionError):
        while octets := sock.recv(1_000_000):
            total += len(octets)
    return total


async def test_a_client_that_does_not_read_its_answers_is_dropped(monkeypatch):
    monkeypatch.setattr(server, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(30_000_000))  # more than the kernel's buffers hold

    async with serving(handler) as port:
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            with capture_logs() as logs:
                deaf.sendall(GET)
                async with asyncio.timeout(5):
                    while not logs:
                        await asyncio.sleep(0.01)
            assert [(line["event"], line["reason"]) for line in logs] == [("connections-dropped", "unread")]
            assert await asyncio.to_thread(received, deaf) < 30_000_000


class TestFullPort:
    """A port with room for three connections."""

    @pytest.fixture
    async def ingress(self):
        async with running(max_connections=3) as ingress:
            yield ingress

    async def closed(self, reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(0.2):
                return await reader.read() == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    async def test_a_new_connection_takes_the_place_of_the_oldest_that_never_asked(self, ingress):
        async with ingress.connection() as used, ingress.connection() as first, ingress.connection() as second:
            used[1].write(GET)
            assert (await answer(used[0])).status == 200
            assert (await ingress.raw(GET)).status == 200
            assert [await self.closed(reader) for reader, _ in (used, first, second)] == [False, True, False]
            assert ingress.sample("http_connections_dropped_total", port="api", reason="full") == 1

    async def test_of_those_that_asked_before_it_takes_the_one_idle_for_longest(self, ingress):
        async with ingress.connection() as one, ingress.connection() as two, ingress.connection() as three:
            for reader, writer in (one, two, three):
                writer.write(GET)
                await answer(reader)
            assert (await ingress.raw(GET)).status == 200
            assert [await self.closed(reader) for reader, _ in (one, two, three)] == [True, False, False]

    async def test_it_never_takes_the_place_of_one_that_waits_for_its_answer(self, ingress):
        async with ingress.connection() as one, ingress.connection() as two, ingress.connection() as three:
            for _, writer in (one, two, three):
                writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
                await ingress.topic.next()
            async with ingress.connection() as (newest, _):
                assert await self.closed(newest)
            assert [await self.closed(reader) for reader, _ in (one, two, three)] == [False, False, False]


async def test_a_connection_whose_client_does_not_read_makes_room():
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(30_000_000))  # more than the kernel's buffers hold

    async with serving(handler, max_connections=1) as port:
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.sendall(GET)
            await asyncio.sleep(0.2)
            assert (await raw(port, GET)).status == 200


def test_a_port_takes_no_more_connections_than_there_is_room_for_open_files(monkeypatch):
    monkeypatch.setattr(server, "open_files", lambda: 1024)
    with capture_logs() as logs:
        assert server._bounds(Port("api", "HTTP_", "::", 0, 4096, 4096)) == (128, 640)
        assert server._bounds(Port("probes", "METRICS_", "::", 0, 64, 4096)) == (64, 64)
    assert logs == [
        {
            "event": "connections-limited",
            "log_level": "warning",
            "port": "api",
            "limit": 640,
            "wanted": 4096,
            "open_files": 1024,
        }
    ]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_the_default_address_takes_both_families():
    async with running(host="::") as ingress:
        for host in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(host, ingress.port)
            writer.write(GET)
            assert (await answer(reader)).status == 200
            writer.close()


async def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch):
    monkeypatch.setattr(server.socket, "has_dualstack_ipv6", lambda: False)
    async with running(host="::") as ingress:
        assert (await ingress.raw(GET)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_an_address_of_ones_own(host):
    async with running(host=host) as ingress:
        reader, writer = await asyncio.open_connection(host, ingress.port)
        writer.write(GET)
        assert (await answer(reader)).status == 200
        writer.close()


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "2001:db8::1", "not an address"])
def test_an_address_that_is_not_of_this_machine_is_a_faulty_setting(host):
    with pytest.raises(FaultySettings) as caught:
        replace(PORT, host=host).bind()
    assert caught.value.faults == [f"HTTP_HOST: {host} is no address of this machine"]


@pytest.mark.parametrize("host", ["::", "127.0.0.1"])
def test_a_port_that_is_taken_is_named(host):
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        with pytest.raises(OSError, match=f"Address already in use: {host}:{number} .HTTP_HOST, HTTP_PORT."):
            replace(PORT, host=host, number=number).bind()


async def test_a_machine_whose_ipv6_is_switched_off_listens_on_ipv4(monkeypatch):
    def bound(port: Port, family: int, host: str) -> socket.socket:
        if family == socket.AF_INET6:
            raise FaultySettings([])
        return _bound(port, family, host)

    _bound = Port._bound
    monkeypatch.setattr(Port, "_bound", bound)
    async with running(host="::") as ingress:
        assert (await ingress.raw(GET)).status == 200
