"""Each parameter of a request, literally: what it changes in the Job, and the dependents it makes."""

from typing import Any

from service.manifests.dependents import Dependent
from tests.unit.expected_job import ANNOTATIONS, LABELS


def dependent_metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": "runai-team-a", "labels": LABELS, "annotations": ANNOTATIONS}


def claim(name: str, **spec: Any) -> Dependent:
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": dependent_metadata(name),
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", **spec},
    }
    return Dependent("persistentvolumeclaims", body)


def service(service_type: str, *ports: dict[str, Any]) -> Dependent:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": dependent_metadata("train-1"),
        "spec": {
            "type": service_type,
            "selector": {"batch.kubernetes.io/job-name": "train-1"},
            "ports": list(ports),
        },
    }
    return Dependent("services", body)


def ingress(port: int, **spec: Any) -> Dependent:
    path = {
        "path": "/team-a/train-1",
        "pathType": "Prefix",
        "backend": {"service": {"name": "train-1", "port": {"number": port}}},
    }
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": dependent_metadata("train-1"),
        "spec": {**spec, "rules": [{"http": {"paths": [path]}}]},
    }
    return Dependent("ingresses", body)


OWN = {"example.com/team": "vision", "run": ""}
PORT_80 = {"name": "port-80", "port": 80, "targetPort": 80}
CLAIMS = [
    {"storageClass": "my-storage1", "size": "3GB", "path": "/tmp/john", "readOnly": True},
    {"size": "4Gi", "path": "/tmp/jill"},
]
CLAIM_OBJECTS = (
    claim("pvc-train-1-0", resources={"requests": {"storage": "3G"}}, storageClassName="my-storage1"),
    claim("pvc-train-1-1", resources={"requests": {"storage": "4Gi"}}),
)

SESSION = {"job-submission.io/type": "Interactive"}

