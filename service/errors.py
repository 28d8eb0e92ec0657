"""What can go wrong with a submission, in the words the rest of the service uses.

Everything above raises or returns these; nothing here knows HTTP libraries, Kafka or Kubernetes. Three families:
a *rejection* is final and becomes the outcome, a *temporary failure* or an *outage* only delays, and a record that
cannot be understood at all becomes a dead letter.
"""

from dataclasses import dataclass
from typing import Any, Final

MAX_FAULTS: Final = 100
"""Most faults that one answer lists."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request.

    `path` is where it is, written as `job.pvc[1].size`; `message` says the rule and the fix in one sentence.
    """

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal for good: the HTTP status, one sentence, and what is known beyond it."""

    status: int
    message: str
    details: tuple[Fault, ...] | str | None = None

    def body(self) -> dict[str, Any]:
        """Return the response body with the three names of the API's error shape."""
        body: dict[str, Any] = {"status": self.status, "message": self.message}
        if isinstance(self.details, tuple):
            body["details"] = [{"path": fault.path, "message": fault.message} for fault in self.details]
        elif self.details is not None:
            body["details"] = self.details
        return body


class SubmissionRejected(Exception):
    """The submission is refused for good; `rejection` says why."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


class InvalidSubmission(SubmissionRejected):
    """The body breaks the documented rules; carries every fault at once."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = f"{faults[0].path}: {faults[0].message}" if faults[0].path else faults[0].message
        more = "" if len(faults) == 1 else f" (and {len(faults) - 1} more, see details)"
        super().__init__(Rejection(400, first + more, faults))
        self.faults = faults


class TemporaryFailure(Exception):
    """The same request may succeed later. `retry_after` is the server's wish in seconds, where it has one."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class LeaseLost(Exception):
    """This process may no longer act for the partition: another consumer may have taken it over."""


class TooManyDeadLetters(Exception):
    """The consumer has to stop: most of what it handles would become dead letters."""


class UnreadableRecord(Exception):
    """A record's headers cannot be understood, so that not even its sender can be answered."""
