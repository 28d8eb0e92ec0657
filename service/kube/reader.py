"""What the watcher reads of the Kubernetes API: pages of lists, and answers without end, line by line.

Apart from `client`, which writes: the watcher has a service account of its own that may read and nothing else.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
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

GROUPS: Final = {
    "workloads": "kueue.x-k8s.io",
    "podgroups": "scheduling.run.ai",
}
"""Resources of schedulers, and the API group of each; which version has them, the cluster is asked."""

SILENCE_SECONDS: Final = 150
"""How long an answer without end may say nothing: an API server sends a bookmark about every minute."""

MAX_LINE_BYTES: Final = 8 * 1024 * 1024
"""Longest line: an object takes at most 1.5 MiB in the cluster's store, JSON some more."""

PAGE_TIMEOUTS: Final = 6
"""Times the usual time-out that a page of a list may take."""


class ResourceMissing(Exception):
    """The cluster does not know a resource: what defines it is not installed."""


class KubeReader:
    """A reading client of one API server, with a time-out in seconds; end it with `close`."""

    def __init__(self, login: Login, timeout: float, metrics: Metrics) -> None:
        self._login = login
        self._timeout = timeout
        self._requests = metrics.kube_requests
        self._roots = dict(ROOTS)
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
        """Return one page of a list, in all namespaces where `namespace` is empty.

        Raises ApiError, ApiUnreachable, ResourceMissing.
        """
        path = await self._path(resource, namespace, query)
        try:
            page = await self._object("list", path, PAGE_TIMEOUTS * self._timeout)
        except ApiError as error:
            if error.answer.status == 404 and resource in GROUPS:
                del self._roots[resource]  # its definition has gone, or its version
            raise
        if "items" not in page:
            raise ApiUnreachable(Reason.NOT_THE_API, "an answer without a list")
        return page

    async def lines(self, resource: str, namespace: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield an empty line when an answer without end begins, then its lines.

        Raises ApiError, ApiUnreachable, ResourceMissing.
        """
        path = await self._path(resource, namespace, query)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=SILENCE_SECONDS)
        async with self._get("watch", path, timeout) as response:
            yield b""
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line
                if len(rest) > MAX_LINE_BYTES:
                    raise ApiUnreachable(Reason.NOT_THE_API, f"a line of more than {MAX_LINE_BYTES} bytes")

    async def log(self, namespace: str, pod: str, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the log of a container in chunks, as it comes. Raises ApiError, ApiUnreachable."""
        place = f"/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=SILENCE_SECONDS)
        async with self._get("log", f"{ROOTS['pods']}{place}/log?{urlencode(query)}", timeout) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    async def _path(self, resource: str, namespace: str, query: Mapping[str, str]) -> str:
        if resource not in self._roots:
            self._roots[resource] = await self._root_of(resource, GROUPS[resource])
        place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self._roots[resource]}{place}/{resource}?{urlencode(query)}"

    async def _root_of(self, resource: str, group: str) -> str:
        """Return the API that has a resource, of the group's versions the one that the cluster prefers.

        https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
        """
        versions = await self._discovered(f"/apis/{group}", "versions")
        for version in (str(each.get("groupVersion")) for each in versions):
            resources = await self._discovered(f"/apis/{version}", "resources")
            if any(each.get("name") == resource for each in resources):
                return f"/apis/{version}"
        raise ResourceMissing(f"{resource}.{group} is not installed")

    async def _discovered(self, path: str, member: str) -> list[dict[str, Any]]:
        """Return a list of a document of the discovery, an empty one where there is no such document."""
        try:
            document = await self._object("discovery", path, self._timeout)
        except ApiError as error:
            if error.answer.status == 404:
                return []
            raise
        found = document.get(member)
        return found if isinstance(found, list) else []

    async def _object(self, verb: str, path: str, seconds: float) -> dict[str, Any]:
        async with self._get(verb, path, aiohttp.ClientTimeout(total=seconds)) as response:
            return object_in(await response.read())

    @asynccontextmanager
    async def _get(self, verb: str, path: str, timeout: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
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
