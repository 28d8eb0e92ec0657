"""Job events: the state of a job after each transition, and the records of the topic `job-events` that say it.

The watcher writes them, the ingress and whoever reads the topic follow them. A record holds the whole state, so that a
reader needs no memory; compaction keeps the last one of each submission. What is read is untrusted: a record yields a
state that this service could have written, or `UnreadableRecord`. CloudEvents 1.0, Kafka binding, binary mode.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from service.errors import UnreadableRecord
from service.submission.record_headers import encoded, header
from service.submission.records import NewRecord, Record, rfc3339

EVENT_TYPE_PREFIX: Final = "io.job-submission.job."
"""Before the kind of an event in `ce_type`."""

MAX_HISTORY: Final = 32
"""Transitions that a state remembers."""

Milliseconds = Annotated[int, Field(ge=0)]

_YEAR_10000: Final = 253_402_300_800_000
"""In milliseconds since the epoch: RFC 3339 has four digits for a year."""


class Phase(StrEnum):
    """Where a job stands in its life: a closed set."""

    QUEUED = "Queued"
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"
    DELETED = "Deleted"
    UNKNOWN = "Unknown"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will come of the job."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.DELETED)


class EventKind(StrEnum):
    """The last word of `ce_type`."""

    CREATED = "created"
    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"


class _State(BaseModel):
    """Named in JSON as the old API names its fields, never changed afterwards."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Waiting(_State):
    """Why a job does not run yet, in one reason: see `cluster.waiting` for all of them."""

    reason: str
    reason_class: str = Field(alias="class")
    sentence: Annotated[str, Field(max_length=120)]
    next: str
    since: Milliseconds
    stage: str
    evidence: tuple[str, ...] = ()


class Exit(_State):
    """How the container ended that decided the job's failure; `message` has its last lines."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None


class PodCounts(_State):
    """The job's pods by what they do."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0


class Transition(_State):
    """One step of the history."""

    at: Milliseconds
    phase: Phase
    reason: str | None = None


class JobState(_State):
    """Everything a reader can see of a job; times in milliseconds since the epoch, by the cluster's clock."""

    id: str
    submission: str
    cluster: str
    project: str
    name: str
    namespace: str
    user: str | None = None
    type: Literal["Train", "Interactive"] = "Train"
    status: str
    phase: Phase
    waiting: Waiting | None = None
    created_at: Milliseconds
    started_at: Milliseconds | None = None
    finished_at: Milliseconds | None = None
    deleted_at: Milliseconds | None = None
    images: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    requested_gpus: float = Field(0, alias="requestedGPUs")
    allocated_gpus: float = Field(0, alias="allocatedGPUs")
    completions: int | None = None
    parallelism: int | None = None
    pods: PodCounts = PodCounts()
    restarts: int = 0
    exit: Exit | None = None
    history: tuple[Transition, ...] = ()

    def value(self) -> bytes:
        """Return the JSON of the state."""
        return self.model_dump_json(by_alias=True).encode()


class JobEvent(_State):
    """One record of the topic: a state, its place among the events of its job, and when it was reached."""

    state: JobState
    sequence: Annotated[int, Field(ge=1)]
    kind: EventKind
    at: Milliseconds
    traceparent: str | None = None

    @property
    def id(self) -> str:
        """The `ce_id`: equal for every try to write the same event, so that readers can drop what comes twice."""
        return f"{self.state.id}/{self.sequence}"


def is_terminal(event: JobEvent) -> bool:
    """Tell whether this is the one event of a job that says how it ended."""
    if event.kind is EventKind.DELETED:
        return event.state.phase is Phase.DELETED
    return event.kind in (EventKind.SUCCEEDED, EventKind.FAILED)


def _attributes(event: JobEvent) -> dict[str, str]:
    """Return the event's attributes as CloudEvents names them; `sequence` is the extension of that name."""
    state = event.state
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/clusters/{state.cluster}/namespaces/{state.namespace}/jobs/{state.name}",
        "type": EVENT_TYPE_PREFIX + event.kind,
        "subject": f"{state.project}/{state.name}",
        "time": rfc3339(event.at / 1000),
        "sequence": str(event.sequence),
    }


def job_event_record(event: JobEvent, topic: str, partition: int) -> NewRecord:
    """Write an event, keyed as the submission it belongs to."""
    state = event.state
    headers = encoded(
        (
            *((f"ce_{name}", value) for name, value in _attributes(event).items()),
            ("content-type", "application/json"),
            ("ra-user", state.user),
            ("traceparent", event.traceparent),
        )
    )
    return NewRecord(topic, partition, state.submission.encode(), state.value(), headers)


def job_event_document(event: JobEvent, value: bytes) -> bytes:
    """Return an event as one JSON document, its state being `value` (CloudEvents JSON event format 1.0.2)."""
    attributes = _attributes(event) | {"datacontenttype": "application/json"}
    if event.traceparent is not None:
        attributes["traceparent"] = event.traceparent
    return orjson.dumps(attributes)[:-1] + b',"data":' + value + b"}"


def read_job_event(record: Record) -> JobEvent | None:
    """Return the event that a record holds, None for a tombstone, which ends the history of its key.

    Raises UnreadableRecord for anything this service would not have written.
    """
    if record.value is None:
        return None
    traceparent = header(record.headers, "traceparent")
    try:
        state = JobState.model_validate_json(record.value)
        event = JobEvent(
            state=state,
            sequence=int(header(record.headers, "ce_sequence") or b""),
            kind=EventKind((header(record.headers, "ce_type") or b"").decode().removeprefix(EVENT_TYPE_PREFIX)),
            at=state.history[-1].at if state.history else state.created_at,
            traceparent=None if traceparent is None else traceparent.decode("ascii", "replace"),
        )
    except (ValidationError, ValueError) as error:
        raise UnreadableRecord(f"a job event that cannot be read: {error}") from None
    if record.key != state.submission.encode():
        raise UnreadableRecord("a job event whose key is not that of its submission")
    if event.at >= _YEAR_10000:
        raise UnreadableRecord("a job event of a time that nobody can write")
    return event
