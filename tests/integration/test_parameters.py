"""Every documented parameter: a POST, and the objects that the real API server then holds, compared whole."""

import asyncio
import copy
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.manifests.labels import FINGERPRINT_ANNOTATION, SUBMISSION_ID_ANNOTATION
from service.validation import PARAMETERS
from tests.integration import stored

OWN = {"example.com/team": "vision", "run": ""}
PORTS = [{"container": 80}, {"container": 443, "autoGenerate": True}]


@dataclass
class Case:
    """What is posted beside project and image, and what it adds to the stored Job and beside it.

    `{job}` in an expectation stands for the Job's name.
    """

    parameter: str
    job: dict[str, Any]
    spec: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    dependents: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    job_annotations: dict[str, str] = field(default_factory=dict)
    """Of the Job alone; `annotations` are its pods' too."""


def claim(size: str, storage_class: str | None = None) -> dict[str, Any]:
    named = {"storageClassName": storage_class} if storage_class else {}
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "volumeMode": "Filesystem",
        **named,
    }


def service(kind: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "selector": {"batch.kubernetes.io/job-name": "{job}"}, "ports": list(ports)}


def claim_volume(index: int) -> dict[str, Any]:
    return {"name": f"pvc-{index}", "persistentVolumeClaim": {"claimName": f"pvc-{{job}}-{index}"}}


IGNORE_DISRUPTIONS = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}

SESSION = {"job-submission.io/type": "Interactive"}

