"""The PodTemplate under a project's jobs: what is merged how, what no request changes, and what is faulty."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.manifests.labels import FIXED_ANNOTATION
from service.manifests.pod_merge import MERGE_KEYS, MISSING, find, merge, put
from service.manifests.pod_template import _REQUESTABLE, FaultyPodTemplate, PodTemplate
from tests.unit.expected_job import built
from tests.unit.manifest_cases import CASES

JOB = "spec.containers[job]"
ROOT = {"name": "root", "image": "i"}


def template(spec: dict[str, Any] | None = None, fixed: str = "", **metadata: Any) -> PodTemplate:
    """A PodTemplate as the API server stores it, with its defaults, read."""
    stored = {
        "metadata": {"name": "t", "namespace": "runai-team-a", "annotations": {FIXED_ANNOTATION: fixed}},
        "template": {"metadata": {"creationTimestamp": None, **metadata}, "spec": spec or {}},
    }
    return PodTemplate.of(stored)


def pod_over(under: PodTemplate, **job: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What lies in the Job of a request that sets these parameters, and the warnings."""
    merged, warnings = under.under(built(job).job)
    return merged["spec"]["template"], warnings


def container(under: dict[str, Any], **job: Any) -> dict[str, Any]:
    (found,) = pod_over(template({"containers": [{"name": "job", **under}]}), **job)[0]["spec"]["containers"]
    return dict(found)


DEFAULTS = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
"""What the API server writes into every PodTemplate."""
CONTAINER_DEFAULTS = {
    "image": "placeholder",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
A, B = {"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
SCRATCH = {"name": "scratch", "mountPath": "/scratch", "subPath": "x"}
GPU_NODES = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
SIDECAR = {"name": "log", "image": "log"}


def test_a_template_of_nothing_but_the_servers_defaults_changes_nothing_that_the_service_wrote():
    job = built({}).job
    merged, warnings = template({**DEFAULTS, "containers": [{"name": "job", **CONTAINER_DEFAULTS}]}).under(job)
    pod = job["spec"]["template"]
    (own,) = pod["spec"]["containers"]
    spec = {**DEFAULTS, **pod["spec"], "containers": [{**CONTAINER_DEFAULTS, **own}]}
    assert merged == {**job, "spec": {**job["spec"], "template": {**pod, "spec": spec}}}
    assert warnings == ()


@pytest.mark.parametrize(
    ("under", "job", "expected"),
    [
        ({"tolerations": [GPU_NODES]}, {}, {"tolerations": [GPU_NODES]}),
        ({"serviceAccountName": "trainer"}, {}, {"serviceAccountName": "trainer"}),
        ({"automountServiceAccountToken": True}, {}, {"automountServiceAccountToken": True}),
        ({"enableServiceLinks": True}, {}, {"enableServiceLinks": True}),
        ({"imagePullSecrets": [{"name": "registry"}]}, {}, {"imagePullSecrets": [{"name": "registry"}]}),
        ({"securityContext": {"runAsNonRoot": True}}, {}, {"securityContext": {"runAsNonRoot": True}}),
        ({"priorityClassName": "low"}, {}, {"priorityClassName": "low"}),
        ({"nodeSelector": {"zone": "a"}}, {"nodeType": "x"}, {"nodeSelector": {"zone": "a", "run.ai/type": "x"}}),
        ({"nodeSelector": {"run.ai/type": "y"}}, {"nodeType": "x"}, {"nodeSelector": {"run.ai/type": "x"}}),
        ({"hostNetwork": False}, {"hostNetwork": True}, {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}),
        ({"dnsPolicy": "Default"}, {}, {"dnsPolicy": "Default"}),
        ({"restartPolicy": "Always"}, {}, {"restartPolicy": "Never"}),
        (
            {"volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "volume-0", "emptyDir": {}}]},
            {"volume": {"/a": "/b"}},
            {"volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "volume-0", "hostPath": {"path": "/a"}}]},
        ),
        ({"initContainers": [SIDECAR]}, {}, {"initContainers": [SIDECAR]}),
    ],
)
def test_a_field_of_the_pod(under: dict[str, Any], job: dict[str, Any], expected: dict[str, Any]):
    spec = pod_over(template(under), **job)[0]["spec"]
    assert {name: spec[name] for name in expected} == expected
    alone = built(job).job["spec"]["template"]["spec"]
    assert {name: value for name, value in spec.items() if name not in expected} == {
        name: value for name, value in alone.items() if name not in expected
    }


@pytest.mark.parametrize(
    ("under", "job", "expected"),
    [
        ({"image": "other"}, {"image": "busybox"}, {"image": "busybox"}),
        ({"imagePullPolicy": "IfNotPresent"}, {}, {"imagePullPolicy": "Always"}),
        ({"command": ["a", "b"]}, {}, {"command": ["a", "b"]}),
        ({"command": ["a", "b"]}, {"command": "c"}, {"command": ["c"]}),
        ({"args": ["a"]}, {"arguments": ["b"]}, {"args": ["b"]}),
        ({"env": [A, B]}, {"environment": {"C": "3"}}, {"env": [A, B, {"name": "C", "value": "3"}]}),
        ({"env": [A, B]}, {"environment": {"B": "2"}}, {"env": [A, {"name": "B", "value": "2"}]}),
        (
            {"volumeMounts": [SCRATCH]},
            {"volume": {"/a": "/b"}},
            {"volumeMounts": [SCRATCH, {"name": "volume-0", "mountPath": "/b"}]},
        ),
        (
            {"volumeMounts": [SCRATCH]},
            {"volume": {"/a": "/scratch/"}},
            {"volumeMounts": [SCRATCH | {"name": "volume-0", "mountPath": "/scratch/"}]},
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]},
            {"ports": [{"container": 90}], "serviceType": "nodeport"},
            {
                "ports": [
                    {"containerPort": 80, "protocol": "TCP"},
                    {"containerPort": 80, "protocol": "UDP"},
                    {"containerPort": 90},
                ]
            },
        ),
        (
            {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}},
            {"cpu": 0.5, "gpu": 1},
            {
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"cpu": "2", "nvidia.com/gpu": "1"},
                }
            },
        ),
        (
            {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
            {"runAsUid": 7},
            {
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "runAsUser": 7,
                }
            },
        ),
    ],
)
def test_a_field_of_the_jobs_container(under: dict[str, Any], job: dict[str, Any], expected: dict[str, Any]):
    (alone,) = built(job).job["spec"]["template"]["spec"]["containers"]
    assert container(under, **job) == {**under, **alone, **expected}


