"""Every way in which a submission or a request is refused: one constructor each, with status, reason and sentence.

To refuse something new, add a constructor: the answer's body, the response's headers and the table in
`docs/answers.md` follow from it. `reason` is a stable word for programs, so that no client has to match English; the
sentence is for people. Sources of the statuses: RFC 9110; RFC 6585 (429, 431); the IETF draft "The Idempotency-Key HTTP
Header Field" (422).
"""

from collections.abc import Sequence
from typing import Final

from service.errors import InvalidSubmission
from service.submission.rejection import Details, Sentence, rejects

# --- what the request says ------------------------------------------------------------------------------------------


@rejects(400, "InvalidParameter")
def invalid_parameters(error: InvalidSubmission) -> Sentence:
    """The request is not JSON, has the wrong shape, or a parameter or header breaks its rule; all faults are listed."""
    return str(error), error.faults


@rejects(400, "InvalidObject")
def invalid_object(message: str, details: Details) -> Sentence:
    """Kubernetes found an object of the request malformed, or against a rule of its own."""
    return message, details


@rejects(400, "IncompleteBody")
def incomplete_body() -> Sentence:
    """The client hung up before the whole body had arrived."""
    return "the client hung up before the whole body had arrived"


@rejects(408, "BodyTimeout")
def body_timeout(seconds: float) -> Sentence:
    """The body did not arrive in time."""
    return f"the body did not arrive within {seconds:g} s"


@rejects(413, "TooLarge")
def too_large(message: str, details: Details = None) -> Sentence:
    """The body or an object made of it is above a limit."""
    return message, details


@rejects(415, "UnsupportedMediaType")
def unsupported_media_type(message: str) -> Sentence:
    """The body is not JSON as it stands: another `Content-Type`, or a `Content-Encoding`."""
    return message


@rejects(400, "MalformedRequest")
def malformed_request(complaint: str) -> Sentence:
    """What arrived is not valid HTTP/1.1."""
    return "the request is not valid HTTP/1.1", complaint


@rejects(431, "HeadersTooLarge")
def headers_too_large(limit: int) -> Sentence:
    """The request line and the headers are too large, each or together."""
    return f"the request line and the headers are larger than {limit} bytes, HTTP_MAX_HEADER_BYTES, or too many"


@rejects(417, "ExpectationFailed")
def expectation_failed() -> Sentence:
    """The header `Expect` asks for something else than 100-continue."""
    return "the header Expect can only say 100-continue"


@rejects(414, "PathTooLong")
def path_too_long(limit: int) -> Sentence:
    """The path and query of the URL are too long."""
    return f"the path and query of the URL are longer than {limit} bytes"


@rejects(404, "UnknownPath")
def unknown_path(usage: str) -> Sentence:
    """There is nothing at this URL."""
    return "Not Found", usage


@rejects(405, "MethodNotAllowed")
def method_not_allowed(usage: str) -> Sentence:
    """The URL takes other methods, those in the header `Allow`."""
    return "Method Not Allowed", usage


# --- who asks -------------------------------------------------------------------------------------------------------


@rejects(401, "Unauthorized")
def unauthorized(message: str) -> Sentence:
    """Credentials are missing or not known."""
    return message


@rejects(403, "Forbidden")
def forbidden(message: str, details: Details = None) -> Sentence:
    """The user, or this service, is not allowed to do this in the project."""
    return message, details


@rejects(403, "PolicyDenied")
def policy_denied(message: str, details: Details) -> Sentence:
    """A policy or an admission webhook of the cluster denies an object."""
    return message, details


@rejects(401, "Unsigned")
def unsigned() -> Sentence:
    """The record has no signature, and this installation carries out none without."""
    return (
        "the record has no signature that can be read, and nothing is carried out here without one",
        "docs/signatures.md says how to sign; the header is signature, once, of at most 1024 bytes",
    )


@rejects(401, "BadSignature")
def bad_signature(message: str) -> Sentence:
    """The signature is not one of this record by a key that is known."""
    return message, "docs/signatures.md says what it has to be over"


@rejects(403, "SignerForbidden")
def signer_forbidden(message: str) -> Sentence:
    """The key that signed the record may not speak for its user, its project or its source."""
    return message


# --- what is there already, or is not -------------------------------------------------------------------------------


@rejects(404, "UnknownProject")
def unknown_project(message: str, details: Details = None) -> Sentence:
    """The project has no namespace, or one that is being deleted."""
    return message, details


@rejects(404, "UnknownSubmission")
def unknown_submission(key: str) -> Sentence:
    """No submission of this id is remembered, or it is another user's."""
    return f'no submission with the id "{key}" is known; they are remembered for a limited time'


@rejects(404, "NoSuchLog")
def no_such_log(job: str, message: str) -> Sentence:
    """The job's pods have no such log: no container of this name, or none that ended before."""
    return f"the job {job} has no such log", message


@rejects(404, "LogsNotServed")
def logs_not_served() -> Sentence:
    """This installation does not serve logs: the settings `JOB_LOGS_*` say from where."""
    return "this installation does not serve logs", "the operator can turn them on: JOB_LOGS_URL"


@rejects(409, "NameTaken")
def name_taken(message: str, details: Details = None) -> Sentence:
    """Another job, or another object, has the name."""
    return message, details


@rejects(409, "InvalidPodTemplate")
def invalid_pod_template(message: str, details: Details = None) -> Sentence:
    """The PodTemplate under the project's jobs is faulty, which whoever administers the project has to mend."""
    return message, details


