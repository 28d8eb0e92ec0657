"""A Kubernetes API in memory that fails as scripted, with the semantics the submitter relies on."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from service.kube import ApiError, ApiUnreachable, Confirm, Created
from service.kube.decisions import ApiAnswer
from service.kube.errors import Reason

Key = tuple[str, str, str]


class Crash(BaseException):  # nothing on the way may catch it
    """The process dies here."""


def not_found(resource: str, name: str) -> ApiError:
    return ApiError(ApiAnswer(404, "NotFound", f'{resource} "{name}" not found'))


def unknown_namespace(namespace: str) -> ApiError:
    return ApiError(ApiAnswer(404, "NotFound", f'namespaces "{namespace}" not found'))


def exists(resource: str, name: str) -> ApiError:
    return ApiError(ApiAnswer(409, "AlreadyExists", f'{resource} "{name}" already exists'))


def precondition(resource: str, name: str) -> ApiError:
    return ApiError(ApiAnswer(409, "Conflict", f'{resource} "{name}": Precondition failed: UID in precondition: a, b'))


def immutable_uid(name: str) -> ApiError:
    causes = [{"reason": "FieldValueInvalid", "message": "field is immutable", "field": "metadata.uid"}]
    message = f'Job.batch "{name}" is invalid: metadata.uid: Invalid value: "u": field is immutable'
    return ApiError(ApiAnswer(422, "Invalid", message, details={"causes": causes}))


ANSWERS = {
    "429": ApiAnswer(429, "TooManyRequests", "too many requests", retry_after=0.001),
    "500": ApiAnswer(500, "InternalError", "etcdserver: request timed out"),
    "503": ApiAnswer(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    "conflict": ApiAnswer(409, "Conflict", "the object has been modified; please apply your changes again"),
    "quota-unknown": ApiAnswer(403, "Forbidden", "jobs is forbidden: status unknown for quota: q"),
    "no-api": ApiAnswer(404, "", "404 page not found"),
    "401": ApiAnswer(401, "Unauthorized", "Unauthorized"),
}
BEFORE = ("refused", "crash-before", *ANSWERS)
AFTER = ("lost-answer", "500-applied", "crash-after")
FAULTS = (*BEFORE, *AFTER)


class FakeApi:
    """`faults` befall the requests one by one; then everything works. `calls` has one line for each request."""

    def __init__(self, faults: Iterable[str] = (), namespaces: Iterable[str] = ("runai-team-a",)) -> None:
        self.faults = list(faults)
        self.namespaces = set(namespaces)
        self.objects: dict[Key, dict[str, Any]] = {}
        self.jobs_ever: list[str] = []
        self.calls: list[str] = []
        self.refuse: Callable[[str, str], ApiAnswer | None] = lambda _resource, _name: None
        self.warnings: tuple[str, ...] = ()
        self._uids = itertools.count(1)

    async def check(self) -> None:
        self.calls.append("probe")
        await asyncio.sleep(0)
        if self._next() not in ("ok", "429"):
            raise ApiUnreachable(Reason.REFUSED, "nobody listens")

    async def create(
        self,
        resource: str,
        namespace: str,
        body: dict[str, Any],
        confirm: Confirm | None = None,
        *,
        dry_run: bool = False,
    ) -> Created:
        name = body["metadata"]["name"]

        def apply() -> Created:
            if namespace not in self.namespaces:
                raise unknown_namespace(namespace)
            if refusal := self.refuse(resource, name):
                raise ApiError(refusal)
            if (resource, namespace, name) in self.objects:
                raise exists(resource, name)
            if dry_run:
                stored = {**body, "metadata": {**body["metadata"], "uid": "made up"}, "status": {}}
                return Created(name, "made up", self.warnings, stored)
            return Created(name, self.put(resource, namespace, body), self.warnings)

        return await self._request(f"create {resource}/{name}{'?dryRun' if dry_run else ''}", apply, confirm)

    async def read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        return await self._request(
            f"read {resource}/{name}", lambda: copy.deepcopy(self.objects.get((resource, namespace, name)))
        )

    async def has_namespace(self, name: str) -> bool | None:
        return await self._request(f"read namespaces/{name}", lambda: name in self.namespaces)

    async def delete(self, resource: str, namespace: str, name: str, uid: str, confirm: Confirm | None = None) -> None:
        def apply() -> None:
            metadata = self._found(resource, namespace, name)
            if metadata["uid"] != uid:
                raise precondition(resource, name)
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._collect()

        await self._request(f"delete {resource}/{name}", apply, confirm)

    async def patch(
        self, resource: str, namespace: str, name: str, patch: dict[str, Any], confirm: Confirm | None = None
    ) -> None:
        def apply() -> None:
            changes = patch["metadata"]
            metadata = self._found(resource, namespace, name)
            if changes.get("uid", metadata["uid"]) != metadata["uid"]:
                raise immutable_uid(name)
            metadata.setdefault("annotations", {}).update(changes.get("annotations", {}))
            removed = changes.get("$deleteFromPrimitiveList/finalizers", [])
            metadata["finalizers"] = [each for each in metadata.get("finalizers", []) if each not in removed]
            self._collect()

        await self._request(f"patch {resource}/{name}", apply, confirm)

    async def can_i(self, verb: str, resource: str, namespace: str | None = None) -> bool:
        return await self._request(f"review {verb} {resource}", lambda: True)

    def put(self, resource: str, namespace: str, body: dict[str, Any]) -> str:
        """Store an object and return its uid."""
        uid = f"uid-{next(self._uids)}"
        name = body["metadata"]["name"]
        stored = copy.deepcopy(body)
        stored["metadata"]["uid"] = uid
        self.objects[resource, namespace, name] = stored
        if resource == "jobs":
            self.jobs_ever.append(name)
        return uid

    def names(self) -> list[str]:
        return sorted(f"{resource}/{name}" for resource, _, name in self.objects)

    def _found(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        found = self.objects.get((resource, namespace, name))
        if found is None:
            raise not_found(resource, name)
        metadata: dict[str, Any] = found["metadata"]
        return metadata

    def _collect(self) -> None:
        """Remove what is marked and held by no finalizer, and what it owned."""
        for key, body in list(self.objects.items()):
            metadata = body["metadata"]
            if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
                del self.objects[key]
        alive = {body["metadata"]["uid"] for body in self.objects.values()}
        for key, body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences")
            if owners and not any(owner["uid"] in alive for owner in owners):
                del self.objects[key]

    def _next(self) -> str:
        return self.faults.pop(0) if self.faults else "ok"

    async def _request(self, call: str, apply: Callable[[], Any], confirm: Confirm | None = None) -> Any:
        self.calls.append(call)
        await asyncio.sleep(0)
        if confirm is not None:
            await confirm()
        fault = self._next()
        if fault == "refused":
            raise ApiUnreachable(Reason.REFUSED)
        if fault == "crash-before":
            raise Crash
        if fault in ANSWERS:
            raise ApiError(ANSWERS[fault])
        result = apply()
        if fault == "lost-answer":
            raise ApiUnreachable(Reason.DISCONNECT)
        if fault == "crash-after":
            raise Crash
        if fault == "500-applied":
            raise ApiError(ANSWERS["500"])
        return result
