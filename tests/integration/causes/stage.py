"""Brings the cases about on a cluster of its own, all side by side, and notes what the watcher would tell of each."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trustme

from devstack import crds
from devstack.api import AdminApi
from service.cluster.job_mirror import JobMirror
from service.kube import KubeReader, Login, Watch
from service.manifests.dependents import owned_by
from service.manifests.job import ManifestOptions, Manifests, build
from service.manifests.profiles import PROFILES
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.submission.job_events import JobState
from service.telemetry.metrics import Metrics
from service.validation import validate
from service.watcher import watches
from tests.integration.causes.cases import NODES, RUNS, WITHOUT_BY_HAND, WITHOUT_NODES, Case, node
from tests.integration.causes.queue_objects import condition, pod_group, workload
from tests.integration.causes.webhooks import denying_webhook

SECONDS = 40.0
"""How long a cause, or its end, is waited for: the Job controller tries again after 1, 2, 4, 8 seconds."""
_READY = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
_CRDS = ("kueue.x-k8s.io_workloads.yaml", "scheduling.run.ai_podgroups.yaml")
_WORKLOADS, _POD_GROUPS = "/apis/kueue.x-k8s.io/v1beta2", "/apis/scheduling.run.ai/v2alpha2"


@dataclass(frozen=True)
class Told:
    """What was told of a case: while its cause was there, and the last after it had gone."""

    waiting: JobState
    healed: JobState


class Stage:
    """One cluster, seen through the watches of the watcher under both profiles that have any of their own."""

    def __init__(self, api: AdminApi, mirror: JobMirror, webhooks: str, authority: bytes) -> None:
        self._api = api
        self._mirror = mirror
        self._filled = {"{webhooks}": webhooks, "{authority}": base64.b64encode(authority).decode()}
        self._uids: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request as the administrator."""
        return await asyncio.to_thread(self._api.request, method, path, body)

    def state(self, case: str) -> JobState | None:
        """What the watcher would tell of a case now."""
        return self._mirror.state(self._uids.get(case, ""), int(time.time() * 1000))

    async def bring_about(self, name: str, case: Case) -> None:
        """Make the namespace, what is given, and the Job; then write what nobody else would."""
        fill = partial(self._fill, name)
        await self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": f"runai-{name}", "labels": case.namespace}})
        for path, body in case.given:
            await asyncio.to_thread(self._api.ensure, fill(path), json.loads(fill(json.dumps(body))))
        if case.given:
            await asyncio.sleep(1)  # policies and webhooks count a moment later
        made = _manifests(name, case)
        job = await self.ask("POST", f"/apis/batch/v1/namespaces/runai-{name}/jobs", made.job)
        self._uids[name] = uid = job["metadata"]["uid"]
        for dependent in made.dependents:
            body = owned_by(dependent.body, "job", uid)
            await self.ask("POST", f"/api/v1/namespaces/runai-{name}/{dependent.resource}", body)
        if case.workload is not None:
            await self._write(_WORKLOADS, "workloads", name, workload(uid, case.workload))
        if case.pod_group is not None:
            await self._write(_POD_GROUPS, "podgroups", name, pod_group(uid, case.pod_group))
        if case.status is not None:
            pod = await self._pod(name, on_node="conditions" not in case.status)
            await self.ask("PATCH", f"/api/v1/namespaces/runai-{name}/pods/{pod}/status", {"status": case.status})
        if case.event is not None:
            await self._tell(name, case.event)

    async def heal(self, name: str, case: Case) -> None:
        """Take the cause away."""
        namespace = f"runai-{name}"
        for method, path, body in case.heal:
            text = await self._placed(name, json.dumps([path, body]))
            filled, filled_body = json.loads(text)
            await self.ask(method, filled, filled_body)
        if case.workload is not None:
            admitted = {"conditions": [{**condition("QuotaReserved"), "status": "True", "message": "has quota"}]}
            await self.ask(
                "PATCH", f"{_WORKLOADS}/namespaces/{namespace}/workloads/{name}/status", {"status": admitted}
            )
            await self.ask("PATCH", f"/apis/batch/v1/namespaces/{namespace}/jobs/job", {"spec": {"suspend": False}})
        if case.pod_group is not None:
            scheduled = {"schedulingConditions": []}
            await self.ask(
                "PATCH", f"{_POD_GROUPS}/namespaces/{namespace}/podgroups/{name}/status", {"status": scheduled}
            )
        if case.status is not None:
            pod = await self._pod(name, on_node="conditions" not in case.status)
            await self.ask("PATCH", f"/api/v1/namespaces/{namespace}/pods/{pod}/status", {"status": RUNS})

    async def _pod(self, name: str, *, on_node: bool) -> str:
        """Wait for a pod of the case's Job that has not ended, and return its name."""
        async with asyncio.timeout(SECONDS):
            while True:
                for pod in self._mirror.pods(self._uids[name]):
                    if pod.phase == "Pending" and (pod.node is not None or not on_node):
                        return pod.name
                await asyncio.sleep(0.1)

    async def _placed(self, name: str, text: str) -> str:
        if "{pod}" in text:
            text = text.replace("{pod}", await self._pod(name, on_node=False))
        return self._fill(name, text)

    def _fill(self, name: str, text: str) -> str:
        holes = {**self._filled, "{case}": name, "{job}": "job", "{uid}": self._uids.get(name, "")}
        for hole, value in holes.items():
            text = text.replace(hole, value)
        return text

    async def _write(self, root: str, plural: str, name: str, body: dict[str, Any]) -> None:
        """Create an object and then its status, as its controller does."""
        path = f"{root}/namespaces/runai-{name}/{plural}"
        await self.ask("POST", path, {**body, "metadata": {"name": name, **body["metadata"]}})
        await self.ask("PATCH", f"{path}/{name}/status", {"status": body["status"]})

    async def _tell(self, name: str, reason: str) -> None:
        pod = next(iter(self._mirror.pods(self._uids[name])))
        about = {"kind": "Pod", "namespace": f"runai-{name}", "name": pod.name, "uid": pod.uid}
        event = {"metadata": {"name": f"{pod.name}.1"}, "involvedObject": about, "type": "Warning", "reason": reason}
        event |= {"message": 'MountVolume.SetUp failed for volume "data": mount failed: exit status 32', "count": 1}
        await self.ask(
            "POST", f"/api/v1/namespaces/runai-{name}/events", {**event, "lastTimestamp": "2026-01-01T00:00:00Z"}
        )


