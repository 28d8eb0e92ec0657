"""The causes for which a job waits, and how each is brought about and taken away on a real API server.

A job of the parameters `job` is made in a namespace of its own, `runai-<name of the case>`. What decides is real where
it can be: admission, quotas, the Job controller, the scheduler, the volume controller. The others, kubelets, Kueue and
KAI, are played: what they would write is written in words recorded from them.
"""

from dataclasses import dataclass, field
from typing import Any

NS = "runai-{case}"
CORE = "/api/v1"
IN_NS = f"/api/v1/namespaces/{NS}"
NODE_TYPE = "run.ai/type"


@dataclass(frozen=True)
class Case:
    """How a cause is brought about, what is told of it, and what ends it.

    `given` are objects by the path of their collection, made first; `pod`, `spec` and `labels` change the Job as the
    service builds it. `status` of its pod, an `event` about it, the conditions of a `workload` and the reasons of a
    `pod_group` are written once they can be. `heal` are requests as method, path and body; `{case}`, `{job}` and
    `{pod}` are filled in. A case that is written heals by what is written next, see `Stage`.
    """

    reason: str
    sentence: str
    job: dict[str, Any] = field(default_factory=dict)
    given: tuple[tuple[str, dict[str, Any]], ...] = ()
    pod: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    namespace: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] | None = None
    event: str | None = None
    workload: tuple[dict[str, Any], ...] | None = None
    pod_group: tuple[dict[str, str], ...] | None = None
    heal: tuple[tuple[str, str, Any], ...] = ()
    act: int = 0
    """When it is brought about: with most others, or later, on a cluster that would change theirs (see `Stage`)."""


def quota(**hard: str) -> tuple[str, dict[str, Any]]:
    return f"{IN_NS}/resourcequotas", {"metadata": {"name": "limits"}, "spec": {"hard": hard}}


