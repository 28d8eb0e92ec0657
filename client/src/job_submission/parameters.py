"""The parameters of a submission, typed. Generated from the JSON Schema: `client/generate.py`."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Required, TypedDict


class ExistingClaim(TypedDict, total=False):
    """A claim that exists in the project's namespace and outlives the job."""

    claim_name: Required[str]
    """Name of the claim."""
    path: Required[str]
    """Where the container finds it."""
    read_only: bool
    """Mount it read-only."""


class NewClaim(TypedDict, total=False):
    """A claim made for the job; `size` is a Kubernetes quantity."""

    storage_class: str
    """StorageClass of the claim. Without it the cluster's default."""
    size: Required[str]
    """Size of the claim."""
    path: Required[str]
    """Where the container finds it."""
    read_only: bool
    """Mount it read-only."""


class Port(TypedDict, total=False):
    """A port of the container and, where it is given, the one outside."""

    container: Required[int]
    """Port of the container."""
    external: int
    """With `nodeport` the port of the nodes (30000 to 32767 in most clusters); with `loadbalancer` and `ingress` that of the Service, where it is `container` if not given."""
    auto_generate: bool
    """Take whichever port is free outside; excludes `external`."""


class VolumeEntry(TypedDict, total=False):
    """A directory of the node, or of an NFS server, as `volumes` gives it."""

    nfs_server: str
    """NFS server that has the directory. Without it the node has."""
    source_path: Required[str]
    """Directory of the node or of the NFS server."""
    target_path: Required[str]
    """Where the container finds it."""
    read_only: bool
    """Mount it read-only."""


class Parameters(TypedDict, total=False):
    """All parameters of a job; `docs/parameters.md` has their rules."""

    name: str
    """Name of the Job. Without it one is generated from `jobNamePrefix`."""
    project: Required[str]
    """Selects the namespace, `runai-<project>` unless a setting says otherwise, and the queue."""
    interactive: bool
    """A session: `completions: 1`, and `backoffLimit: 0` unless it is `preemptible`."""
    image: Required[str]
    """Image of the container."""
    command: str | Sequence[str]
    """Replaces the image's entry point. A string is split as a shell splits it; no shell runs."""
    arguments: Sequence[str]
    """Arguments of the command or, without one, of the image's entry point."""
    environment: Mapping[str, str | float | bool]
    """Environment variables. Values arrive as they were sent, numbers and booleans as JSON writes them."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"]
    """When the node pulls the image."""
    stdin: bool
    """Keeps the standard input open."""
    tty: bool
    """Gives the process a terminal; needs `stdin`."""
    working_dir: str
    """Directory in which the process starts."""
    gpu: float
    """GPUs: `limits["nvidia.com/gpu"]`, or a part of one; with 0 the container sees none."""
    cpu: float
    """Requested cores: `requests.cpu`."""
    cpu_limit: float
    """`limits.cpu`, not below `cpu`."""
    memory: str
    """Requested memory: `requests.memory`."""
    memory_limit: str
    """`limits.memory`, not below `memory`."""
    pvc: Sequence[NewClaim | ExistingClaim]
    """PersistentVolumeClaims: new ones, deleted with the job, or existing ones, by name."""
    volume: Mapping[str, str]
    """Directories of the node: `hostPath` volumes."""
    volumes: Sequence[VolumeEntry]
    """Another spelling of `volume`, and directories of NFS servers."""
    create_home_dir: bool
    """A temporary home: `emptyDir` at `/home/runai-home`, and `HOME` set to it."""
    large_shm: bool
    """Memory for shared memory: `emptyDir` at `/dev/shm`."""
    host_ipc: bool
    """Shares the node's IPC namespace."""
    host_network: bool
    """Shares the node's network."""
    ports: Sequence[Port]
    """Ports of the container, and what they are outside."""
    service_type: Literal["nodeport", "loadbalancer", "ingress", "portforward"]
    """Makes a Service; `ingress` also an Ingress for `/<project>/<job>`; `portforward` nothing."""
    preemptible: bool
    """With `interactive`: may run over quota and be preempted; see the profiles."""
    backoff_limit: int
    """Failed pods before the job fails, those not counted that were preempted or drained. With `interactive` it is 0, unless `preemptible`."""
    completions: int
    """Pods that have to succeed."""
    elastic: bool
    """May start with fewer GPUs than asked for; see the profiles."""
    parallelism: int
    """Pods at once. Above 1 it needs `completions` and excludes `interactive`."""
    ttl_after_finish: str | int
    """How long the finished job is kept: `ttlSecondsAfterFinished`."""
    active_deadline: str | int
    """How long the job may run before it fails: `activeDeadlineSeconds`."""
    prevent_privilege_escalation: bool
    """`allowPrivilegeEscalation: false`."""
    run_as_uid: int
    """User of the process: `runAsUser`."""
    run_as_gid: int
    """Group of the process: `runAsGroup`."""
    node_type: str
    """Nodes with this value of the label `run.ai/type`."""
    job_name_prefix: str
    """A generated name is `<prefix>-<12 characters>`. Without effect where `name` is given."""
    labels: Mapping[str, str]
    """Labels of the Job and its pods, outside the reserved keys."""
    annotations: Mapping[str, str]
    """Annotations of the Job and its pods, outside the reserved keys."""


ENTRIES: Final = ("pvc", "volumes", "ports")
"""Parameters whose entries have names of their own that are parameters too."""

NAMES: Final = (
    "name",
    "project",
    "interactive",
    "image",
    "command",
    "arguments",
    "environment",
    "imagePullPolicy",
    "stdin",
    "tty",
    "workingDir",
    "gpu",
    "cpu",
    "cpuLimit",
    "memory",
    "memoryLimit",
    "pvc",
    "volume",
    "volumes",
    "createHomeDir",
    "largeShm",
    "hostIpc",
    "hostNetwork",
    "ports",
    "serviceType",
    "preemptible",
    "backoffLimit",
    "completions",
    "elastic",
    "parallelism",
    "ttlAfterFinish",
    "activeDeadline",
    "preventPrivilegeEscalation",
    "runAsUid",
    "runAsGid",
    "nodeType",
    "jobNamePrefix",
    "labels",
    "annotations",
)
"""All parameters, as JSON names them."""
