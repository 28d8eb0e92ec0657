"""Why a job does not run yet: the one cause that matters most, found in what its objects say. Pure.

`why_waiting` looks at the facts of a Job, its pods, its events and its admission (Kueue's Workload, KAI's PodGroup).
What the user got wrong comes before a policy, a policy before a quota, a quota before a full cluster, and that before
a fault of the service: see `submission.waiting_causes`. Sources of the messages: kube-scheduler's FitError, the Job
controller's events, the kubelet's container states, the conditions of Kueue's Workload and of KAI's PodGroup.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from service.cluster.job_facts import Admission, EventFacts, JobFacts, PodFacts
from service.cluster.queue_reasons import Found, of_admission, of_kai_message
from service.submission.waiting_causes import CAUSES, RANK, Cause

MAX_SENTENCE: Final = 120
MAX_EVIDENCE: Final = 3
MAX_EVIDENCE_TEXT: Final = 300


class Explanation(NamedTuple):
    """Why a job waits: a cause, one sentence with its numbers, and what was read."""

    cause: Cause
    sentence: str
    evidence: tuple[str, ...]


_MOUNT_FAILURES: Final = frozenset({"FailedMount", "FailedAttachVolume"})

_NODES = re.compile(r"(\d+)/(\d+) nodes are available: (.*?)(?:\.? preemption: .*|\.?)\Z", re.DOTALL)
_PART = re.compile(r"(\d+) (.+)", re.DOTALL)
_STORAGE_CLASS = re.compile(r'storageclass(?:es)?(?:\.storage\.k8s\.io)? "([^"]*)" not found')
_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]*)" not found')
_SERVICE_ACCOUNT = re.compile(r'serviceaccount "([^"]*)" not found|error looking up service account [^/]*/([^:]*)')
_PRIORITY_CLASS = re.compile(r"no PriorityClass with name (\S+) was found")
_QUOTA = re.compile(
    r"exceeded quota: ([^,]*)(?:, requested: (?P<asked>.*), used: (?P<used>.*), limited: (?P<limit>.*))?"
)
_LEVEL = re.compile(r'violates PodSecurity "([a-z]+)')
_WEBHOOK = re.compile(r'failed calling webhook "([^"]*)"')
_DENIAL = re.compile(
    r"""(?:admission webhook "([^"]*)" denied the request|ValidatingAdmissionPolicy .* denied request): (.*)""",
    re.DOTALL,
)
_REFUSAL = re.compile(r"^Error creating: (?:pods \S+ is forbidden: )?")
_TAINT = re.compile(r"untolerated taint(?:\(s\)|\s?\{([^}]*)\})?")


def why_waiting(
    job: JobFacts,
    pods: Sequence[PodFacts],
    events: Sequence[EventFacts],
    admission: Admission | None,
) -> Explanation:
    """Return the cause that keeps a job that has not ended from running, the gravest where there are several."""
    found = [
        *_of_creation(job, pods, events),
        *of_admission(job, admission),
        *(_of_claim(event) for event in events if event.reason == "ProvisioningFailed" and _waits_for_claim(pods)),
        *(cause for pod in pods if pod.phase == "Pending" for cause in _of_pod(job, pod, events, admission)),
    ]
    if not found:
        found = [("Creating", "the Job is there, its pods will be", "")]
    code, sentence, _ = min(found, key=lambda entry: RANK[entry[0]])
    evidence = dict.fromkeys(text[:MAX_EVIDENCE_TEXT] for other, _, text in found if other == code and text)
    return Explanation(CAUSES[code], _clipped(sentence), tuple(evidence)[:MAX_EVIDENCE])


def _clipped(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 3] + "..."


def _of_creation(job: JobFacts, pods: Sequence[PodFacts], events: Sequence[EventFacts]) -> Iterator[Found]:
    """Yield why the Job controller could not make pods: the last FailedCreate of the Job, while pods are missing."""
    wanted = min(job.parallelism if job.parallelism is not None else 1, (job.completions or 1) - job.succeeded)
    if job.suspended or sum(pod.phase in ("Pending", "Running") for pod in pods) >= wanted:
        return
    failures = [event for event in events if event.about == job.uid and event.reason == "FailedCreate"]
    if failures:
        yield _of_refused_pod(job, max(failures, key=lambda event: event.at).message)
    elif job.failed and not any(pod.phase in ("Pending", "Running") for pod in pods):
        yield "BackOff", f"{job.failed} of its pods failed; the next try waits", ""


