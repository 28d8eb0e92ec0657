"""What the watcher knows of a cluster that others use too, whatever the order in which it is told."""

import copy
from typing import Any

import pytest

from service.cluster.job_mirror import MAX_GONE, JobMirror
from service.submission.job_events import Exit, Phase

NOW = 1_767_225_700_000
LABELS = {"app.kubernetes.io/managed-by": "job-submission", "project": "team-a"}
OWNED = [{"kind": "Job", "uid": "u1", "controller": True}]
JOB: dict[str, Any] = {
    "metadata": {
        "uid": "u1",
        "name": "train",
        "namespace": "runai-team-a",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": LABELS | {"kueue.x-k8s.io/queue-name": "team-a"},
        "annotations": {"job-submission.io/submission-id": "s" * 52},
    },
    "spec": {"template": {"spec": {"containers": [{"image": "busybox"}]}}},
    "status": {},
}
FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the limit"}
POD: dict[str, Any] = {
    "metadata": {
        "uid": "p1",
        "name": "train-x",
        "namespace": "runai-team-a",
        "labels": LABELS,
        "ownerReferences": OWNED,
    },
    "spec": {"nodeName": "node-1", "containers": [{"image": "busybox"}]},
    "status": {
        "phase": "Failed",
        "containerStatuses": [{"state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no data"}}}],
    },
}
EXIT = Exit(code=3, reason="Error", message="no data")
WORKLOAD: dict[str, Any] = {
    "metadata": {"uid": "w1", "name": "job-train", "namespace": "runai-team-a", "ownerReferences": OWNED},
    "status": {
        "conditions": [
            {
                "type": "QuotaReserved",
                "status": "False",
                "reason": "Pending",
                "message": "couldn't assign flavors: insufficient unused quota for cpu in flavor a, 1 more needed",
            }
        ]
    },
}
POD_GROUP: dict[str, Any] = {
    "metadata": {"uid": "g1", "name": "pg-train", "namespace": "runai-team-a", "ownerReferences": OWNED},
    "status": {
        "schedulingConditions": [
            {
                "type": "UnschedulableOnNodePool",
                "status": "True",
                "reason": "Unschedulable",
                "reasons": [
                    {
                        "reason": "OverLimit",
                        "message": "team-a quota has reached the allowable limit of GPUs. "
                        "Limit is 4 GPUs, currently 3 GPUs allocated and workload requested 2 GPUs",
                    }
                ],
            }
        ]
    },
}


def labelled(item: dict[str, Any], **labels: str) -> dict[str, Any]:
    changed = copy.deepcopy(item)
    changed["metadata"]["labels"] = {**changed["metadata"]["labels"], **labels}
    return changed


def job(**spec: Any) -> dict[str, Any]:
    return {**JOB, "spec": {**JOB["spec"], **spec}}


def failed() -> dict[str, Any]:
    return {**JOB, "status": {"conditions": [FAILED], "failed": 1}}


@pytest.fixture
def changed() -> list[str]:
    return []


@pytest.fixture
def mirror(changed: list[str]) -> JobMirror:
    return JobMirror("default", "mine", changed.append)


def reason(mirror: JobMirror) -> str:
    state = mirror.state("u1", NOW)
    assert state is not None
    assert state.waiting is not None
    return state.waiting.reason


def test_jobs_and_pods_of_another_installation_are_not_told(mirror: JobMirror, changed: list[str]):
    theirs = {"job-submission.io/installation": "theirs"}
    mirror.applied("jobs", labelled(JOB, **theirs))
    mirror.applied("pods", labelled(POD, **theirs))
    assert (len(mirror), changed) == (0, [])
    mirror.applied("jobs", labelled(JOB, **{"job-submission.io/installation": "mine"}))
    assert (len(mirror), changed) == (1, ["u1"])


def test_the_events_of_a_claim_tell_of_the_jobs_that_wait_for_it(mirror: JobMirror, changed: list[str]):
    volumes = [{"persistentVolumeClaim": {"claimName": "pvc-train-0"}}, {"emptyDir": {}}]
    claiming = copy.deepcopy(JOB)
    claiming["spec"]["template"]["spec"]["volumes"] = volumes
    pending = copy.deepcopy(POD) | {"spec": {}}
    unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not eligible for preemption."
    pending["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unbound}],
    }
    claim = {"kind": "PersistentVolumeClaim", "namespace": "runai-team-a", "name": "pvc-train-0", "uid": "c1"}
    event = {
        "involvedObject": claim,
        "reason": "ProvisioningFailed",
        "message": 'storageclass.storage.k8s.io "fast" not found',
    }
    mirror.applied("jobs", claiming)
    mirror.applied("pods", pending)
    assert reason(mirror) == "ClaimPending"
    changed.clear()
    mirror.applied("events", event)
    assert (reason(mirror), changed) == ("StorageClassMissing", ["u1"])
    mirror.applied("events", event | {"message": "the disk is full"})
    told = mirror.state("u1", NOW).waiting
    assert told.reason == "ClaimPending"
    assert told.sentence == "no volume can be made for the claim pvc-train-0: the disk is full"
    pending["status"]["conditions"][0]["message"] = "no nodes available"  # the claim is bound, the event is old
    mirror.applied("pods", copy.deepcopy(pending))
    assert reason(mirror) == "NoNodes"


