"""The requests the service makes of the Kubernetes API: plain dicts in, the little that is needed out.

One aiohttp session with kept connections, JSON by orjson. An answer of the API server other than success is an
`ApiError`, no answer an `ApiUnreachable`; nobody here decides what either means.
"""

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from service import __version__
from service.errors import LeaseLost
from service.kube.auth import Login
from service.kube.decisions import is_absent, is_denied_by_roles
from service.kube.errors import ApiError, ApiUnreachable, object_in, refusal, warning_texts
from service.kube.fencing import Confirm, FencedBody
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics

GROUPS: Final = {
    "namespaces": "",
    "jobs": "batch",
    "persistentvolumeclaims": "",
    "services": "",
    "ingresses": "networking.k8s.io",
}
"""The resources that are asked for, and the API group of each; all in version v1."""

_JSON: Final = {"Content-Type": "application/json"}
_PATCH: Final = {"Content-Type": "application/strategic-merge-patch+json"}
_CREATE: Final = _JSON | {
    "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
}
"""Of what was created the metadata will do (Kubernetes API concepts, "Receiving resources as ...", "Metadata-only
fetches"): writing the whole object out is a seventh of the API server's CPU for a create."""

KEEP_ALIVE_SECONDS: Final = 60
"""How long an idle connection is kept, less than the 90 s after which an API server closes it."""

BOOTSTRAP_CHECKS: Final = frozenset(
    {"poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes"}
)
"""What an API server looks after for a second or so after it can create Jobs: objects that were there before."""

PROBE_SECONDS: Final = 2.0
"""How long an answer to a probe is waited for."""

_FAILED_CHECK = re.compile(r"^\[-\](\S+)", re.MULTILINE)


class Created(NamedTuple):
    """An object that was created, with the warnings of the API server."""

    name: str
    uid: str
    warnings: tuple[str, ...]


