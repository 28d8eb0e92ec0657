"""The JSON Schemas of everything that goes in and out, from the models that read and write it.

Draft 2020-12. `components` are all of them, for a document that has a place of its own for them; `SCHEMAS` are whole
documents, each with what it refers to. A schema says what it can: rules about two parameters, quantities and settings
are checked by `validation` alone.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from service.errors import MAX_FAULTS
from service.submission.job_events import EVENT_TYPE_PREFIX, EventKind, JobState
from service.submission.rejection import OTHER_REASON, REJECTIONS
from service.validation import JobSubmission

Schema = dict[str, Any]

KEY: Final[Schema] = {"type": "string", "pattern": "^[a-z2-7]{52}$", "description": "Id of a submission."}
_JOB_NAME: Final[Schema] = {"type": "string", "description": "Name of the Job."}
_PROJECT: Final[Schema] = {"type": "string", "description": "Project of the Job."}
_STATUS: Final[Schema] = {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."}


def object_schema(description: str, properties: Mapping[str, Schema], *optional: str, closed: bool = True) -> Schema:
    """Return the schema of an object that has all of `properties` but the `optional` ones."""
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "description": description, "properties": dict(properties)}
    return schema | ({"required": required} if required else {}) | ({"additionalProperties": False} if closed else {})


def _plain(refer: str) -> dict[str, Schema]:
    """Return the schemas of what has no model; `refer` is where a reference finds the others."""

    def ref(name: str) -> Schema:
        return {"$ref": refer.format(model=name)}

    return {
        "Submission": object_schema(
            "What is submitted: the body of a POST, the value of a record.", {"job": ref("Job")}
        ),
        "Cancel": object_schema(
            "What a cancel says on the topic.",
            {
                "cancel": object_schema(
                    "The id of a submission, or the project and name of a job; all three once that was looked up.",
                    {"submission": KEY, "project": _PROJECT, "name": _JOB_NAME},
                    "submission",
                    "project",
                    "name",
                )
                | {"anyOf": [{"required": ["submission"]}, {"required": ["project", "name"]}]}
            },
        ),
        "Created": object_schema("The Job exists.", {"name": _JOB_NAME}),
        "DryRun": object_schema(
            "What would have been created.",
            {
                "name": _JOB_NAME,
                "dryRun": {"const": True},
                "objects": {"type": "array", "items": {"type": "object"}, "description": "As they would be stored."},
            },
        ),
        "Cancelled": object_schema(
            "What was cancelled; `project` and `name` where there was a Job.",
            {"submission": KEY, "project": _PROJECT, "name": _JOB_NAME},
            "project",
            "name",
        ),
        "Resolution": object_schema(
            "Which submission a cancel by name meant, noted under an id of its own; `partition` where the place of its "
            "record identifies it.",
            {"submission": KEY, "partition": {"type": "integer", "minimum": 0}},
            "partition",
        ),
        "Fault": object_schema(
            "One fault of a request: where, and the rule with its fix.",
            {"path": {"type": "string"}, "message": {"type": "string"}},
        ),
        "Rejection": object_schema(
            "A refusal, in the one shape of all errors.",
            {
                "status": _STATUS,
                "code": _STATUS | {"description": "The same number."},
                "reason": {
                    "enum": [*sorted(REJECTIONS), OTHER_REASON],
                    "description": "The word for programs; it never changes.",
                },
                "message": {"type": "string", "description": "One sentence for people."},
                "details": {
                    "anyOf": [
                        {"type": "array", "items": ref("Fault"), "maxItems": MAX_FAULTS + 1},
                        {"type": "string"},
                    ],
                    "description": "All faults of the request, or what is known beyond the message.",
                },
            },
            "details",
        ),
        "Outcome": {
            "description": "What became of a submission or a cancel.",
            "anyOf": [ref("Created"), ref("Cancelled"), ref("DryRun"), ref("Rejection"), ref("Resolution")],
        },
        "JobEvent": object_schema(
            "One event of a job as a CloudEvents document (JSON event format 1.0.2).",
            {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "description": "`<job uid>/<sequence>`: equal ids are one event."},
                "source": {"type": "string"},
                "type": {"enum": [EVENT_TYPE_PREFIX + kind for kind in EventKind]},
                "subject": {"type": "string", "description": "`<project>/<name>`"},
                "time": {"type": "string", "format": "date-time"},
                "sequence": {"type": "string", "description": "Counts the events of the job from 1."},
                "datacontenttype": {"const": "application/json"},
                "traceparent": {"type": "string"},
                "data": ref("JobState"),
            },
            "traceparent",
        ),
    }


def components(refer: str) -> dict[str, Schema]:
    """Return every schema by its name; `refer` is a reference in which `{model}` stands for a name."""
    _, written = models_json_schema([(JobState, "serialization")], ref_template=refer)
    _, read = models_json_schema([(JobSubmission, "validation")], ref_template=refer)
    found: dict[str, Schema] = {}
    for name, schema in {**written["$defs"], **read["$defs"]}.items():
        found["Job" if name == JobSubmission.__name__ else name] = tidy(schema)
    found["Job"]["description"] = "The parameters of a job. An unknown one is an error."
    return found | _plain(refer)


def tidy(schema: Schema) -> Schema:
    """Leave out the titles, which repeat names, and close the objects whose names follow a pattern."""
    schema.pop("title", None)
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
        if "patternProperties" in member:
            member["additionalProperties"] = False
    return schema


_LOCAL: Final = "#/$defs/{model}"
_PATH: Final = "/schemas/{name}.json"
_DOCUMENTS: Final = {
    "submission": "Submission",
    "cancel": "Cancel",
    "outcome": "Outcome",
    "rejection": "Rejection",
    "job-state": "JobState",
    "job-event": "JobEvent",
}
"""The documents, each with the schema that it is about."""


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the documents by the paths they are served at."""
    all_of_them = components(_LOCAL)
    return {path: _document(path, of, all_of_them) for path, of in _paths()}


def _paths() -> Iterator[tuple[str, str]]:
    for name, of in _DOCUMENTS.items():
        yield _PATH.format(name=name), of


def _document(path: str, of: str, known: Mapping[str, Schema]) -> Schema:
    """Return a schema as a document of its own, with all that it refers to."""
    needed: dict[str, None] = {}
    waiting = [of]
    while waiting:
        for name in _referred(known[waiting.pop()]):
            if name not in needed:
                needed[name] = None
                waiting.append(name)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": path, "title": of}
    return head | known[of] | ({"$defs": {name: known[name] for name in sorted(needed)}} if needed else {})


def _referred(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref":
                yield value.rpartition("/")[2]
            else:
                yield from _referred(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _referred(each)
