"""An in-memory stand-in for a Kubernetes API, for a machine without the control plane; not a cluster.

kmock serves, keeps the objects and answers discovery. What it leaves out is added here, for the resources that the
service uses: the server's own metadata, missing namespaces, conflicts and preconditions with the bodies of a real API
server, label selectors, patches with finalizers, and the collection of owned objects. Nothing is validated, nobody is
refused, and no Job ever runs.
"""

import asyncio
import datetime
import itertools
import re
import threading
import urllib.parse
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from kmock import KubernetesEmulator, resource

from devstack.api import AdminApi
from devstack.ports import free_port

_KINDS = {
    ("", "v1", "namespaces"): "Namespace",
    ("", "v1", "persistentvolumeclaims"): "PersistentVolumeClaim",
    ("", "v1", "podtemplates"): "PodTemplate",
    ("", "v1", "services"): "Service",
    ("batch", "v1", "jobs"): "Job",
    ("networking.k8s.io", "v1", "ingresses"): "Ingress",
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
}
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
_STRATEGIC = "application/strategic-merge-patch+json"
_MERGE = "application/merge-patch+json"
_DELETE_FINALIZERS = "$deleteFromPrimitiveList/finalizers"


@dataclass(frozen=True)
class Target:
    """What a request is about: one object, or all of a kind, in a namespace (None: in every one, or cluster-wide)."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str | None = None

    @classmethod
    def of(cls, path: str) -> Self | None:
        """The target of a URL's path, still quoted; None where it is none of the resources kept here."""
        match = _PATH.fullmatch(path)
        if not match:
            return None
        parts = {key: value and urllib.parse.unquote(value) for key, value in match.groupdict().items()}
        target = cls(parts["group"] or "", parts["version"], parts["plural"], parts["namespace"], parts["name"])
        return target if (target.group, target.version, target.plural) in _KINDS else None

    @property
    def kind(self) -> str:
        """The kind of the objects, such as `Job`."""
        return _KINDS[self.group, self.version, self.plural]

    @property
    def api_version(self) -> str:
        """Group and version as objects carry them, such as `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[resource, str | None, str]:
        """The object's key in kmock's store."""
        return resource(self.group, self.version, self.plural), self.namespace, self.name or ""

    def problem(self, code: int, reason: str, what: str) -> "StatusError":
        """A refusal worded as by a real API server: `jobs.batch "a" already exists`."""
        qualified = f"{self.plural}.{self.group}" if self.group else self.plural
        details = {"name": self.name, "kind": self.plural} | ({"group": self.group} if self.group else {})
        return StatusError(code, reason, f'{qualified} "{self.name}" {what}', details)

    def immutable(self, field: str, value: str) -> "StatusError":
        """The refusal to change a field that cannot change."""
        what = f'Invalid value: "{value}": field is immutable'
        cause = {"reason": "FieldValueInvalid", "message": what, "field": field}
        details = {"name": self.name, "kind": self.kind, "group": self.group, "causes": [cause]}
        return StatusError(422, "Invalid", f'{self.kind} "{self.name}" is invalid: {field}: {what}', details)


class StatusError(Exception):
    """A request that fails; carries the `Status` object of the answer."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.body = _status("Failure", code=code, reason=reason, message=message, details=dict(details))


