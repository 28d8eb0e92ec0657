"""An API server that has logs of pods, as a kubelet would give them, and breaks off where it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from service.kube import KubeReader, Login, PodLogs
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import Handler, answering, kubeconfig


def stamp(second: int) -> str:
    """The timestamp of a line, as the kubelet writes it."""
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.123456789Z"


@dataclass
class Container:
    """What a container has printed, a second each or as `lines` say; it `runs` until told otherwise."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    runs: bool = False
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next answers breaks off."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and message of the next answers."""

    def print(self, *texts: str, second: int | None = None) -> None:
        """Print lines, each a second after the last or all in one `second`."""
        for text in texts:
            last = self.lines[-1][0] if self.lines else 0
            self.lines.append((last + 1 if second is None else second, text))


class LogServer:
    """Pods by name. `asked` has the query of each request."""

    def __init__(self) -> None:
        self.pods: dict[str, Container] = {}
        self.asked: list[dict[str, str]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `read log of the specified Pod` (Kubernetes API)."""
        name, query = request.path.split("/")[-2], dict(request.query)
        self.asked.append(query)
        pod = self.pods.get(name)
        if pod is None:
            return _status(404, "NotFound", f'pods "{name}" not found')
        if pod.refusals:
            status, message = pod.refusals.pop(0)
            return _status(status, "BadRequest", message)
        if query.get("previous") == "true":
            return _status(400, "BadRequest", f'previous terminated container "job" in pod "{name}" not found')
        if query.get("container") != "job":
            return _status(400, "BadRequest", f"container {query.get('container')} is not valid for pod {name}")
        return await self._stream(request, pod, query)

    async def _stream(self, request: web.BaseRequest, pod: Container, query: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        left = pod.breaks_after.pop(0) if pod.breaks_after else None
        since = query.get("sinceTime", "")[:19]  # the kubelet knows whole seconds
        wanted = [number for number, (second, _) in enumerate(pod.lines) if stamp(second)[:19] >= since]
        if "tailLines" in query:
            wanted = wanted[len(wanted) - min(len(wanted), int(query["tailLines"])) :]
        number = wanted[0] if wanted else len(pod.lines)
        while True:
            while number < len(pod.lines):
                second, text = pod.lines[number]
                number += 1
                data = f"{stamp(second)} {text}\n" if query.get("timestamps") == "true" else f"{text}\n"
                octets = data.encode()
                if left is not None and left < len(octets):
                    await response.write(octets[:left])
                    assert request.transport is not None
                    request.transport.close()
                    return response
                left = None if left is None else left - len(octets)
                await response.write(octets)
            if query.get("follow") != "true" or not pod.runs:
                return response
            await asyncio.sleep(0.005)


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": reason, "message": message}, status=code)


@asynccontextmanager
async def log_reader(folder: Path, handler: Handler | None = None) -> AsyncIterator[tuple[LogServer, KubeReader]]:
    """Give such a server, or `handler` in its place, and a client of it."""
    server = LogServer()
    async with answering(handler or server.handle) as address:
        login = Login.of(KubeSettings(config_file=kubeconfig(folder, address, {"token": "t"})))
        reader = KubeReader(login, 5, Metrics())
        try:
            yield server, reader
        finally:
            for pod in server.pods.values():
                pod.runs = False  # the server waits for its answers
            await reader.close()


@asynccontextmanager
async def pod_logs(folder: Path, handler: Handler | None = None) -> AsyncIterator[tuple[LogServer, PodLogs]]:
    """Give such a server, or `handler` in its place, and what reads from it."""
    async with log_reader(folder, handler) as (server, reader):
        yield server, PodLogs(reader)
