"""What can go wrong with a submission, in the words the rest of the service uses.

Nothing here knows HTTP, Kafka or Kubernetes. A *temporary failure* only delays, a record that cannot be understood
becomes a dead letter; what is refused for good is a `Rejection`, see `submission.rejections`.
"""

from dataclasses import dataclass
from typing import Final

MAX_FAULTS: Final = 100
"""Most faults that one answer lists."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request.

    `path` is where it is, written as `job.pvc[1].size`; `message` says the rule and the fix in one sentence.
    """

    path: str
    message: str


class InvalidSubmission(Exception):
    """The request breaks the documented rules; carries every fault at once, the first as its text."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = f"{faults[0].path}: {faults[0].message}" if faults[0].path else faults[0].message
        super().__init__(first if len(faults) == 1 else f"{first} (and {len(faults) - 1} more, see details)")
        self.faults = faults


class TemporaryFailure(Exception):
    """The same request may succeed later. `retry_after` is the server's wish in seconds, where it has one."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class GivesWay(Exception):
    """A cancel of the submission has come while it was resting between two tries."""


class LeaseLost(Exception):
    """This process may no longer act for the partition: another consumer may have taken it over."""


class TooManyDeadLetters(Exception):
    """The consumer has to stop: most of what it handles would become dead letters."""


class UnreadableRecord(Exception):
    """A record's headers cannot be understood, so that not even its sender can be answered."""


class LogBrokeOff(Exception):
    """The log of a job, whose beginning has been answered, cannot be read to its end."""
