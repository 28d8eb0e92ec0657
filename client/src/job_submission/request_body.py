"""The body of a request, from Python's names to those of JSON. Pure.

Nothing is checked here: the service tells all faults at once, and its word counts.
"""

from collections.abc import Mapping
from typing import Any

from job_submission.parameters import ENTRIES


def to_camel(name: str) -> str:
    """Return the JSON name of a parameter: `workingDir` for `working_dir`; one that is in camelCase already stays."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def body_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"job": {...}}` of parameters in either spelling; those that are None are left out.

    The names within `pvc`, `volumes` and `ports` are parameters too; those of maps (`labels`) are the user's own.
    """
    job = {to_camel(name): value for name, value in parameters.items() if value is not None}
    return {"job": {name: _plain(name, value) for name, value in job.items()}}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_entry(each) for each in value] if name in ENTRIES else list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _entry(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    return {to_camel(name): value for name, value in entry.items() if value is not None}
