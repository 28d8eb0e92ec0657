"""What can go wrong, as exceptions; those of a refusal by the service have a class for each reason, see `reasons`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


class JobSubmissionError(Exception):
    """Anything that goes wrong here.

    Attributes:
        idempotency_key: what the submission or cancel was sent under that this is about, given or made: whoever sends
            it again under the same key makes no second job. None where nothing was sent under one.
        submission: the id of the submission, where it is known.
    """

    idempotency_key: str | None = None
    submission: str | None = None

    def sent_under(self, idempotency_key: str, submission: str | None = None) -> None:
        """Say which submission this is about; a traceback has the key too, where nobody knows what became of it."""
        self.idempotency_key = idempotency_key
        self.submission = self.submission or submission
        if not isinstance(self, Refused):
            self.add_note(f"idempotency_key={idempotency_key!r}: sent again under it, it makes no second job")


class ServiceUnreachable(JobSubmissionError):
    """No answer came, or none of the service's own, for as long as the client tries; the cause is chained."""


class UnexpectedAnswer(JobSubmissionError):
    """An answer that is not of the service: a proxy's page, or another program at this address."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the answer {status} is not the service's own: {text[:200]!r}")
        self.status = status


class NotSendable(JobSubmissionError, ValueError):
    """A user, token or key with control characters, or blanks around it: no HTTP header can hold it (RFC 9110, 5.5)."""


class LogBrokeOff(JobSubmissionError):
    """A log whose beginning was read could not be read to its end: one that is not followed, or no longer there."""


class TimedOut(JobSubmissionError, TimeoutError):
    """What was waited for has not come in time."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request: `path` is where it is, as `job.pvc[1].size`; `message` says the rule and the fix."""

    path: str
    message: str


class Refused(JobSubmissionError):
    """The service's word that it does not do this, or not now.

    Attributes:
        status: the HTTP status.
        reason: the stable word for programs; each known one has its own class, `reasons.CLASSES`.
        message: the sentence for people.
        faults: all faults of a faulty request; empty for any other.
        details: what is known beyond the message.
        retry_after: in how many seconds to try again, where the service says so.
    """

    known: ClassVar[dict[str, type["Refused"]]] = {}

    def __init__(self, body: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status: int = body["status"]
        self.reason: str = body["reason"]
        self.message: str = body.get("message", "")
        details = body.get("details")
        self.details: str | None = details if isinstance(details, str) else None
        self.faults = tuple(
            Fault(str(each.get("path", "")), str(each.get("message", "")))
            for each in (details if isinstance(details, list) else ())
            if isinstance(each, dict)
        )
        self.retry_after = retry_after
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return every fault on a line of its own, or the message with its details."""
        if self.faults:
            return "\n".join(f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in self.faults)
        return f"{self.message} ({self.details})" if self.details else self.message


def refusal(body: Mapping[str, Any], retry_after: float | None = None) -> Refused:
    """Return the exception of an error body, `{"status", "reason", "message", "details"}`; its class tells the reason.

    A reason of a later release has the class `Refused`.
    """
    return Refused.known.get(body["reason"], Refused)(body, retry_after)
