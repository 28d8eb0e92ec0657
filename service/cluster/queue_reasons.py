"""Why a queue holds a job back: what Kueue's Workload and KAI's PodGroup say, and KAI's words on a pod. Pure.

Part of `waiting`. Sources of the messages: Kueue 0.17, `pkg/scheduler/flavorassigner` and `pkg/controller/core`; KAI
0.12, `pkg/scheduler/api/unschedule_info.go`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from service.cluster.job_facts import Admission, JobFacts
from service.cluster.object_fields import Condition

Found = tuple[str, str, str]
"""A cause that was found: its code, a sentence, and what was read."""


def of_admission(job: JobFacts, admission: Admission | None) -> Iterator[Found]:
    """Yield why the queue of a Job does not let it go."""
    if admission is not None and admission.scheduler == "kai":
        yield from _of_kai(job, admission.conditions)
        return
    if not job.suspended:
        return
    if job.queue is None:
        yield "Suspended", "the Job is suspended", ""
    elif admission is None:
        # Kueue makes no Workload for a class that does not exist, and tells nobody
        doubt = "" if job.priority_class is None else f"; does the priority class {job.priority_class} exist?"
        yield "SuspendedByQueue", f"the queue {job.queue} has not looked at it yet{doubt}", ""
    else:
        yield from _of_kueue(job, admission.conditions)


_KUEUE: Final = (
    ("QueueOnHold", re.compile(r"is inactive|stopped|Deactivated"), "the queue {queue} is stopped"),
    ("QueueMissing", re.compile(r"doesn't exist"), "the queue {queue} does not exist"),
    ("OverLimit", re.compile(r"maximum capacity"), "{asks}the queue {queue} can give {most}"),
    (
        "NoMatchingFlavor",
        re.compile(r"unavailable in ClusterQueue|(?:doesn't|didn't|not) match"),
        "nothing in the queue {queue} fits what it asks for",
    ),
    (
        "WaitingForPreemption",
        re.compile(r"[Pp]ending the preemption|[Pp]reempting"),
        "other jobs are being stopped for it",
    ),
    ("OverQuota", re.compile(r"insufficient"), "the quota of the queue {queue} is in use{more}"),
    ("SuspendedByQueue", re.compile(r""), "waits in the queue {queue}"),
)
"""What the message of a Workload without quota says; the first that matches counts."""

_KUEUE_ASKED = re.compile(
    r"(?:quota for|for) (?P<what>\S+) in flavor .*request \((?P<asked>\S+)\) > .*\((?P<most>\S+)\)"
)
_KUEUE_MORE = re.compile(r"unused quota for (\S+) in flavor (\S+), (\S+) more needed")
_MAXIMUM = re.compile(r"maximum capacity \(([^)]*)\)")


def _of_kueue(job: JobFacts, conditions: Mapping[str, tuple[bool, Condition]]) -> Iterator[Found]:
    """Yield why a Workload has no quota; a preempted one waits for it again, which is no news."""
    nothing = False, Condition("", "", None)
    evicted, eviction = conditions.get("Evicted", nothing)
    is_preempted = evicted and eviction.reason == "Preempted"
    if is_preempted:
        yield "Preempted", "a job of higher priority took its place", eviction.message
    elif evicted and re.search(r"QueueStopped|Deactivated", eviction.reason):
        yield "QueueOnHold", f"the queue {job.queue} is stopped", eviction.message
    elif evicted:
        yield "SuspendedByQueue", f"was sent back to the queue {job.queue}: {eviction.reason}", eviction.message
    reserved, condition = conditions.get("QuotaReserved", nothing)
    if not reserved:
        code, _, sentence = next(row for row in _KUEUE if row[1].search(condition.message))
        if not (is_preempted and code in ("OverQuota", "SuspendedByQueue")):
            yield code, sentence.format(queue=job.queue, **_kueue_numbers(condition.message)), condition.message


def _kueue_numbers(message: str) -> dict[str, str]:
    more, asked, most = _KUEUE_MORE.search(message), _KUEUE_ASKED.search(message), _MAXIMUM.search(message)
    return {
        "more": f": {more[3]} more {more[1]} needed" if more else "",
        "asks": f"asks {asked['asked']} {asked['what']}; " if asked else "",
        "most": f"{most[1]} at most" if most else "less than it asks for",
    }


_KAI_LIMIT = re.compile(r"Limit is (\S+) (\S+), currently (\S+) \S+ allocated and workload requested (\S+)")
_KAI_QUOTA = re.compile(r"requested (\S+) (.+?), but \S+ quota is (\S+) [^,]*, while (\S+) ")


def _of_kai(job: JobFacts, conditions: Mapping[str, tuple[bool, Condition]]) -> Iterator[Found]:
    for is_true, condition in conditions.values():
        if is_true:
            yield from of_kai_message(job, condition.reason, condition.message)


def of_kai_message(job: JobFacts, reason: str, message: str) -> Iterator[Found]:
    """Yield what KAI's scheduler says, on the PodGroup with a reason, on the pod in words alone."""
    limit, quota, said = _KAI_LIMIT.search(message), _KAI_QUOTA.search(message), f"{reason} {message}"
    if "NonPreemptibleOverQuota" in said or "Non-preemptible workload is over quota" in message:
        numbers = f": {quota[4]} of {quota[3]} {quota[2]}, {quota[1]} asked for" if quota else ""
        yield "OverQuota", f"jobs that cannot be preempted use the quota of queue {job.queue}{numbers}", message
    elif "OverLimit" in said or "quota has reached the allowable limit" in message:
        numbers = (
            f"limit is {limit[1]} {limit[2]}, {limit[3]} in use, {limit[4]} asked for" if limit else "limit is reached"
        )
        yield "OverQuota", f"the queue {job.queue}'s {numbers}", message
    elif "QueueDoesNotExist" in said or ("queue" in message.lower() and "not found" in message.lower()):
        yield "QueueMissing", f"the queue {job.queue} does not exist", message
    elif "minimum required number of pods" in message or "gang" in message.lower():
        minimum = re.search(r"number of pods \((\d+)\)", message)
        fit = f"not all of {minimum[1]} pods fit at once" if minimum else "not all of its pods fit at once"
        yield "GangIncomplete", fit, message
    elif "no nodes with enough resources" in message.lower():
        yield "NotEnoughGpu", f"asks {job.gpus:g} GPUs; no node has them free", message
