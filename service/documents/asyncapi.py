"""The topics as an AsyncAPI 3 document: keys, headers, values, and what is promised of each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from service import __version__
from service.documents import examples
from service.documents.json_schemas import KEY, Schema, components, object_schema
from service.submission.job_events import EVENT_TYPE_PREFIX, EventKind
from service.submission.outcomes import OUTCOME_SOURCE, OUTCOME_TYPE
from service.submission.record_headers import MAX_HEADER_BYTES
from service.submission.records import CANCEL_TYPE

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": MAX_HEADER_BYTES}
_JSON_TYPE: Final = {"const": "application/json"}
_VERSION: Final = {"const": "1.0"}
_USER: Final = _TEXT | {"description": "The submitting user."}
_TRACE: Final = {"type": "string", "description": "W3C trace context."}
_TIME: Final = {"type": "string", "format": "date-time"}

_SUBMISSION_HEADERS: Final[dict[str, Schema]] = {
    "ce_specversion": _VERSION,
    "ce_id": _TEXT | {"description": "With `ce_source` the identity; without it the record's place is."},
    "ce_source": _TEXT | {"description": "Without it `/topics/<topic>`."},
    "ce_type": _TEXT | {"description": f"`{CANCEL_TYPE}` makes it a cancel; any other, or none, a submission."},
    "ce_time": _TIME,
    "content-type": {"type": "string", "description": "`application/json`, or `application/cloudevents+json`."},
    "dry-run": {"enum": ["true", "false"], "description": "`true`: nothing is created."},
    "ra-user": _USER,
    "correlation-id": _TEXT | {"description": "Comes back on the outcome."},
    "reply-topic": _TEXT | {"description": "Where else the outcome goes, if `TOPICS_REPLY_ALLOWED` names it."},
    "reply-partition": {"type": "string", "pattern": "^[0-9]+$"},
    "traceparent": _TRACE,
    "signature": {"type": "string", "description": "By a key that is known, where records have to be signed."},
}
_OUTCOME_HEADERS: Final[dict[str, Schema]] = {
    "status": {"type": "string", "pattern": "^[245][0-9]{2}$", "description": "The HTTP status."},
    "ce_specversion": _VERSION,
    "ce_id": {"type": "string", "description": "The record's key."},
    "ce_source": {"const": OUTCOME_SOURCE},
    "ce_type": {"const": OUTCOME_TYPE},
    "ce_time": _TIME,
    "content-type": _JSON_TYPE,
    "submission-source": {"type": "string"},
    "submission-id": {"type": "string"},
    "submission-key": KEY | {"description": "In the place of these two, of one cancelled before it came."},
    "project": {"type": "string"},
    "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the request."},
    "correlation-id": {"type": "string"},
    "ra-user": _USER,
    "traceparent": _TRACE,
    "warnings": {"type": "string", "description": "One a line."},
}
_EVENT_HEADERS: Final[dict[str, Schema]] = {
    "ce_specversion": _VERSION,
    "ce_id": {"type": "string", "description": "`<job uid>/<sequence>`: equal ids are one event."},
    "ce_source": {"type": "string"},
    "ce_type": {"enum": [EVENT_TYPE_PREFIX + kind for kind in EventKind]},
    "ce_subject": {"type": "string", "description": "`<project>/<name>`"},
    "ce_time": _TIME,
    "ce_sequence": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "Counts from 1."},
    "content-type": _JSON_TYPE,
    "ra-user": _USER,
    "traceparent": _TRACE,
}
_INT: Final = {"description": "Four bytes, big-endian."}
_LETTER_HEADERS: Final[dict[str, Schema]] = {
    "kafka_dlt-original-topic": {"type": "string"},
    "kafka_dlt-original-partition": _INT,
    "kafka_dlt-original-offset": {"description": "Eight bytes, big-endian."},
    "kafka_dlt-original-timestamp": {"description": "Eight bytes, big-endian."},
    "kafka_dlt-exception-fqcn": {"type": "string", "description": "The class of the error."},
    "kafka_dlt-exception-message": {"type": "string"},
    "kafka_deliveryAttempt": _INT | {"description": "How often it was tried, four bytes, big-endian."},
}

_KEY: Final = {"type": "string", "description": "Key of the submission, `<key>.<fingerprint>` for an answer beside it."}
_ANY_KEY: Final = {"description": "Any; the submission's key saves a hop."}
_SAME_KEY: Final = {"description": "The record's own."}


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic: its name unless a setting says otherwise, what a client does with it, and what is promised."""

    address: str
    action: str
    promise: str