# parameter -> the rest of the request, what it changes in the Job, and the dependents it makes
CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any], tuple[Dependent, ...]]]] = {
    "name": [({"name": "given"}, {}, ())],  # which name it gives is naming's; here it arrives as an argument
    "jobNamePrefix": [({"jobNamePrefix": "prefix"}, {}, ())],
    "project": [({"project": "team-a"}, {}, ())],
    "image": [({"image": "gcr.io/x/y:1"}, {"container": {"image": "gcr.io/x/y:1"}}, ())],
    "interactive": [
        ({"interactive": True}, {"spec": {"backoffLimit": 0, "completions": 1}, "annotations": SESSION}, ()),
        ({"interactive": False}, {}, ()),
        ({"interactive": True, "preemptible": True}, {"spec": {"completions": 1}, "annotations": SESSION}, ()),
        (
            {"interactive": True, "preemptible": True, "backoffLimit": 2},
            {"spec": {"backoffLimit": 2, "completions": 1}, "annotations": SESSION},
            (),
        ),
    ],
    "command": [
        ({"command": "python -c 'print(1)'"}, {"container": {"command": ["python", "-c", "print(1)"]}}, ()),
        ({"command": ["a b", "$c"]}, {"container": {"command": ["a b", "$$c"]}}, ()),
    ],
    "arguments": [
        ({"arguments": ["-e", "-f"]}, {"container": {"args": ["-e", "-f"]}}, ()),
        ({"arguments": []}, {}, ()),
        ({"arguments": ["$(A)", "$A"]}, {"container": {"args": ["$$(A)", "$$A"]}}, ()),
    ],
    "environment": [
        (
            {"environment": {"BATCH_SIZE": 50, "LEARNING_RAGE": 0.2, "A": "", "B": True}},
            {
                "container": {
                    "env": [
                        {"name": "BATCH_SIZE", "value": "50"},
                        {"name": "LEARNING_RAGE", "value": "0.2"},
                        {"name": "A", "value": ""},
                        {"name": "B", "value": "true"},
                    ]
                }
            },
            (),
        ),
        ({"environment": {}}, {}, ()),
        ({"environment": {"A": "$(B) $$ $"}}, {"container": {"env": [{"name": "A", "value": "$$(B) $$$$ $$"}]}}, ()),
    ],
    "imagePullPolicy": [({"imagePullPolicy": "ifnotpresent"}, {"container": {"imagePullPolicy": "IfNotPresent"}}, ())],
    "stdin": [({"stdin": True}, {"container": {"stdin": True}}, ()), ({"stdin": False}, {}, ())],
    "tty": [({"stdin": True, "tty": True}, {"container": {"stdin": True, "tty": True}}, ())],
    "workingDir": [({"workingDir": "/work"}, {"container": {"workingDir": "/work"}}, ())],
    "createHomeDir": [
        (
            {"createHomeDir": True, "environment": {"A": "b"}},
            {
                "pod": {"volumes": [{"name": "home", "emptyDir": {}}]},
                "container": {
                    "env": [{"name": "HOME", "value": "/home/runai-home"}, {"name": "A", "value": "b"}],
                    "volumeMounts": [{"name": "home", "mountPath": "/home/runai-home"}],
                },
            },
            (),
        ),
        ({"createHomeDir": False}, {}, ()),
    ],
    "gpu": [
        ({"gpu": 2}, {"container": {"resources": {"limits": {"nvidia.com/gpu": "2"}}}}, ()),
        ({"gpu": 1.0}, {"container": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, ()),
        ({"gpu": 0}, {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]}}, ()),
        (
            {"gpu": 0, "environment": {"NVIDIA_VISIBLE_DEVICES": "all"}},
            {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}},
            (),
        ),
    ],
    "cpu": [
        ({"cpu": 0.5}, {"container": {"resources": {"requests": {"cpu": "500m"}}}}, ()),
        ({"cpu": 2}, {"container": {"resources": {"requests": {"cpu": "2"}}}}, ()),
    ],
    "cpuLimit": [({"cpuLimit": 4}, {"container": {"resources": {"limits": {"cpu": "4"}}}}, ())],
    "memory": [({"memory": "512MB"}, {"container": {"resources": {"requests": {"memory": "512M"}}}}, ())],
    "memoryLimit": [
        (
            {"memory": "1Gi", "memoryLimit": "2Gi", "gpu": 1, "cpuLimit": 1},
            {
                "container": {
                    "resources": {
                        "requests": {"memory": "1Gi"},
                        "limits": {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"},
                    }
                }
            },
            (),
        )
    ],
    "largeShm": [
        (
            {"largeShm": True},
            {
                "pod": {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]},
                "container": {"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]},
            },
            (),
        )
    ],
    "pvc": [
        (
            {"pvc": CLAIMS},
            {
                "pod": {
                    "volumes": [
                        {"name": "pvc-0", "persistentVolumeClaim": {"claimName": "pvc-train-1-0"}},
                        {"name": "pvc-1", "persistentVolumeClaim": {"claimName": "pvc-train-1-1"}},
                    ]
                },
                "container": {
                    "volumeMounts": [
                        {"name": "pvc-0", "mountPath": "/tmp/john", "readOnly": True},
                        {"name": "pvc-1", "mountPath": "/tmp/jill"},
                    ]
                },
            },
            CLAIM_OBJECTS,
        ),
        (
            {"pvc": [{"claimName": "shared.data", "path": "/shared", "readOnly": True}, CLAIMS[1]]},
            {
                "pod": {
                    "volumes": [
                        {"name": "pvc-0", "persistentVolumeClaim": {"claimName": "shared.data"}},
                        {"name": "pvc-1", "persistentVolumeClaim": {"claimName": "pvc-train-1-1"}},
                    ]
                },
                "container": {
                    "volumeMounts": [
                        {"name": "pvc-0", "mountPath": "/shared", "readOnly": True},
                        {"name": "pvc-1", "mountPath": "/tmp/jill"},
                    ]
                },
            },
            CLAIM_OBJECTS[1:],
        ),
    ],
    "volume": [
        (
            {"volume": {"/raid/data": "/root/data:ro", "/raid/code": "/root/code"}},
            {
                "pod": {
                    "volumes": [
                        {"name": "volume-0", "hostPath": {"path": "/raid/data"}},
                        {"name": "volume-1", "hostPath": {"path": "/raid/code"}},
                    ]
                },
                "container": {
                    "volumeMounts": [
                        {"name": "volume-0", "mountPath": "/root/data", "readOnly": True},
                        {"name": "volume-1", "mountPath": "/root/code"},
                    ]
                },
            },
            (),
        )
    ],
    "volumes": [
        (
            {
                "volumes": [
                    {"sourcePath": "/raid/data", "targetPath": "/root/data", "readOnly": True},
                    {"nfsServer": "nfs.example", "sourcePath": "/raid/code", "targetPath": "/root/code"},
                ]
            },
            {
                "pod": {
                    "volumes": [
                        {"name": "volume-0", "hostPath": {"path": "/raid/data"}},
                        {"name": "volume-1", "nfs": {"server": "nfs.example", "path": "/raid/code"}},
                    ]
                },
                "container": {
                    "volumeMounts": [
                        {"name": "volume-0", "mountPath": "/root/data", "readOnly": True},
                        {"name": "volume-1", "mountPath": "/root/code"},
                    ]
                },
            },
            (),
        )
    ],
    "hostIpc": [({"hostIpc": True}, {"pod": {"hostIPC": True}}, ())],
    "hostNetwork": [
        ({"hostNetwork": True}, {"pod": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}}, ())
    ],
    "ports": [
        (
            {"ports": [{"container": 80, "external": 32188}, {"container": 443, "autoGenerate": True}]},
            {"container": {"ports": [{"containerPort": 80}, {"containerPort": 443}]}},
            (),
        )
    ],
    "serviceType": [
        (
            {
                "serviceType": "NodePort",
                "ports": [{"container": 80, "external": 32188}, {"container": 443, "autoGenerate": True}],
            },
            {"container": {"ports": [{"containerPort": 80}, {"containerPort": 443}]}},
            (
                service(
                    "NodePort",
                    {**PORT_80, "nodePort": 32188},
                    {"name": "port-443", "port": 443, "targetPort": 443},
                ),
            ),
        ),
        (
            {"serviceType": "loadbalancer", "ports": [{"container": 80, "external": 8080}, {"container": 443}]},
            {"container": {"ports": [{"containerPort": 80}, {"containerPort": 443}]}},
            (
                service(
                    "LoadBalancer",
                    {"name": "port-80", "port": 8080, "targetPort": 80},
                    {"name": "port-443", "port": 443, "targetPort": 443},
                ),
            ),
        ),
        (
            {"serviceType": "ingress", "ports": [{"container": 80}]},
            {"container": {"ports": [{"containerPort": 80}]}},
            (service("ClusterIP", PORT_80), ingress(80)),
        ),
        (
            {"serviceType": "portforward", "ports": [{"container": 80, "external": 8080}]},
            {"container": {"ports": [{"containerPort": 80}]}},
            (),
        ),
    ],
    "backoffLimit": [
        ({"backoffLimit": 3}, {"spec": {"backoffLimit": 3}}, ()),
        ({"backoffLimit": 0}, {"spec": {"backoffLimit": 0}}, ()),
    ],
    "completions": [({"completions": 3}, {"spec": {"completions": 3}}, ())],
    "parallelism": [({"completions": 4, "parallelism": 2}, {"spec": {"completions": 4, "parallelism": 2}}, ())],
    "elastic": [({"elastic": True}, {}, ())],
    "preemptible": [({"preemptible": True}, {}, ())],
    "ttlAfterFinish": [
        ({"ttlAfterFinish": "1h30m"}, {"spec": {"ttlSecondsAfterFinished": 5400}}, ()),
        ({"ttlAfterFinish": "0s"}, {"spec": {"ttlSecondsAfterFinished": 0}}, ()),
    ],
    "activeDeadline": [
        ({"activeDeadline": "1h"}, {"spec": {"activeDeadlineSeconds": 3600}}, ()),
        ({"activeDeadline": 1}, {"spec": {"activeDeadlineSeconds": 1}}, ()),
    ],
    "runAsUid": [({"runAsUid": 0}, {"container": {"securityContext": {"runAsUser": 0}}}, ())],
    "runAsGid": [
        (
            {"runAsUid": 1000, "runAsGid": 100, "preventPrivilegeEscalation": True},
            {
                "container": {
                    "securityContext": {"allowPrivilegeEscalation": False, "runAsUser": 1000, "runAsGroup": 100}
                }
            },
            (),
        )
    ],
    "labels": [({"labels": OWN}, {"labels": OWN, "pod_labels": OWN}, ())],
    "annotations": [
        ({"annotations": {"a": "$x"}}, {"annotations": {"a": "$x"}, "pod_metadata": {"annotations": {"a": "$x"}}}, ())
    ],
    "preventPrivilegeEscalation": [
        (
            {"preventPrivilegeEscalation": True},
            {"container": {"securityContext": {"allowPrivilegeEscalation": False}}},
            (),
        ),
        ({"preventPrivilegeEscalation": False}, {}, ()),
    ],
    "nodeType": [({"nodeType": "dgx-2"}, {"pod": {"nodeSelector": {"run.ai/type": "dgx-2"}}}, ())],
}
