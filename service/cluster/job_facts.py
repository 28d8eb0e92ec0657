"""What decides a job's state, taken out of Kubernetes' objects: facts of the Job, its pods, events and admission.

The watcher keeps these instead of the objects, which are ten times as large.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from service.cluster.object_fields import (
    Condition,
    Object,
    as_count,
    as_list,
    as_map,
    as_number,
    as_text,
    condition_in,
    milliseconds,
    true_conditions,
)
from service.manifests.labels import (
    GPU_FRACTION_ANNOTATION,
    INTERACTIVE,
    PARTITION_ANNOTATION,
    PROJECT_LABEL,
    SUBMISSION_ID_ANNOTATION,
    TRACEPARENT_ANNOTATION,
    TYPE_ANNOTATION,
    USER,
)
from service.manifests.pod import GPU_RESOURCE
from service.manifests.profiles import PRIORITY_CLASS_LABELS, QUEUE_LABELS

WORKLOAD_CONDITIONS: Final = ("QuotaReserved", "Evicted")
"""The conditions of a Workload that tell why its Job waits."""


class JobFacts(NamedTuple):
    """A Job of this service; times in milliseconds since the epoch."""

    uid: str
    name: str
    namespace: str
    submission: str
    partition: int | None
    project: str
    user: str | None
    traceparent: str | None
    interactive: bool
    created_at: int
    started_at: int | None
    finished_at: int | None
    deleting_at: int | None
    suspended: bool
    completions: int | None
    parallelism: int | None
    succeeded: int
    failed: int
    image: str
    gpus: float
    queue: str | None
    priority_class: str | None
    node_selector: tuple[tuple[str, str], ...]
    claims: tuple[str, ...]
    conditions: Mapping[str, Condition]


class PodFacts(NamedTuple):
    """A pod of a Job."""

    uid: str
    name: str
    namespace: str
    phase: str
    reason: str
    node: str | None
    gpus: float
    cpu: str
    memory: str
    started_at: int | None
    finished_at: int | None
    deleting: bool
    unschedulable: str | None
    has_been_looked_at: bool
    waiting_reason: str | None
    waiting_message: str
    exit_code: int | None
    exit_reason: str | None
    exit_message: str | None
    restarts: int
    disrupted: str | None


class EventFacts(NamedTuple):
    """An event that explains why there are no pods, or no containers in one.

    `about` is the uid of the object; of a claim, which is nobody's to watch, its namespace and name.
    """

    about: str
    reason: str
    message: str
    at: int


class Admission(NamedTuple):
    """What a queue says of a Job: the conditions of Kueue's Workload or of KAI's PodGroup, True or not, by type.

    `uid` and `namespace` are those of the Workload or PodGroup, `job` is the uid of the Job.
    """

    scheduler: str
    conditions: Mapping[str, tuple[bool, Condition]]
    uid: str = ""
    namespace: str = ""
    job: str = ""


def _first(labels: Object, names: tuple[str, ...]) -> str | None:
    return next((as_text(labels[name]) for name in names if name in labels), None)


def _partition(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 10 else None


def _claim(volume: Object) -> str:
    return as_text(as_map(volume.get("persistentVolumeClaim")).get("claimName"))


def _gpus(pod_metadata: Object, pod_spec: Object) -> float:
    """Return the GPUs of one pod: whole devices of its containers, or the part that an annotation asks for."""
    fraction = as_map(pod_metadata.get("annotations")).get(GPU_FRACTION_ANNOTATION)
    if isinstance(fraction, str):
        try:
            return float(fraction)
        except ValueError:
            return 0
    total = 0
    for container in as_list(pod_spec.get("containers")):
        limit = as_map(as_map(container.get("resources")).get("limits")).get(GPU_RESOURCE)
        total += int(limit) if isinstance(limit, str) and limit.isdecimal() and len(limit) < 10 else 0
    return total


def job_facts(job: Object) -> JobFacts | None:
    """Return the facts of a Job, None where it is not one of this service."""
    metadata, spec, status = as_map(job.get("metadata")), as_map(job.get("spec")), as_map(job.get("status"))
    annotations, labels = as_map(metadata.get("annotations")), as_map(metadata.get("labels"))
    submission, created_at = annotations.get(SUBMISSION_ID_ANNOTATION), milliseconds(metadata.get("creationTimestamp"))
    if not isinstance(submission, str) or created_at is None:
        return None
    template = as_map(spec.get("template"))
    pod_spec = as_map(template.get("spec"))
    container = next(iter(as_list(pod_spec.get("containers"))), {})
    conditions = true_conditions(status)
    failed = conditions.get("Failed")
    selector = as_map(pod_spec.get("nodeSelector"))
    return JobFacts(
        uid=as_text(metadata.get("uid")),
        name=as_text(metadata.get("name")),
        namespace=as_text(metadata.get("namespace")),
        submission=submission,
        partition=_partition(annotations.get(PARTITION_ANNOTATION)),
        project=as_text(labels.get(PROJECT_LABEL)),
        user=as_text(annotations.get(USER)) or None,
        traceparent=as_text(annotations.get(TRACEPARENT_ANNOTATION)) or None,
        interactive=annotations.get(TYPE_ANNOTATION) == INTERACTIVE,
        created_at=created_at,
        started_at=milliseconds(status.get("startTime")),
        finished_at=milliseconds(status.get("completionTime")) or (failed.at if failed else None),
        deleting_at=milliseconds(metadata.get("deletionTimestamp")),
        suspended=spec.get("suspend") is True,
        completions=as_number(spec.get("completions")),
        parallelism=as_number(spec.get("parallelism")),
        succeeded=as_count(status.get("succeeded")),
        failed=as_count(status.get("failed")),
        image=as_text(container.get("image")),
        gpus=_gpus(as_map(template.get("metadata")), pod_spec),
        queue=_first(labels, QUEUE_LABELS),
        priority_class=_first(labels, PRIORITY_CLASS_LABELS),
        node_selector=tuple(sorted((as_text(key), as_text(value)) for key, value in selector.items())),
        claims=tuple(filter(None, (_claim(volume) for volume in as_list(pod_spec.get("volumes"))))),
        conditions=conditions,
    )


def owner_of(item: Object) -> str | None:
    """Return the uid of the Job that a pod, Workload or PodGroup belongs to."""
    owners = as_list(as_map(item.get("metadata")).get("ownerReferences"))
    return next((as_text(owner.get("uid")) for owner in owners if owner.get("kind") == "Job"), None)


def pod_facts(pod: Object) -> PodFacts:
    """Return the facts of a pod."""
    metadata, spec, status = as_map(pod.get("metadata")), as_map(pod.get("spec")), as_map(pod.get("status"))
    conditions = {as_text(entry.get("type")): entry for entry in as_list(status.get("conditions"))}
    scheduled, disrupted = conditions.get("PodScheduled"), conditions.get("DisruptionTarget")
    containers = as_list(status.get("containerStatuses"))
    states = [as_map(container.get("state")) for container in containers]
    waiting = next((as_map(state["waiting"]) for state in states if "waiting" in state), None)
    running = next((as_map(state["running"]) for state in states if "running" in state), None)
    ends = [as_map(state["terminated"]) for state in states if "terminated" in state]
    ended = next((end for end in ends if end.get("exitCode") != 0), ends[0] if ends else None)
    unschedulable = scheduled is not None and scheduled.get("status") == "False"
    container = next(iter(as_list(spec.get("containers"))), {})
    asked = as_map(as_map(container.get("resources")).get("requests"))
    return PodFacts(
        uid=as_text(metadata.get("uid")),
        name=as_text(metadata.get("name")),
        namespace=as_text(metadata.get("namespace")),
        phase=as_text(status.get("phase")),
        reason=as_text(status.get("reason")),
        node=as_text(spec.get("nodeName")) or None,
        gpus=_gpus(metadata, spec),
        cpu=as_text(asked.get("cpu")),
        memory=as_text(asked.get("memory")),
        started_at=milliseconds((running or ended or {}).get("startedAt")),
        finished_at=milliseconds((ended or {}).get("finishedAt")),
        deleting="deletionTimestamp" in metadata,
        unschedulable=as_text((scheduled or {}).get("message")) or "Unschedulable" if unschedulable else None,
        has_been_looked_at=scheduled is not None,
        waiting_reason=as_text((waiting or {}).get("reason")) or None,
        waiting_message=as_text((waiting or {}).get("message")),
        exit_code=as_number((ended or {}).get("exitCode")),
        exit_reason=as_text((ended or {}).get("reason")) or None,
        exit_message=as_text((ended or {}).get("message")) or as_text(status.get("message")) or None,
        restarts=sum(as_count(container.get("restartCount")) for container in containers),
        disrupted=as_text((disrupted or {}).get("reason")) if (disrupted or {}).get("status") == "True" else None,
    )


def claim_key(namespace: str, name: str) -> str:
    """Return what events of a claim are about."""
    return f"{namespace}/{name}"


def event_facts(event: Object) -> EventFacts | None:
    """Return the facts of an event, None where it is about nothing."""
    involved = as_map(event.get("involvedObject"))
    about = as_text(involved.get("uid"))
    if involved.get("kind") == "PersistentVolumeClaim":
        about = claim_key(as_text(involved.get("namespace")), as_text(involved.get("name")))
    at = milliseconds(event.get("lastTimestamp")) or milliseconds(event.get("eventTime"))
    if not about:
        return None
    at = at or milliseconds(as_map(event.get("metadata")).get("creationTimestamp")) or 0
    return EventFacts(about, as_text(event.get("reason")), as_text(event.get("message")), at)


def workload_facts(workload: Object) -> Admission | None:
    """Return what a Workload of Kueue says of its Job; None where it is of something else."""
    conditions = as_list(as_map(workload.get("status")).get("conditions"))
    told = {as_text(each.get("type")): (each.get("status") == "True", condition_in(each)) for each in conditions}
    return _admission("kueue", workload, {kind: told[kind] for kind in WORKLOAD_CONDITIONS if kind in told})


def pod_group_facts(group: Object) -> Admission | None:
    """Return what a PodGroup of KAI says of its Job; None where it is of something else.

    Why it is not scheduled stands in the `reasons` of its scheduling conditions, in older ones in `reason` alone.
    """
    told: dict[str, tuple[bool, Condition]] = {}
    for condition in as_list(as_map(group.get("status")).get("schedulingConditions")):
        for reason in as_list(condition.get("reasons")) or [condition]:
            found = condition_in(reason)
            told[found.reason] = (condition.get("status") == "True", found)
    return _admission("kai", group, told)


def _admission(scheduler: str, item: Object, told: dict[str, tuple[bool, Condition]]) -> Admission | None:
    job, metadata = owner_of(item), as_map(item.get("metadata"))
    if job is None:
        return None
    return Admission(scheduler, told, as_text(metadata.get("uid")), as_text(metadata.get("namespace")), job)