def node(name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A node that kwok plays, of a type of its own."""
    metadata = {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {NODE_TYPE: name}}
    room = {"cpu": "8", "memory": "8Gi", "pods": "10"}
    return f"{CORE}/nodes", {"metadata": metadata, "status": {"capacity": room, "allocatable": room}, **more}


def policy(name: str, expression: str, message: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """A ValidatingAdmissionPolicy that pods of the case's namespace have to meet."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": NS}}
    root = "/apis/admissionregistration.k8s.io/v1"
    validations = [{"expression": expression, "message": message}]
    return (
        (
            f"{root}/validatingadmissionpolicies",
            {
                "metadata": {"name": name},
                "spec": {"matchConstraints": {"resourceRules": rules}, "validations": validations},
            },
        ),
        (
            f"{root}/validatingadmissionpolicybindings",
            {
                "metadata": {"name": name},
                "spec": {
                    "policyName": name,
                    "validationActions": ["Deny"],
                    "matchResources": {"namespaceSelector": only_here},
                },
            },
        ),
    )


def webhook(name: str, url: str) -> tuple[str, dict[str, Any]]:
    """A webhook that is asked about the pods of the case's namespace; `{webhooks}` is the test's own server."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    one = {
        "name": f"{name}.example.org",
        "clientConfig": {"url": url, "caBundle": "{authority}"},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NS}},
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "admissionReviewVersions": ["v1"],
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    return path, {"metadata": {"name": name}, "webhooks": [one]}


def removed(path: str) -> tuple[tuple[str, str, None], ...]:
    return (("DELETE", path, None),)


def claim(**pvc: Any) -> dict[str, Any]:
    return {"pvc": [{"path": "/data", **pvc}]}


def waits(reason: str, message: str) -> dict[str, Any]:
    """The status of a pod whose container waits, as a kubelet writes it."""
    return {"containerStatuses": [{**CONTAINER, "state": {"waiting": {"reason": reason, "message": message}}}]}


CONTAINER: dict[str, Any] = {
    "name": "job",
    "image": "busybox",
    "imageID": "",
    "ready": False,
    "restartCount": 0,
    "lastState": {},
}
RUNS: dict[str, Any] = {
    "phase": "Running",
    "containerStatuses": [{**CONTAINER, "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
}
BY_HAND = {"nodeType": "by-hand"}
"""A job for the node whose pods nobody plays: their status is what a case writes."""
WITHOUT_BY_HAND, WITHOUT_NODES = 1, 2
"""The later acts: the node `by-hand` is gone, all nodes are."""

QUEUED: dict[str, Any] = {"spec": {"suspend": True}, "labels": {"kueue.x-k8s.io/queue-name": "research"}}
KAI: dict[str, Any] = {"labels": {"kai.scheduler/queue": "research"}, "pod": {"schedulerName": "kai-scheduler"}}


def reserved(message: str, reason: str = "Pending") -> tuple[dict[str, str], ...]:
    return ({"type": "QuotaReserved", "status": "False", "reason": reason, "message": message},)


SCHEDULER_CONDITION = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}

IMAGES = "images come from registry.example.org"

CREATION = {
    "quota-of-gpus": Case(
        "QuotaExceeded",
        "the quota limits of project quota-of-gpus has 0 of 4 requests.nvidia.com/gpu in use, 8 asked for",
        job={"gpu": 8},
        given=(quota(**{"requests.nvidia.com/gpu": "4"}),),
        heal=removed(f"{IN_NS}/resourcequotas/limits"),
    ),
    "quota-of-pods": Case(
        "QuotaExceeded",
        "the quota limits of project quota-of-pods has 0 of 0 pods in use, 1 asked for",
        given=(quota(pods="0"),),
        heal=removed(f"{IN_NS}/resourcequotas/limits"),
    ),
    "quota-of-memory": Case(
        "QuotaExceeded",
        "the quota limits of project quota-of-memory has 0 of 1Gi requests.memory in use, 2Gi asked for",
        job={"memory": "2Gi"},
        given=(quota(**{"requests.memory": "1Gi"}),),
        heal=removed(f"{IN_NS}/resourcequotas/limits"),
    ),
    "limit-range": Case(
        "PodCreateFailed",
        "its pods are refused: maximum cpu usage per Container is 1, but limit is 2",
        job={"cpu": 2, "cpuLimit": 2},
        given=(
            (
                f"{IN_NS}/limitranges",
                {"metadata": {"name": "most"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
            ),
        ),
        heal=removed(f"{IN_NS}/limitranges/most"),
    ),
    "restricted": Case(
        "PodSecurityDenied",
        "the level restricted of project restricted forbids its pods",
        namespace={"pod-security.kubernetes.io/enforce": "restricted"},
        heal=(
            (
                "PATCH",
                f"{CORE}/namespaces/{NS}",
                {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
            ),
        ),
    ),
    "host-path": Case(
        "PodSecurityDenied",
        "the level baseline of project host-path forbids its pods",
        job={"volume": {"/srv": "/data"}},
        namespace={"pod-security.kubernetes.io/enforce": "baseline"},
        heal=(
            (
                "PATCH",
                f"{CORE}/namespaces/{NS}",
                {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
            ),
        ),
    ),
    "policy": Case(
        "WebhookDenied",
        f"a policy denies its pods: {IMAGES}",
        given=policy(
            "images", "object.spec.containers.all(c, c.image.startsWith('r'))", "images come from registry.example.org"
        ),
        heal=removed("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/images"),
    ),
    "webhook-denies": Case(
        "WebhookDenied",
        "the webhook denies.example.org denies its pods: no team label",
        given=(webhook("denies", "{webhooks}/no%20team%20label"),),
        heal=removed("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/denies"),
    ),
    "webhook-is-down": Case(
        "WebhookFailing",
        "the admission webhook down.example.org does not answer",
        given=(webhook("down", "https://127.0.0.1:1/"),),
        heal=removed("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/down"),
    ),
    "gpu-sharing-off": Case(
        "GpuSharingOff",
        "asks for 0.5 of a GPU and the scheduler shares none",
        job={"gpu": 0.5},
        given=(
            webhook(
                "sharing",
                "{webhooks}/attempting%20to%20create%20a%20pod%20with%20gpu%20sharing%20request,"
                "%20while%20GPU%20sharing%20is%20disabled",
            ),
        ),
        heal=removed("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sharing"),
    ),
    "service-account": Case(
        "ServiceAccountMissing",
        "the service account runner does not exist",
        pod={"serviceAccountName": "runner"},
        heal=(("POST", f"{IN_NS}/serviceaccounts", {"metadata": {"name": "runner"}}),),
    ),
    "priority-class": Case(
        "PriorityClassMissing",
        "the priority class gold does not exist",
        pod={"priorityClassName": "gold"},
        heal=(
            (
                "POST",
                "/apis/scheduling.k8s.io/v1/priorityclasses",
                {"metadata": {"name": "gold"}, "value": 5, "globalDefault": False},
            ),
        ),
    ),
    "runtime-class": Case(
        "PodCreateFailed",
        'its pods are refused: pod rejected: RuntimeClass "nvidia" not found',
        pod={"runtimeClassName": "nvidia"},
        heal=(("POST", "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "nvidia"}, "handler": "runc"}),),
    ),
}

OTHERS_POD: dict[str, Any] = {
    "metadata": {
        "name": "one",
        "labels": {"app.kubernetes.io/managed-by": "job-submission"},
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "{job}", "uid": "{uid}", "controller": True}
        ],
    },
    "spec": {"nodeName": "by-hand", "containers": [{"name": "job", "image": "busybox"}]},
}
"""A pod of the case's Job, as another controller makes it."""

ADMISSION = {
    "another-controller": Case(
        "Creating",
        "the Job is there, its pods will be",
        spec={"managedBy": "example.org/runner"},
        heal=(("POST", f"{IN_NS}/pods", OTHERS_POD),),
    ),
    "suspended": Case(
        "Suspended",
        "the Job is suspended",
        spec={"suspend": True},
        heal=(("PATCH", f"/apis/batch/v1/namespaces/{NS}/jobs/{{job}}", {"spec": {"suspend": False}}),),
    ),
    "kueue-silent": Case(
        "SuspendedByQueue",
        "the queue research has not looked at it yet",
        **QUEUED,
        heal=(("PATCH", f"/apis/batch/v1/namespaces/{NS}/jobs/{{job}}", {"spec": {"suspend": False}}),),
    ),
    "kueue-over-quota": Case(
        "OverQuota",
        "the quota of the queue research is in use: 1 more nvidia.com/gpu needed",
        **QUEUED,
        workload=reserved(
            "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, "
            "1 more needed"
        ),
    ),
    "kueue-over-limit": Case(
        "OverLimit",
        "asks 8 nvidia.com/gpu; the queue research can give 4 at most",
        **QUEUED,
        workload=reserved(
            "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor a100, previously "
            "considered podsets requests (0) + current podset request (8) > maximum capacity (4)"
        ),
    ),
    "kueue-no-flavor": Case(
        "NoMatchingFlavor",
        "nothing in the queue research fits what it asks for",
        **QUEUED,
        workload=reserved("couldn't assign flavors to pod set main: resource cpu unavailable in ClusterQueue"),
    ),
    "kueue-no-queue": Case(
        "QueueMissing",
        "the queue research does not exist",
        **QUEUED,
        workload=reserved("LocalQueue research doesn't exist", "Inadmissible"),
    ),
    "kueue-on-hold": Case(
        "QueueOnHold",
        "the queue research is stopped",
        **QUEUED,
        workload=reserved("ClusterQueue cluster-queue is inactive", "Inadmissible"),
    ),
    "kueue-preempting": Case(
        "WaitingForPreemption",
        "other jobs are being stopped for it",
        **QUEUED,
        workload=reserved(
            "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, "
            "1 more needed. Pending the preemption of 1 workload(s)"
        ),
    ),
    "kueue-preempted": Case(
        "Preempted",
        "a job of higher priority took its place",
        **QUEUED,
        workload=(
            {
                "type": "Evicted",
                "status": "True",
                "reason": "Preempted",
                "message": "Preempted to accommodate a workload (UID: u) due to prioritization in the ClusterQueue",
            },
            *reserved(
                "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, "
                "1 more needed"
            ),
        ),
    ),
    "kai-over-limit": Case(
        "OverQuota",
        "the queue research's limit is 4 GPUs, 3 in use, 2 asked for",
        **KAI,
        pod_group=(
            {
                "reason": "OverLimit",
                "message": "research quota has reached the allowable limit of GPUs. Limit is 4 GPUs, currently 3 GPUs "
                "allocated and workload requested 2 GPUs",
            },
        ),
    ),
    "kai-over-quota": Case(
        "OverQuota",
        "jobs that cannot be preempted use the quota of queue research: 3 of 4 GPUs, 2 asked for",
        **KAI,
        pod_group=(
            {
                "reason": "NonPreemptibleOverQuota",
                "message": "Non-preemptible workload is over quota. Workload requested 2 GPUs, but research quota is 4 "
                "GPUs, while 3 GPUs are already allocated for non-preemptible pods. Use a preemptible workload to go "
                "over quota.",
            },
        ),
    ),
    "kai-no-queue": Case(
        "QueueMissing",
        "the queue research does not exist",
        **KAI,
        pod_group=({"reason": "QueueDoesNotExist", "message": "Queue 'research' does not exist"},),
    ),
    "kai-gang": Case(
        "GangIncomplete",
        "not all of 4 pods fit at once",
        **KAI,
        status={
            "conditions": [
                {
                    **SCHEDULER_CONDITION,
                    "message": "Workload doesn't meet the minimum required number of pods (4), "
                    "evicting remaining pod: a/b",
                }
            ]
        },
    ),
}

SCHEDULING = {
    "no-node-of-type": Case(
        "NoNodeOfType",
        "none of 7 nodes has run.ai/type=dgx",
        job={"nodeType": "dgx"},
        heal=(("PATCH", f"{CORE}/nodes/spare", {"metadata": {"labels": {NODE_TYPE: "dgx"}}}),),
    ),
    "gpus": Case(
        "NotEnoughGpu",
        "asks 9 GPUs; 4 of 7 nodes have too few free",
        job={"gpu": 9, "nodeType": "gpu"},
        heal=(
            (
                "PATCH",
                f"{CORE}/nodes/gpu-node-1/status",
                {"status": {"capacity": {"nvidia.com/gpu": "16"}, "allocatable": {"nvidia.com/gpu": "16"}}},
            ),
        ),
    ),
    "cpu": Case(
        "NotEnoughCpuOrMemory",
        "asks 100 CPU; 1 of 7 nodes have too little free",
        job={"cpu": 100, "nodeType": "small"},
        heal=(("PATCH", f"{CORE}/nodes/small/status", {"status": {"allocatable": {"cpu": "200", "memory": "1Ti"}}}),),
    ),
    "memory": Case(
        "NotEnoughCpuOrMemory",
        "asks 64Gi memory; 1 of 7 nodes have too little free",
        job={"memory": "64Gi", "nodeType": "small"},
        heal=(("PATCH", f"{CORE}/nodes/small/status", {"status": {"allocatable": {"cpu": "200", "memory": "1Ti"}}}),),
    ),
    "tainted": Case(
        "Tainted",
        "1 of 7 nodes are tainted, the others have not run.ai/type=reserved",
        job={"nodeType": "reserved"},
        given=(node("reserved", spec={"taints": [{"key": "team", "value": "vision", "effect": "NoSchedule"}]}),),
        act=WITHOUT_BY_HAND,
        heal=(("PATCH", f"{CORE}/nodes/reserved", {"spec": {"taints": None}}),),
    ),
    "ports": Case(
        "PortsTaken",
        "its host ports are taken on 1 of 7 nodes",
        job={"nodeType": "small", "hostNetwork": True, "ports": [{"container": 8888}]},
        given=(
            (
                f"{IN_NS}/pods",
                {
                    "metadata": {"name": "holder"},
                    "spec": {
                        "nodeName": "small",
                        "hostNetwork": True,
                        "containers": [{"name": "a", "image": "a", "ports": [{"containerPort": 8888}]}],
                    },
                },
            ),
        ),
        heal=removed(f"{IN_NS}/pods/holder?gracePeriodSeconds=0"),
    ),
    "other-pods": Case(
        "Unschedulable",
        "7 of 7 nodes: node(s) didn't match pod affinity rules",
        pod={
            "affinity": {
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": NODE_TYPE, "labelSelector": {"matchLabels": {"serves": "{case}"}}}
                    ]
                }
            }
        },
        heal=(
            (
                "POST",
                f"{IN_NS}/pods",
                {
                    "metadata": {"name": "other", "labels": {"serves": "{case}"}},
                    "spec": {"nodeName": "gpu-node-1", "containers": [{"name": "a", "image": "a"}]},
                },
            ),
        ),
    ),
    "no-nodes": Case(
        "NoNodes",
        "the cluster has no nodes",
        act=WITHOUT_NODES,
        heal=(("POST", *node("first")),),
    ),
    "storage-class": Case(
        "StorageClassMissing",
        "the storage class fast does not exist",
        job=claim(size="1G", storageClass="fast"),
        heal=(
            (
                "POST",
                "/apis/storage.k8s.io/v1/storageclasses",
                {"metadata": {"name": "fast"}, "provisioner": "kubernetes.io/host-path"},
            ),
        ),
    ),
    "claim-pending": Case(
        "ClaimPending",
        "a claim of it is not bound yet",
        job=claim(size="1G", storageClass="slow"),
        given=(
            (
                "/apis/storage.k8s.io/v1/storageclasses",
                {"metadata": {"name": "slow"}, "provisioner": "storage.example.org/nobody"},
            ),
        ),
        heal=(
            (
                "POST",
                f"{CORE}/persistentvolumes",
                {
                    "metadata": {"name": "by-hand"},
                    "spec": {
                        "storageClassName": "slow",
                        "capacity": {"storage": "1G"},
                        "accessModes": ["ReadWriteOnce"],
                        "hostPath": {"path": "/nowhere"},
                    },
                },
            ),
        ),
    ),
    "claim-missing": Case(
        "ClaimMissing",
        "the claim data does not exist",
        job=claim(claimName="data"),
        heal=(
            (
                "POST",
                f"{IN_NS}/persistentvolumeclaims",
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "storageClassName": "",
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1G"}},
                    },
                },
            ),
        ),
    ),
    "no-scheduler": Case(
        "SchedulerSilent",
        "no scheduler has looked at its pod yet",
        pod={"schedulerName": "nobody"},
        heal=(
            (
                "POST",
                f"{IN_NS}/pods/{{pod}}/binding",
                {"target": {"kind": "Node", "name": "gpu-node-1"}, "metadata": {"name": "{pod}"}},
            ),
        ),
    ),
}

