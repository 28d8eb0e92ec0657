"""One HTTP exchange with the API server: the login goes in, an answer or an ApiUnreachable comes out.

Kept connections for all requests of a cluster, by `http1`, or by `proxied` where the kubeconfig names a proxy; nobody
here looks into a body.
"""

import asyncio
import re
import time
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from service import __version__
from service.kube.auth import Access, Login
from service.kube.errors import Answer, ApiUnreachable, LoginFailed, Reason
from service.kube.fencing import Confirm
from service.kube.http1 import Http1Client, Origin
from service.kube.proxied import ProxiedClient
from service.telemetry.metrics import Metrics

_USER_AGENT: Final = f"job-submission/{__version__}"
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f]")  # a line break would end the header, and begin another one


class MediaTypes(NamedTuple):
    """What a request brings, and what it wants back."""

    content: str = "application/json"
    accept: str = "application/json"


JSON: Final = MediaTypes()


class Transport:
    """Makes requests of one API server and counts them; `timeout` in seconds is for one request as a whole."""

    def __init__(self, login: Login, timeout: float, metrics: Metrics) -> None:
        self._login = login
        self._timeout = timeout
        self._metrics = metrics
        self._counters: dict[tuple[str, str], Any] = {}
        self._histograms: dict[str, Any] = {}
        self._direct = Http1Client()
        self._proxied = ProxiedClient()
        self._access: Access | None = None
        self._origin = Origin("", 0, None, "")
        self._prefix = ""
        self._common = b""

    async def close(self) -> None:
        """Close all connections, and end a credential plugin that is running."""
        await self._login.close()
        await self._proxied.close()
        self._direct.close()

    async def exchange(
        self,
        verb: str,
        method: str,
        path: str,
        body: bytes | None = None,
        media_types: MediaTypes = JSON,
        confirm: Confirm | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one request and read the whole answer; `verb` is what it is counted as.

        `confirm` is awaited right before the request is written; nothing is when it raises. Raises ApiUnreachable,
        LeaseLost.
        """
        limit = min(self._timeout, timeout or self._timeout)
        started = time.perf_counter()
        try:
            access = await self._login.access(limit)
            started = time.perf_counter()
            async with asyncio.timeout(limit):
                answer = await self._ask(access, method, path, body, media_types, confirm)
        except LoginFailed as error:
            self._count(verb, "error")
            raise ApiUnreachable(Reason.LOGIN, str(error)) from error
        except TimeoutError as error:
            self._count(verb, "error")
            raise ApiUnreachable(Reason.TIMEOUT, f"no answer within {limit:g} s") from error
        except ApiUnreachable:
            self._count(verb, "error")
            raise
        self._count(verb, str(answer.status))
        self._observe(verb, time.perf_counter() - started)
        if answer.status == 401:
            self._login.distrust(access)
        return answer

    async def _ask(
        self,
        access: Access,
        method: str,
        path: str,
        body: bytes | None,
        media_types: MediaTypes,
        confirm: Confirm | None,
    ) -> Answer:
        if access.proxy is not None:
            headers = {**access.headers, "User-Agent": _USER_AGENT, "Accept": media_types.accept}
            if body is not None:
                headers["Content-Type"] = media_types.content
            return await self._proxied.exchange(access, method, path, headers, body, confirm)
        if access is not self._access:
            self._take_over(access)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n".encode()
        if body is None:
            request = b"".join((head, self._common, _lines(media_types)[0], b"\r\n"))
        else:
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            request = b"".join((head, self._common, _lines(media_types)[1], length, body))
        return await self._direct.exchange(self._origin, request, is_safe=method == "GET", confirm=confirm)

    def _take_over(self, access: Access) -> None:
        """Prepare what all requests have in common. Raises ApiUnreachable where a credential cannot be in a header."""
        server = urlsplit(access.server)
        host, is_tls = server.hostname or "", server.scheme == "https"
        port = server.port or (443 if is_tls else 80)
        headers = {"Host": server.netloc.rpartition("@")[2], "User-Agent": _USER_AGENT, **access.headers}
        for name, value in headers.items():
            if _NO_TEXT.search(value):
                raise ApiUnreachable(Reason.LOGIN, f"the header {name} would have a control character in it")
        self._origin = Origin(host, port, access.tls if is_tls else None, access.tls_server_name or host)
        self._prefix = server.path.rstrip("/")
        self._common = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        self._access = access

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


@lru_cache(16)
def _lines(media_types: MediaTypes) -> tuple[bytes, bytes]:
    """Return the headers of a request without a body and of one with a body."""
    accept = f"Accept: {media_types.accept}\r\n".encode()
    return accept, accept + f"Content-Type: {media_types.content}\r\n".encode()
