"""Manifests, whole: a base that is written out once, and what each parameter and each profile changes in it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.manifests.dependents import Dependent, owned_by
from service.manifests.job import ManifestOptions, Manifests, is_held
from service.manifests.labels import HOLD_FINALIZER, RELEASE_PATCH
from service.submission.identity import SubmissionId, record_id
from service.validation import PARAMETERS
from tests.unit.expected_job import ANNOTATIONS, LABELS, ONE, PRINT, TRACE, built, job_manifest
from tests.unit.manifest_cases import CASES, CLAIMS, ingress, service


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
        "job-submission.io/installation": "job-submission",
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


@pytest.mark.parametrize(
    ("submission_id", "partition"),
    [
        (record_id("job-submissions", 3, 17, 1_767_225_600_000), "3"),
        (SubmissionId("/topics/job-submissions", "order-17"), None),
        (SubmissionId("/topics/job-submissions/partitions/x", "order-17"), None),
    ],
)
def test_a_job_of_a_record_without_an_id_names_the_partition_of_its_outcome(submission_id, partition):
    assert (
        built({}, identity=submission_id).job["metadata"]["annotations"].get("job-submission.io/partition") == partition
    )


def test_every_object_and_pod_has_the_label_of_its_installation():
    job = {"pvc": [{"size": "1G", "path": "/a"}], "ports": [{"container": 80}], "serviceType": "ingress"}
    made = built(job, options=ManifestOptions(installation="team.prod"))
    objects = [made.job, made.job["spec"]["template"], *(each.body for each in made.dependents)]
    assert [each["metadata"]["labels"]["job-submission.io/installation"] for each in objects] == ["team.prod"] * 5
