"""What each scheduler wants to see on a job: the scheduler profiles.

One request, several schedulers; which one is a setting, never the client's business. `manifest` puts the marks on the
Job and its pods. Sources: the Run:AI command-line reference; KAI-Scheduler's documentation of queues, priorities, GPU
sharing and batch jobs; Kueue, "Run a Kubernetes Job". A queue that does not exist is accepted in silence by all: the
job waits.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from service.validation import JobSubmission

Profile = Literal["kubernetes", "runai", "kai", "kueue"]
"""The scheduler that the objects are written for."""

GPU_SHARING: Final[frozenset[Profile]] = frozenset({"runai", "kai"})
"""The profiles under which a job can have a fraction of a GPU."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the profile adds: `labels` to the Job and its pods, the rest where their names say."""

    scheduler: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    job_labels: dict[str, str] = field(default_factory=dict)
    job_annotations: dict[str, str] = field(default_factory=dict)
    pod_annotations: dict[str, str] = field(default_factory=dict)


def shares_gpu(job: JobSubmission) -> bool:
    """Tell whether a job asks for a part of a GPU, which is the scheduler's to give and no resource of the node."""
    return job.gpu is not None and 0 < job.gpu < 1


def marks(job: JobSubmission, profile: Profile, kueue_priority_class: str | None) -> Marks:
    """Return the marks of `profile` for a valid submission."""
    match profile:
        case "kubernetes":
            return Marks()
        case "runai":
            labels = {
                "runai/queue": job.project,
                "priorityClassName": _priority(job, preemptible_session="interactive-preemptible"),
            }
            if job.elastic:
                labels["elastic"] = "true"
            return Marks("runai-scheduler", labels, pod_annotations=_gpu_fraction(job))
        case "kai":
            labels = {
                "kai.scheduler/queue": job.project,
                "priorityClassName": _priority(job, preemptible_session="build-preemptible"),
            }
            # the least number of pods to start with: without it a gang would be read from `parallelism`
            elastic = {"kai.scheduler/batch-min-member": "1"} if job.elastic else {}
            return Marks("kai-scheduler", labels, job_annotations=elastic, pod_annotations=_gpu_fraction(job))
        case "kueue":
            labels = {"kueue.x-k8s.io/queue-name": job.project}
            if kueue_priority_class is not None:
                labels["kueue.x-k8s.io/priority-class"] = kueue_priority_class
            return Marks(job_labels=labels)


def _priority(job: JobSubmission, *, preemptible_session: str) -> str:
    if not job.interactive:
        return "train"  # can be preempted as it is: `preemptible` adds nothing
    return preemptible_session if job.preemptible else "build"


def _gpu_fraction(job: JobSubmission) -> dict[str, str]:
    return {"gpu-fraction": f"{job.gpu}"} if shares_gpu(job) else {}
