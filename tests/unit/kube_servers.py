"""API servers that misbehave, and a client of one."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from devstack import api
from service.kube import Created, KubeApi
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics

CREATED = {"kind": "Job", "metadata": {"name": "a", "uid": "u-1"}}
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def kubeconfig(folder: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    """A kubeconfig file whose current context leads to `server`; its context `two` leads elsewhere."""
    config = json.loads(api.kubeconfig(server, user))
    config["clusters"][0]["cluster"] |= cluster
    config["clusters"].append({"name": "two", "cluster": {"server": "http://two.example:6443/"}})
    config["contexts"].append({"name": "two", "context": {"cluster": "two", "user": "local"}})
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


@asynccontextmanager
async def client(
    folder: Path, server: str, timeout: float = 5.0, cluster: dict[str, Any] | None = None
) -> AsyncIterator[KubeApi]:
    file = kubeconfig(folder, server, {"token": "t"}, **(cluster or {}))
    settings = KubeSettings(config_file=file, request_timeout_seconds=timeout)
    api = await KubeApi.connect(settings, Metrics())
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def answering(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def closing(answer: bytes | None) -> AsyncIterator[str]:
    """A server that reads a request, sends some bytes (None: never any) and hangs up."""

    serving = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read(-1)  # until the client gives up
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
    await asyncio.gather(*serving)


def json_answer(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


async def create(api: KubeApi) -> Created:
    return await api.create("jobs", "ns", {"metadata": {"name": "a"}})
