"""Reads fields of Kubernetes' objects, which were written by others.

A field that is missing or of an odd type is as good as absent, never an error.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

MAX_TEXT: Final = 2048
"""Characters of a message that are kept."""

Object = Mapping[str, Any]


class Condition(NamedTuple):
    """What a condition says; `at` in milliseconds since the epoch."""

    reason: str
    message: str
    at: int | None


def milliseconds(timestamp: object) -> int | None:
    """Return the time that an RFC 3339 timestamp of Kubernetes names, in milliseconds; None for anything else."""
    if not isinstance(timestamp, str):
        return None
    try:
        return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def as_map(value: object) -> Object:
    """Return a map, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Object]:
    """Return the maps of a list."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return the beginning of a text, an empty one for anything else."""
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def as_count(value: object) -> int:
    """Return a whole number, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def as_number(value: object) -> int | None:
    """Return a whole number, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def condition_in(condition: Object) -> Condition:
    """Return what a condition says, whatever its status."""
    return Condition(
        as_text(condition.get("reason")),
        as_text(condition.get("message")),
        milliseconds(condition.get("lastTransitionTime")),
    )


def true_conditions(status: Object) -> dict[str, Condition]:
    """Return by type the conditions whose status is True."""
    return {
        as_text(condition.get("type")): condition_in(condition)
        for condition in as_list(status.get("conditions"))
        if condition.get("status") == "True"
    }
