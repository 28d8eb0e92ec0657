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
    FINGERPRINT_ANNOTATION,
    HOLD_FINALIZER,
    MANAGED_BY_LABEL,
    MANAGER,
    NODE_TYPE_LABEL,
    PROJECT_LABEL,
    SUBMISSION_ID_ANNOTATION,
    TRACEPARENT_ANNOTATION,
    USER,
)
from service.manifests.profiles import Profile, marks
from service.spec.mounts import HOME, SHARED_MEMORY
from service.spec.quantities import cpu_quantity
from service.submission.identity import SubmissionId, claim_name
from service.validation import JobSubmission

GPU_RESOURCE: Final = "nvidia.com/gpu"
"""Whole GPUs, the extended resource of NVIDIA's device plugin."""

_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class ManifestOptions:
    """Settings of the installation that show in the objects.

    Jobs with a TTL below `hold_below_ttl` seconds get the `HOLD_FINALIZER`; 0 holds none.
    """

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
    labels = {MANAGED_BY_LABEL: MANAGER, PROJECT_LABEL: submission.project}
    annotations = {SUBMISSION_ID_ANNOTATION: id.key, FINGERPRINT_ANNOTATION: fingerprint}
    if user:
        annotations[USER] = user
        if _LABEL_VALUE.fullmatch(user):
            labels[USER] = user

    def metadata(object_name: str) -> dict[str, Any]:
        return {"name": object_name, "namespace": namespace, "labels": {**labels}, "annotations": {**annotations}}

    mark = marks(submission, profile, options.kueue_priority_class)
    job_metadata = metadata(name)
    job_metadata["labels"] |= mark.labels | mark.job_labels
    job_metadata["annotations"] |= mark.job_annotations
    if traceparent is not None:
        job_metadata["annotations"][TRACEPARENT_ANNOTATION] = traceparent
    if submission.ttl_after_finish is not None and submission.ttl_after_finish < options.hold_below_ttl:
        job_metadata["finalizers"] = [HOLD_FINALIZER]
    pod_metadata = given(labels=labels | mark.labels, annotations=mark.pod_annotations or None)
    template = {"metadata": pod_metadata, "spec": _pod(submission, name, mark.scheduler)}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_metadata, "spec": _job(submission, template)}

    return Manifests(job, dependents(submission, name, metadata, options.ingress_class))


def effect_warnings(job: JobSubmission, profile: Profile) -> tuple[str, ...]:
    """Return a sentence for each parameter given that has no effect, so that none is dropped in silence."""
    warnings = []
    if job.name is not None and job.job_name_prefix is not None:
        warnings.append("job.jobNamePrefix has no effect: job.name is given")
    if profile in ("kubernetes", "kueue"):
        without_effect = f"has no effect under the scheduler profile {profile}"
        if job.elastic:
            warnings.append(f"job.elastic {without_effect}")
        if job.preemptible:
            warnings.append(f"job.preemptible {without_effect}")
    if job.service_type == "ingress" and len(job.ports) > 1:
        warnings.append(f"job.serviceType ingress leads to the first port only, {job.ports[0].container}")
    return tuple(warnings)


def is_held(job: dict[str, Any]) -> bool:
    """Tell whether a Job, built or read from the API, waits for its outcome and then for `RELEASE_PATCH`."""
    return HOLD_FINALIZER in (job["metadata"].get("finalizers") or ())


def _job(submission: JobSubmission, template: dict[str, Any]) -> dict[str, Any]:
    return given(
        backoffLimit=0 if submission.interactive else submission.backoff_limit,
        completions=1 if submission.interactive else submission.completions,
        parallelism=submission.parallelism,
        ttlSecondsAfterFinished=submission.ttl_after_finish,
        template=template,
    )


def _pod(submission: JobSubmission, name: str, scheduler: str | None) -> dict[str, Any]:
    volumes, mounts = _volumes(submission, name)
    return given(
        restartPolicy="Never",
        schedulerName=scheduler,
        hostIPC=submission.host_ipc or None,
        hostNetwork=submission.host_network or None,
        # the default policy would leave a pod on the host's network without the cluster's names
        dnsPolicy="ClusterFirstWithHostNet" if submission.host_network else None,
        nodeSelector={NODE_TYPE_LABEL: submission.node_type} if submission.node_type is not None else None,
        containers=[_container(submission, mounts)],
        volumes=volumes or None,
    )


def _container(submission: JobSubmission, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    home = {"HOME": HOME} if submission.create_home_dir else {}
    environment = {**home, **submission.environment}  # a HOME of the request's own counts
    return given(
        name="job",
        image=submission.image,
        imagePullPolicy=submission.image_pull_policy,
        command=list(submission.command) if submission.command else None,
        args=list(submission.arguments) or None,
        workingDir=submission.working_dir,
        env=[{"name": key, "value": value} for key, value in environment.items()] or None,
        ports=[{"containerPort": port.container} for port in submission.ports] or None,
        resources=_resources(submission) or None,
        volumeMounts=mounts or None,
        stdin=submission.stdin or None,
        tty=submission.tty or None,
        securityContext={"allowPrivilegeEscalation": False} if submission.prevent_privilege_escalation else None,
    )


def _resources(submission: JobSubmission) -> dict[str, Any]:
    whole_gpus = int(submission.gpu or 0)  # a fraction is the scheduler's to give and no resource
    requests = given(
        cpu=cpu_quantity(submission.cpu) if submission.cpu is not None else None,
        memory=submission.memory,
    )
    limits = given(
        cpu=cpu_quantity(submission.cpu_limit) if submission.cpu_limit is not None else None,
        memory=submission.memory_limit,
    )
    if whole_gpus:
        limits[GPU_RESOURCE] = str(whole_gpus)
    return given(requests=requests or None, limits=limits or None)


def _volumes(submission: JobSubmission, job: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the volumes of the pod and their mounts in its container, in the same order."""
    entries: list[tuple[dict[str, Any], str, bool]] = []
    for i, claim in enumerate(submission.pvc):
        source = {"persistentVolumeClaim": {"claimName": claim_name(job, i)}}
        entries.append(({"name": f"pvc-{i}", **source}, claim.path, claim.read_only))
    for i, volume in enumerate(submission.volume):
        entries.append(({"name": f"volume-{i}", "hostPath": {"path": volume.source}}, volume.target, volume.read_only))
    if submission.create_home_dir:
        entries.append(({"name": "home", "emptyDir": {}}, HOME, False))
    if submission.large_shm:
        entries.append(({"name": "shm", "emptyDir": {"medium": "Memory"}}, SHARED_MEMORY, False))
    mounts = [
        given(name=volume["name"], mountPath=path, readOnly=read_only or None) for volume, path, read_only in entries
    ]
    return [volume for volume, _, _ in entries], mounts
