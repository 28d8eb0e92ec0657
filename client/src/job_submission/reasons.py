"""One exception for each reason of a refusal. Generated from the table of them: `client/generate.py`."""

from job_submission.errors import Refused


class AccessUnknown(Refused):
    """503: Whoever vouches for users, an issuer or the cluster, cannot be asked who sent the request or what they may do."""


class BadSignature(Refused):
    """401: The signature is not one of this record by a key that is known."""


class BodyTimeout(Refused):
    """408: The body did not arrive in time."""


class Cancelled(Refused):
    """409: The submission was cancelled before there was a Job of it, or while it was being made."""


class CannotSign(Refused):
    """503: The key to sign records with has been unreadable for too long; the log has the cause."""


class CredentialsUnreadable(Refused):
    """503: The list of tokens has been unreadable for too long, so that nobody can be known; the log has the cause."""


class DeadlineExceeded(Refused):
    """504: Kubernetes could not take the job within `CONSUMER_SUBMISSION_DEADLINE_SECONDS`."""


class ExpectationFailed(Refused):
    """417: The header `Expect` asks for something else than 100-continue."""


class Forbidden(Refused):
    """403: The user, or this service, is not allowed to do this in the project."""


class HandlingFailed(Refused):
    """500: The consumer failed to handle the record; it is kept as a dead letter."""


class HeadersTooLarge(Refused):
    """431: The request line and the headers are too large, each or together."""


class IdReused(Refused):
    """422: The id (`Idempotency-Key`, or `ce_source` and `ce_id`) was used before for another request."""


class IncompleteBody(Refused):
    """400: The client hung up before the whole body had arrived."""


class InternalError(Refused):
    """500: The service failed; its log has the cause."""


class InvalidObject(Refused):
    """400: Kubernetes found an object of the request malformed, or against a rule of its own."""


class InvalidParameter(Refused):
    """400: The request is not JSON, has the wrong shape, or a parameter or header breaks its rule; all faults are listed."""


class InvalidPodTemplate(Refused):
    """409: The PodTemplate under the project's jobs is faulty, which whoever administers the project has to mend."""


class JobNotLocated(Refused):
    """409: A cancel by id of a submission whose outcome does not tell where its Job would be."""


class JobsNotLoaded(Refused):
    """503: What has become of the jobs has not been read whole, so that nobody can tell which there are."""


class LogsGone(Refused):
    """410: The pods of the job are gone, and their logs with them."""


class LogsNotServed(Refused):
    """404: This installation does not serve logs: the settings `JOB_LOGS_*` say from where."""


class LogsUnavailable(Refused):
    """503: Logs cannot be read at the moment: the watcher, the API server or the pod's node does not answer."""


class MalformedRequest(Refused):
    """400: What arrived is not valid HTTP/1.1."""


class MaybeAccepted(Refused):
    """503: Kafka did not acknowledge the submission in time; sending it again under the same key makes one job."""


class MethodNotAllowed(Refused):
    """405: The URL takes other methods, those in the header `Allow`."""


class NameTaken(Refused):
    """409: Another job, or another object, has the name."""


class NoSuchLog(Refused):
    """404: The job's pods have no such log: no container of this name, or none that ended before."""


class NotAccepted(Refused):
    """503: Kafka cannot be used at the moment; nothing was accepted."""


class NotStarted(Refused):
    """409: No pod of the job has started, so that there is no log yet; with `follow` it is waited for."""


class PathTooLong(Refused):
    """414: The path and query of the URL are too long."""


class PolicyDenied(Refused):
    """403: A policy or an admission webhook of the cluster denies an object."""


class QuotaExceeded(Refused):
    """429: The quota of the project is used up."""


class SignerForbidden(Refused):
    """403: The key that signed the record may not speak for its user, its project or its source."""


class TooLarge(Refused):
    """413: The body or an object made of it is above a limit."""


class TooManyRequests(Refused):
    """429: Too many requests are in progress or came in a second, of one user or project or in all, or too many bodies."""


class TooOld(Refused):
    """410: The record is older than the outcomes that are kept, so that nobody can tell whether it was carried out."""


class Unauthorized(Refused):
    """401: Credentials are missing or not known."""


class UnknownJob(Refused):
    """404: The project has no job of this name that this service made, or none that is remembered."""


class UnknownPath(Refused):
    """404: There is nothing at this URL."""


class UnknownProject(Refused):
    """404: The project has no namespace, or one that is being deleted."""


class UnknownSubmission(Refused):
    """404: No submission of this id is remembered, or it is another user's."""


class Unsigned(Refused):
    """401: The record has no signature, and this installation carries out none without."""


class UnsupportedMediaType(Refused):
    """415: The body is not JSON as it stands: another `Content-Type`, or a `Content-Encoding`."""


CLASSES = (
    AccessUnknown,
    BadSignature,
    BodyTimeout,
    Cancelled,
    CannotSign,
    CredentialsUnreadable,
    DeadlineExceeded,
    ExpectationFailed,
    Forbidden,
    HandlingFailed,
    HeadersTooLarge,
    IdReused,
    IncompleteBody,
    InternalError,
    InvalidObject,
    InvalidParameter,
    InvalidPodTemplate,
    JobNotLocated,
    JobsNotLoaded,
    LogsGone,
    LogsNotServed,
    LogsUnavailable,
    MalformedRequest,
    MaybeAccepted,
    MethodNotAllowed,
    NameTaken,
    NoSuchLog,
    NotAccepted,
    NotStarted,
    PathTooLong,
    PolicyDenied,
    QuotaExceeded,
    SignerForbidden,
    TooLarge,
    TooManyRequests,
    TooOld,
    Unauthorized,
    UnknownJob,
    UnknownPath,
    UnknownProject,
    UnknownSubmission,
    Unsigned,
    UnsupportedMediaType,
)
Refused.known.update({each.__name__: each for each in CLASSES})