def _of_refused_pod(job: JobFacts, message: str) -> Found:
    if account := _SERVICE_ACCOUNT.search(message):
        return "ServiceAccountMissing", f"the service account {account[1] or account[2]} does not exist", message
    if priority := _PRIORITY_CLASS.search(message):
        return "PriorityClassMissing", f"the priority class {priority[1]} does not exist", message
    if quota := _QUOTA.search(message):
        return "QuotaExceeded", f"the quota {quota[1]} of project {job.project} {_quota_numbers(quota)}", message
    if level := _LEVEL.search(message):
        return "PodSecurityDenied", f"the level {level[1]} of project {job.project} forbids its pods", message
    if "GPU sharing is disabled" in message or "gpu sharing" in message.lower():
        return "GpuSharingOff", f"asks for {job.gpus:g} of a GPU and the scheduler shares none", message
    if "failed calling webhook" in message:
        name = _WEBHOOK.search(message)
        return "WebhookFailing", f"the admission webhook{f' {name[1]}' if name else ''} does not answer", message
    if denial := _DENIAL.search(message):
        who = f"the webhook {denial[1]}" if denial[1] else "a policy"
        return "WebhookDenied", f"{who} denies its pods: {denial[2]}", message
    return "PodCreateFailed", f"its pods are refused: {_REFUSAL.sub('', message)}", message


def _quota_numbers(quota: re.Match[str]) -> str:
    """Return what of a quota is asked for, used and given, of the first resource of which there is too little."""
    resource, _, asked = (quota["asked"] or "").partition(",")[0].partition("=")
    used, limit = (dict(re.findall(r"([^,=]+)=([^,]*)", quota[part] or "")).get(resource) for part in ("used", "limit"))
    return f"has {used} of {limit} {resource} in use, {asked} asked for" if used and limit else "is used up"


def _of_pod(job: JobFacts, pod: PodFacts, events: Sequence[EventFacts], admission: Admission | None) -> Iterator[Found]:
    """Yield why a pending pod does not run: no node, or not started on it yet."""
    if pod.unschedulable is not None:
        yield from of_kai_message(job, "", pod.unschedulable)
        yield from _of_scheduler(job, pod, pod.unschedulable)
    elif pod.node is None and not pod.has_been_looked_at:
        # KAI says nothing of a job whose queue does not exist
        is_of_kai = admission is not None and admission.scheduler == "kai"
        doubt = f"; does the queue {job.queue} exist?" if is_of_kai else ""
        yield "SchedulerSilent", f"no scheduler has looked at its pod yet{doubt}", ""
    else:
        yield from _of_start(pod, events)


def _waits_for_claim(pods: Sequence[PodFacts]) -> bool:
    return any("unbound immediate PersistentVolumeClaims" in (pod.unschedulable or "") for pod in pods)


def _of_claim(event: EventFacts) -> Found:
    """Return why there is no volume for a claim, by the event of whoever was to make one."""
    if storage := _STORAGE_CLASS.search(event.message):
        return "StorageClassMissing", f"the storage class {storage[1]} does not exist", event.message
    claim = event.about.rpartition("/")[2]
    return "ClaimPending", f"no volume can be made for the claim {claim}: {event.message}", event.message


