"""What a request for a job's logs may say: the words of Kubernetes' own `pods/log`, in a query."""

from dataclasses import dataclass
from typing import Final

from service.errors import Fault
from service.spec.query import Query, QueryParameters, read_switch, reading_number

MAX_NUMBER: Final = 2**31 - 1
MAX_NAME: Final = 253
"""Longest name of a pod (RFC 1123 subdomain)."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which lines of a job's pods are asked for; None where nothing was said.

    `follow` waits for more until the job has ended. `tail_lines` are of each pod, `since_seconds` counts back from now.
    """

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    pod: str | None = None
    container: str | None = None

    def query(self) -> dict[str, str]:
        """Return the query that asks for the same."""
        said = {name: getattr(self, field) for name, field in _FIELDS.items()}
        given = {name: value for name, value in said.items() if value is not None and value is not False}
        return {name: "true" if value is True else str(value) for name, value in given.items()}


_FIELDS: Final = {
    "follow": "follow",
    "previous": "previous",
    "timestamps": "timestamps",
    "tailLines": "tail_lines",
    "sinceSeconds": "since_seconds",
    "pod": "pod",
    "container": "container",
}


def read_log_request(query: Query) -> LogRequest:
    """Return what a query asks for; raises InvalidSubmission with every fault."""
    asked = QueryParameters(query, _FIELDS)
    request = LogRequest(
        follow=asked.one("follow", read_switch) or False,
        previous=asked.one("previous", read_switch) or False,
        timestamps=asked.one("timestamps", read_switch) or False,
        tail_lines=asked.one("tailLines", reading_number(0, MAX_NUMBER)),
        since_seconds=asked.one("sinceSeconds", reading_number(1, MAX_NUMBER)),
        pod=asked.one("pod", _read_name),
        container=asked.one("container", _read_name),
    )
    if request.follow and request.previous:
        asked.faults.append(Fault("previous", "is of what has ended: it cannot be followed"))
    asked.check()
    return request


def _read_name(text: str) -> str:
    if not 0 < len(text) <= MAX_NAME:
        raise ValueError(f"must be a name of at most {MAX_NAME} characters")
    return text