@dataclass(frozen=True, slots=True)
class _Message:
    """A record: its topic, the schema of its value (None for any bytes), its key, and those headers it always has."""

    topic: str
    summary: str
    value: str | None
    headers: Mapping[str, Schema]
    key: Schema
    required: Collection[str] = ()


_TOPICS: Final = {
    "submissions": _Topic(
        "job-submissions",
        "send",
        "Any producer may write here. A record gets exactly one outcome, and each identity at most one Job, however "
        "often it is sent. Names of headers are matched as people write them: `ce_id`, `ce-id`, `CE_ID` are one.",
    ),
    "outcomes": _Topic(
        "job-outcomes",
        "receive",
        "One outcome for each submission, in its partition, compacted, kept for the duplicate window. The first "
        "outcome of an id is never displaced by another. A null value is a deletion.",
    ),
    "deadLetters": _Topic(
        "job-submissions-dead-letters",
        "receive",
        "Records whose identity cannot be read and records that crashed the handler, byte for byte. Each has an "
        "outcome besides.",
    ),
    "jobEvents": _Topic(
        "job-events",
        "receive",
        "Every transition of every Job, in order for each job, at least once; one terminal event for each Job. "
        "Compacted: the last state stays until the job's history ends with a null value.",
    ),
}

_MESSAGES: Final = {
    "submission": _Message("submissions", "A submission.", "Submission", _SUBMISSION_HEADERS, _ANY_KEY),
    "cancel": _Message(
        "submissions",
        "A cancel.",
        "Cancel",
        _SUBMISSION_HEADERS | {"ce_type": {"const": CANCEL_TYPE}},
        _ANY_KEY,
        {"ce_type"},
    ),
    "outcome": _Message(
        "outcomes",
        "What became of a submission or a cancel.",
        "Outcome",
        _OUTCOME_HEADERS,
        _KEY,
        {"status", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "fingerprint"},
    ),
    "deadLetter": _Message(
        "deadLetters",
        "A record that was set aside; its own headers come first.",
        None,
        _LETTER_HEADERS,
        _SAME_KEY,
        _LETTER_HEADERS,
    ),
    "jobEvent": _Message(
        "jobEvents",
        "The state of a job after a transition.",
        "JobState",
        _EVENT_HEADERS,
        KEY,
        _EVENT_HEADERS.keys() - {"ra-user", "traceparent"},
    ),
}

_EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "submission": {"headers": {"ce_id": "run-42", "ce_source": "/my/scheduler"}, "payload": examples.SUBMISSION},
    "cancel": {"headers": {"ce_type": CANCEL_TYPE}, "payload": {"cancel": {"project": "team-a", "name": "train"}}},
    "outcome": {"headers": {"status": "200", "correlation-id": "run-42"}, "payload": examples.CREATED},
    "jobEvent": {"headers": {"ce_type": EVENT_TYPE_PREFIX + "running"}, "payload": examples.JOB_STATE},
}


@cache
def asyncapi() -> dict[str, Any]:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "job-submission",
            "version": __version__,
            "description": "The topics of the service. Their names are settings, `TOPICS_*`.",
            "license": {"name": "Apache 2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            channel: {
                "address": topic.address,
                "description": topic.promise,
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name, message in _MESSAGES.items()
                    if message.topic == channel
                },
            }
            for channel, topic in _TOPICS.items()
        },
        "operations": {
            f"{topic.action}{channel[0].upper()}{channel[1:]}": {
                "action": topic.action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "summary": f"What a client does with the topic {topic.address}.",
            }
            for channel, topic in _TOPICS.items()
        },
        "components": {
            "messages": {name: _message(name) for name in _MESSAGES},
            "schemas": components("#/components/schemas/{model}"),
        },
    }


def _message(name: str) -> dict[str, Any]:
    message = _MESSAGES[name]
    optional = [header for header in message.headers if header not in message.required]
    written: dict[str, Any] = {
        "name": name,
        "summary": message.summary,
        "headers": object_schema("Headers, as UTF-8 text.", message.headers, *optional, closed=False),
        "payload": (
            {"$ref": f"#/components/schemas/{message.value}"} if message.value else {"description": "Any bytes."}
        ),
        "bindings": {"kafka": {"key": message.key}},
    }
    return written | ({"examples": [_EXAMPLES[name]]} if name in _EXAMPLES else {})
