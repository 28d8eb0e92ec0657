"""The JSON Schemas of what only the HTTP API answers: jobs as they are listed, submissions under way."""

from typing import Any, Final

from service.documents.json_schemas import KEY, Schema, object_schema, tidy
from service.documents.operation import ref
from service.submission.cancels import JobName
from service.submission.job_events import JobState

_NULLABLE_TEXT: Final[Schema] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_TEXT: Final[Schema] = {"type": "string"}


def _data(description: str, items: Schema, **more: Schema) -> Schema:
    return object_schema(description, {"data": {"type": "array", "items": items}, **more})


def http_schemas(state: Schema) -> dict[str, Schema]:
    """Return the schemas by name; `state` is that of a job's state, on which listed jobs are built."""
    properties = dict(state["properties"])
    view = {
        "id": properties["id"] | {"description": "The Job's uid."},
        "project": _TEXT,
        "name": _TEXT,
        "status": _TEXT | {"description": "The old API's word."},
        "type": properties["type"],
        "nodes": {"type": "array", "items": _TEXT},
        "createdAt": properties["createdAt"] | {"description": "Milliseconds since the epoch."},
        "images": _TEXT | {"description": "With commas between them."},
        "user": _TEXT | {"description": "Empty where nobody is known."},
        "currentAllocatedGPUs": {"type": "number"},
    }
    listed = {name: schema for name, schema in (properties | view).items() if name in view or name in _of_state()}
    return {
        "ListedJob": object_schema("A job: the state of its events, and the fields of a `JobView` over it.", listed),
        "JobPage": _data("A page of jobs.", ref("ListedJob"), next=_NULLABLE_TEXT),
        "JobView": object_schema("A job as the old API had it.", view),
        "JobViews": _data("Jobs as the old API had them.", ref("JobView")),
        "EarliestJobViews": _data(
            "Jobs as the earliest edition of the old API had them: `nodes` is one text.",
            object_schema("A job.", view | {"nodes": _TEXT}),
        ),
        "Accepted": object_schema(
            "Safe in Kafka; the outcome is still to come.",
            {"status": {"const": 202}, "message": _TEXT, "id": KEY, "name": _TEXT},
            "name",
        ),
        "Pending": object_schema(
            "Where a submission waits. Only the first two are there for the moment before its record is written.",
            {
                "status": {"const": 202},
                "message": _TEXT,
                "position": {"type": "integer", "minimum": 1, "description": "1 is the next of its partition."},
                "ageSeconds": {"type": "integer", "minimum": 0},
                "waiting": ref("Waiting"),
            },
            "position",
            "ageSeconds",
            "waiting",
        ),
        "JobName": tidy(JobName.model_json_schema()),
        "Deletions": _data(
            "What became of each, in the order of the body.",
            object_schema(
                "One of them; `error` where `ok` is false.",
                {
                    "name": _TEXT,
                    "ok": {"type": "boolean"},
                    "error": {"type": "object", "required": ["status", "message"], "description": "As a Rejection."},
                },
                "error",
            ),
        ),
        "Projects": _data("Projects as the old API had them.", _project()),
        "Version": object_schema(
            "The version of the old API.",
            {
                "data": object_schema(
                    "Its parts.",
                    {
                        "version": _TEXT,
                        "major": {"type": "integer"},
                        "minor": {"type": "integer"},
                        "subver": {"type": "integer"},
                    },
                )
            },
        ),
        "Throughput": _data(
            "Samples of the last ten minutes.",
            object_schema(
                "What the time up to `at` brought.",
                {
                    "at": {"type": "integer", "description": "Milliseconds since the epoch."},
                    "waiting": {
                        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}],
                        "description": "Records that the consumers have not committed; null where Kafka does not say.",
                    },
                    "done": {"type": "integer", "minimum": 0, "description": "Submissions and cancels carried out."},
                    "refused": {"type": "integer", "minimum": 0},
                },
            ),
            seconds={"type": "number", "description": "The time between two samples."},
        ),
        "Login": object_schema(
            "How users are known here; `oidc` is null where a browser cannot log in by itself.",
            {
                "authentication": {"enum": ["none", "tokens", "oidc", "kubernetes"]},
                "oidc": {
                    "anyOf": [
                        object_schema(
                            "The issuer, and this service's public client there.",
                            {
                                "issuer": _TEXT,
                                "clientId": _TEXT,
                                "scope": _TEXT | {"description": "With blanks in between."},
                                "authorizationEndpoint": _TEXT,
                                "tokenEndpoint": _TEXT,
                            },
                        ),
                        {"type": "null"},
                    ]
                },
            },
        ),
        "Parts": {
            "type": "object",
            "description": "Each part: whether it is ready, or what it says in words.",
            "additionalProperties": {"type": ["boolean", "string"]},
        },
    }


def _of_state() -> set[str]:
    return {field.alias or name for name, field in JobState.model_fields.items()}


def _project() -> Schema:
    number: dict[str, Any] = {"type": "number"}
    return object_schema(
        "A project; what only a cluster can tell of it is as if nothing were set.",
        {
            "name": _TEXT,
            "createdAt": {"type": "integer", "description": "That of its oldest job, or 0."},
            "deservedGpus": number,
            "interactiveJobTimeLimitSecs": number,
            "trainNodeAffinity": {"type": "array", "items": _TEXT},
            "interactiveNodeAffinity": {"type": "array", "items": _TEXT},
            "departmentName": _TEXT,
            "managedNamespace": _TEXT,
        },
    )