@rejects(409, "Cancelled")
def cancelled() -> Sentence:
    """The submission was cancelled before there was a Job of it, or while it was being made."""
    return "the submission was cancelled: submit it again under a new id"


@rejects(404, "UnknownJob")
def unknown_job(project: str, name: str, nearest: Sequence[str] | None = None) -> Sentence:
    """The project has no job of this name that this service made, or none that is remembered."""
    message = f"the project {project} has no job {name} that this service made"
    if nearest is None:
        return message, "a submission that is still on its way is cancelled by its id"
    return f"{message}; did you mean {' or '.join(nearest)}?" if nearest else message


@rejects(409, "JobNotLocated")
def job_not_located(key: str) -> Sentence:
    """A cancel by id of a submission whose outcome does not tell where its Job would be."""
    return (
        f"the outcome of the submission {key} does not tell in which project its job would be",
        "cancel the job by its project and name",
    )


@rejects(409, "NotStarted")
def not_started(job: str, why: str) -> Sentence:
    """No pod of the job has started, so that there is no log yet; with `follow` it is waited for."""
    return f"no pod of the job {job} has started yet: {why}", "follow=true waits for it"


@rejects(410, "TooOld")
def too_old() -> Sentence:
    """The record is older than the outcomes that are kept, so that nobody can tell whether it was carried out."""
    return (
        "the submission is older than the outcomes that are kept, so that nobody can tell whether it was carried out: "
        "look for its Job, and submit it again if there is none"
    )


@rejects(410, "LogsGone")
def logs_gone(job: str) -> Sentence:
    """The pods of the job are gone, and their logs with them."""
    return f"the pods of the job {job} are gone, and their logs with them", "how it ended stands in its events"


@rejects(422, "IdReused")
def id_reused(job_name: str | None) -> Sentence:
    """The id (`Idempotency-Key`, or `ce_source` and `ce_id`) was used before for another request."""
    used_for = f"made the Job {job_name}" if job_name else "was refused"
    return (
        f"the id of this submission was used before for another request, which {used_for}: use a new one",
        "the id is the Idempotency-Key of a POST, ce_source and ce_id of a record",
    )


# --- not now --------------------------------------------------------------------------------------------------------


@rejects(429, "QuotaExceeded")
def quota_exceeded(message: str, details: Details) -> Sentence:
    """The quota of the project is used up."""
    return message, details


@rejects(429, "TooManyRequests")
def too_many_requests(what: str = "submissions in progress") -> Sentence:
    """Too many requests are in progress or came in a second, of one user or project or in all, or too many bodies."""
    return f"too many {what}: try again later"


@rejects(503, "NotAccepted")
def not_accepted(message: str, details: Details = None) -> Sentence:
    """Kafka cannot be used at the moment; nothing was accepted."""
    return message, details


@rejects(503, "JobsNotLoaded")
def jobs_not_loaded(why: str) -> Sentence:
    """What has become of the jobs has not been read whole, so that nobody can tell which there are."""
    return "the jobs cannot be told yet: try again later", why


@rejects(503, "CredentialsUnreadable")
def credentials_unreadable() -> Sentence:
    """The list of tokens has been unreadable for too long, so that nobody can be known; the log has the cause."""
    return "the service cannot read its list of tokens, and knows nobody without it: nothing was accepted"


@rejects(503, "CannotSign")
def cannot_sign() -> Sentence:
    """The key to sign records with has been unreadable for too long; the log has the cause."""
    return "the service cannot read the key that it signs submissions with: nothing was accepted; try again later"


@rejects(503, "AccessUnknown")
def access_unknown(cause: str) -> Sentence:
    """Whoever vouches for users, an issuer or the cluster, cannot be asked who sent the request or what they may do."""
    return f"{cause}, so that nobody can tell who you are or what you may do: nothing was accepted; try again later"


@rejects(503, "MaybeAccepted")
def maybe_accepted() -> Sentence:
    """Kafka did not acknowledge the submission in time; sending it again under the same key makes one job."""
    return (
        "Kafka did not acknowledge the submission in time: it may or may not be carried out; try again with the same "
        "Idempotency-Key, and there will be one job"
    )


@rejects(503, "LogsUnavailable")
def logs_unavailable(why: str) -> Sentence:
    """Logs cannot be read at the moment: the watcher, the API server or the pod's node does not answer."""
    return "the logs cannot be read at the moment: try again later", why


@rejects(504, "DeadlineExceeded")
def deadline_exceeded(seconds: float, reason: str) -> Sentence:
    """Kubernetes could not take the job within `CONSUMER_SUBMISSION_DEADLINE_SECONDS`."""
    return f"Kubernetes could not take the job within {seconds:g} s: {reason}", "submit it again under a new id"


# --- our own fault --------------------------------------------------------------------------------------------------


@rejects(500, "HandlingFailed")
def handling_failed() -> Sentence:
    """The consumer failed to handle the record; it is kept as a dead letter."""
    return "the submission could not be handled; it is kept as a dead letter and can be replayed"


@rejects(500, "InternalError")
def internal_error(
    message: str = "the service failed to handle the request; its log has the cause", details: Details = None
) -> Sentence:
    """The service failed; its log has the cause."""
    return message, details


RETRIABLE: Final = frozenset({too_many_requests.status, not_accepted.status})
"""Statuses with which `Retry-After` is sent."""
