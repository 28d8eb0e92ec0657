"""The servers on the other side of a comparison, each a process: `python -m bench.small_servers KIND PORT`.

`bare` is what P5 divides by: aiohttp as its tutorial has it, on the standard event loop, reading a body and answering
202. `canned` plays an API server that costs next to nothing and keeps nothing, for the figures about the service alone:
memory over many submissions, and scale.
"""

import argparse
import asyncio

import orjson
import uvloop
from aiohttp import web


async def _bare(port: int) -> None:
    async def accept(request: web.Request) -> web.Response:
        orjson.loads(await request.read())
        return web.Response(body=b'{"status":202}', status=202, content_type="application/json")

    async def ready(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/job", accept)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


class _CannedApi(asyncio.Protocol):
    """Says 201 to every POST, with the name from its body, and 200 to everything else."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's transports are a class of their own

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            _, _, after = head.lower().partition(b"\r\ncontent-length:")
            length = int(after.partition(b"\r\n")[0] or 0)
            if not found or len(rest) < length:
                return
            self._buffer = rest[length:]
            # a review of the service's rights has no name
            name = orjson.loads(rest[:length]).get("metadata", {}).get("name", "") if head.startswith(b"POST") else ""
            status = b"201 Created" if name else b"200 OK"
            body = orjson.dumps({"kind": "Job", "metadata": {"name": name, "uid": name}, "status": {"allowed": True}})
            assert self._transport is not None  # noqa: S101 - data come after the connection
            self._transport.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


async def _canned(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_CannedApi, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Run one server until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("bare", "canned"))
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    if options.kind == "bare":
        asyncio.run(_bare(options.port))
    else:
        uvloop.run(_canned(options.port))


if __name__ == "__main__":
    main()