STARTING = {
    "starting": Case("Starting", "node by-hand is starting it", job=BY_HAND, status=waits("ContainerCreating", "")),
    "image": Case(
        "ImagePull",
        "the image cannot be pulled: not found",
        job=BY_HAND,
        status=waits(
            "ImagePullBackOff",
            'Back-off pulling image "x:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack '
            'image "docker.io/library/x:1": failed to resolve reference "docker.io/library/x:1": '
            "docker.io/library/x:1: not found",
        ),
    ),
    "image-secret": Case(
        "ImagePull",
        "the image cannot be pulled: 403 Forbidden",
        job=BY_HAND,
        status=waits("ErrImagePull", 'failed to resolve reference "registry.example/team/private:1": 403 Forbidden'),
    ),
    "image-name": Case(
        "ImageName",
        "the image's name is not one",
        job=BY_HAND,
        status=waits(
            "InvalidImageName", 'Failed to apply default image tag "A:B": couldn\'t parse image reference "A:B"'
        ),
    ),
    "config": Case(
        "ConfigMissing",
        'configmap "settings" not found',
        job=BY_HAND,
        status=waits("CreateContainerConfigError", 'configmap "settings" not found'),
    ),
    "command": Case(
        "CommandFailed",
        "the container's command cannot be run",
        job=BY_HAND,
        status=waits("RunContainerError", 'exec: "train": executable file not found in $PATH'),
    ),
    "mount": Case(
        "MountFailed",
        "a volume cannot be mounted",
        job=BY_HAND,
        status=waits("ContainerCreating", ""),
        event="FailedMount",
    ),
    "back-off": Case(
        "BackOff",
        "1 of its pods failed; the next try waits",
        job={**BY_HAND, "backoffLimit": 3},
        status={
            "phase": "Failed",
            "containerStatuses": [{**CONTAINER, "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}],
        },
    ),
}

CASES: dict[str, Case] = {**CREATION, **ADMISSION, **SCHEDULING, **STARTING}
"""Every case by its name."""

NODES = (
    node("small"),
    node("spare"),
)
"""The nodes beside the four that every local cluster has; `by-hand` is the third."""
