"""What a request for a job's logs may say: the words of Kubernetes' own `pods/log`, in a query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.errors import Fault, InvalidSubmission

MAX_NUMBER: Final = 2**31 - 1
MAX_NAME: Final = 253
"""Longest name of a pod (RFC 1123 subdomain)."""
_SWITCHES: Final = {"true": True, "1": True, "": True, "false": False, "0": False}


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


def read_log_request(query: Mapping[str, str]) -> LogRequest:
    """Return what a query asks for; raises InvalidSubmission with every fault."""
    faults: list[Fault] = []
    read: dict[str, bool | int | str] = {}
    for name, text in query.items():
        field = _FIELDS.get(name)
        if field is None:
            faults.append(Fault(name[:100], f"is not a parameter; there are {', '.join(_FIELDS)}"))
        elif field in ("follow", "previous", "timestamps"):
            if (switch := _SWITCHES.get(text.lower())) is None:
                faults.append(Fault(name, "must be true or false"))
            else:
                read[field] = switch
        elif field in ("tail_lines", "since_seconds"):
            least = 0 if field == "tail_lines" else 1
            number = int(text) if text.isascii() and text.isdecimal() and len(text) < 11 else -1
            if not least <= number <= MAX_NUMBER:
                faults.append(Fault(name, f"must be a whole number from {least} to {MAX_NUMBER}"))
            read[field] = number
        elif not 0 < len(text) <= MAX_NAME:
            faults.append(Fault(name, f"must be a name of at most {MAX_NAME} characters"))
        else:
            read[field] = text
    if faults:
        raise InvalidSubmission(tuple(faults))
    request = LogRequest(**read)  # type: ignore[arg-type] # each field was given its own type above
    if request.follow and request.previous:
        raise InvalidSubmission((Fault("previous", "is of what has ended: it cannot be followed"),))
    return request
