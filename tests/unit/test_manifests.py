"""Manifests, whole: a base that is written out once, and what each parameter and each profile changes in it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.manifests.dependents import Dependent, owned_by
from service.manifests.job import ManifestOptions, Manifests, is_held
from service.manifests.labels import HOLD_FINALIZER, RELEASE_PATCH
from service.validation import PARAMETERS
from tests.unit.expected_job import ANNOTATIONS, LABELS, ONE, PRINT, TRACE, built, job_manifest


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

# parameter -> the rest of the request, what it changes in the Job, and the dependents it makes
CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any], tuple[Dependent, ...]]]] = {
    "name": [({"name": "given"}, {}, ())],  # which name it gives is naming's; here it arrives as an argument
    "jobNamePrefix": [({"jobNamePrefix": "prefix"}, {}, ())],
    "project": [({"project": "team-a"}, {}, ())],
    "image": [({"image": "gcr.io/x/y:1"}, {"container": {"image": "gcr.io/x/y:1"}}, ())],
    "interactive": [
        ({"interactive": True}, {"spec": {"backoffLimit": 0, "completions": 1}}, ()),
        ({"interactive": False}, {}, ()),
        ({"interactive": True, "preemptible": True}, {"spec": {"completions": 1}}, ()),
        (
            {"interactive": True, "preemptible": True, "backoffLimit": 2},
            {"spec": {"backoffLimit": 2, "completions": 1}},
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


def test_every_parameter_has_a_case():
    assert sorted(CASES) == sorted(PARAMETERS)


@pytest.mark.parametrize(
    ("job", "changes", "dependents"),
    [pytest.param(*case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_a_parameter(job: dict[str, Any], changes: dict[str, Any], dependents: tuple[Dependent, ...]):
    assert built(job) == Manifests(job_manifest(**changes), dependents)


def test_the_least_request():
    labels = {
        "app.kubernetes.io/managed-by": "job-submission",
        "project": "team-a",
        "job-submission.io/submission": ONE.key,
    }
    assert built({}) == Manifests(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "train-1",
                "namespace": "runai-team-a",
                "labels": labels,
                "annotations": {
                    "job-submission.io/submission-id": ONE.key,
                    "job-submission.io/fingerprint": PRINT,
                },
            },
            "spec": {
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
                },
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "restartPolicy": "Never",
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,
                        "containers": [
                            {
                                "name": "job",
                                "image": "busybox",
                                "imagePullPolicy": "Always",
                                "terminationMessagePolicy": "FallbackToLogsOnError",
                            }
                        ],
                    },
                },
            },
        },
        (),
    )


def expanded(text: str, variables: dict[str, str]) -> str:
    """What arrives in a container, by the rules of Kubernetes (API reference, Container: `command`, `args`, `env`)."""

    def meaning(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", meaning, text)


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("$(A)", "a"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$(B)", "$(B)"),
        ("$A $", "$A $"),
        ("$$$$", "$$"),
        ("$(A", "$(A"),
    ],
)
def test_how_kubernetes_expands(text: str, arrives: str):
    assert expanded(text, {"A": "a"}) == arrives


@given(st.text() | st.text("$()A", max_size=12))
def test_values_arrive_as_they_were_sent(text: str):
    (container,) = built({"environment": {"A": "a", "B": text}, "arguments": [text], "command": ["run", text]}).job[
        "spec"
    ]["template"]["spec"]["containers"]
    written = [container["env"][1]["value"], container["args"][0], container["command"][1]]
    assert [expanded(each, {"A": "a", "": "nothing"}) for each in written] == [text] * 3


def test_a_home_of_the_requests_own_counts():
    manifests = built({"createHomeDir": True, "environment": {"HOME": "/x"}})
    (container,) = manifests.job["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "HOME", "value": "/x"}]


@pytest.mark.parametrize(
    ("user", "annotation", "label"),
    [
        ("john", {"job-submission.io/user": "john"}, {"job-submission.io/user": "john"}),
        ("j" * 63, {"job-submission.io/user": "j" * 63}, {"job-submission.io/user": "j" * 63}),
        ("j" * 64, {"job-submission.io/user": "j" * 64}, {}),
        ("john@example.org", {"job-submission.io/user": "john@example.org"}, {}),
        ("john\n", {"job-submission.io/user": "john\n"}, {}),
        ("-john", {"job-submission.io/user": "-john"}, {}),
        ("", {}, {}),
        (None, {}, {}),
    ],
)
def test_the_user(user: str | None, annotation: dict[str, str], label: dict[str, str]):
    expected = job_manifest(annotations=annotation, labels=label, pod_labels=label)
    assert built({}, user=user) == Manifests(expected, ())


def test_user_and_trace_of_dependents():
    manifests = built({"pvc": CLAIMS[:1]}, user="john", traceparent=TRACE)
    user = {"job-submission.io/user": "john"}
    assert manifests.job["metadata"]["annotations"] == {
        **ANNOTATIONS,
        **user,
        "job-submission.io/traceparent": TRACE,
    }
    assert [dependent.body["metadata"] for dependent in manifests.dependents] == [
        {
            "name": "pvc-train-1-0",
            "namespace": "runai-team-a",
            "labels": {**LABELS, **user},
            "annotations": {**ANNOTATIONS, **user},
        }
    ]


def test_objects_of_one_submission_share_no_dict():
    manifests = built({"pvc": CLAIMS}, user="john")
    seen = [manifests.job["metadata"], *(dependent.body["metadata"] for dependent in manifests.dependents)]
    parts = [part for metadata in seen for part in (metadata, metadata["labels"], metadata["annotations"])]
    assert len({id(part) for part in parts}) == len(parts)


def test_the_class_of_ingresses_is_a_setting():
    job = {"serviceType": "ingress", "ports": [{"container": 80, "external": 8080}, {"container": 81}]}
    assert built(job, options=ManifestOptions(ingress_class="nginx")).dependents == (
        service(
            "ClusterIP",
            {"name": "port-80", "port": 8080, "targetPort": 80},
            {"name": "port-81", "port": 81, "targetPort": 81},
        ),
        ingress(8080, ingressClassName="nginx"),
    )


def test_dependents_come_claims_first():
    job = {"serviceType": "ingress", "ports": [{"container": 80}], "pvc": CLAIMS}
    assert [(dependent.resource, dependent.body["metadata"]["name"]) for dependent in built(job).dependents] == [
        ("persistentvolumeclaims", "pvc-train-1-0"),
        ("persistentvolumeclaims", "pvc-train-1-1"),
        ("services", "train-1"),
        ("ingresses", "train-1"),
    ]


@pytest.mark.parametrize(
    ("job", "below", "held"),
    [
        ({"ttlAfterFinish": "5s"}, 3600, True),
        ({"ttlAfterFinish": "0s"}, 3600, True),
        ({"ttlAfterFinish": "59m59s"}, 3600, True),
        ({"ttlAfterFinish": "1h"}, 3600, False),
        ({}, 3600, False),
        ({"ttlAfterFinish": "0s"}, 0, False),
    ],
)
def test_a_short_ttl_is_held_and_kept_as_it_is(job: dict[str, Any], below: int, held: bool):
    manifest = built(job, options=ManifestOptions(hold_below_ttl=below)).job
    finalizers = {"finalizers": ["job-submission.io/outcome-pending"]} if held else {}
    assert manifest == {**built(job).job, "metadata": {**built(job).job["metadata"], **finalizers}}
    assert is_held(manifest) is held


@pytest.mark.parametrize(
    ("metadata", "held"),
    [
        ({}, False),
        ({"finalizers": None}, False),
        ({"finalizers": ["foregroundDeletion"]}, False),
        ({"finalizers": ["foregroundDeletion", HOLD_FINALIZER]}, True),
    ],
)
def test_whether_a_live_job_is_held(metadata: dict[str, Any], held: bool):
    assert is_held({"metadata": metadata}) is held


def test_the_release_takes_off_our_finalizer_only():
    assert RELEASE_PATCH == {"metadata": {"$deleteFromPrimitiveList/finalizers": ["job-submission.io/outcome-pending"]}}


def test_owned_by():
    (dependent,) = built({"pvc": CLAIMS[1:]}).dependents
    owned = owned_by(dependent.body, "train-1", "u-1")
    assert owned == {
        **dependent.body,
        "metadata": {
            **dependent.body["metadata"],
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train-1", "uid": "u-1"}],
        },
    }
    assert "ownerReferences" not in dependent.body["metadata"]