class StandIn(KubernetesEmulator):
    """The request handler. `objects` is kmock's store; `requests` holds only what kmock itself answers (discovery)."""

    def __init__(self) -> None:
        super().__init__()
        for (group, version, plural), kind in _KINDS.items():
            self.resources[resource(group, version, plural)].kind = kind
        self._versions = itertools.count(1)

    async def __call__(self, raw_request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if raw_request.path in {"/readyz", "/livez", "/healthz"}:
            return web.Response(text="ok")
        target = Target.of(raw_request.rel_url.raw_path)
        if target is None or "watch" in raw_request.query:
            answer: web.StreamResponse = await super().__call__(raw_request)
            return answer
        try:
            body = await raw_request.json() if raw_request.can_read_body else {}
            status, answer_body = self._answer(raw_request, target, body)
        except ValueError as error:  # not JSON
            refused = StatusError(400, "BadRequest", str(error), {})
            return web.json_response(refused.body, status=refused.code)
        except StatusError as refused:
            return web.json_response(refused.body, status=refused.code)
        return web.json_response(answer_body, status=status)

    def _answer(self, request: web.BaseRequest, target: Target, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match request.method, target.name:
            case "POST", None:
                return 201, self._create(target, body, dry_run=request.query.get("dryRun") == "All")
            case "GET", None:
                return 200, self._list(target, request.query.get("labelSelector", ""))
            case "GET", str():
                return 200, self._read(target)
            case "PATCH", str():
                return 200, self._patch(target, body, request.content_type)
            case "DELETE", str():
                return 200, self._delete(target, body.get("preconditions") or {})
        message = "the server does not allow this method on the requested resource"
        raise StatusError(405, "MethodNotAllowed", message, {"kind": target.plural})

    def _create(self, collection: Target, body: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        head = {"kind": collection.kind, "apiVersion": collection.api_version}
        if collection.plural == "selfsubjectaccessreviews":
            return head | body | {"status": {"allowed": True, "reason": "the stand-in allows everything"}}
        metadata = dict(body.get("metadata") or {})
        if not metadata.get("name"):
            message = f'{collection.kind} "" is invalid: metadata.name: Required value: name is required'
            raise StatusError(422, "Invalid", message, {"kind": collection.kind, "group": collection.group})
        target = Target(collection.group, collection.version, collection.plural, collection.namespace, metadata["name"])
        if target.namespace is not None:
            self._read(Target("", "v1", "namespaces", None, target.namespace))
            metadata["namespace"] = target.namespace
        if self._alive(target):
            raise target.problem(409, "AlreadyExists", "already exists")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": _now(), **self._new_version()}
        created = {**head, "status": {}, **body, "metadata": metadata}
        if dry_run:
            return created
        if target.key in self.objects:
            self.objects[target.key].create(created)
        else:
            self.objects[target.key] = created
        return created

    def _list(self, target: Target, selector: str) -> dict[str, Any]:
        wanted = [tuple(term.replace("==", "=").split("=", 1)) for term in selector.split(",") if term]
        items = [
            item.raw
            for (kind, namespace, _), item in self.objects.items()
            if kind == target.key[0] and target.namespace in (None, namespace) and not item.deleted
        ]
        return {
            "kind": f"{target.kind}List",
            "apiVersion": target.api_version,
            "metadata": self._new_version(),
            "items": [item for item in items if _labels_match(item["metadata"].get("labels") or {}, wanted)],
        }

    def _read(self, target: Target) -> dict[str, Any]:
        if not self._alive(target):
            raise target.problem(404, "NotFound", "not found")
        found: dict[str, Any] = self.objects[target.key].raw
        return found

    def _patch(self, target: Target, patch: dict[str, Any], content_type: str) -> dict[str, Any]:
        if content_type not in {_STRATEGIC, _MERGE}:
            message = f"the body of the request was in an unknown format - accepted media types: {_MERGE}, {_STRATEGIC}"
            raise StatusError(415, "UnsupportedMediaType", message, {})
        metadata = self._read(target)["metadata"]
        changes = dict(patch.get("metadata") or {})
        if changes.get("uid", metadata["uid"]) != metadata["uid"]:
            raise target.immutable("metadata.uid", changes["uid"])
        if changes.get("resourceVersion", metadata["resourceVersion"]) != metadata["resourceVersion"]:
            what = "the object has been modified; please apply your changes to the latest version and try again"
            raise target.problem(409, "Conflict", f"cannot be updated: {what}")
        if content_type == _STRATEGIC and (changes.get("finalizers") or _DELETE_FINALIZERS in changes):
            removed = changes.pop(_DELETE_FINALIZERS, [])
            kept = [*metadata.get("finalizers", []), *(changes.get("finalizers") or [])]
            changes["finalizers"] = [each for each in dict.fromkeys(kept) if each not in removed]
        self.objects[target.key].patch({**patch, "metadata": changes | self._new_version()})
        patched: dict[str, Any] = self.objects[target.key].raw
        if "deletionTimestamp" in patched["metadata"] and not patched["metadata"].get("finalizers"):
            self._remove(target, patched)
        return patched

    def _delete(self, target: Target, preconditions: Mapping[str, str]) -> dict[str, Any]:
        found = self._read(target)
        for condition, value in preconditions.items():
            if value != found["metadata"][condition]:
                word = {"uid": "UID", "resourceVersion": "ResourceVersion"}[condition]
                what = f"{word} in precondition: {value}, {word} in object meta: {found['metadata'][condition]}"
                raise target.problem(409, "Conflict", f"cannot be deleted: Precondition failed: {what}")
        if found["metadata"].get("finalizers"):
            self.objects[target.key].patch({"metadata": {"deletionTimestamp": _now(), **self._new_version()}})
            marked: dict[str, Any] = self.objects[target.key].raw
            return marked
        self._remove(target, found)
        return _status("Success", details={"name": target.name, "kind": target.plural, "uid": found["metadata"]["uid"]})

    def _remove(self, target: Target, body: dict[str, Any]) -> None:
        """Take an object away, and with it what it owns (a cluster's garbage collector does that a moment later)."""
        self.objects[target.key].delete()
        for (kind, namespace, name), item in list(self.objects.items()):
            owners = () if item.deleted else item.raw["metadata"].get("ownerReferences", ())
            if any(owner.get("uid") == body["metadata"]["uid"] for owner in owners):
                self._delete(Target(str(kind.group), str(kind.version), str(kind.plural), namespace, name), {})

    def _alive(self, target: Target) -> bool:
        return target.key in self.objects and not self.objects[target.key].deleted

    def _new_version(self) -> dict[str, str]:
        return {"resourceVersion": str(next(self._versions))}


class LocalStandIn:
    """The stand-in on a free port of 127.0.0.1, in a thread of its own; its objects live as long as it does.

    Args:
        data_dir: where its kubeconfig file goes; made if it is missing.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self._port = free_port()
        self.api = AdminApi(f"http://127.0.0.1:{self._port}", "stand-in", ca_file=None)
        self.handler = StandIn()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file for it."""
        return self._dir / "kubeconfig"

    def start(self) -> Self:
        """Start serving and wait until it answers."""
        self._dir.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.write_text(self.api.kubeconfig())
        serving: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(serving)), daemon=True, name="stand-in")
        self._thread.start()
        serving.result()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, serving: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        # not kmock's own Server: that one patches aiohttp's name resolution for the whole process
        runner = web.ServerRunner(web.Server(self.handler), shutdown_timeout=1.0)
        async with self.handler:
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", self._port).start()
                serving.set_result(None)
                await self._stopping.wait()
            except OSError as error:  # the port was taken in this very moment
                serving.set_exception(error)
            finally:
                await runner.cleanup()


def _status(outcome: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": outcome, **fields}


def _labels_match(labels: Mapping[str, str], wanted: list[tuple[str, ...]]) -> bool:
    return all(key in labels if not value else labels.get(key) == value[0] for key, *value in wanted)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
