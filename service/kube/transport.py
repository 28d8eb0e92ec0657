"""One HTTP exchange with the API server: the login goes in, an answer or an ApiUnreachable comes out.

One aiohttp session with kept connections for all requests of a cluster; nobody here looks into a body.
"""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from service import __version__
from service.errors import LeaseLost
from service.kube.auth import Login
from service.kube.errors import ApiUnreachable, LoginFailed, Reason, unreachable
from service.kube.fencing import Confirm, FencedBody
from service.telemetry.metrics import Metrics

KEEP_ALIVE_SECONDS: Final = 60
"""How long an idle connection is kept, less than the 90 s after which an API server closes it."""


class Answer(NamedTuple):
    """What came back, whoever it is from."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes


class Transport:
    """Makes requests of one API server and counts them; `timeout` in seconds is for one request as a whole."""

    def __init__(self, login: Login, timeout: float, metrics: Metrics) -> None:
        self._login = login
        self._timeout = timeout
        self._metrics = metrics
        self._counters: dict[tuple[str, str], Any] = {}
        self._histograms: dict[str, Any] = {}
        self._session = aiohttp.ClientSession(
            # no limit: `cluster.concurrency` bounds how many requests are in flight
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            headers={"Accept": "application/json", "User-Agent": f"job-submission/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections, and end a credential plugin that is running."""
        await self._login.close()
        await self._session.close()

    async def exchange(
        self,
        verb: str,
        method: str,
        path: str,
        body: bytes | None = None,
        media_types: Mapping[str, str] | None = None,
        confirm: Confirm | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one request and read the whole answer; `verb` is what it is counted as.

        `confirm` is awaited right before the request is written; nothing is when it raises. Raises ApiUnreachable,
        LeaseLost.
        """
        limit = min(self._timeout, timeout or self._timeout)
        try:
            access = await self._login.access(limit)
        except LoginFailed as error:
            self._count(verb, "error")
            raise ApiUnreachable(Reason.LOGIN, str(error)) from error
        headers: Mapping[str, str] = access.headers
        data: bytes | FencedBody | None = body
        if body is not None:
            headers = CIMultiDict(access.headers)
            headers.update(media_types or {})
            data = FencedBody(body, confirm) if confirm else body
        started = time.perf_counter()
        try:
            async with self._session.request(
                method,
                _url(access.server, path),
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=limit),
                allow_redirects=False,
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
            ) as response:
                answer = Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            if isinstance(error.__cause__, LeaseLost):
                raise error.__cause__ from None
            self._count(verb, "error")
            raise unreachable(error) from error
        self._count(verb, str(answer.status))
        self._observe(verb, time.perf_counter() - started)
        if answer.status == 401:
            self._login.distrust(access)
        return answer

    def _count(self, verb: str, code: str) -> None:
        counter = self._counters.get((verb, code))
        if counter is None:
            counter = self._counters[verb, code] = self._metrics.kube_requests.labels(verb=verb, code=code)
        counter.inc()

    def _observe(self, verb: str, seconds: float) -> None:
        histogram = self._histograms.get(verb)
        if histogram is None:
            histogram = self._histograms[verb] = self._metrics.kube_seconds.labels(verb=verb)
        histogram.observe(seconds)


@lru_cache(1024)
def _url(server: str, path: str) -> URL:
    return URL(server + path, encoded=True)