def _of_scheduler(job: JobFacts, pod: PodFacts, message: str) -> Iterator[Found]:
    """Yield what kube-scheduler's FitError says, "0/5 nodes are available: 3 Insufficient cpu, 2 ..."."""
    if storage := _STORAGE_CLASS.search(message):
        yield "StorageClassMissing", f"the storage class {storage[1]} does not exist", message
        return
    if claim := _NO_CLAIM.search(message):
        yield "ClaimMissing", f"the claim {claim[1]} does not exist", message
        return
    if "no nodes available" in message or "0/0 nodes" in message:
        yield "NoNodes", "the cluster has no nodes", message
        return
    if "unbound immediate PersistentVolumeClaims" in message:
        yield "ClaimPending", "a claim of it is not bound yet", message
        return
    nodes = _NODES.search(message)
    parts = [(int(part[1]), part[2]) for text in _parts(nodes[3]) if (part := _PART.match(text))] if nodes else []
    if nodes is None or not parts:
        yield "Unschedulable", "the scheduler finds no node", message
        return
    # a node that does not match is no node of this job, a tainted one may be: what the nearest ones lack is the cause
    farness = min(_farness(text) for _, text in parts)
    others = sum(count for count, text in parts if _farness(text) == _OTHER_KIND)
    for count, text in parts:
        if _farness(text) == farness:
            yield _of_nodes(job, pod, count, int(nodes[2]), text, message, others)


_OTHER_KIND: Final = 2
"""How far a node of another kind is from taking a pod."""


def _parts(text: str) -> list[str]:
    return re.split(r", (?=\d+ )", text)


def _farness(text: str) -> int:
    """Return how far a node is from taking the pod: it lacks room, it is tainted, it is of another kind."""
    is_other = "node affinity" in text or "node selector" in text
    return _OTHER_KIND if is_other else 1 if "untolerated taint" in text else 0


def _of_nodes(job: JobFacts, pod: PodFacts, count: int, total: int, text: str, message: str, others: int) -> Found:
    wanted = ", ".join(f"{key}={value}" for key, value in job.node_selector) or "the labels it wants"
    if "Insufficient nvidia.com/gpu" in text or "Insufficient gpu" in text:
        return "NotEnoughGpu", f"asks {pod.gpus:g} GPUs; {count} of {total} nodes have too few free", message
    if "Insufficient cpu" in text or "Insufficient memory" in text or "Too many pods" in text:
        what, asked = (
            ("CPU", pod.cpu) if "cpu" in text else ("memory", pod.memory) if "memory" in text else ("pods", "")
        )
        asks = f"asks {asked} {what}; " if asked else ""
        room = "too little free" if asked else f"too little free {what}" if what != "pods" else "no room for more pods"
        return "NotEnoughCpuOrMemory", f"{asks}{count} of {total} nodes have {room}", message
    if "node affinity" in text or "node selector" in text:
        return "NoNodeOfType", f"none of {total} nodes has {wanted}", message
    if taint := _TAINT.search(text):
        # a tainted node may be of another kind too: the scheduler tells the taint alone
        lacks = f", the others have not {wanted}" if others else ""
        return "Tainted", f"{count} of {total} nodes are tainted{f' ({taint[1]})' if taint[1] else ''}{lacks}", message
    if "free ports" in text:
        return "PortsTaken", f"its host ports are taken on {count} of {total} nodes", message
    if "PersistentVolumeClaims" in text or "persistent volumes to bind" in text or "volume node affinity" in text:
        return "ClaimPending", "a claim of it is not bound yet", message
    return "Unschedulable", f"{count} of {total} nodes: {text}", message


def _of_start(pod: PodFacts, events: Sequence[EventFacts]) -> Iterator[Found]:
    reason, message = pod.waiting_reason or "", pod.waiting_message
    match reason:
        case "InvalidImageName":
            yield "ImageName", "the image's name is not one", message
        case "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable":
            yield "ImagePull", f"the image cannot be pulled: {_registry_said(message)}", message
        case "CreateContainerConfigError":
            yield "ConfigMissing", message or "something the container needs does not exist", message
        case "CreateContainerError" | "RunContainerError" | "StartError":
            yield "CommandFailed", "the container's command cannot be run", message
        case "CrashLoopBackOff":
            yield "BackOff", f"its container failed {pod.restarts} times; the next try waits", message
    mounts = [
        event for event in events if event.about == pod.uid and event.reason in ("FailedMount", "FailedAttachVolume")
    ]
    if mounts:
        yield "MountFailed", "a volume cannot be mounted", max(mounts, key=lambda event: event.at).message
    yield "Starting", f"node {pod.node} is starting it" if pod.node else "a node is starting it", message


def _registry_said(message: str) -> str:
    """Return the last words of an image error, which are the registry's own."""
    return message.rpartition(": ")[2].strip() or "no answer of the registry"
