"""Every reason for which a job does not run yet: the one table, with what it means and what the user can do.

`cluster.waiting` finds the causes in a cluster, the ingress those of a submission that still stands on the topic. The
page of the causes in the docs is written from here.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Severity(StrEnum):
    """Who has to act, in the order in which causes are told: of several the first one is."""

    MISCONFIGURATION = "misconfiguration"
    POLICY = "policy"
    QUOTA = "quota"
    CAPACITY = "capacity"
    SERVICE = "service"
    PROGRESS = "progress"


class Cause(NamedTuple):
    """One row of the table: a code that never changes, its class and stage, what it means, and what the user can do."""

    reason: str
    severity: Severity
    stage: str
    meaning: str
    next: str


_M, _P, _Q, _C, _S, _G = Severity

# a table is read by rows
# fmt: off
CAUSES: Final = {cause.reason: cause for cause in (
    # stage log: told by the ingress, as there is no Job yet
    Cause("Queued", _G, "log",
          "it stands on the topic and its turn has not come",
          "wait, or cancel it"),
    Cause("PartitionPaused", _S, "log",
          "nothing is taken from its partition: paused by the operator, stopped, or read by no consumer",
          "wait where it is paused, else tell the operator: see the runbook of JobSubmissionNothingConsumed"),
    Cause("ServiceDegraded", _S, "log",
          "the consumer cannot reach the cluster",
          "wait: it is created when the cluster is back"),
    Cause("ApiThrottled", _S, "log",
          "the API server sheds load",
          "wait: it is tried again"),
    # stage create: the Job is there and gets no pods
    Cause("ServiceAccountMissing", _M, "create",
          "the pods' service account does not exist",
          "create the service account, or tell the project's administrator"),
    Cause("PriorityClassMissing", _M, "create",
          "the priority class of the pods does not exist",
          "tell the operator: the class of the scheduler profile has to be created"),
    Cause("GpuSharingOff", _M, "create",
          "the scheduler does not give out parts of a GPU",
          "ask for whole GPUs, or have GPU sharing switched on"),
    Cause("PodCreateFailed", _M, "create",
          "the API server refuses the pods",
          "read the evidence and submit a job that is allowed"),
    Cause("PodSecurityDenied", _P, "create",
          "the Pod Security level of the project forbids the pods",
          "leave out what the level forbids, or ask for another level"),
    Cause("WebhookDenied", _P, "create",
          "an admission webhook or policy denies the pods",
          "submit a job that the policy allows"),
    Cause("QuotaExceeded", _Q, "create",
          "the quota of the project is used up",
          "wait for other jobs of the project to end, or ask for less"),
    Cause("WebhookFailing", _S, "create",
          "an admission webhook does not answer",
          "tell the operator: no pod of the project can be made"),
    # stage admission: a queue holds the job back
    Cause("QueueMissing", _M, "admission",
          "the queue of the project does not exist",
          "tell the operator: the project needs a queue"),
    Cause("OverLimit", _M, "admission",
          "it asks for more than its queue can ever give",
          "ask for less: it will never start like this"),
    Cause("NoMatchingFlavor", _M, "admission",
          "no resource flavor of the queue fits",
          "change nodeType or the resources asked for"),
    Cause("QueueOnHold", _P, "admission",
          "the queue is stopped by its administrator",
          "wait, or ask the administrator"),
    Cause("OverQuota", _Q, "admission",
          "the quota of the queue is used by other jobs",
          "wait for other jobs to end, or ask for less"),
    Cause("WaitingForPreemption", _Q, "admission",
          "other jobs are being stopped for it",
          "wait"),
    Cause("GangIncomplete", _C, "admission",
          "not all of its pods fit at once",
          "wait, or ask for less parallelism"),
    Cause("SuspendedByQueue", _G, "admission",
          "the queue has not looked at it yet",
          "wait; if it stays, tell the operator: the queue's controller is down, or the priority class is missing"),
    Cause("Suspended", _P, "admission",
          "somebody has suspended the Job",
          "ask who suspended it: spec.suspend of the Job"),
    Cause("Preempted", _C, "admission",
          "a job of higher priority took its place",
          "wait: it is queued again"),
    # stage schedule: a pod finds no node
    Cause("NoNodeOfType", _M, "schedule",
          "no node has the type or labels asked for",
          "change nodeType"),
    Cause("StorageClassMissing", _M, "schedule",
          "a claim names a storage class that does not exist",
          "change pvc[].storageClass"),
    Cause("ClaimMissing", _M, "schedule",
          "a claim that is to be mounted does not exist",
          "create the claim, or change pvc[].claimName"),
    Cause("NoNodes", _S, "schedule",
          "the cluster has no nodes at all",
          "tell the operator"),
    Cause("Tainted", _P, "schedule",
          "the nodes that fit are tainted",
          "ask for another nodeType, or have the project tolerate the taint"),
    Cause("NotEnoughGpu", _C, "schedule",
          "no node has that many free GPUs",
          "wait, or ask for fewer GPUs"),
    Cause("NotEnoughCpuOrMemory", _C, "schedule",
          "no node has that much free CPU or memory",
          "wait, or ask for less"),
    Cause("PortsTaken", _C, "schedule",
          "the host ports are taken on every node that fits",
          "wait, or leave hostNetwork out"),
    Cause("ClaimPending", _C, "schedule",
          "a claim is not bound to a volume yet",
          "wait; if it stays, ask for another size or storageClass"),
    Cause("Unschedulable", _C, "schedule",
          "the scheduler finds no node",
          "read the evidence"),
    Cause("SchedulerSilent", _S, "schedule",
          "no scheduler has looked at the pod",
          "tell the operator: the scheduler of the profile may be down"),
    # stage start: on a node, and not running yet
    Cause("ImageName", _M, "start",
          "the image's name is not one",
          "correct job.image"),
    Cause("ImagePull", _M, "start",
          "the image cannot be pulled",
          "check name, tag and pull secret of the image"),
    Cause("ConfigMissing", _M, "start",
          "something the container needs does not exist, or its command cannot be run",
          "read the evidence"),
    Cause("CommandFailed", _M, "start",
          "the container's command cannot be run",
          "check command and workingDir against the image"),
    Cause("MountFailed", _M, "start",
          "a volume cannot be mounted",
          "check the paths and claims"),
    Cause("BackOff", _M, "start",
          "a pod failed and the next try waits",
          "read the exit: the job runs again by itself until backoffLimit"),
    Cause("Starting", _G, "start",
          "a node is starting its container",
          "wait"),
    Cause("Creating", _G, "create",
          "the Job was created and its pods will be",
          "wait"),
)}
# fmt: on
"""Every cause by its code. Within a class the order of the table decides."""

RANK: Final = {reason: (list(Severity).index(cause.severity), i) for i, (reason, cause) in enumerate(CAUSES.items())}
"""The order in which causes are told: the least comes first."""
