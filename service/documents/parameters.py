"""What can stand in the path, the query and the headers of a request, as OpenAPI has it.

The names are those that the readers of `api` and `spec` know; a test compares them.
"""

from collections.abc import Mapping
from typing import Any, Final

from service.api.job_query import MOST
from service.api.request_headers import MAX_KEY_LENGTH
from service.documents import examples
from service.documents.json_schemas import KEY
from service.spec.log_request import MAX_NAME, MAX_NUMBER
from service.submission.job_events import Phase
from service.submission.waiting_causes import CAUSES

Parameter = dict[str, Any]

_TEXT: Final = {"type": "string"}
_SWITCH: Final = {"type": "string", "enum": ["true", "false"]}


def _parameter(place: str, name: str, description: str, schema: Mapping[str, Any], **more: Any) -> Parameter:
    return {"name": name, "in": place, "description": description, "schema": dict(schema), **more}


def query(name: str, description: str, schema: Mapping[str, Any] = _TEXT, **more: Any) -> Parameter:
    """Return a parameter of the query that may be left out."""
    return _parameter("query", name, description, schema, **more)


def _several(name: str, description: str, items: Mapping[str, Any] = _TEXT, **more: Any) -> Parameter:
    """Return a parameter of the query that may be given several times."""
    return query(name, f"{description}; may be given several times.", {"type": "array", "items": dict(items)}, **more)


def _in_path(name: str, description: str, example: str, schema: Mapping[str, Any] = _TEXT) -> Parameter:
    return _parameter("path", name, description, schema, required=True, example=example)


SUBMISSION_ID: Final = _in_path("id", "Id of the submission.", examples.KEY, KEY)
PROJECT: Final = _in_path("project", "Project of the job.", "team-a")
NAME: Final = _in_path("name", "Name of the job.", "job-5xkbtubpcsbd")

IDEMPOTENCY_KEY: Final = _parameter(
    "header",
    "Idempotency-Key",
    "The same key of the same user for the same project is the same submission, however often it is sent.",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
    example="monday-run",
)
PREFER: Final = _parameter(
    "header",
    "Prefer",
    "`wait=N`: answer 202 when there is no outcome after N seconds; `respond-async`: answer it at once (RFC 7240).",
    _TEXT,
    example="wait=5",
)
TRACEPARENT: Final = _parameter("header", "traceparent", "W3C Trace Context; one that is none is ignored.", _TEXT)
DRY_RUN: Final = query("dryRun", "All that a submission goes through, and nothing is created.", _SWITCH)
OF_A_SUBMISSION: Final = (DRY_RUN, IDEMPOTENCY_KEY, PREFER, TRACEPARENT)
OF_A_CANCEL: Final = (IDEMPOTENCY_KEY, PREFER, TRACEPARENT)

_TYPES: Final = {"type": "string", "enum": ["Train", "Interactive", "Training", "Inference"]}
FILTERS: Final = (
    _several("project", "Only jobs of this project"),
    _several("user", "Only jobs of this user"),
    _several("status", "Only jobs of this status, in any letter case"),
    _several("phase", "Only jobs of this phase", {"type": "string", "enum": [phase.value for phase in Phase]}),
    _several("type", "Only jobs of this type", _TYPES),
    _several("reason", "Only jobs that wait for this reason", _TEXT, example=[next(iter(CAUSES))]),
    query("name", "Only jobs with this in their name."),
)
_TIME: Final = {"type": "string", "pattern": r"^([0-9]{1,19}|[0-9]{4}-[0-9]{2}-[0-9]{2}T.+)$"}
PAGED: Final = (
    *FILTERS,
    query("since", "Created from then: milliseconds since the epoch, or a time of RFC 3339.", _TIME),
    query("until", "Created before then.", _TIME),
    query(
        "deleted",
        "`false`: no deleted jobs; `true`: only those; `any`.",
        {"type": "string", "enum": ["false", "true", "any"], "default": "false"},
    ),
    query(
        "limit", "Most jobs of a page.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}, example=10
    ),
    query("cursor", "`next` of the page before."),
)
STREAMED: Final = (
    *FILTERS,
    query("after", "Begin after this position: the header `Last-Event-ID` of a list."),
    _parameter("header", "Last-Event-ID", "The last `id` that came: go on from there.", _TEXT),
)

_NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}
_POD: Final = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
OF_LOGS: Final = (
    query("follow", "Go on until the job has ended.", _SWITCH),
    query("previous", "Of the container before the present one; excludes `follow`.", _SWITCH),
    query("timestamps", "Each line with its time.", _SWITCH),
    query("tailLines", "The last lines of each pod.", _NUMBER, example=100),
    query("sinceSeconds", "What was printed in the last seconds.", _NUMBER | {"minimum": 1}),
    query("pod", "Of this pod.", _POD),
    query("container", "Of this container.", _POD),
)

OF_OLD_LIST: Final = (FILTERS[0],)
OF_OLD_TYPES: Final = (
    _several(
        "jobTypeFilter", "Only jobs of this type", {"type": "string", "enum": ["training", "interactive", "inference"]}
    ),
)
INCLUDE_DELETED: Final = (query("includeDeleted", "Changes nothing, as no project is ever deleted here."),)
