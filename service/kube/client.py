"""The requests the service makes of the Kubernetes API: plain dicts in, the little that is needed out.

JSON by orjson, which costs a fraction of the official client's typed objects. An answer of the API server other than
success is an `ApiError`, no answer an `ApiUnreachable`; nobody here decides what either means.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import orjson

from service.kube.auth import Login
from service.kube.decisions import is_absent, is_denied_by_roles
from service.kube.errors import ApiError, answer_of, object_in, warnings_in
from service.kube.fencing import Confirm
from service.kube.health import GROUPS, Health, review_of
from service.kube.transport import JSON, MediaTypes, Transport
from service.settings import KubeSettings
from service.spec.names import namespace_of
from service.telemetry.metrics import Metrics

_KUEUE: Final = "/apis/kueue.x-k8s.io"
_PATCH: Final = MediaTypes("application/strategic-merge-patch+json")
_CREATE: Final = MediaTypes(accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json")
"""Of what was created the metadata will do (Kubernetes API concepts, "Receiving resources as ...", "Metadata-only
fetches"): writing the whole object out is a seventh of the API server's CPU for a create."""
_CREATED: Final = re.compile(
    rb'\{"kind":"PartialObjectMetadata","apiVersion":"meta\.k8s\.io/v1",'
    rb'"metadata":\{"name":"([a-z0-9.-]+)","namespace":"[a-z0-9-]+","uid":"([a-zA-Z0-9-]+)"'
)
"""How the API server begins such an answer: Go writes the fields of a struct in their order (encoding/json). What
follows is mostly `managedFields`, which nobody needs here and which cost 44,000 instructions a create to parse."""


class Created(NamedTuple):
    """An object that was created, with the warnings of the API server; after a dry run, all that would be `stored`."""

    name: str
    uid: str
    warnings: tuple[str, ...]
    stored: dict[str, Any] | None = None


class KubeApi:
    """A client of one API server. Make it with `connect`, end it with `close`."""

    def __init__(self, login: Login, settings: KubeSettings, metrics: Metrics) -> None:
        self._transport = Transport(login, settings.request_timeout_seconds, metrics)
        namespaces = [namespace_of(project, settings.namespace_template) for project in settings.projects]
        self._health = Health(self._transport, namespaces)
        # the API server gives up a little earlier, so that a request without an answer is not carried out much later
        self._limit = f"timeout={int(settings.request_timeout_seconds * 900)}ms"

    @classmethod
    async def connect(cls, settings: KubeSettings, metrics: Metrics) -> Self:
        """Read the login that the settings name; no request is made. Raises FaultyLogin."""
        return cls(Login.of(settings), settings, metrics)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def check(self) -> None:
        """Return when an API server answers and knows this service, whatever it may do.

        Raises ApiUnreachable, which says why not.
        """
        await self._health.check()

    async def create(
        self,
        resource: str,
        namespace: str,
        body: dict[str, Any],
        confirm: Confirm | None = None,
        *,
        dry_run: bool = False,
    ) -> Created:
        """Create an object. Unknown fields in it are an error, not dropped.

        A dry run goes through all of it, admission included, and stores nothing (Kubernetes API concepts, "Dry-run").
        `confirm` is awaited right before the request is written, as in `delete` and `patch`; nothing is when it raises.
        Raises ApiError, ApiUnreachable, LeaseLost.
        """
        dry = "&dryRun=All" if dry_run else ""
        path = _path(resource, namespace, "", f"?fieldValidation=Strict&{self._limit}{dry}")
        answer, warnings = await self._request("create", "POST", path, body, JSON if dry_run else _CREATE, confirm)
        self._health.created_in = namespace
        metadata = answer["metadata"]
        return Created(metadata["name"], metadata["uid"], warnings, answer if dry_run else None)

    async def read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object as it is stored now, None where there is none. Raises ApiError, ApiUnreachable."""
        path = _path(resource, namespace, name, "")
        try:
            answer, _ = await self._request("get", "GET", path)
        except ApiError as error:
            if is_absent(error.answer):
                return None
            raise
        return answer

    async def has_namespace(self, name: str) -> bool | None:
        """Tell whether a namespace exists; None where the service may not know. Raises ApiError, ApiUnreachable."""
        return await self._exists(f"/api/v1/namespaces/{quote(name, safe='')}")

    async def has_kueue_priority_class(self, name: str) -> bool | None:
        """Tell whether there is a Kueue with a WorkloadPriorityClass of this name; None where the service may not know.

        Raises ApiError, ApiUnreachable.
        """
        try:
            group, _ = await self._request("get", "GET", _KUEUE)
        except ApiError as error:
            if error.answer.status == 404:  # as a text, where an API group is not known
                return False
            raise
        version = group["preferredVersion"]["version"]
        return await self._exists(f"{_KUEUE}/{version}/workloadpriorityclasses/{quote(name, safe='')}")

    async def _exists(self, path: str) -> bool | None:
        try:
            await self._request("get", "GET", path)
        except ApiError as error:
            if is_absent(error.answer):
                return False
            if is_denied_by_roles(error.answer):
                return None
            raise
        return True

    async def delete(self, resource: str, namespace: str, name: str, uid: str, confirm: Confirm | None = None) -> None:
        """Delete the object of this name if its uid is `uid`; what it owns is collected in the background.

        Raises ApiError (404 where it is gone, 409 where the uid is another), ApiUnreachable, LeaseLost.
        """
        path = _path(resource, namespace, name, f"?{self._limit}")
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        await self._request("delete", "DELETE", path, options, confirm=confirm)

    async def patch(
        self, resource: str, namespace: str, name: str, patch: dict[str, Any], confirm: Confirm | None = None
    ) -> None:
        """Apply a strategic merge patch; a `metadata.uid` in it is a precondition.

        Raises ApiError, ApiUnreachable, LeaseLost.
        """
        path = _path(resource, namespace, name, f"?{self._limit}")
        await self._request("patch", "PATCH", path, patch, _PATCH, confirm)

    async def can_i(self, verb: str, resource: str, namespace: str | None = None) -> bool:
        """Ask whether this service may do `verb` to `resource` in a namespace (None: in all).

        Raises ApiError, ApiUnreachable.
        """
        path, review = review_of(verb, resource, namespace)
        answer, _ = await self._request("review", "POST", path, review)
        return bool(answer.get("status", {}).get("allowed"))

    async def _request(
        self,
        verb: str,
        method: str,
        path: str,
        body: Any = None,
        media_types: MediaTypes = JSON,
        confirm: Confirm | None = None,
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Make one request; return the object answered and the warnings with it.

        What the roles deny is believed when `health` finds that the API server knows roles and service, and when it is
        denied again.
        """
        try:
            return await self._ask(verb, method, path, body, media_types, confirm)
        except ApiError as error:
            if not is_denied_by_roles(error.answer):
                raise
        await self._health.confirm_denial()
        return await self._ask(verb, method, path, body, media_types, confirm)

    async def _ask(
        self, verb: str, method: str, path: str, body: Any, media_types: MediaTypes, confirm: Confirm | None
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        data = None if body is None else orjson.dumps(body)
        status, headers, raw = await self._transport.exchange(verb, method, path, data, media_types, confirm)
        answer = _metadata_in(raw) if media_types is _CREATE else object_in(raw)
        if status not in (200, 201, 202) or "kind" not in answer:
            raise ApiError(answer_of(status, headers, raw))
        return answer, warnings_in(headers)


def _metadata_in(raw: bytes) -> dict[str, Any]:
    """Return name and uid of what was created, or all of an answer that begins in another way."""
    found = _CREATED.match(raw)
    if found is None:
        return object_in(raw)
    name, uid = found.groups()
    return {"kind": "PartialObjectMetadata", "metadata": {"name": name.decode(), "uid": uid.decode()}}


@lru_cache(1024)
def _path(resource: str, namespace: str, name: str, query: str) -> str:
    group = GROUPS[resource]
    root = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{root}/namespaces/{quote(namespace, safe='')}/{resource}"
    return f"{path}/{quote(name, safe='')}{query}" if name else path + query
