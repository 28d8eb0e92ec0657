"""How often a job runs, how many of its pods at once, and when it is deleted."""

from typing import Final

from pydantic import ValidationInfo

from service.spec.fields import Rule
from service.spec.limits import limits_of
from service.spec.quantities import INT32_MAX, parse_duration


def _seconds(value: object) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= INT32_MAX:
        raise ValueError(f"must be {seconds.accepts}")
    return value


seconds: Final = Rule(
    f"a duration such as 5s, 2m, 3h or 1h30m, or whole seconds from 0 to {INT32_MAX}",
    {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": INT32_MAX}]},
    _seconds,
)
"""A Go duration, rounded up to whole seconds."""


def _deadline(value: object) -> int:
    given = _seconds(value)
    if given == 0:
        raise ValueError("must be at least 1s: the job would fail at once")
    return given


deadline: Final = Rule(seconds.accepts.replace("from 0", "from 1"), seconds.schema, _deadline)
"""How long a job may run, in seconds."""


def one_try(value: int, info: ValidationInfo) -> int:
    """Refuse retries of a session, except of one that can be preempted: it has to be queued again."""
    return value if info.data.get("preemptible") else _once(value, 0, info)


def one_completion(value: int, info: ValidationInfo) -> int:
    """Refuse further runs of a session."""
    return _once(value, 1, info)


def _once(value: int, only: int, info: ValidationInfo) -> int:
    if info.data.get("interactive") and value != only:
        raise ValueError(f"must be {only} or left out where interactive is true: a session runs once")
    return value


def parallel_runs(value: int, info: ValidationInfo) -> int:
    """Refuse several pods at once where there can only be one, or where nothing says how many there are in all."""
    if value > 1:
        exclusive = ("interactive",) if limits_of(info).elastic_parallelism else ("interactive", "elastic")
        for parameter in exclusive:
            if info.data.get(parameter):
                raise ValueError(f"must be 1 or left out where {parameter} is true")
        if "completions" in info.data and info.data["completions"] is None:
            raise ValueError("needs completions where it is above 1")
    return value
