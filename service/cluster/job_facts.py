"""What decides a job's state, taken out of Kubernetes' objects: facts of the Job, its pods and its events.

The watcher keeps these instead of the objects, which are ten times as large. Everything read here was written by
others: a field that is missing or of an odd type is as good as absent, never an error.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from service.manifests.labels import (
    GPU_FRACTION_ANNOTATION,
    PROJECT_LABEL,
    SUBMISSION_ID_ANNOTATION,
    TRACEPARENT_ANNOTATION,
    TYPE_ANNOTATION,
    USER,
)
from service.manifests.pod import GPU_RESOURCE
from service.manifests.profiles import QUEUE_LABELS

MAX_TEXT: Final = 2048
"""Characters of a message that are kept."""

Object = Mapping[str, Any]


class Condition(NamedTuple):
    """A condition whose status is True."""

    reason: str
    message: str
    at: int | None


class JobFacts(NamedTuple):
    """A Job of this service; times in milliseconds since the epoch."""

    uid: str
    name: str
    namespace: str
    submission: str
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
    node_selector: tuple[tuple[str, str], ...]
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
    """An event that explains why there are no pods, or no containers in one."""

    about: str
    reason: str
    message: str
    at: int


def milliseconds(timestamp: object) -> int | None:
    """Return the time that an RFC 3339 timestamp of Kubernetes names, in milliseconds; None for anything else."""
    if not isinstance(timestamp, str):
        return None
    try:
        return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _map(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Object]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _gpus(pod_metadata: Object, pod_spec: Object) -> float:
    """Return the GPUs of one pod: whole devices of its containers, or the part that an annotation asks for."""
    fraction = _map(pod_metadata.get("annotations")).get(GPU_FRACTION_ANNOTATION)
    if isinstance(fraction, str):
        try:
            return float(fraction)
        except ValueError:
            return 0
    total = 0
    for container in _list(pod_spec.get("containers")):
        limit = _map(_map(container.get("resources")).get("limits")).get(GPU_RESOURCE)
        total += int(limit) if isinstance(limit, str) and limit.isdecimal() and len(limit) < 10 else 0
    return total


def _conditions(status: Object) -> dict[str, Condition]:
    return {
        _text(condition.get("type")): Condition(
            _text(condition.get("reason")),
            _text(condition.get("message")),
            milliseconds(condition.get("lastTransitionTime")),
        )
        for condition in _list(status.get("conditions"))
        if condition.get("status") == "True"
    }


def job_facts(job: Object) -> JobFacts | None:
    """Return the facts of a Job, None where it is not one of this service."""
    metadata, spec, status = _map(job.get("metadata")), _map(job.get("spec")), _map(job.get("status"))
    annotations, labels = _map(metadata.get("annotations")), _map(metadata.get("labels"))
    submission, created_at = annotations.get(SUBMISSION_ID_ANNOTATION), milliseconds(metadata.get("creationTimestamp"))
    if not isinstance(submission, str) or created_at is None:
        return None
    template = _map(spec.get("template"))
    pod_spec = _map(template.get("spec"))
    container = next(iter(_list(pod_spec.get("containers"))), {})
    conditions = _conditions(status)
    failed = conditions.get("Failed")
    selector = _map(pod_spec.get("nodeSelector"))
    return JobFacts(
        uid=_text(metadata.get("uid")),
        name=_text(metadata.get("name")),
        namespace=_text(metadata.get("namespace")),
        submission=submission,
        project=_text(labels.get(PROJECT_LABEL)),
        user=_text(annotations.get(USER)) or None,
        traceparent=_text(annotations.get(TRACEPARENT_ANNOTATION)) or None,
        interactive=annotations.get(TYPE_ANNOTATION) == "Interactive",
        created_at=created_at,
        started_at=milliseconds(status.get("startTime")),
        finished_at=milliseconds(status.get("completionTime")) or (failed.at if failed else None),
        deleting_at=milliseconds(metadata.get("deletionTimestamp")),
        suspended=spec.get("suspend") is True,
        completions=_number(spec.get("completions")),
        parallelism=_number(spec.get("parallelism")),
        succeeded=_count(status.get("succeeded")),
        failed=_count(status.get("failed")),
        image=_text(container.get("image")),
        gpus=_gpus(_map(template.get("metadata")), pod_spec),
        queue=next((_text(labels[label]) for label in QUEUE_LABELS if label in labels), None),
        node_selector=tuple(sorted((_text(key), _text(value)) for key, value in selector.items())),
        conditions=conditions,
    )


def owner_of(pod: Object) -> str | None:
    """Return the uid of the Job that a pod belongs to."""
    owners = _list(_map(pod.get("metadata")).get("ownerReferences"))
    return next((_text(owner.get("uid")) for owner in owners if owner.get("kind") == "Job"), None)


def pod_facts(pod: Object) -> PodFacts:
    """Return the facts of a pod."""
    metadata, spec, status = _map(pod.get("metadata")), _map(pod.get("spec")), _map(pod.get("status"))
    conditions = {_text(entry.get("type")): entry for entry in _list(status.get("conditions"))}
    scheduled, disrupted = conditions.get("PodScheduled"), conditions.get("DisruptionTarget")
    containers = _list(status.get("containerStatuses"))
    states = [_map(container.get("state")) for container in containers]
    waiting = next((_map(state["waiting"]) for state in states if "waiting" in state), None)
    running = next((_map(state["running"]) for state in states if "running" in state), None)
    ends = [_map(state["terminated"]) for state in states if "terminated" in state]
    ended = next((end for end in ends if end.get("exitCode") != 0), ends[0] if ends else None)
    unschedulable = scheduled is not None and scheduled.get("status") == "False"
    return PodFacts(
        uid=_text(metadata.get("uid")),
        name=_text(metadata.get("name")),
        namespace=_text(metadata.get("namespace")),
        phase=_text(status.get("phase")),
        reason=_text(status.get("reason")),
        node=_text(spec.get("nodeName")) or None,
        gpus=_gpus(metadata, spec),
        started_at=milliseconds((running or ended or {}).get("startedAt")),
        finished_at=milliseconds((ended or {}).get("finishedAt")),
        deleting="deletionTimestamp" in metadata,
        unschedulable=_text((scheduled or {}).get("message")) or "Unschedulable" if unschedulable else None,
        has_been_looked_at=scheduled is not None,
        waiting_reason=_text((waiting or {}).get("reason")) or None,
        waiting_message=_text((waiting or {}).get("message")),
        exit_code=_number((ended or {}).get("exitCode")),
        exit_reason=_text((ended or {}).get("reason")) or None,
        exit_message=_text((ended or {}).get("message")) or _text(status.get("message")) or None,
        restarts=sum(_count(container.get("restartCount")) for container in containers),
        disrupted=_text((disrupted or {}).get("reason")) if (disrupted or {}).get("status") == "True" else None,
    )


def event_facts(event: Object) -> EventFacts | None:
    """Return the facts of an event, None where it is about nothing."""
    about = _text(_map(event.get("involvedObject")).get("uid"))
    at = milliseconds(event.get("lastTimestamp")) or milliseconds(event.get("eventTime"))
    if not about:
        return None
    at = at or milliseconds(_map(event.get("metadata")).get("creationTimestamp")) or 0
    return EventFacts(about, _text(event.get("reason")), _text(event.get("message")), at)
