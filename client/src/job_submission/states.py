"""What the service tells of jobs and projects, typed. A field of a later release is kept, as an extra attribute."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

ENDED: Final = frozenset({"Succeeded", "Failed", "Deleted"})
"""The phases after which nothing more comes of a job."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)


class Waiting(_Told):
    """Why a job does not run yet: one reason, a sentence about it, and what the user can do next."""

    reason: str
    reason_class: str = Field(alias="class")
    sentence: str
    next: str
    since: int
    stage: str
    evidence: tuple[str, ...] = ()


class Exit(_Told):
    """How the container ended that decided the job's failure; `message` has its last lines."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None


class PodCounts(_Told):
    """The job's pods by what they do."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0


class Transition(_Told):
    """One step of a job's history."""

    at: int
    phase: str
    reason: str | None = None


class JobState(_Told):
    """Everything that is known of a job; times in milliseconds since the epoch, by the cluster's clock."""

    id: str
    submission: str
    cluster: str
    project: str
    name: str
    namespace: str
    user: str | None = None
    type: str
    status: str
    phase: str
    waiting: Waiting | None = None
    created_at: int
    started_at: int | None = None
    finished_at: int | None = None
    deleted_at: int | None = None
    images: str | tuple[str, ...] = ""
    nodes: tuple[str, ...] = ()
    requested_gpus: float = Field(0, alias="requestedGPUs")
    allocated_gpus: float = Field(0, alias="allocatedGPUs")
    completions: int | None = None
    parallelism: int | None = None
    pods: PodCounts = PodCounts()
    restarts: int = 0
    exit: Exit | None = None
    history: tuple[Transition, ...] = ()

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will come of the job."""
        return self.phase in ENDED

    @property
    def succeeded(self) -> bool:
        """Tell whether the job ended well."""
        return self.phase == "Succeeded"


class Event(_Told):
    """A transition of a job, as a CloudEvent.

    `position` is where it stands in the stream: `events(after=position)` goes on behind it. Where `type` is `RESYNC`
    events were dropped before they could be sent, and there is no job: list the jobs again, and go on.
    """

    position: str
    type: str
    id: str = ""
    subject: str = ""
    time: str = ""
    job: JobState | None = None

    @property
    def is_resync(self) -> bool:
        """Tell whether events were dropped, so that the jobs have to be listed again."""
        return self.type == RESYNC


RESYNC: Final = "resync"
"""The `type` of an event that says that others were dropped."""


class Project(_Told):
    """A project; quotas and limits are the cluster's, and not told here."""

    name: str
    created_at: int = 0
    managed_namespace: str = ""


class DryRun(_Told):
    """What would become of a submission: its name, the objects as they would be stored, and warnings."""

    name: str
    objects: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


class Cancelled(_Told):
    """What was cancelled: a submission and, where there was one, its job."""

    submission: str | None = None
    project: str | None = None
    name: str | None = None