def _manifests(name: str, case: Case) -> Manifests:
    """The objects of a case as the service makes them, with what no parameter asks for."""
    limits = Limits(shares_gpus=True, elastic_parallelism=False)
    profile = PROFILES["kai" if 0 < case.job.get("gpu", 0) < 1 else "kubernetes"]
    made = build(
        validate({"job": {"project": name, "image": "busybox", **case.job}}, limits),
        id=SubmissionId("/tests/causes", name),
        name="job",
        namespace=f"runai-{name}",
        profile=profile,
        user=None,
        fingerprint="f",
        traceparent=None,
        options=ManifestOptions(),
    )
    made.job["metadata"]["labels"] |= case.labels
    made.job["spec"] |= case.spec
    made.job["spec"]["template"]["spec"] |= json.loads(json.dumps(case.pod).replace("{case}", name))
    return made


async def play(api: AdminApi, kubeconfig: Path, cases: Mapping[str, Case]) -> dict[str, Told]:
    """Bring all cases about, take them away again, and return what was told of each."""
    async with _stage(api, kubeconfig) as stage:
        told = await _act(stage, cases, 0)
        await stage.ask("DELETE", "/api/v1/nodes/by-hand")  # nobody renews its lease: it would be tainted by now
        told |= await _act(stage, cases, WITHOUT_BY_HAND)
        await stage.ask("DELETE", "/api/v1/nodes")
        return told | await _act(stage, cases, WITHOUT_NODES)


async def _act(stage: Stage, all_cases: Mapping[str, Case], act: int) -> dict[str, Told]:
    cases = {name: case for name, case in all_cases.items() if case.act == act}
    await asyncio.gather(*(stage.bring_about(name, case) for name, case in cases.items()))
    waiting = await _noted(stage, cases, lambda state, case: _reason(state) == case.reason)
    await asyncio.gather(*(stage.heal(name, case) for name, case in cases.items()))
    healed = await _noted(stage, cases, lambda state, case: _reason(state) != case.reason)
    return {name: Told(waiting[name], healed[name]) for name in cases}


def _reason(state: JobState | None) -> str | None:
    return state.waiting.reason if state is not None and state.waiting is not None else None


async def _noted(
    stage: Stage, cases: Mapping[str, Case], wanted: Callable[[JobState | None, Case], bool]
) -> dict[str, JobState]:
    """Return the first state of each case that is as wanted; where none is in time, the last."""
    noted: dict[str, JobState] = {}
    last: dict[str, JobState] = {}
    deadline = time.monotonic() + SECONDS
    while len(noted) < len(cases) and time.monotonic() < deadline:
        for name, case in cases.items():
            state = stage.state(name)
            if name not in noted and state is not None:
                last[name] = state
                if wanted(state, case):
                    noted[name] = state
        await asyncio.sleep(0.05)
    return {name: noted.get(name) or last[name] for name in cases}


@asynccontextmanager
async def _stage(api: AdminApi, kubeconfig: Path) -> AsyncIterator[Stage]:
    files = [file for file in crds.operator_crds() if file.name in _CRDS]
    await asyncio.to_thread(crds.install, api, files)
    for path, body in NODES:
        await asyncio.to_thread(api.ensure, path, body)
    path, by_hand = node("by-hand")
    del by_hand["metadata"]["annotations"]
    by_hand["status"]["conditions"] = [_READY]
    await asyncio.to_thread(api.ensure, path, by_hand)
    mirror = JobMirror("default", "job-submission", lambda uid: None)
    reader = KubeReader(Login.of(KubeSettings(config_file=kubeconfig)), 10, Metrics())
    seen = {**watches(reader, PROFILES["kueue"], [""]), **watches(reader, PROFILES["kai"], [""])}
    following = [
        asyncio.create_task(_follow(mirror, kind, watch)) for kind, each in seen.items() for watch in each.values()
    ]
    authority = trustme.CA()
    try:
        async with denying_webhook(authority) as address:
            yield Stage(api, mirror, address, authority.cert_pem.bytes())
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await reader.close()


async def _follow(mirror: JobMirror, resource: str, watch: Watch) -> None:
    async for kind, item in watch.changes():
        if kind == "applied":
            mirror.applied(resource, item)
        elif kind == "deleted":
            mirror.deleted(resource, item["metadata"]["uid"])
