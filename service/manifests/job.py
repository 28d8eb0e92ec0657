"""The objects in Kubernetes that a submission asks for, as ordered plain dicts.

Between validation and the API: `build` turns a valid submission into one Job and its dependents (claims, Service,
Ingress); the submitter creates them in this order, the dependents owned by the Job. Nothing is added that the request
or the scheduler profile does not ask for: an absent field is left to Kubernetes' default.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from service.manifests.dependents import Dependent, dependents, given
from service.manifests.labels import (
    DEFAULT_INSTALLATION,
    FINGERPRINT_ANNOTATION,
    HOLD_FINALIZER,
    INSTALLATION_LABEL,
    INTERACTIVE,
    MANAGED_BY_LABEL,
    MANAGER,
    PARTITION_ANNOTATION,
    PROJECT_LABEL,
    SUBMISSION_ID_ANNOTATION,
    SUBMISSION_LABEL,
    TRACEPARENT_ANNOTATION,
    TYPE_ANNOTATION,
    USER,
)
from service.manifests.pod import pod_spec
from service.manifests.profiles import Profile, profile_warnings, scheduler_fields
from service.submission.identity import SubmissionId
from service.validation import JobSubmission

NODE_PORTS: Final = range(30_000, 32_768)
"""The node ports of an API server that is not told others (`--service-node-port-range`)."""

_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


_DISRUPTIONS_COST_NO_TRY: Final = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}
"""Preempted and drained pods are made again and not counted by `backoffLimit` (Kubernetes, "Pod failure policy").

The API server takes it with `restartPolicy: Never` alone, which all pods have.
"""


@dataclass(frozen=True, slots=True)
class ManifestOptions:
    """Settings of the installation that show in the objects.

    Jobs with a TTL below `hold_below_ttl` seconds get the `HOLD_FINALIZER`; 0 holds none. `installation` is a label.
    """

    installation: str = DEFAULT_INSTALLATION
    hold_below_ttl: int = 0
    kueue_priority_class: str | None = None
    ingress_class: str | None = None


@dataclass(frozen=True, slots=True)
class Manifests:
    """The Job, and its dependents in the order of their creation."""

    job: dict[str, Any]
    dependents: tuple[Dependent, ...]


def build(
    submission: JobSubmission,
    *,
    id: SubmissionId,  # noqa: A002 - the word of the records and of CloudEvents
    name: str,
    namespace: str,
    profile: Profile,
    user: str | None,
    fingerprint: str,
    traceparent: str | None,
    options: ManifestOptions,
) -> Manifests:
    """Return the objects of a valid submission in `namespace`, the Job called `name`."""
    key, partition = id.key, id.partition
    labels = {
        MANAGED_BY_LABEL: MANAGER,
        INSTALLATION_LABEL: options.installation,
        PROJECT_LABEL: submission.project,
        SUBMISSION_LABEL: key,
    }
    annotations = {SUBMISSION_ID_ANNOTATION: key, FINGERPRINT_ANNOTATION: fingerprint}
    if user:
        annotations[USER] = user
        if _LABEL_VALUE.fullmatch(user):
            labels[USER] = user

    def metadata(object_name: str) -> dict[str, Any]:
        return {"name": object_name, "namespace": namespace, "labels": {**labels}, "annotations": {**annotations}}

    added = scheduler_fields(submission, profile, options.kueue_priority_class)
    job_metadata = metadata(name)
    job_metadata["labels"] |= submission.labels | added.job_labels
    job_metadata["annotations"] |= submission.annotations | added.job_annotations
    if traceparent is not None:
        job_metadata["annotations"][TRACEPARENT_ANNOTATION] = traceparent
    if submission.interactive:
        job_metadata["annotations"][TYPE_ANNOTATION] = INTERACTIVE
    if partition is not None:
        job_metadata["annotations"][PARTITION_ANNOTATION] = str(partition)
    if submission.ttl_after_finish is not None and submission.ttl_after_finish < options.hold_below_ttl:
        job_metadata["finalizers"] = [HOLD_FINALIZER]
    pod_metadata = given(
        labels=labels | submission.labels | added.pod_labels,
        annotations=submission.annotations | added.pod_annotations or None,
    )
    template = {"metadata": pod_metadata, "spec": pod_spec(submission, name, profile.scheduler)}
    spec = _job_spec(submission, template, suspend=profile.created_suspended)
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_metadata, "spec": spec}

    return Manifests(job, dependents(submission, name, metadata, options.ingress_class))


def effect_warnings(job: JobSubmission, profile: Profile) -> tuple[str, ...]:
    """Return a sentence for each parameter given that has no effect, so that none is dropped in silence."""
    warnings = []
    if job.name is not None and job.job_name_prefix is not None:
        warnings.append("job.jobNamePrefix has no effect: job.name is given")
    warnings += profile_warnings(job, profile)
    if job.command is not None and job.command.shell_syntax is not None:
        warnings.append(
            f'job.command has "{job.command.shell_syntax}", which only a shell acts on, and none runs: '
            "for one write bash -c '...'"
        )
    if job.service_type == "ingress" and len(job.ports) > 1:
        warnings.append(f"job.serviceType ingress leads to the first port only, {job.ports[0].container}")
    return tuple(warnings)


def dry_run_warnings(job: JobSubmission) -> tuple[str, ...]:
    """Return a sentence about what the API server's dry run does not look at: the range of node ports, as of 1.34."""
    ports = [port.external for port in job.ports if port.external is not None and port.external not in NODE_PORTS]
    if job.service_type != "nodeport" or not ports:
        return ()
    usual = f"{NODE_PORTS.start} to {NODE_PORTS.stop - 1}"
    return (f"job.ports: {ports[0]} is outside the usual node ports, {usual}, and a dry run cannot tell yours",)


def as_asked(stored: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the API server would have stored it, without what it makes up for one that is never there."""
    made_up = ("uid", "creationTimestamp", "managedFields", "generation", "ownerReferences")
    metadata = {name: value for name, value in stored["metadata"].items() if name not in made_up}
    return {name: value for name, value in stored.items() if name != "status"} | {"metadata": metadata}


def is_held(job: dict[str, Any]) -> bool:
    """Tell whether a Job, built or read from the API, waits for its outcome and then for `RELEASE_PATCH`."""
    return HOLD_FINALIZER in (job["metadata"].get("finalizers") or ())


def _job_spec(submission: JobSubmission, template: dict[str, Any], *, suspend: bool) -> dict[str, Any]:
    is_final = submission.interactive and not submission.preemptible  # a preempted session has to be queued again
    return given(
        suspend=suspend or None,
        backoffLimit=0 if is_final else submission.backoff_limit,
        completions=1 if submission.interactive else submission.completions,
        parallelism=submission.parallelism,
        activeDeadlineSeconds=submission.active_deadline,
        podFailurePolicy=_DISRUPTIONS_COST_NO_TRY,
        ttlSecondsAfterFinished=submission.ttl_after_finish,
        template=template,
    )
