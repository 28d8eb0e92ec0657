"""What the watcher reads of the Kubernetes API: pages of lists, and answers without end, line by line.

Apart from `client`, which writes: the watcher has a service account of its own that may read and nothing else.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from service import __version__
from service.kube.auth import Login
from service.kube.errors import ApiError, ApiUnreachable, LoginFailed, Reason, answer_of, object_in, unreachable
from service.telemetry.metrics import Metrics

ROOTS: Final = {
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
    "events": "/api/v1",
}
"""The resources that are read, and the API each belongs to."""

SILENCE_SECONDS: Final = 150
"""How long an answer without end may say nothing: an API server sends a bookmark about every minute."""

MAX_LINE_BYTES: Final = 8 * 1024 * 1024
"""Longest line: an object takes at most 1.5 MiB in the cluster's store, JSON some more."""

PAGE_TIMEOUTS: Final = 6
"""Times the usual time-out that a page of a list may take."""


class KubeReader:
    """A reading client of one API server, with a time-out in seconds; end it with `close`."""

    def __init__(self, login: Login, timeout: float, metrics: Metrics) -> None:
        self._login = login
        self._timeout = timeout
        self._requests = metrics.kube_requests
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"Accept": "application/json", "User-Agent": f"job-submission-watcher/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections, and end a credential plugin that is running."""
        await self._login.close()
        await self._session.close()

    async def list_page(self, resource: str, namespace: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of a list, in all namespaces where `namespace` is empty. Raises ApiError, ApiUnreachable."""
        timeout = aiohttp.ClientTimeout(total=PAGE_TIMEOUTS * self._timeout)
        async with self._get("list", resource, namespace, query, timeout) as response:
            page = object_in(await response.read())
        if "items" not in page:
            raise ApiUnreachable(Reason.NOT_THE_API, "an answer without a list")
        return page

    async def lines(self, resource: str, namespace: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield an empty line when an answer without end begins, then its lines. Raises ApiError, ApiUnreachable."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=SILENCE_SECONDS)
        async with self._get("watch", resource, namespace, query, timeout) as response:
            yield b""
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line
                if len(rest) > MAX_LINE_BYTES:
                    raise ApiUnreachable(Reason.NOT_THE_API, f"a line of more than {MAX_LINE_BYTES} bytes")

    @asynccontextmanager
    async def _get(
        self, verb: str, resource: str, namespace: str, query: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        path = f"{ROOTS[resource]}{place}/{resource}?{urlencode(query)}"
        try:
            access = await self._login.access(self._timeout)
        except LoginFailed as error:
            raise ApiUnreachable(Reason.LOGIN, str(error)) from error
        try:
            async with self._session.get(
                URL(access.server + path, encoded=True),
                headers=access.headers,
                timeout=timeout,
                allow_redirects=False,
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
            ) as response:
                self._requests.labels(verb=verb, code=str(response.status)).inc()
                if response.status != 200:
                    if response.status == 401:
                        self._login.distrust(access)
                    raise ApiError(answer_of(response.status, response.headers, await response.read()))
                yield response
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            self._requests.labels(verb=verb, code="error").inc()
            raise unreachable(error) from error
