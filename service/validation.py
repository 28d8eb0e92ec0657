"""What a job may ask for: a document in, a `JobSubmission` or all of its faults at once out.

`JobSubmission` is the table of parameters: each is one entry with its rule, which carries the JSON Schema, the rules
about it and earlier parameters, and its sentence. Pages, schemas and suggestions derive from it. To add a parameter,
add an entry here and a line in `manifests`; rules of a new kind go into the module of `spec` for their topic.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from service.errors import MAX_FAULTS, Fault
from service.spec import (
    command_line,
    container,
    image_reference,
    lifecycle,
    metadata,
    mounts,
    names,
    network,
    resources,
)
from service.spec.command_line import Command
from service.spec.faults import faults_of, invalid
from service.spec.fields import AtMost, Boolean, Entries, Parameters, String, one_of, too_many, whole_number
from service.spec.limits import Limits
from service.spec.mounts import Claim, MountTarget, VolumeEntry
from service.spec.network import Port, ServiceType
from service.spec.not_supported import NOT_SUPPORTED
from service.spec.strict_json import field_path

PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class JobSubmission(Parameters):
    """A valid request: every parameter under its Python name, in the form the manifests need.

    Quantities are canonical Kubernetes quantities, times are in seconds, `command` is split into words. A rule about
    two parameters stands at the later one and is silent where the earlier is faulty.
    """

    refused: ClassVar[Mapping[str, str]] = NOT_SUPPORTED

    name: Annotated[str | None, names.job_name] = Field(
        None, description="Name of the Job. Without it one is generated from `jobNamePrefix`."
    )
    project: Annotated[str, names.project_name, AfterValidator(names.not_reserved)] = Field(
        description="Selects the namespace, `runai-<project>` unless a setting says otherwise, and the queue."
    )
    interactive: Boolean = Field(
        default=False, description="A session: `completions: 1`, and `backoffLimit: 0` unless it is `preemptible`."
    )
    image: Annotated[str, image_reference.image] = Field(description="Image of the container.")
    command: Annotated[Command | None, command_line.command, Entries("")] = Field(
        None,
        description="Replaces the image's entry point. A string is split as a shell splits it; no shell runs.",
    )
    arguments: Annotated[tuple[String, ...], Entries("an array of strings")] = Field(
        (), description="Arguments of the command or, without one, of the image's entry point."
    )
    environment: Annotated[
        dict[Annotated[str, names.environment_name], Annotated[str, container.environment_value]],
        Entries("an object of strings, numbers and booleans"),
    ] = Field(
        default_factory=dict,
        description="Environment variables. Values arrive as they were sent, numbers and booleans as JSON writes them.",
    )
    image_pull_policy: Annotated[PullPolicy, one_of(*get_args(PullPolicy))] = Field(
        "Always", description="When the node pulls the image."
    )
    stdin: Boolean = Field(default=False, description="Keeps the standard input open.")
    tty: Annotated[Boolean, AfterValidator(container.tty_needs_stdin)] = Field(
        default=False, description="Gives the process a terminal; needs `stdin`."
    )
    working_dir: Annotated[str | None, mounts.absolute_path] = Field(
        None, description="Directory in which the process starts."
    )
    gpu: Annotated[
        int | float | None, resources.gpus, AfterValidator(resources.gpus_of_the_profile), AtMost("gpus")
    ] = Field(
        None,
        description='GPUs: `limits["nvidia.com/gpu"]`, or a part of one; with 0 the container sees none.',
    )
    cpu: Annotated[int | float | None, resources.cores] = Field(None, description="Requested cores: `requests.cpu`.")
    cpu_limit: Annotated[int | float | None, resources.cores, AfterValidator(resources.cpu_limit_not_below)] = Field(
        None, description="`limits.cpu`, not below `cpu`."
    )
    memory: Annotated[str | None, resources.memory] = Field(None, description="Requested memory: `requests.memory`.")
    memory_limit: Annotated[str | None, resources.memory, AfterValidator(resources.memory_limit_not_below)] = Field(
        None, description="`limits.memory`, not below `memory`."
    )
    pvc: Annotated[tuple[Claim, ...], AfterValidator(mounts.claims_apart), Entries("an array of objects", "claims")] = (
        Field((), description="PersistentVolumeClaims: new ones, deleted with the job, or existing ones, by name.")
    )
    volume: Annotated[
        dict[Annotated[str, mounts.named_host_path], Annotated[MountTarget, mounts.mount_target]],
        AfterValidator(mounts.targets_apart),
        Entries("an object of host paths and container paths; `:ro` may end a container path"),
    ] = Field(default_factory=dict, description="Directories of the node: `hostPath` volumes.")
    volumes: Annotated[
        tuple[VolumeEntry, ...],
        AfterValidator(mounts.entries_apart),
        Entries("an array of objects"),
    ] = Field((), description="Another spelling of `volume`, and directories of NFS servers.")
    create_home_dir: Annotated[Boolean, AfterValidator(mounts.home_is_free)] = Field(
        default=False, description=f"A temporary home: `emptyDir` at `{mounts.HOME}`, and `HOME` set to it."
    )
    large_shm: Annotated[Boolean, AfterValidator(mounts.shared_memory_is_free)] = Field(
        default=False, description=f"Memory for shared memory: `emptyDir` at `{mounts.SHARED_MEMORY}`."
    )
    host_ipc: Boolean = Field(default=False, description="Shares the node's IPC namespace.")
    host_network: Boolean = Field(default=False, description="Shares the node's network.")
    ports: Annotated[tuple[Port, ...], AfterValidator(network.ports_apart), Entries("an array of objects", "ports")] = (
        Field((), description="Ports of the container, and what they are outside.")
    )
    service_type: Annotated[ServiceType | None, network.service_type, AfterValidator(network.service_needs_ports)] = (
        Field(
            None,
            description="Makes a Service; `ingress` also an Ingress for `/<project>/<job>`; `portforward` nothing.",
        )
    )
    preemptible: Boolean = Field(
        default=False, description="With `interactive`: may run over quota and be preempted; see the profiles."
    )
    backoff_limit: Annotated[int | None, whole_number(0), AfterValidator(lifecycle.one_try)] = Field(
        None,
        description="Failed pods before the job fails, those not counted that were preempted or drained. With "
        "`interactive` it is 0, unless `preemptible`.",
    )
    completions: Annotated[
        int | None, whole_number(1), AfterValidator(lifecycle.one_completion), AtMost("completions")
    ] = Field(None, description="Pods that have to succeed.")
    elastic: Boolean = Field(default=False, description="May start with fewer GPUs than asked for; see the profiles.")
    parallelism: Annotated[
        int | None, whole_number(1), AfterValidator(lifecycle.parallel_runs), AtMost("parallelism")
    ] = Field(None, description="Pods at once. Above 1 it needs `completions` and excludes `interactive`.")
    ttl_after_finish: Annotated[int | None, lifecycle.seconds] = Field(
        None, description="How long the finished job is kept: `ttlSecondsAfterFinished`."
    )
    active_deadline: Annotated[int | None, lifecycle.deadline] = Field(
        None, description="How long the job may run before it fails: `activeDeadlineSeconds`."
    )
    prevent_privilege_escalation: Boolean = Field(default=False, description="`allowPrivilegeEscalation: false`.")
    run_as_uid: Annotated[int | None, whole_number(0)] = Field(None, description="User of the process: `runAsUser`.")
    run_as_gid: Annotated[int | None, whole_number(0)] = Field(None, description="Group of the process: `runAsGroup`.")
    node_type: Annotated[str | None, names.label_value] = Field(
        None, description="Nodes with this value of the label `run.ai/type`."
    )
    job_name_prefix: Annotated[str | None, names.job_name_prefix] = Field(
        None, description="A generated name is `<prefix>-<12 characters>`. Without effect where `name` is given."
    )
    labels: Annotated[
        dict[Annotated[str, metadata.key], Annotated[str, metadata.value]],
        Entries("an object of label values"),
    ] = Field(default_factory=dict, description="Labels of the Job and its pods, outside the reserved keys.")
    annotations: Annotated[dict[Annotated[str, metadata.key], String], Entries("an object of strings")] = Field(
        default_factory=dict, description="Annotations of the Job and its pods, outside the reserved keys."
    )


PARAMETERS: Final = tuple(name for name, _, _ in JobSubmission.members())
"""The names of the parameters in a request."""


def validate(document: dict[str, Any], limits: Limits) -> JobSubmission:
    """Return the submission that a document, `{"job": {...}}`, asks for.

    Raises InvalidSubmission with every fault of the document, or the first `MAX_FAULTS` of them.
    """
    others = [name for name in document if name != "job"]
    faults = [Fault(field_path((name,)), _misplaced(name)) for name in others[:MAX_FAULTS]]
    hidden = len(others[MAX_FAULTS:])
    if "job" not in document:
        raise invalid([Fault("job", 'is required: the parameters go into {"job": {...}}'), *faults], hidden)
    job = document["job"]
    if isinstance(job, dict):
        if len(job) > max(limits.entries, len(PARAMETERS)):
            raise invalid([Fault("job", too_many(len(job), limits.entries, "entries")), *faults], hidden)
        if "volume" in job and "volumes" in job:
            faults.append(Fault("job.volumes", "is another spelling of volume; give one of the two"))
    try:
        submission = JobSubmission.model_validate(job, context=limits)
    except ValidationError as error:
        found, more = faults_of(error, JobSubmission, "job")
        raise invalid([*found, *faults], more + hidden) from None
    if faults:
        raise invalid(faults, hidden)
    return submission


def _misplaced(name: str) -> str:
    if name in NOT_SUPPORTED:
        return NOT_SUPPORTED[name]
    if name in PARAMETERS:
        return 'must be within "job"'
    return 'is not known here: the body holds "job" and nothing else'
