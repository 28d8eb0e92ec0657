"""Cancels: what a record that takes a submission back says, and the records that go with it.

A cancel is a record on the submissions topic of the type `CANCEL_TYPE`. It names a submission by its key, or the newest
Job of a name. The first is keyed as the submission that it cancels, so that the partition orders the two. The second is
looked up once, in the partition of the name, and then written again with the submission that it was found to mean: only
in that one's partition is it known whether a create of it is still to come.
"""

import contextlib
from typing import Annotated, Any, Final
from urllib.parse import quote

import orjson
from pydantic import Field, ValidationError

from service.errors import Fault, InvalidSubmission
from service.spec import names
from service.spec.faults import faults_of, invalid
from service.spec.fields import Parameters, text
from service.spec.strict_json import field_path, read_document
from service.submission.identity import SubmissionId, document_fingerprint, fingerprint, is_submission_key
from service.submission.records import NewRecord, Submission, submission_record

MAX_JOBS: Final = 256
"""Most jobs that one request of the old API may list."""

_LOOKUPS: Final = "/job-submission/lookups"
_TARGET: Final = 'must name a "submission" by its id, or a job by its "project" and "name"'


def _submission_key(value: str) -> str:
    if not is_submission_key(value):
        raise ValueError("must be the id of a submission, 52 characters of a-z and 2-7")
    return value


submission_key: Final = text("the id of a submission", _submission_key)
"""The key of a submission, as answers and the outcomes' keys have it."""


class JobName(Parameters):
    """A Job by its project and name."""

    project: Annotated[str, names.project_name]
    name: Annotated[str, names.job_name]


class Cancel(Parameters):
    """What a cancel names: a submission by its key, or a Job; all three once the Job's submission was looked up."""

    submission: Annotated[str | None, submission_key] = Field(None)
    project: Annotated[str | None, names.project_name] = Field(None)
    name: Annotated[str | None, names.job_name] = Field(None)

    @property
    def job(self) -> JobName | None:
        """The Job that it names, if it names one."""
        return JobName(project=self.project, name=self.name) if self.project and self.name else None

    @property
    def order(self) -> str:
        """The key under which it is ordered: that of the submission, or that of the lookup of the name."""
        return self.submission or (lookup_id(self.job).key if self.job else "")

    def answer(self) -> dict[str, Any]:
        """Return the body of the answer once it is carried out, which is the same however often it is asked for."""
        return self.model_dump(exclude_none=True)

    def body(self) -> bytes:
        """Return the value of its record."""
        return orjson.dumps({"cancel": self.answer()})

    def fingerprint(self) -> str:
        """Return the fingerprint of what was asked for at first: looking a name up changes nothing about it."""
        asked = self.answer() if self.job is None else self.job.model_dump()
        return document_fingerprint({"cancel": asked})


def read_cancel(body: bytes) -> Cancel:
    """Return the cancel that a record's value holds, `{"cancel": {...}}`. Raises InvalidSubmission."""
    document = read_document(body)
    others = [Fault(field_path((name,)), 'is not known here beside "cancel"') for name in document if name != "cancel"]
    if "cancel" not in document:
        raise invalid([Fault("cancel", f"is required: it {_TARGET}"), *others])
    try:
        cancel = Cancel.model_validate(document["cancel"])
    except ValidationError as error:
        found, hidden = faults_of(error, Cancel, "cancel")
        raise invalid([*found, *others], hidden) from None
    if (cancel.project is None) != (cancel.name is None) or not cancel.order:
        others.insert(0, Fault("cancel", _TARGET))
    if others:
        raise invalid(others)
    return cancel


def read_job_name(document: object, place: str = "job") -> JobName:
    """Return the Job that an object names, which is at `place`. Raises InvalidSubmission."""
    try:
        return JobName.model_validate(document)
    except ValidationError as error:
        raise invalid(*faults_of(error, JobName, place)) from None


def read_job_names(body: bytes) -> tuple[JobName, ...]:
    """Return the Jobs that a body of the old API names: `[{"project", "name"}]`, or one of them without the brackets.

    Raises InvalidSubmission.
    """
    document: object = read_document(b'{"jobs":%s}' % body if body.lstrip()[:1] == b"[" else body)
    if isinstance(document, dict) and list(document) == ["jobs"]:
        document = document["jobs"]
    items = document if isinstance(document, list) else [document]
    if not 0 < len(items) <= MAX_JOBS:
        raise invalid([Fault("", f"The body must list 1 to {MAX_JOBS} jobs")])
    jobs: list[JobName] = []
    faults: list[Fault] = []
    for number, item in enumerate(items):
        try:
            jobs.append(read_job_name(item, str(number)))
        except InvalidSubmission as error:
            faults += error.faults
    if faults:
        raise invalid(faults)
    return tuple(jobs)


def request_fingerprint(submission: Submission, max_bytes: int | None = None) -> str:
    """Return the fingerprint of what a record asks for; a body above `max_bytes` is not opened."""
    if submission.is_cancel and submission.excess is None:
        with contextlib.suppress(InvalidSubmission):
            return read_cancel(submission.body).fingerprint()
    return fingerprint(submission.body, max_bytes)


def order_of(submission: Submission) -> str:
    """Return the key under which a record is ordered: what is equal is carried out one after the other.

    A cancel is ordered with what it cancels; one that is to be refused, by itself.
    """
    if submission.is_cancel and not (submission.header_faults or submission.identity_fault or submission.excess):
        with contextlib.suppress(InvalidSubmission):
            return read_cancel(submission.body).order
    return submission.id.key


def cancel_record(submission: Submission, cancel: Cancel, topic: str, partition: int | None = None) -> NewRecord:
    """Write a cancel for `topic`, into the partition where what it names is known, or where its key belongs."""
    record = submission_record(submission._replace(content_type="application/json"), topic)
    return record._replace(partition=partition, key=cancel.order.encode(), value=cancel.body())


def http_cancel_id(user: str | None, cancel: Cancel, key: str) -> SubmissionId:
    """Identify a DELETE by its `Idempotency-Key` (or a fresh UUID), which counts within a user and what is named."""
    user_part = "" if user is None else f"/users/{quote(user, safe='', errors='surrogatepass')}"
    return SubmissionId(f"/api/cancels{user_part}/{cancel.order}", key)


def lookup_id(job: JobName) -> SubmissionId:
    """Identify the note of which submission the newest Job of a name was, when a cancel last asked for it."""
    return SubmissionId(f"{_LOOKUPS}/{job.project}", job.name)


def resolution_id(cancel: SubmissionId) -> SubmissionId:
    """Identify the note of which submission one cancel was found to mean: delivered again, it must mean no other."""
    return SubmissionId(_LOOKUPS, cancel.key)