def test_containers_beside_the_jobs_keep_their_place_and_are_nobodys_to_change():
    pod, _ = pod_over(template({"containers": [SIDECAR]}))
    assert [each["name"] for each in pod["spec"]["containers"]] == ["log", "job"]
    pod, _ = pod_over(template({"containers": [{"name": "job", "image": "x"}, SIDECAR]}))
    assert [each["name"] for each in pod["spec"]["containers"]] == ["job", "log"]
    assert pod["spec"]["containers"][1] == SIDECAR


def test_labels_and_annotations_go_on_the_pods_and_those_of_the_service_stay():
    labels = {"team": "vision", "project": "other", "job-submission.io/submission": "x", "run": "t"}
    under = template(fixed="metadata.labels", labels=labels, annotations={"a": "b"})
    job = built({"labels": {"example.com/x": "y"}}, user="john").job
    merged, warnings = under.under(job)
    own = job["spec"]["template"]["metadata"]["labels"]
    assert merged["metadata"] == job["metadata"]
    assert merged["spec"]["template"]["metadata"] == {
        "labels": {"team": "vision", "run": "t", **{key: own[key] for key in own if key != "example.com/x"}},
        "annotations": {"a": "b"},
    }
    assert warnings == ("the PodTemplate runai-team-a/t fixes metadata.labels: what the request says of it is void",)


HOST = {"hostNetwork": True, "hostIpc": True}
_NET = "dnsPolicy"


