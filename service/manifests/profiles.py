"""The scheduler profiles: one table of what each scheduler can do and wants to see on a job.

One request, several schedulers; which one is a setting, never the client's business. To add one that is told all it
needs by labels and annotations, add an entry to `PROFILES`: the setting's values, the warnings, the docs and the cases
that the tests ask for derive from it.
Sources: the Run:AI command-line reference; KAI-Scheduler's documentation of queues, priorities and GPU sharing; Kueue,
"Run a Kubernetes Job" and "Partial admission".
"""

from dataclasses import dataclass, field
from typing import Final

from service.manifests.labels import GPU_FRACTION_ANNOTATION
from service.validation import JobSubmission


@dataclass(frozen=True, slots=True)
class PriorityClasses:
    """The names of a scheduler's priority classes, in the label `label` of the Job and its pods."""

    label: str
    training: str
    session: str
    preemptible_session: str


@dataclass(frozen=True, slots=True)
class Elastic:
    """How a scheduler is told that a job may start with less than it asks for: `key: value` on the Job."""

    key: str
    value: str
    is_label: bool = False
    """A label, of the Job and its pods; else an annotation of the Job."""
    needs_parallelism: bool = False
    """Whether it has a meaning for several pods only, and so goes with `parallelism` above 1."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One scheduler: what it gives, and where it reads what. Labels go on the Job, and on its pods where it says so."""

    name: str
    scheduler: str | None = None
    """`schedulerName` of the pods; None leaves it to the cluster's default."""
    queue_label: str | None = None
    """The label that names the queue, which is the project."""
    labels_pods: bool = True
    """Whether the labels go on the pods as well."""
    fraction_annotation: str | None = None
    """The annotation of the pods for a fraction of a GPU; None: whole GPUs only."""
    priorities: PriorityClasses | None = None
    priority_setting_label: str | None = None
    """The label for the priority class that the setting `KUBE_KUEUE_PRIORITY_CLASS` names."""
    elastic: Elastic | None = None
    """None: the scheduler has nothing of the kind, and `elastic` gives a warning."""
    created_suspended: bool = False
    """Whether the scheduler unsuspends Jobs itself, so that none may start before it has been admitted."""
    admission: str | None = None
    """The resource, in the plural, in which the scheduler says why a job waits; None: on the pods alone."""

    def __str__(self) -> str:
        """Return the profile's name, as the setting has it."""
        return self.name

    @property
    def shares_gpus(self) -> bool:
        """Whether a job can have a fraction of a GPU."""
        return self.fraction_annotation is not None

    @property
    def elastic_parallelism(self) -> bool:
        """Whether a job can be elastic and have several pods at once."""
        return self.elastic is not None and self.elastic.needs_parallelism


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile("kubernetes"),
        Profile(
            "runai",
            scheduler="runai-scheduler",
            queue_label="runai/queue",
            fraction_annotation=GPU_FRACTION_ANNOTATION,
            priorities=PriorityClasses("priorityClassName", "train", "build", "interactive-preemptible"),
            elastic=Elastic("elastic", "true", is_label=True),
        ),
        Profile(
            "kai",
            scheduler="kai-scheduler",
            queue_label="kai.scheduler/queue",
            fraction_annotation=GPU_FRACTION_ANNOTATION,
            priorities=PriorityClasses("priorityClassName", "train", "build", "build-preemptible"),
            admission="podgroups",
        ),
        Profile(
            "kueue",
            queue_label="kueue.x-k8s.io/queue-name",
            labels_pods=False,
            priority_setting_label="kueue.x-k8s.io/priority-class",
            elastic=Elastic("kueue.x-k8s.io/job-min-parallelism", "1", needs_parallelism=True),
            created_suspended=True,
            admission="workloads",
        ),
    )
}
"""Every profile by its name."""

QUEUE_LABELS: Final = tuple(profile.queue_label for profile in PROFILES.values() if profile.queue_label)
"""Where a Job may name its queue: the labels of all profiles."""

PRIORITY_CLASS_LABELS: Final = tuple(
    profile.priority_setting_label for profile in PROFILES.values() if profile.priority_setting_label
)
"""Where a Job may name the priority class of a setting, without which its queue does not look at it."""


@dataclass(frozen=True, slots=True)
class SchedulerFields:
    """What a profile adds to the objects of one job."""

    job_labels: dict[str, str] = field(default_factory=dict)
    pod_labels: dict[str, str] = field(default_factory=dict)
    job_annotations: dict[str, str] = field(default_factory=dict)
    pod_annotations: dict[str, str] = field(default_factory=dict)


def shares_gpu(job: JobSubmission) -> bool:
    """Tell whether a job asks for a part of a GPU, which is the scheduler's to give and no resource of the node."""
    return job.gpu is not None and 0 < job.gpu < 1


def scheduler_fields(job: JobSubmission, profile: Profile, priority_class: str | None) -> SchedulerFields:
    """Return what `profile` adds for a valid submission; `priority_class` is that of the settings."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    if profile.queue_label:
        labels[profile.queue_label] = job.project
    if profile.priorities:
        labels[profile.priorities.label] = _priority(job, profile.priorities)
    if profile.priority_setting_label and priority_class is not None:
        labels[profile.priority_setting_label] = priority_class
    if profile.elastic and _is_elastic(job, profile.elastic):
        (labels if profile.elastic.is_label else annotations)[profile.elastic.key] = profile.elastic.value
    fraction = {profile.fraction_annotation: f"{job.gpu}"} if profile.fraction_annotation and shares_gpu(job) else {}
    return SchedulerFields(labels, labels if profile.labels_pods else {}, annotations, fraction)


def _priority(job: JobSubmission, classes: PriorityClasses) -> str:
    if not job.interactive:
        return classes.training  # can be preempted as it is: `preemptible` adds nothing
    return classes.preemptible_session if job.preemptible else classes.session


def _is_elastic(job: JobSubmission, elastic: Elastic) -> bool:
    # Kueue refuses a minimum that is not below the number of pods, which `completions` bounds as well
    at_once = min(job.parallelism or 1, job.completions or 1)
    return job.elastic and (at_once > 1 or not elastic.needs_parallelism)


def profile_warnings(job: JobSubmission, profile: Profile) -> list[str]:
    """Return a sentence for each parameter given that has no effect under the profile."""
    warnings, under = [], f"under the scheduler profile {profile}"
    if job.elastic and profile.elastic is None:
        warnings.append(f"job.elastic has no effect {under}")
    elif job.elastic and profile.elastic and not _is_elastic(job, profile.elastic):
        warnings.append(f"job.elastic has no effect {under} without parallelism and completions above 1")
    if job.preemptible and profile.priorities is None:
        warnings.append(f"job.preemptible has no effect on priority {under}")
    return warnings