class KubeApi:
    """A client of one API server. Make it with `connect`, end it with `close`."""

    def __init__(self, login: Login, timeout_seconds: float, metrics: Metrics) -> None:
        self._login = login
        self._metrics = metrics
        self._counters: dict[tuple[str, str], Any] = {}
        self._histograms: dict[str, Any] = {}
        # the API server gives up a little earlier, so that a request without an answer is not carried out much later
        self._limit = f"timeout={int(timeout_seconds * 900)}ms"
        self._session = aiohttp.ClientSession(
            # no limit: the consumer bounds how many requests are in flight
            connector=aiohttp.TCPConnector(limit=0, ssl=login.tls, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            headers={"Accept": "application/json", "User-Agent": f"job-submission/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=login.proxy,
        )
        self._probe_timeout = aiohttp.ClientTimeout(total=min(timeout_seconds, PROBE_SECONDS))

    @classmethod
    async def connect(cls, settings: KubeSettings, metrics: Metrics) -> Self:
        """Read the login; no request is made. Raises LoginFailed."""
        return cls(await Login.read(settings), settings.request_timeout_seconds, metrics)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def create(
        self, resource: str, namespace: str, body: dict[str, Any], confirm: Confirm | None = None
    ) -> Created:
        """Create an object. Unknown fields in it are an error, not dropped.

        `confirm` is awaited right before the request is written, as in `delete` and `patch`; nothing is when it raises.
        Raises ApiError, ApiUnreachable, LeaseLost.
        """
        url = _url(self._login.server, resource, namespace, "", f"?fieldValidation=Strict&{self._limit}")
        answer, warnings = await self._request("create", "POST", url, body, _CREATE, confirm)
        metadata = answer["metadata"]
        return Created(metadata["name"], metadata["uid"], warnings)

    async def read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object as it is stored now, None where there is none. Raises ApiError, ApiUnreachable."""
        url = _url(self._login.server, resource, namespace, name, "")
        try:
            answer, _ = await self._request("get", "GET", url)
        except ApiError as error:
            if is_absent(error.answer):
                return None
            raise
        return answer

    async def has_namespace(self, name: str) -> bool | None:
        """Tell whether a namespace exists; None where the service may not know. Raises ApiError, ApiUnreachable."""
        url = URL(f"{self._login.server}/api/v1/namespaces/{quote(name, safe='')}", encoded=True)
        try:
            await self._request("get", "GET", url)
        except ApiError as error:
            if is_absent(error.answer):
                return False
            if error.answer.status == 403:
                return None
            raise
        return True

    async def delete(self, resource: str, namespace: str, name: str, uid: str, confirm: Confirm | None = None) -> None:
        """Delete the object of this name if its uid is `uid`; what it owns is collected in the background.

        Raises ApiError (404 where it is gone, 409 where the uid is another), ApiUnreachable, LeaseLost.
        """
        url = _url(self._login.server, resource, namespace, name, f"?{self._limit}")
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        await self._request("delete", "DELETE", url, options, confirm=confirm)

    async def patch(
        self, resource: str, namespace: str, name: str, patch: dict[str, Any], confirm: Confirm | None = None
    ) -> None:
        """Apply a strategic merge patch; a `metadata.uid` in it is a precondition.

        Raises ApiError, ApiUnreachable, LeaseLost.
        """
        url = _url(self._login.server, resource, namespace, name, f"?{self._limit}")
        await self._request("patch", "PATCH", url, patch, _PATCH, confirm)

    async def can_i(self, verb: str, resource: str, namespace: str | None = None) -> bool:
        """Ask whether this service may do `verb` to `resource` in a namespace (None: in all).

        Raises ApiError, ApiUnreachable.
        """
        attributes = {"verb": verb, "group": GROUPS[resource], "resource": resource, "namespace": namespace or ""}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer, _ = await self._request("review", "POST", URL(self._login.server + path, encoded=True), review)
        return bool(answer.get("status", {}).get("allowed"))

    async def alive(self) -> bool:
        """Tell whether an API server answers and knows this service, whatever it may do (403).

        Where nothing but `BOOTSTRAP_CHECKS` keeps it from being ready it counts as alive: nobody's Job waits for those.
        """
        status, failed = await self._readiness()
        return status in (200, 403) or (status == 500 and bool(failed) and failed <= BOOTSTRAP_CHECKS)

    async def _readiness(self) -> tuple[int | None, frozenset[str]]:
        """Return the status of the API server's `/readyz`, None without an answer, and the checks that have failed.

        The checks are listed with a failure ("Kubernetes API health endpoints").
        """
        try:
            async with self._session.get(
                self._login.server + "/readyz",
                headers=await self._login.headers(),
                timeout=self._probe_timeout,
                allow_redirects=False,
                server_hostname=self._login.tls_server_name,
            ) as response:
                status, text = response.status, await response.text(errors="replace")
        except (aiohttp.ClientError, OSError):
            self._count("probe", "error")
            return None, frozenset()
        self._count("probe", str(status))
        if status == 401:
            self._login.distrust()
        return status, frozenset(_FAILED_CHECK.findall(text))

    async def _request(
        self,
        verb: str,
        method: str,
        url: URL,
        body: Any = None,
        media_types: Mapping[str, str] = _JSON,
        confirm: Confirm | None = None,
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Make one request; return the object answered and the warnings with it.

        An API server that has just started answers before it knows the roles, and forbids everything: only a ready one
        is believed, and only when it says so again.
        """
        try:
            return await self._ask(verb, method, url, body, media_types, confirm)
        except ApiError as error:
            if not is_denied_by_roles(error.answer):
                raise
        status, _ = await self._readiness()
        if status != 200:
            raise ApiUnreachable("starting")
        return await self._ask(verb, method, url, body, media_types, confirm)

    async def _ask(
        self, verb: str, method: str, url: URL, body: Any, media_types: Mapping[str, str], confirm: Confirm | None
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        headers = await self._login.headers()
        data: bytes | FencedBody | None = None
        if body is not None:
            headers = {**headers, **media_types}
            data = orjson.dumps(body) if confirm is None else FencedBody(orjson.dumps(body), confirm)
        started = time.perf_counter()
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._login.tls_server_name,
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._count(verb, "error")
            raise ApiUnreachable("connect") from error
        except TimeoutError as error:
            self._count(verb, "error")
            raise ApiUnreachable("timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, LeaseLost):
                raise error.__cause__ from None
            self._count(verb, "error")
            raise ApiUnreachable("disconnect") from error
        self._count(verb, str(response.status))
        self._observe(verb, time.perf_counter() - started)
        warnings = tuple(text for value in response.headers.getall("Warning", ()) for text in warning_texts(value))
        answer = object_in(raw)
        if response.status not in (200, 201, 202) or "kind" not in answer:
            if response.status == 401:
                self._login.distrust()
            raise ApiError(refusal(response, answer, raw, warnings))
        return answer, warnings

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
def _url(server: str, resource: str, namespace: str, name: str, query: str) -> URL:
    group = GROUPS[resource]
    root = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{root}/namespaces/{quote(namespace, safe='')}/{resource}"
    if name:
        path += f"/{quote(name, safe='')}"
    return URL(server + path + query, encoded=True)
