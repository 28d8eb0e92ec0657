"""A reverse proxy in front of the API server: plain HTTP from the service, TLS to the server, faults in between."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from devstack.api import AdminApi, kubeconfig
from tests.faults.faultplan import Fault, FaultPlan, reset

LONGEST_DELAY: Final = 1.0
"""Seconds a request is held back at most."""

FORWARD_SECONDS: Final = 20
"""How long an answer of the API server is waited for: longer than the service waits."""

_PAGE: Final = "<html><head><title>Sign in</title></head><body>The fault suite is in between.</body></html>"
_UNAUTHORIZED: Final = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}
_STATUSES = {Fault.TOO_MANY: 429, Fault.SERVER_ERROR: 500, Fault.UNAVAILABLE: 503}
_HOP_BY_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length"})


class KubeProxy:
    """Forwards `port` of 127.0.0.1 to the API server, under a plan of faults."""

    def __init__(self, port: int, api: AdminApi, plan: FaultPlan) -> None:
        self._port = port
        self._api = api
        self._plan = plan
        self._tls = ssl.create_default_context(cafile=str(api.ca_file)) if api.ca_file else False

    def kubeconfig(self, user: Mapping[str, Any]) -> str:
        """Return a kubeconfig that leads here and logs in as its `user` section says."""
        return kubeconfig(f"http://127.0.0.1:{self._port}", user)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forward while the block runs."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=FORWARD_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            self._session = session
            # a client that gave up does not take its request back: the server has it
            runner = web.ServerRunner(web.Server(self._handle), handler_cancellation=False, shutdown_timeout=0.1)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", self._port, backlog=256).start()
                yield
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        fault = self._plan.choose()
        if fault is Fault.NEVER_ARRIVES:
            await asyncio.sleep(FORWARD_SECONDS)
        if fault in (Fault.NEVER_ARRIVES, Fault.RESET_BEFORE, Fault.REFUSE):
            return self._reset(request)
        if fault in _STATUSES:
            return _refusal(_STATUSES[fault])
        if fault is Fault.PAGE:
            return web.Response(status=self._plan.page_status(), text=_PAGE, content_type="text/html")
        if fault is Fault.UNAUTHORIZED:
            return web.json_response(_UNAUTHORIZED, status=401)
        if fault is Fault.DELAY:
            await asyncio.sleep(self._plan.seconds(LONGEST_DELAY))
        try:
            answer = await self._forward(request, body, without={"authorization"} if fault is Fault.ANONYMOUS else ())
        except (aiohttp.ClientError, TimeoutError):
            return self._reset(request)
        if fault is Fault.RESET_AFTER:
            return self._reset(request)
        if fault is Fault.BLACK_HOLE:
            await asyncio.sleep(FORWARD_SECONDS)
            return self._reset(request)
        return answer

    async def _forward(self, request: web.BaseRequest, body: bytes, without: Iterable[str]) -> web.Response:
        left_out = _HOP_BY_HOP.union(without)
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in left_out]
        async with self._session.request(
            request.method,
            URL(self._api.url + request.raw_path, encoded=True),
            headers=headers,
            data=body or None,
            allow_redirects=False,
        ) as answer:
            raw = await answer.read()
            passed = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP)
            return web.Response(status=answer.status, body=raw, headers=passed)

    @staticmethod
    def _reset(request: web.BaseRequest) -> web.Response:
        if request.transport is not None:
            reset(request.transport)
        return web.Response(status=500)  # nobody gets it


def _refusal(status: int) -> web.Response:
    """Answer as an API server under load does, or as a load balancer in front of it: a text, no `Status` object."""
    return web.Response(status=status, text=f"the fault suite says {status}", headers={"Retry-After": "1"})
