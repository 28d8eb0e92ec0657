"""What a rejection is, and how its constructors are made; they stand in `rejections`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Final, Generic, ParamSpec

from service.errors import Fault

P = ParamSpec("P")
Details = tuple[Fault, ...] | str | None
Sentence = str | tuple[str, Details]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal for good: HTTP status, reason, one sentence, and what is known beyond it."""

    status: int
    reason: str
    message: str
    details: Details = None

    def body(self) -> dict[str, Any]:
        """Return the body of the answer; `code` repeats the status, as later editions of the API name it."""
        body: dict[str, Any] = {
            "status": self.status,
            "code": self.status,
            "reason": self.reason,
            "message": self.message,
        }
        if isinstance(self.details, tuple):
            body["details"] = [{"path": fault.path, "message": fault.message} for fault in self.details]
        elif self.details is not None:
            body["details"] = self.details
        return body


class SubmissionRejected(Exception):
    """The submission is refused; `rejection` says why, `retry_after` in how many seconds there is room, if known."""

    def __init__(self, rejection: Rejection, retry_after: int | None = None) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection
        self.retry_after = retry_after


class Constructor(Generic[P]):
    """Makes the rejections of one kind; `meaning` is the first line of its docstring."""

    def __init__(self, status: int, reason: str, sentence: Callable[P, Sentence]) -> None:
        self.status = status
        self.reason = reason
        self.meaning = (sentence.__doc__ or "").strip().partition("\n")[0]
        self._sentence = sentence
        update_wrapper(self, sentence)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Rejection:
        """Return the rejection in the words that these arguments give."""
        said = self._sentence(*args, **kwargs)
        message, details = (said, None) if isinstance(said, str) else said
        return Rejection(self.status, self.reason, message, details)


REJECTIONS: Final[dict[str, Constructor[...]]] = {}
"""Every constructor by its reason."""


def rejects(status: int, reason: str) -> Callable[[Callable[P, Sentence]], Constructor[P]]:
    """Make a constructor of the function that says the sentence; raises ValueError for a reason that is taken."""

    def register(sentence: Callable[P, Sentence]) -> Constructor[P]:
        constructor = Constructor(status, reason, sentence)
        if reason in REJECTIONS:
            raise ValueError(f"two rejections have the reason {reason}")
        REJECTIONS[reason] = constructor
        return constructor

    return register


OTHER_REASON: Final = "ProtocolError"
"""The reason of statuses that no constructor has, given by the HTTP library."""


def of_status(status: int, message: str, reason: str | None = None) -> Rejection:
    """Return a refusal that comes from elsewhere: the HTTP library, or a note that an earlier release left on a Job.

    Without a reason it has that of the first constructor of its status: put a new one behind those of equal status.
    """
    known = (constructor.reason for constructor in REJECTIONS.values() if constructor.status == status)
    return Rejection(status, reason or next(known, OTHER_REASON), message)
