"""The pod of a Job: one container with what the request asks for, and the volumes it mounts."""

from typing import Any, Final

from service.manifests.dependents import given
from service.manifests.labels import NODE_TYPE_LABEL
from service.spec.mounts import HOME, SHARED_MEMORY, ExistingClaim
from service.spec.quantities import cpu_quantity
from service.submission.identity import claim_name
from service.validation import JobSubmission

GPU_RESOURCE: Final = "nvidia.com/gpu"
"""Whole GPUs, the extended resource of NVIDIA's device plugin."""

CONTAINER: Final = "job"
"""The name of a pod's one container; others, such as a mesh's proxy, are somebody else's."""


def pod_spec(submission: JobSubmission, job: str, scheduler: str | None) -> dict[str, Any]:
    """Return the `spec` of the pods of the Job named `job`."""
    volumes, mounts = _volumes(submission, job)
    return given(
        restartPolicy="Never",
        automountServiceAccountToken=False,  # a job that trains has no business with the API server
        enableServiceLinks=False,  # variables for each Service of the namespace, some thousand in a large one
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
    own = {"HOME": HOME} if submission.create_home_dir else {}
    if submission.gpu == 0:
        own["NVIDIA_VISIBLE_DEVICES"] = "void"  # without it NVIDIA's runtime shows a CUDA image every GPU of the node
    environment = {**own, **submission.environment}  # what the request sets wins
    return given(
        name=CONTAINER,
        image=submission.image,
        imagePullPolicy=submission.image_pull_policy,
        command=[_literal(word) for word in submission.command.words] if submission.command else None,
        args=[_literal(argument) for argument in submission.arguments] or None,
        workingDir=submission.working_dir,
        env=[{"name": key, "value": _literal(value)} for key, value in environment.items()] or None,
        ports=[{"containerPort": port.container} for port in submission.ports] or None,
        resources=_resources(submission) or None,
        volumeMounts=mounts or None,
        stdin=submission.stdin or None,
        tty=submission.tty or None,
        securityContext=given(
            allowPrivilegeEscalation=False if submission.prevent_privilege_escalation else None,
            runAsUser=submission.run_as_uid,
            runAsGroup=submission.run_as_gid,
        )
        or None,
        terminationMessagePolicy="FallbackToLogsOnError",  # the last lines of a failed job stay in its pod's status
    )


def _literal(text: str) -> str:
    """Write a value so that it arrives as it is: Kubernetes replaces `$(NAME)`, and `$$` by `$` (API, Container)."""
    return text.replace("$", "$$")


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
        name = claim.claim_name if isinstance(claim, ExistingClaim) else claim_name(job, i)
        source: dict[str, Any] = {"persistentVolumeClaim": {"claimName": name}}
        entries.append(({"name": f"pvc-{i}", **source}, claim.path, claim.read_only))
    for i, (path, target) in enumerate(submission.volume.items()):
        entries.append(({"name": f"volume-{i}", "hostPath": {"path": path}}, target.path, target.read_only))
    for i, volume in enumerate(submission.volumes):
        source = {"hostPath": {"path": volume.source_path}}
        if volume.nfs_server is not None:
            source = {"nfs": {"server": volume.nfs_server, "path": volume.source_path}}
        entries.append(({"name": f"volume-{i}", **source}, volume.target_path, volume.read_only))
    if submission.create_home_dir:
        entries.append(({"name": "home", "emptyDir": {}}, HOME, False))
    if submission.large_shm:
        entries.append(({"name": "shm", "emptyDir": {"medium": "Memory"}}, SHARED_MEMORY, False))
    mounts = [
        given(name=volume["name"], mountPath=path, readOnly=read_only or None) for volume, path, read_only in entries
    ]
    return [volume for volume, _, _ in entries], mounts
