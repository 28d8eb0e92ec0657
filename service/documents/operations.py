"""Every endpoint of this API: its paths, what it needs, what it takes and all that it answers.

`http_ingress` gives each its handler. To add an endpoint, add an operation here and its handler there.
Those of the old API and of health are in `more_operations`.
"""

from typing import Final

from service.api import cancel, events, job_logs, jobs, submissions, submit
from service.auth.authorisation import Verb
from service.documents import examples, parameters
from service.documents.operation import JSON, Answer, Operation, ref
from service.submission import rejections

_SUBMITTED: Final = (
    rejections.unsupported_media_type,
    rejections.too_large,
    rejections.body_timeout,
    rejections.incomplete_body,
    rejections.not_accepted,
    rejections.maybe_accepted,
    rejections.handling_failed,
    rejections.too_old,
    rejections.id_reused,
    rejections.unsigned,
    rejections.bad_signature,
    rejections.signer_forbidden,
    rejections.cannot_sign,
    rejections.deadline_exceeded,
)
"""Refusals of what goes through Kafka: those of the ingress, then those that a consumer may find."""
_PENDING: Final = Answer(
    202,
    "Accepted; there is no outcome yet. `Location` leads to it.",
    ref("Accepted"),
    {"accepted": examples.ACCEPTED},
    headers=("Location", "Retry-After"),
)
READ: Final = (rejections.jobs_not_loaded,)

SUBMIT: Final = Operation(
    id="submitJob",
    method="POST",
    paths=submit.PATHS,
    needs=Verb.CREATE,
    tag="submissions",
    summary="Submit a job",
    description="Exactly one Job, or one rejection, comes of it. Sent again with the same `Idempotency-Key` it is the "
    "same submission and gets the same answer. All parameters and rules: docs/parameters.md.",
    parameters=parameters.OF_A_SUBMISSION,
    body={
        JSON: {
            "schema": ref("Submission"),
            "examples": {
                "least": {"value": examples.SUBMISSION},
                "more": {"value": examples.WHOLE_SUBMISSION},
            },
        }
    },
    answers=(
        Answer(
            200,
            "The Job exists; for a dry run, what would exist.",
            {"oneOf": [ref("Created"), ref("DryRun")]},
            {
                "created": examples.CREATED,
                "dryRun": {"name": examples.NAME, "dryRun": True, "objects": [{"kind": "Job"}]},
            },
            headers=("Warning",),
        ),
        _PENDING,
    ),
    refusals=(
        *_SUBMITTED,
        rejections.invalid_object,
        rejections.policy_denied,
        rejections.unknown_project,
        rejections.name_taken,
        rejections.cancelled,
        rejections.invalid_pod_template,
        rejections.quota_exceeded,
    ),
)

GET_SUBMISSION: Final = Operation(
    id="getSubmission",
    method="GET",
    paths=(submissions.PATH,),
    needs=Verb.GET,
    tag="submissions",
    summary="What became of a submission",
    description="200 with the outcome, whatever it is: the body of a refused submission is its rejection.",
    parameters=(parameters.SUBMISSION_ID,),
    answers=(
        Answer(
            200,
            "The outcome.",
            ref("Outcome"),
            {"created": examples.CREATED, "refused": examples.OF_REASONS["NameTaken"].body()},
            headers=("Warning", "Retry-After"),
        ),
        Answer(
            202,
            "There is no outcome yet.",
            ref("Pending"),
            {
                "queued": {
                    "status": 202,
                    "message": "the outcome is not known yet",
                    "position": 8,
                    "ageSeconds": 94,
                    "waiting": examples.WAITING | {"reason": "Queued", "class": "progress", "stage": "log"},
                }
            },
            headers=("Retry-After",),
        ),
    ),
    refusals=(rejections.unknown_submission, rejections.not_accepted),
)

_CANCELLED: Final = Answer(
    200, "No Job of it is left, and none will come.", ref("Cancelled"), {"cancelled": examples.CANCELLED}
)

