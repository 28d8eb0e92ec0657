"""Why a job waits: what Kubernetes, Kueue and KAI say, and the one cause it is told as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.job_facts import Admission, EventFacts, JobFacts, PodFacts
from service.cluster.object_fields import Condition
from service.cluster.waiting import MAX_SENTENCE, why_waiting
from service.submission.waiting_causes import CAUSES, Severity

JOB = JobFacts(
    uid="u1",
    name="train",
    namespace="runai-team-a",
    submission="s" * 52,
    partition=None,
    project="team-a",
    user="john",
    traceparent=None,
    interactive=False,
    created_at=1_000,
    started_at=None,
    finished_at=None,
    deleting_at=None,
    suspended=False,
    completions=None,
    parallelism=1,
    succeeded=0,
    failed=0,
    image="busybox",
    gpus=8,
    queue=None,
    priority_class=None,
    node_selector=(("run.ai/type", "dgx"),),
    claims=(),
    conditions={},
)
POD = PodFacts(
    uid="p1",
    name="train-x",
    namespace="runai-team-a",
    phase="Pending",
    reason="",
    node=None,
    gpus=8,
    cpu="3",
    memory="64Gi",
    started_at=None,
    finished_at=None,
    deleting=False,
    unschedulable=None,
    has_been_looked_at=True,
    waiting_reason=None,
    waiting_message="",
    exit_code=None,
    exit_reason=None,
    exit_message=None,
    restarts=0,
    disrupted=None,
)
ON_NODE = POD._replace(node="node-1")
QUEUED = JOB._replace(suspended=True, queue="team-a")


def refused(message: str) -> EventFacts:
    return EventFacts("u1", "FailedCreate", f'Error creating: pods "train-x" is forbidden: {message}', 5)


CREATION = [
    (
        'error looking up service account runai-team-a/runner: serviceaccount "runner" not found',
        "ServiceAccountMissing",
        "the service account runner does not exist",
    ),
    (
        "no PriorityClass with name train was found",
        "PriorityClassMissing",
        "the priority class train does not exist",
    ),
    (
        (
            "exceeded quota: gpus, requested: requests.nvidia.com/gpu=8, used: requests.nvidia.com/gpu=0, "
            "limited: requests.nvidia.com/gpu=4"
        ),
        "QuotaExceeded",
        "the quota gpus of project team-a has 0 of 4 requests.nvidia.com/gpu in use, 8 asked for",
    ),
    ("exceeded quota: gpus", "QuotaExceeded", "the quota gpus of project team-a is used up"),
    (
        (
            "exceeded quota: all, requested: limits.memory=2Gi,pods=1, "
            "used: limits.memory=7Gi,pods=9, limited: limits.memory=8Gi,pods=10"
        ),
        "QuotaExceeded",
        "the quota all of project team-a has 7Gi of 8Gi limits.memory in use, 2Gi asked for",
    ),
    (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        "PodSecurityDenied",
        "the level restricted of project team-a forbids its pods",
    ),
    (
        'admission webhook "p.example.org" denied the request: no',
        "WebhookDenied",
        "the webhook p.example.org denies its pods: no",
    ),
    (
        "ValidatingAdmissionPolicy 'images' with binding 'images' denied request: not from here",
        "WebhookDenied",
        "a policy denies its pods: not from here",
    ),
    (
        'failed calling webhook "p.example.org": failed to call webhook: context deadline exceeded',
        "WebhookFailing",
        "the admission webhook p.example.org does not answer",
    ),
    (
        "failed calling webhook: context deadline exceeded",
        "WebhookFailing",
        "the admission webhook does not answer",
    ),
    (
        "attempting to create a pod with gpu sharing request, while GPU sharing is disabled",
        "GpuSharingOff",
        "asks for 8 of a GPU and the scheduler shares none",
    ),
    (
        "spec.containers[0].image: Required value",
        "PodCreateFailed",
        "its pods are refused: spec.containers[0].image: Required value",
    ),
]

SCHEDULING = [
    (
        (
            "0/5 nodes are available: 3 Insufficient nvidia.com/gpu, "
            "2 node(s) didn't match Pod's node affinity/selector. "
            "preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling."
        ),
        "NotEnoughGpu",
        "asks 8 GPUs; 3 of 5 nodes have too few free",
    ),
    (
        "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available",
        "NotEnoughCpuOrMemory",
        "asks 3 CPU; 2 of 2 nodes have too little free",
    ),
    (
        "0/2 nodes are available: 2 Insufficient memory.",
        "NotEnoughCpuOrMemory",
        "asks 64Gi memory; 2 of 2 nodes have too little free",
    ),
    (
        "0/2 nodes are available: 2 Too many pods.",
        "NotEnoughCpuOrMemory",
        "2 of 2 nodes have no room for more pods",
    ),
    (
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
        "NoNodeOfType",
        "none of 3 nodes has run.ai/type=dgx",
    ),
    (
        (
            "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "2 node(s) had untolerated taint {nvidia.com/gpu: present}."
        ),
        "Tainted",
        "2 of 3 nodes are tainted (nvidia.com/gpu: present), the others have not run.ai/type=dgx",
    ),
    ("0/3 nodes are available: 3 node(s) had untolerated taint(s).", "Tainted", "3 of 3 nodes are tainted"),
    (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        "PortsTaken",
        "its host ports are taken on 1 of 1 nodes",
    ),
    (
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not eligible for preemption.",
        "ClaimPending",
        "a claim of it is not bound yet",
    ),
    ("pod has unbound immediate PersistentVolumeClaims", "ClaimPending", "a claim of it is not bound yet"),
    (
        '0/2 nodes are available: persistentvolumeclaim "data" not found. not eligible for preemption',
        "ClaimMissing",
        "the claim data does not exist",
    ),
    (
        'storageclass.storage.k8s.io "fast" not found',
        "StorageClassMissing",
        "the storage class fast does not exist",
    ),
    ("no nodes available to schedule pods", "NoNodes", "the cluster has no nodes"),
    ("0/4 nodes are available: 4 node(s) were unlucky.", "Unschedulable", "4 of 4 nodes: node(s) were unlucky"),
    (
        (
            "OverLimit: team-a quota has reached the allowable limit of GPUs. "
            "Limit is 4 GPUs, currently 3 GPUs allocated and workload requested 2 GPUs"
        ),
        "OverQuota",
        "the queue None's limit is 4 GPUs, 3 in use, 2 asked for",
    ),
    ("OverLimit", "OverQuota", "the queue None's limit is reached"),
    (
        (
            "NonPreemptibleOverQuota: Non-preemptible workload is over quota. Workload requested 2 GPUs, but team-a "
            "quota is 4 GPUs, while 3 GPUs are already allocated for non-preemptible pods. Use a preemptible workload "
            "to go over quota."
        ),
        "OverQuota",
        "jobs that cannot be preempted use the quota of queue None: 3 of 4 GPUs, 2 asked for",
    ),
    (
        "Workload doesn't meet the minimum required number of pods (4), evicting remaining pod: a/b",
        "GangIncomplete",
        "not all of 4 pods fit at once",
    ),
    (
        "no nodes with enough resources were found",
        "NotEnoughGpu",
        "asks 8 GPUs; no node has them free",
    ),
]

STARTING = [
    ("InvalidImageName", 'Failed to apply default image tag "A:B"', "ImageName", "the image's name is not one"),
    (
        "ImagePullBackOff",
        'Back-off pulling image "x": ErrImagePull: failed to resolve reference: x: not found',
        "ImagePull",
        "the image cannot be pulled: not found",
    ),
    ("ErrImagePull", "", "ImagePull", "the image cannot be pulled: no answer of the registry"),
    (
        "CreateContainerConfigError",
        'configmap "settings" not found',
        "ConfigMissing",
        'configmap "settings" not found',
    ),
    ("RunContainerError", "exec: no such file", "CommandFailed", "the container's command cannot be run"),
    ("ContainerCreating", "", "Starting", "node node-1 is starting it"),
]

ADMISSION = [
    (
        "couldn't assign flavors: insufficient unused quota for nvidia.com/gpu in flavor a100, 1 more needed",
        "OverQuota",
        "the quota of the queue team-a is in use: 1 more nvidia.com/gpu needed",
    ),
    (
        (
            "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor a100, previously "
            "considered podsets requests (0) + current podset request (8) > maximum capacity (4)"
        ),
        "OverLimit",
        "asks 8 nvidia.com/gpu; the queue team-a can give 4 at most",
    ),
    ("more > maximum capacity", "OverLimit", "the queue team-a can give less than it asks for"),
    (
        "resource cpu unavailable in ClusterQueue",
        "NoMatchingFlavor",
        "nothing in the queue team-a fits what it asks for",
    ),
    ("LocalQueue team-a doesn't exist", "QueueMissing", "the queue team-a does not exist"),
    ("ClusterQueue cq is inactive", "QueueOnHold", "the queue team-a is stopped"),
    ("Pending the preemption of 1 workload(s)", "WaitingForPreemption", "other jobs are being stopped for it"),
    ("", "SuspendedByQueue", "waits in the queue team-a"),
]


@pytest.mark.parametrize(("message", "reason", "sentence"), CREATION)
def test_why_there_are_no_pods(message: str, reason: str, sentence: str):
    told = why_waiting(JOB, [], [refused(message)], None)
    assert (told.cause, told.sentence, told.evidence) == (CAUSES[reason], sentence, (refused(message).message,))


@pytest.mark.parametrize(("message", "reason", "sentence"), SCHEDULING)
def test_why_a_pod_finds_no_node(message: str, reason: str, sentence: str):
    told = why_waiting(JOB, [POD._replace(unschedulable=message)], [], None)
    assert (told.cause, told.sentence) == (CAUSES[reason], sentence)


@pytest.mark.parametrize(("word", "message", "reason", "sentence"), STARTING)
def test_why_a_pod_on_a_node_does_not_run(word: str, message: str, reason: str, sentence: str):
    told = why_waiting(JOB, [ON_NODE._replace(waiting_reason=word, waiting_message=message)], [], None)
    assert (told.cause, told.sentence) == (CAUSES[reason], sentence)


@pytest.mark.parametrize(("message", "reason", "sentence"), ADMISSION)
def test_why_a_queue_holds_a_job_back(message: str, reason: str, sentence: str):
    workload = Admission("kueue", {"QuotaReserved": (False, Condition("Pending", message, None))})
    told = why_waiting(QUEUED, [], [], workload)
    assert (told.cause, told.sentence) == (CAUSES[reason], sentence)


def test_a_pod_that_kai_has_not_looked_at_may_lack_its_queue():
    """KAI tells nobody of a queue that does not exist."""
    pod, job = POD._replace(has_been_looked_at=False), JOB._replace(queue="team-a")
    told = [why_waiting(job, [pod], [], admission).sentence for admission in (None, Admission("kai", {}))]
    assert told == [
        "no scheduler has looked at its pod yet",
        "no scheduler has looked at its pod yet; does the queue team-a exist?",
    ]


def test_a_job_that_its_queue_has_not_looked_at_may_lack_its_priority_class():
    """Kueue makes no Workload for a class that does not exist, nor while it is down."""
    told = [why_waiting(job, [], [], None).sentence for job in (QUEUED, QUEUED._replace(priority_class="high"))]
    assert told == [
        "the queue team-a has not looked at it yet",
        "the queue team-a has not looked at it yet; does the priority class high exist?",
    ]


@pytest.mark.parametrize(
    ("evicted", "reason"),
    [
        ("Preempted", "Preempted"),
        ("ClusterQueueStopped", "QueueOnHold"),
        ("LocalQueueStopped", "QueueOnHold"),
        ("Deactivated", "QueueOnHold"),
        ("PodsReadyTimeout", "SuspendedByQueue"),
    ],
)
def test_why_an_admitted_job_was_sent_back(evicted: str, reason: str):
    workload = Admission("kueue", {"Evicted": (True, Condition(evicted, "why", None))})
    assert why_waiting(QUEUED, [], [], workload).cause == CAUSES[reason]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("insufficient unused quota for cpu in flavor a, 1 more needed", "Preempted"),
        ("ClusterQueue cq is inactive", "QueueOnHold"),
        ("LocalQueue team-a doesn't exist", "QueueMissing"),
    ],
)
def test_a_preempted_job_that_is_queued_again_is_told_what_else_there_is(message: str, reason: str):
    conditions = {
        "Evicted": (True, Condition("Preempted", "by another", None)),
        "QuotaReserved": (False, Condition("Pending", message, None)),
    }
    assert why_waiting(QUEUED, [], [], Admission("kueue", conditions)).cause == CAUSES[reason]


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("OverLimit", "team-a quota has reached the allowable limit of GPUs.", "OverQuota"),
        ("NonPreemptibleOverQuota", "Non-preemptible workload is over quota.", "OverQuota"),
        ("QueueDoesNotExist", "Queue 'team-a' does not exist", "QueueMissing"),
        ("Unschedulable", "no nodes with enough resources were found", "NotEnoughGpu"),
    ],
)
def test_what_a_pod_group_says(reason: str, message: str, cause: str):
    group = Admission("kai", {reason: (True, Condition(reason, message, None))})
    told = why_waiting(JOB._replace(queue="team-a"), [POD._replace(has_been_looked_at=False)], [], group)
    assert told.cause == CAUSES[cause]


@pytest.mark.parametrize(
    ("job", "pods", "events", "reason"),
    [
        (JOB, [], [], "Creating"),
        (JOB._replace(suspended=True), [], [], "Suspended"),
        (QUEUED, [], [], "SuspendedByQueue"),
        (JOB, [POD._replace(has_been_looked_at=False)], [], "SchedulerSilent"),
        (JOB._replace(failed=1), [POD._replace(phase="Failed")], [], "BackOff"),
        (JOB, [ON_NODE], [EventFacts("p1", "FailedMount", "no such volume", 9)], "MountFailed"),
        # a refusal of the past says nothing about pods that are there now
        (JOB, [POD._replace(unschedulable="no nodes available")], [refused("exceeded quota: q")], "NoNodes"),
        # what the user got wrong comes before a cluster that is full
        (
            JOB._replace(parallelism=2, completions=2),
            [
                POD._replace(unschedulable="0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
                ON_NODE._replace(waiting_reason="ErrImagePull"),
            ],
            [],
            "ImagePull",
        ),
    ],
)
def test_the_gravest_cause_is_told(job: JobFacts, pods: list[PodFacts], events: list[EventFacts], reason: str):
    assert why_waiting(job, pods, events, None).cause == CAUSES[reason]


@given(st.text(), st.sampled_from(["u1", "p1"]), st.sampled_from(["FailedCreate", "FailedMount", "Killing"]), st.text())
def test_whatever_is_said_one_cause_is_told_in_a_short_sentence(message: str, about: str, reason: str, scheduler: str):
    pods = [POD._replace(unschedulable=scheduler), ON_NODE._replace(waiting_reason=message, waiting_message=scheduler)]
    told = why_waiting(JOB, pods, [EventFacts(about, reason, message, 1)], None)
    assert told.cause in CAUSES.values()
    assert 0 < len(told.sentence) <= MAX_SENTENCE


def test_every_cause_says_what_it_means_and_what_to_do():
    assert all(cause.meaning and cause.next and cause.reason == reason for reason, cause in CAUSES.items())
    assert {cause.severity for cause in CAUSES.values()} == set(Severity)