@pytest.mark.parametrize("pods_go_first", [True, False])
def test_how_a_job_failed_is_known_after_its_pods_are_gone(mirror: JobMirror, pods_go_first: bool):
    """A Job with a time to live of zero goes with its pods at once; the two watches tell it in any order."""
    mirror.applied("jobs", JOB)
    mirror.applied("pods", POD)
    if pods_go_first:
        mirror.deleted("pods", "p1")
        mirror.applied("jobs", failed())
        mirror.deleted("jobs", "u1")
    else:
        mirror.applied("jobs", failed())
        mirror.deleted("jobs", "u1")
        mirror.deleted("pods", "p1")
    state = mirror.state("u1", NOW)
    assert (state.phase, state.exit, state.pods.failed) == (Phase.FAILED, EXIT, 1)


def test_what_is_kept_of_failed_pods_ends_with_their_job(mirror: JobMirror):
    mirror.applied("jobs", JOB)
    mirror.applied("pods", POD)
    mirror.deleted("pods", "p1")
    mirror.deleted("jobs", "u1")
    mirror.forget("u1")
    assert not mirror._failed_pods
    for number in range(MAX_GONE + 1):
        uid = f"u{number}"
        one, pod = copy.deepcopy(JOB), copy.deepcopy(POD)
        one["metadata"]["uid"], pod["metadata"]["uid"] = uid, f"p{number}"
        pod["metadata"]["ownerReferences"] = [{"kind": "Job", "uid": uid}]
        mirror.applied("jobs", one)
        mirror.applied("pods", pod)
        mirror.deleted("pods", f"p{number}")
        mirror.deleted("jobs", uid)
    assert len(mirror._failed_pods) == MAX_GONE


@pytest.mark.parametrize("workload_comes_first", [True, False])
def test_a_workload_says_why_its_job_waits_until_it_is_gone(
    mirror: JobMirror, changed: list[str], workload_comes_first: bool
):
    objects = [("jobs", job(suspend=True)), ("workloads", WORKLOAD)]
    for resource, item in reversed(objects) if workload_comes_first else objects:
        mirror.applied(resource, item)
    assert reason(mirror) == "OverQuota"
    changed.clear()
    mirror.applied("workloads", WORKLOAD)
    assert changed == []
    mirror.deleted("workloads", "w1")
    assert (reason(mirror), changed) == ("SuspendedByQueue", ["u1"])


def test_a_workload_that_a_list_does_not_have_is_gone(mirror: JobMirror):
    mirror.applied("jobs", job(suspend=True))
    mirror.applied("workloads", WORKLOAD)
    mirror.remaining("workloads", "runai-team-b", [])
    assert reason(mirror) == "OverQuota"
    mirror.remaining("workloads", "runai-team-a", [])
    assert reason(mirror) == "SuspendedByQueue"


def test_a_new_workload_takes_the_place_of_the_last(mirror: JobMirror):
    mirror.applied("jobs", job(suspend=True))
    mirror.applied("workloads", WORKLOAD)
    second = copy.deepcopy(WORKLOAD)
    second["metadata"]["uid"] = "w2"
    second["status"]["conditions"][0]["message"] = "LocalQueue team-a doesn't exist"
    mirror.applied("workloads", second)
    mirror.deleted("workloads", "w1")
    assert reason(mirror) == "QueueMissing"


def test_a_pod_group_says_why_its_job_waits(mirror: JobMirror):
    mirror.applied("jobs", JOB)
    mirror.applied("podgroups", POD_GROUP)
    told = mirror.state("u1", NOW).waiting
    assert (told.reason, told.sentence) == ("OverQuota", "the queue team-a's limit is 4 GPUs, 3 in use, 2 asked for")
    older = copy.deepcopy(POD_GROUP)
    (condition,) = older["status"]["schedulingConditions"]
    del condition["reasons"]
    condition["message"] = "no nodes with enough resources were found"
    mirror.applied("podgroups", older)
    assert reason(mirror) == "NotEnoughGpu"
    condition["status"] = "False"
    mirror.applied("podgroups", copy.deepcopy(older))
    assert reason(mirror) == "Creating"


@pytest.mark.parametrize("resource", ["workloads", "podgroups"])
@pytest.mark.parametrize(
    "item",
    [
        {"metadata": {"uid": "x", "ownerReferences": [{"kind": "RayJob", "uid": "u1"}]}},
        {"metadata": {"uid": "x"}, "status": {"conditions": 1, "schedulingConditions": "a"}},
        {
            "metadata": {"uid": "x", "ownerReferences": OWNED},
            "status": {"conditions": [1], "schedulingConditions": [[]]},
        },
    ],
)
def test_odd_objects_of_a_scheduler_say_nothing(mirror: JobMirror, resource: str, item: dict[str, Any]):
    mirror.applied("jobs", JOB)
    mirror.applied(resource, item)
    assert reason(mirror) == "Creating"