@pytest.mark.parametrize(
    ("fixed", "under", "job", "path", "value", "undone"),
    [
        ("spec.hostNetwork", {}, HOST, ("spec", "hostNetwork"), MISSING, True),
        ("spec.hostNetwork", {}, {}, ("spec", "hostNetwork"), MISSING, False),
        (f"{JOB}.image", {"image": "x"}, {}, ("image",), "x", True),
        (f"{JOB}.imagePullPolicy", {"imagePullPolicy": "Never"}, {}, ("imagePullPolicy",), "Never", False),
        (f"{JOB}.imagePullPolicy", {"imagePullPolicy": "Never"}, {"imagePullPolicy": "IfNotPresent"},
         ("imagePullPolicy",), "Never", True),
        (f"{JOB}.securityContext.runAsUser", {"securityContext": {"runAsUser": 7}}, {"runAsUid": 0, "runAsGid": 1},
         ("securityContext",), {"runAsUser": 7, "runAsGroup": 1}, True),
        (f"{JOB}.securityContext.runAsUser", {}, {"runAsUid": 0, "runAsGid": 1},
         ("securityContext",), {"runAsGroup": 1}, True),
        (f"{JOB}.securityContext.runAsUser", {"securityContext": {"runAsUser": 7}}, {"runAsUid": 7},
         ("securityContext",), {"runAsUser": 7}, False),
        (f"{JOB}.env[A]", {"env": [A]}, {"environment": {"A": "2", "C": "3"}},
         ("env",), [A, {"name": "C", "value": "3"}], True),
        (f"{JOB}.env[A]", {}, {"environment": {"A": "2", "C": "3"}}, ("env",), [{"name": "C", "value": "3"}], True),
        (f"{JOB}.env", {"env": [A, B]}, {"environment": {"C": "3"}}, ("env",), [A, B], True),
        (f"{JOB}.env", {"env": [A, B]}, {"environment": {"A": "1"}}, ("env",), [A, B], False),
        (f"{JOB}.ports[80].protocol", {"ports": [{"containerPort": 80, "protocol": "UDP"}]}, {},
         ("ports",), [{"containerPort": 80, "protocol": "UDP"}], False),
        (f"{JOB}.resources.limits[nvidia.com/gpu]", {"resources": {"limits": {"nvidia.com/gpu": "1"}}}, {"gpu": 8},
         ("resources",), {"limits": {"nvidia.com/gpu": "1"}}, True),
        (f"{JOB}.command, {JOB}.args", {"command": ["a"]}, {"command": "b", "arguments": ["c"]},
         ("command",), ["a"], True),
        (f"{JOB}.volumeMounts[/scratch]", {"volumeMounts": [SCRATCH]}, {"volume": {"/a": "//scratch/."}},
         ("volumeMounts",), [SCRATCH], True),
        (f"{JOB}.volumeMounts[/scratch/]", {}, {"volume": {"/a": "/scratch"}}, ("volumeMounts",), [], True),
        ("spec.nodeSelector", {}, {"nodeType": "x"}, ("spec", "nodeSelector"), MISSING, True),
    ],
)  # fmt: skip
def test_a_fixed_field_is_as_the_template_has_it(
    fixed: str, under: dict[str, Any], job: dict[str, Any], path: tuple[str, ...], value: Any, undone: bool
):
    spec = {"containers": [{"name": "job", **under}]}
    pod, warnings = pod_over(template(spec, fixed), **job)
    whole = path if path[0] == "spec" else ("spec", "containers", "job", *path)
    assert find(pod, whole) == value
    assert bool(warnings) is undone
    assert all(each.startswith("the PodTemplate runai-team-a/t fixes ") for each in warnings)


@pytest.mark.parametrize(
    ("fixed", "fault"),
    [
        ("spec", "spec cannot be fixed: name the fields below it"),
        ("metadata", "metadata cannot be fixed: name the fields below it"),
        ("spec.containers", "spec.containers cannot be fixed: name spec.containers[job] or fields below it"),
        (
            "spec.volumes",
            "spec.volumes cannot be fixed: a volume that is left out would leave its mounts behind; fix the mounts",
        ),
        ("spec.restartPolicy", "spec.restartPolicy cannot be fixed: pods of a Job are not restarted"),
        ("hostNetwork", "hostNetwork is in neither metadata nor spec"),
        ("spec.hostnetwork", "spec.hostnetwork is neither in the template nor a field that a request can set"),
        ("spec.tolerations", "spec.tolerations is neither in the template nor a field that a request can set"),
        ("spec.containers[x]", "spec.containers[x] is neither in the template nor a field that a request can set"),
        (f"{JOB}.command[a]", "command[a]: the list command can be fixed as a whole only"),
        (f"{JOB}.args[0]", f"{JOB}.args[0]: the list args can be fixed as a whole only"),
        ("spec[volumes]",
         "spec[volumes] cannot be fixed: a volume that is left out would leave its mounts behind; fix the mounts"),
        ("spec..x", "spec..x is no path; write spec.hostNetwork, spec.containers[job].env[NAME]"),
        ("spec[", "spec[ is no path; write spec.hostNetwork, spec.containers[job].env[NAME]"),
    ],
)  # fmt: skip
def test_a_mark_that_cannot_be_meant_makes_the_template_faulty(fixed: str, fault: str):
    with pytest.raises(FaultyPodTemplate) as error:
        template({"containers": [{"name": "job", "command": ["a"]}]}, fixed)
    assert str(error.value) == f"the PodTemplate runai-team-a/t: its annotation {FIXED_ANNOTATION}: {fault}"