DELETE_JOBS: Final = Operation(
    id="deleteJobs",
    method="DELETE",
    paths=cancel.LISTS,
    needs=Verb.DELETE,
    tag="cancels",
    summary="Cancel several jobs, as the old API does",
    description="200 whatever becomes of each; `ok` and `error` of each say it.",
    parameters=parameters.OF_A_CANCEL,
    body={
        JSON: {
            "schema": {
                "anyOf": [{"type": "array", "items": ref("JobName"), "minItems": 1, "maxItems": 256}, ref("JobName")]
            },
            "examples": {"two": {"value": [{"name": "a", "project": "team-a"}, {"name": "b", "project": "team-a"}]}},
        }
    },
    answers=(
        Answer(
            200,
            "The results.",
            ref("Deletions"),
            {
                "one": {
                    "data": [
                        {"name": "a", "ok": True},
                        {"name": "b", "ok": False, "error": examples.OF_REASONS["UnknownJob"].body()},
                    ]
                }
            },
        ),
        Answer(202, "Some have no outcome yet: their `error.status` is 202.", ref("Deletions"), {"none": {"data": []}}),
    ),
    refusals=(
        rejections.unsupported_media_type,
        rejections.too_large,
        rejections.body_timeout,
        rejections.incomplete_body,
    ),
)

_ONE_CANCEL: Final = (
    *_SUBMITTED,
    rejections.policy_denied,
    rejections.invalid_object,
    rejections.unknown_project,
    rejections.unknown_job,
)

DELETE_JOB: Final = Operation(
    id="deleteJob",
    method="DELETE",
    paths=(cancel.JOB,),
    needs=Verb.DELETE,
    tag="cancels",
    summary="Cancel the newest job of a name",
    parameters=(parameters.PROJECT, parameters.NAME, *parameters.OF_A_CANCEL),
    answers=(_CANCELLED, _PENDING),
    refusals=_ONE_CANCEL,
)

DELETE_SUBMISSION: Final = Operation(
    id="deleteSubmission",
    method="DELETE",
    paths=(submissions.PATH,),
    needs=Verb.DELETE,
    tag="cancels",
    summary="Cancel a submission, whether its Job exists, is still to be made, or is gone",
    parameters=(parameters.SUBMISSION_ID, *parameters.OF_A_CANCEL),
    answers=(_CANCELLED, _PENDING),
    refusals=(*_ONE_CANCEL, rejections.unknown_submission, rejections.job_not_located),
)

LIST_JOBS: Final = Operation(
    id="listJobs",
    method="GET",
    paths=(jobs.LIST,),
    needs=Verb.LIST,
    tag="jobs",
    summary="The jobs, newest first",
    description="Only those that the sender may list. Each comes exactly once in a paged listing.",
    parameters=parameters.PAGED,
    answers=(
        Answer(
            200,
            "A page. `Last-Event-ID` is where its jobs' events go on.",
            ref("JobPage"),
            {"one": {"data": [examples.JOB], "next": None}},
            headers=("Last-Event-ID",),
        ),
    ),
    refusals=READ,
)

FOLLOW_EVENTS: Final = Operation(
    id="followEvents",
    method="GET",
    paths=(events.PATH,),
    needs=Verb.LIST,
    tag="jobs",
    summary="The events of jobs as they come",
    description="Server-Sent Events, without end: `data` of each is a `JobEvent`, `id` a position to come back with as "
    "`Last-Event-ID`. The event `resync` says that some were dropped: list the jobs again.",
    parameters=parameters.STREAMED,
    answers=(
        Answer(
            200,
            "The stream.",
            {"type": "string"},
            {"event": "id: 13.7.9\ndata: {...}\n\n"},
            media_type="text/event-stream",
        ),
    ),
    refusals=READ,
)

GET_JOB: Final = Operation(
    id="getJob",
    method="GET",
    paths=(jobs.ONE,),
    needs=Verb.GET,
    tag="jobs",
    summary="The newest job of a name",
    parameters=(parameters.PROJECT, parameters.NAME),
    answers=(Answer(200, "The job, whole.", ref("ListedJob"), {"running": examples.JOB}),),
    refusals=(*READ, rejections.unknown_job),
)

READ_LOGS: Final = Operation(
    id="readLogs",
    method="GET",
    paths=(job_logs.PATH,),
    needs=Verb.LOGS,
    tag="jobs",
    summary="What the pods of a job print",
    description="A stream of text; one that is cut off ends without the end of the body.",
    parameters=(parameters.PROJECT, parameters.NAME, *parameters.OF_LOGS),
    answers=(Answer(200, "The log.", {"type": "string"}, {"log": "epoch 1\nepoch 2\n"}, media_type="text/plain"),),
    refusals=(
        rejections.unknown_job,
        rejections.no_such_log,
        rejections.logs_not_served,
        rejections.not_started,
        rejections.logs_gone,
        rejections.logs_unavailable,
    ),
)

OPERATIONS: Final = (
    *(SUBMIT, GET_SUBMISSION, DELETE_JOBS, DELETE_JOB, DELETE_SUBMISSION),
    *(LIST_JOBS, FOLLOW_EVENTS, GET_JOB, READ_LOGS),
)
