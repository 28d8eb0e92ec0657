"""What a request might smuggle into its objects: refused, or harmless in what Kubernetes would get.

Harmless: every field of the finished objects is one that the written-out cases of `manifest_cases` have, and what
identifies and isolates them is as it is for the least request.
"""

import json
from collections.abc import Iterator
from typing import Any

from service.errors import InvalidSubmission
from service.manifests.labels import FIXED_ANNOTATION
from service.manifests.pod_template import PodTemplate
from service.spec.limits import Limits
from service.spec.strict_json import read_document
from service.validation import PARAMETERS, validate
from tests.unit.expected_job import built
from tests.unit.manifest_cases import CASES

FREE_KEYS = ("labels", "annotations", "nodeSelector", "requests", "limits")
"""Maps whose keys are no fields."""

HOSTILE: tuple[Any, ...] = (
    {"privileged": True},
    {"hostPID": True, "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    {"valueFrom": {"secretKeyRef": {"name": "tokens", "key": "token"}}},
    {"name": "x", "value": "y", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
    {"hostPath": {"path": "/"}},
    {"hostPath": {"path": "/var/run/docker.sock", "type": "Socket"}},
    {"secret": {"secretName": "tokens"}},
    {"$patch": "replace"},
    {"$retainKeys": ["hostPath"]},
    [{"name": "job", "securityContext": {"privileged": True}}],
    [{"containerPort": 80, "hostPort": 80}],
    [["nested"]],
    "$(SECRET)",
    "$$(SECRET)",
    "a\nhostPID: true",
    "a\r\nX-Injected: 1",
    "a\x00b",
    "a\u2028b",
    "\u202eabc",
    '"},"hostPID":true,"x":{"y":"',
    "'}, hostPID: true",
    "{{ .Values.secret }}",
    "${jndi:ldap://example.com}",
    "../../../../etc/shadow",
    "/proc/1/root",
    "/../etc",
    "/a/../../etc",
    "//etc",
    "/",
    "",
    " ",
    "kube-system",
    "-n kube-system",
    "a/b",
    "a,b",
    "a=b",
    "*",
    "&anchor",
    "!!python/object:os.system",
    "0x7fffffff",
    "1e400",
    "NaN",
    "-1",
    -1,
    0,
    2**31,
    2**63,
    2**64,
    1e308,
    True,
    False,
    "x" * 70_000,
)
SMUGGLED = (
    "hostPID", "privileged", "securityContext", "capabilities", "serviceAccountName", "automountServiceAccountToken",
    "initContainers", "containers", "template", "spec", "metadata", "env", "envFrom", "volumeMounts", "hostAliases",
    "tolerations", "nodeName", "nodeSelector", "affinity", "runtimeClassName", "priorityClassName", "schedulerName",
    "finalizers", "ownerReferences", "namespace", "__proto__", "constructor", "$patch", "procMount", "seccompProfile",
    "shareProcessNamespace", "imagePullSecrets", "lifecycle", "livenessProbe", "readOnly", "subPath",
)  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, containers of others included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from leaves(below, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


def corpus() -> Iterator[dict[str, Any]]:
    """Jobs with something hostile in one place: each parameter, what is below it, and names that are none."""
    for cases in CASES.values():
        for job, _, _ in cases[:1]:
            least = {"project": "team-a", "image": "busybox", **job}
            for path in leaves(least):
                for hostile in HOSTILE if path else ():
                    yield replaced(least, path, hostile)
                here = least
                for key in path:
                    here = here[key]
                if isinstance(here, dict):
                    for name in SMUGGLED:
                        yield replaced(least, path, {**here, name: {"privileged": True}})
                        yield replaced(least, path, {**here, name: "x"})


def fields(value: Any, path: str = "") -> Iterator[str]:
    """The fields of an object, wherever in lists they are."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{path}.{key}"
            if key in FREE_KEYS:
                assert all(isinstance(each, str) for each in below.values())
            else:
                yield from fields(below, f"{path}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from fields(each, path)


def all_objects(made: Any) -> list[dict[str, Any]]:
    return [made.job, *(each.body for each in made.dependents)]


USUAL = {
    f"{each['kind']}{field}"
    for cases in CASES.values()
    for job, _, _ in cases
    for each in all_objects(built(job))
    for field in fields(each)
}
FIXED = PodTemplate.of(
    {
        "metadata": {
            "name": "t",
            "namespace": "n",
            "annotations": {
                FIXED_ANNOTATION: "spec.hostNetwork,spec.hostIPC,spec.containers[job].securityContext.runAsUser,"
                "spec.containers[job].securityContext.allowPrivilegeEscalation"
            },
        },
        "template": {
            "spec": {
                "containers": [
                    {"name": "job", "securityContext": {"runAsUser": 7, "allowPrivilegeEscalation": False}},
                    {"name": "side", "image": "side"},
                ]
            }
        },
    }
)


def is_harmless(job: dict[str, Any], made: Any) -> None:
    """Assert that there is nothing in the objects which no request may bring there."""
    least = built({}).job
    for each in all_objects(made):
        assert {f"{each['kind']}{field}" for field in fields(each)} <= USUAL, job
        assert each["metadata"]["namespace"] == "runai-team-a"
        own = least["metadata"]["labels"]
        assert {key: each["metadata"]["labels"][key] for key in own} == own
        own = least["metadata"]["annotations"]
        assert {key: each["metadata"]["annotations"][key] for key in own} == own
        assert "\x00" not in json.dumps(each, ensure_ascii=False)
    spec = made.job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["name"] == "job"
    assert spec["automountServiceAccountToken"] is False
    asked = {*(job.get("volume") or ()), *(each.get("sourcePath") for each in job.get("volumes") or ())}
    for volume in spec.get("volumes", ()):
        assert volume.keys() - {"name"} <= {"hostPath", "nfs", "emptyDir", "persistentVolumeClaim"}
        if "hostPath" in volume:
            assert volume["hostPath"]["path"] in asked
            assert ".." not in volume["hostPath"]["path"].split("/")
    assert {mount["name"] for mount in container.get("volumeMounts", ())} <= {
        volume["name"] for volume in spec.get("volumes", ())
    }
    for text in (
        *container.get("command", ()),
        *container.get("args", ()),
        *(e["value"] for e in container.get("env", ())),
    ):
        assert "$(" not in text.replace("$$", "")  # the kubelet would put the value of a variable there
    under, _ = FIXED.under(made.job)
    merged = under["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostIPC"} & merged.keys()
    assert [each["name"] for each in merged["containers"]] == ["job", "side"]
    security = merged["containers"][0]["securityContext"]
    assert (security["runAsUser"], security["allowPrivilegeEscalation"]) == (7, False)


def test_every_body_of_the_corpus_is_refused_or_harmless():
    refused = harmless = 0
    places = set()
    for job in corpus():
        places |= {key for key in job if isinstance(key, str)} & set(PARAMETERS)
        try:
            document = read_document(json.dumps({"job": job}).encode())
            validate(document, Limits())
        except InvalidSubmission:
            refused += 1
            continue
        if document["job"].get("project") != "team-a":
            continue  # another project of those that its user may use
        is_harmless(document["job"], built(document["job"]))
        harmless += 1
    print(f"{refused} bodies refused, {harmless} harmless")
    assert places == set(PARAMETERS)
    assert refused > 5000
    assert harmless > 500