def test_marks_stand_between_commas_and_white_space():
    fixed = f"spec.hostIPC,spec.hostNetwork\n  {JOB}.volumeMounts[/a, b]"
    assert [field.path for field in template(fixed=fixed).fixed] == [
        ("spec", "hostIPC"),
        ("spec", "hostNetwork"),
        ("spec", "containers", "job", "volumeMounts", "/a, b"),
    ]


def test_what_a_request_can_set_is_told_from_what_is_misspelt():
    """Every field that some case of a parameter brings about is below a path of the table, and each has a case."""
    pods = [built(job).job["spec"]["template"] for cases in CASES.values() for job, _, _ in cases]
    plain = built({}).job["spec"]["template"]
    for path in _REQUESTABLE:
        assert any(find(pod, path) not in (MISSING, find(plain, path)) for pod in pods), path
    for pod in pods:
        reset = put(pod, ("spec", "volumes"), MISSING)  # cannot be fixed
        for path in _REQUESTABLE:
            reset = put(reset, path, find(plain, path))
        assert _without_empty(reset) == _without_empty(plain)


def _without_empty(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: below for key, value in node.items() if (below := _without_empty(value)) not in ({}, [])}
    return [_without_empty(each) for each in node] if isinstance(node, list) else node


NAMES = st.sampled_from("abc")
LEAVES = st.one_of(st.booleans(), st.integers(0, 3), NAMES)


def elements(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    key = MERGE_KEYS[name]
    one = st.dictionaries(st.sampled_from(["x", "y"]), LEAVES, max_size=2)
    return st.lists(st.tuples(NAMES, one), max_size=3, unique_by=lambda pair: pair[0]).map(
        lambda pairs: [{**fields, key: which} for which, fields in pairs]
    )


MAPS = st.fixed_dictionaries(
    {},
    optional={
        "m": st.dictionaries(NAMES, LEAVES, max_size=3),
        "leaf": LEAVES,
        "args": st.lists(NAMES, max_size=2),
        "env": elements("env"),
        "volumeMounts": elements("volumeMounts"),
        "tolerations": st.lists(st.dictionaries(NAMES, LEAVES, max_size=1), max_size=2),
    },
)


@given(MAPS, MAPS)
def test_merging_keeps_all_that_is_over_and_changes_neither_side(under: dict[str, Any], over: dict[str, Any]):
    before = copy.deepcopy((under, over))
    merged = merge(under, over)
    assert (under, over) == before
    assert set(merged) == set(under) | set(over)
    for name in ("leaf", "args"):
        if name in over:
            assert merged[name] == over[name]
    assert merged.get("m", {}) == {**under.get("m", {}), **over.get("m", {})}
    for name in ("env", "volumeMounts"):
        key = MERGE_KEYS[name]
        by_key = {each[key]: each for each in merged.get(name, [])}
        assert len(by_key) == len(merged.get(name, []))
        for each in over.get(name, []):
            assert each.items() <= by_key[each[key]].items()
    for each in over.get("tolerations", []) + under.get("tolerations", []):
        assert each in merged["tolerations"]


@given(MAPS, MAPS)
def test_merging_is_idempotent_and_nothing_is_its_identity(under: dict[str, Any], over: dict[str, Any]):
    once = merge(under, over)
    assert merge(under, {}) == under
    assert merge({}, over) == over
    assert merge(once, over) == once


PATHS = st.sampled_from(
    [("leaf",), ("m",), ("m", "a"), ("args",), ("env",), ("env", "a"), ("env", "a", "x"), ("volumeMounts", "b")]
)


@given(MAPS, PATHS, LEAVES)
def test_what_is_put_is_found_and_taken_away_again(node: dict[str, Any], path: tuple[str, ...], leaf: Any):
    value = {MERGE_KEYS[path[-2]]: path[-1], "x": leaf} if len(path) > 1 and path[-2] in MERGE_KEYS else leaf
    before = copy.deepcopy(node)
    there = find(node, path)
    if path != ("env", "a", "x") or find(node, path[:-1]) is not MISSING:
        assert find(put(node, path, value), path) == value
    gone = put(node, path, MISSING)
    assert find(gone, path) is MISSING
    assert node == before
    if there is not MISSING and len(path) == 1:
        assert put(gone, path, there) == node