CASES = [
    Case("project", {}),
    Case("image", {"image": "registry.example/x:1"}, container={"image": "registry.example/x:1"}),
    Case("name", {"name": "given-{unique}"}),
    Case("jobNamePrefix", {"jobNamePrefix": "train"}),
    Case("interactive", {"interactive": True}, spec={"backoffLimit": 0}, job_annotations=SESSION),
    Case("interactive", {"interactive": True, "preemptible": True}, job_annotations=SESSION),
    Case("command", {"command": "python -c 'print(1)'"}, container={"command": ["python", "-c", "print(1)"]}),
    Case("command", {"command": ["sleep", "1"]}, container={"command": ["sleep", "1"]}),
    Case("arguments", {"arguments": ["-e", "-f"]}, container={"args": ["-e", "-f"]}),
    Case("arguments", {"arguments": ["$(A)", "$$"]}, container={"args": ["$$(A)", "$$$$"]}),
    Case(
        "environment",
        {"environment": {"BATCH_SIZE": 50, "LEARNING_RAGE": 0.2, "DEBUG": True, "S": "x"}},
        container={
            "env": [
                {"name": "BATCH_SIZE", "value": "50"},
                {"name": "LEARNING_RAGE", "value": "0.2"},
                {"name": "DEBUG", "value": "true"},
                {"name": "S", "value": "x"},
            ]
        },
    ),
    Case("imagePullPolicy", {"imagePullPolicy": "ifnotpresent"}, container={"imagePullPolicy": "IfNotPresent"}),
    Case("stdin", {"stdin": True}, container={"stdin": True}),
    Case("tty", {"stdin": True, "tty": True}, container={"stdin": True, "tty": True}),
    Case("workingDir", {"workingDir": "/work"}, container={"workingDir": "/work"}),
    Case(
        "createHomeDir",
        {"createHomeDir": True},
        pod={"volumes": [{"name": "home", "emptyDir": {}}]},
        container={
            "env": [{"name": "HOME", "value": "/home/runai-home"}],
            "volumeMounts": [{"name": "home", "mountPath": "/home/runai-home"}],
        },
    ),
    Case("gpu", {"gpu": 2}, container={"resources": {"limits": {"nvidia.com/gpu": "2"}}}),
    Case("gpu", {"gpu": 0}, container={"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]}),
    Case("cpu", {"cpu": 0.5}, container={"resources": {"requests": {"cpu": "500m"}}}),
    Case("cpuLimit", {"cpuLimit": 2}, container={"resources": {"limits": {"cpu": "2"}}}),
    Case("memory", {"memory": "1GB"}, container={"resources": {"requests": {"memory": "1G"}}}),
    Case("memoryLimit", {"memoryLimit": "512Mi"}, container={"resources": {"limits": {"memory": "512Mi"}}}),
    Case(
        "largeShm",
        {"largeShm": True},
        pod={"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]},
        container={"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]},
    ),
    Case(
        "pvc",
        {
            "pvc": [
                {"storageClass": "my-storage1", "size": "3GB", "path": "/tmp/john", "readOnly": True},
                {"storageClass": "my-storage2", "size": "4GB", "path": "/tmp/jill", "readOnly": False},
            ]
        },
        pod={"volumes": [claim_volume(0), claim_volume(1)]},
        container={
            "volumeMounts": [
                {"name": "pvc-0", "mountPath": "/tmp/john", "readOnly": True},
                {"name": "pvc-1", "mountPath": "/tmp/jill"},
            ]
        },
        dependents={
            "/api/v1/namespaces/runai-team-a/persistentvolumeclaims/pvc-{job}-0": claim("3G", "my-storage1"),
            "/api/v1/namespaces/runai-team-a/persistentvolumeclaims/pvc-{job}-1": claim("4G", "my-storage2"),
        },
    ),
    Case(
        "volume",
        {"volume": {"/raid/public/john/data": "/root/data", "/raid/public/john/code": "/root/code:ro"}},
        pod={
            "volumes": [
                {"name": "volume-0", "hostPath": {"path": "/raid/public/john/data"}},
                {"name": "volume-1", "hostPath": {"path": "/raid/public/john/code"}},
            ]
        },
        container={
            "volumeMounts": [
                {"name": "volume-0", "mountPath": "/root/data"},
                {"name": "volume-1", "mountPath": "/root/code", "readOnly": True},
            ]
        },
    ),
    Case(
        "volumes",
        {
            "volumes": [
                {"sourcePath": "/raid", "targetPath": "/data", "readOnly": True},
                {"nfsServer": "nfs.example", "sourcePath": "/export", "targetPath": "/shared"},
            ]
        },
        pod={
            "volumes": [
                {"name": "volume-0", "hostPath": {"path": "/raid"}},
                {"name": "volume-1", "nfs": {"server": "nfs.example", "path": "/export"}},
            ]
        },
        container={
            "volumeMounts": [
                {"name": "volume-0", "mountPath": "/data", "readOnly": True},
                {"name": "volume-1", "mountPath": "/shared"},
            ]
        },
    ),
    Case("hostIpc", {"hostIpc": True}, pod={"hostIPC": True}),
    Case(
        "hostNetwork",
        {"hostNetwork": True},
        pod={"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
    ),
    Case("ports", {"ports": PORTS}, container={"ports": [{"containerPort": 80}, {"containerPort": 443}]}),
    Case(
        "serviceType",
        {"ports": [{"container": 80, "external": 8080}], "serviceType": "LoadBalancer"},
        container={"ports": [{"containerPort": 80}]},
        dependents={
            "/api/v1/namespaces/runai-team-a/services/{job}": service(
                "LoadBalancer", {"name": "port-80", "port": 8080, "targetPort": 80}
            )
        },
    ),
    Case(
        "serviceType",
        {"ports": [{"container": 80, "external": 32188}], "serviceType": "nodeport"},
        container={"ports": [{"containerPort": 80}]},
        dependents={
            "/api/v1/namespaces/runai-team-a/services/{job}": service(
                "NodePort", {"name": "port-80", "port": 80, "targetPort": 80, "nodePort": 32188}
            )
        },
    ),
    Case(
        "serviceType",
        {"ports": [{"container": 80}], "serviceType": "ingress"},
        container={"ports": [{"containerPort": 80}]},
        dependents={
            "/api/v1/namespaces/runai-team-a/services/{job}": service(
                "ClusterIP", {"name": "port-80", "port": 80, "targetPort": 80}
            ),
            "/apis/networking.k8s.io/v1/namespaces/runai-team-a/ingresses/{job}": {
                "rules": [
                    {
                        "http": {
                            "paths": [
                                {
                                    "path": "/team-a/{job}",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "{job}", "port": {"number": 80}}},
                                }
                            ]
                        }
                    }
                ]
            },
        },
    ),
    Case(
        "serviceType",
        {"ports": [{"container": 80}], "serviceType": "portforward"},
        container={"ports": [{"containerPort": 80}]},
    ),
    Case("backoffLimit", {"backoffLimit": 3}, spec={"backoffLimit": 3}),
    Case("completions", {"completions": 4}, spec={"completions": 4}),
    Case("parallelism", {"completions": 4, "parallelism": 2}, spec={"completions": 4, "parallelism": 2}),
    Case("elastic", {"elastic": True}),
    Case("preemptible", {"preemptible": True}),
    Case("ttlAfterFinish", {"ttlAfterFinish": "1h30m"}, spec={"ttlSecondsAfterFinished": 5400}),
    Case("ttlAfterFinish", {"ttlAfterFinish": "5s"}, spec={"ttlSecondsAfterFinished": 5}),
    Case(
        "preventPrivilegeEscalation",
        {"preventPrivilegeEscalation": True},
        container={"securityContext": {"allowPrivilegeEscalation": False}},
    ),
    Case("activeDeadline", {"activeDeadline": "1h"}, spec={"activeDeadlineSeconds": 3600}),
    Case("runAsUid", {"runAsUid": 0}, container={"securityContext": {"runAsUser": 0}}),
    Case(
        "runAsGid",
        {"runAsUid": 1000, "runAsGid": 100, "preventPrivilegeEscalation": True},
        container={"securityContext": {"runAsUser": 1000, "runAsGroup": 100, "allowPrivilegeEscalation": False}},
    ),
    Case("labels", {"labels": OWN}, labels=OWN),
    Case(
        "annotations", {"annotations": {**OWN, "note": "$any (text)\n"}}, annotations={**OWN, "note": "$any (text)\n"}
    ),
    Case(
        "pvc",
        {"pvc": [{"claimName": "shared.data", "path": "/shared"}]},
        pod={"volumes": [{"name": "pvc-0", "persistentVolumeClaim": {"claimName": "shared.data"}}]},
        container={"volumeMounts": [{"name": "pvc-0", "mountPath": "/shared"}]},
        dependents={},
    ),
    Case("nodeType", {"nodeType": "dgx"}, pod={"nodeSelector": {"run.ai/type": "dgx"}}),
]


def named(value: Any, job: str) -> Any:
    """Put the Job's name where an expectation says `{job}`."""
    match value:
        case str():
            return value.replace("{job}", job)
        case list():
            return [named(item, job) for item in value]
        case dict():
            return {named(key, job): named(item, job) for key, item in value.items()}
        case _:
            return value


def test_no_parameter_is_without_a_case():
    assert {case.parameter for case in CASES} == set(PARAMETERS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parameter}-{'-'.join(case.job)}")
async def test_parameter(case, post, api):
    unique = uuid.uuid4().hex[:8]
    asked = {k: v.replace("{unique}", unique) if isinstance(v, str) else v for k, v in case.job.items()}
    answer = await post({"job": {"project": "team-a", "image": "quickstart"} | asked})
    assert answer.status == 200, answer.body
    name = answer.body["name"]
    prefix = asked.get("jobNamePrefix", "job")
    assert name == asked["name"] if "name" in asked else name.startswith(f"{prefix}-")

    live = await api.job(name)
    while "finalizers" in live["metadata"]:  # a short TTL: its name is held until the outcome is acknowledged
        await asyncio.sleep(0.05)
        live = await api.job(name)
    annotations = live["metadata"]["annotations"]
    marks = {
        "job-submission.io/user": "john",
        SUBMISSION_ID_ANNOTATION: annotations[SUBMISSION_ID_ANNOTATION],
        FINGERPRINT_ANNOTATION: annotations[FINGERPRINT_ANNOTATION],
    }
    labels = {
        "app.kubernetes.io/managed-by": "job-submission",
        "job-submission.io/installation": "job-submission",
        "project": "team-a",
        "job-submission.io/user": "john",
        "job-submission.io/submission": annotations[SUBMISSION_ID_ANNOTATION],
    }
    metadata = {"name": name, "namespace": "runai-team-a", "labels": labels, "annotations": marks}
    container = {
        "name": "job",
        "image": "quickstart",
        "imagePullPolicy": "Always",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False}
    assert stored.job(live) == {
        "metadata": {
            **metadata,
            "labels": labels | case.labels,
            "annotations": marks | case.annotations | case.job_annotations,
        },
        "spec": {"podFailurePolicy": IGNORE_DISRUPTIONS} | case.spec,
        "labels": labels | case.labels,
        "annotations": case.annotations,
        "pod": named(pod | {"containers": [container | copy.deepcopy(case.container)]} | case.pod, name),
    }
    for path, spec in named(case.dependents, name).items():
        status, object_ = await api.request("GET", path)
        assert status == 200, path
        expected = metadata | {"name": path.rsplit("/", 1)[1], "ownerReferences": [("Job", name)]}
        if "persistentvolumeclaims" in path:
            object_["metadata"].pop("finalizers")
            object_["spec"].pop("volumeName", None)
        assert stored.dependent(object_) == {"metadata": expected, "spec": spec}
