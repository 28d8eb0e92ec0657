"""The HTTP API as an OpenAPI 3.1 document, made from the operations that the route table is made from."""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby
from typing import Any, Final

from service import __version__
from service.documents import examples, more_operations, operations
from service.documents.asyncapi import asyncapi
from service.documents.http_schemas import http_schemas
from service.documents.json_schemas import components, schemas
from service.documents.operation import JSON, Answer, Operation, ref
from service.submission import rejections
from service.submission.rejection import Constructor
from service.submission.rejections import RETRIABLE

PATH: Final = "/openapi.json"
ASYNCAPI_PATH: Final = "/asyncapi.json"

_DESCRIPTION: Final = """Hands training jobs to a GPU cluster and gives their names back: once, surely.

Every error has one shape, `Rejection`; `reason` is its word for programs. Every path under `/api/` is there under
`/researcher` too, and every GET as HEAD. Bodies are strict JSON. Numbers that are settings (how large a body may be,
how long a POST waits) are in docs/settings.md."""

_EVERYWHERE: Final = (
    rejections.malformed_request,
    rejections.path_too_long,
    rejections.expectation_failed,
    rejections.headers_too_large,
    rejections.internal_error,
)
"""Refusals of any request."""

_WITH_CREDENTIALS: Final = (
    rejections.invalid_parameters,
    rejections.unauthorized,
    rejections.forbidden,  # a token and the RA-USER of somebody else
    rejections.too_many_requests,
    rejections.credentials_unreadable,
    rejections.access_unknown,
)
"""Refusals of any request that needs credentials."""

_HEADERS: Final = {
    "Location": ("Where the outcome will be.", {"type": "string"}),
    "Retry-After": ("In how many seconds to ask again.", {"type": "string", "pattern": "^[0-9]+$"}),
    "Warning": ("299, and what the API server warned of; several lines.", {"type": "string"}),
    "Last-Event-ID": ("A position in the events of jobs.", {"type": "string"}),
    "WWW-Authenticate": ("The credentials that are missing.", {"type": "string"}),
    "Connection": ("`close` where the body was not read.", {"type": "string"}),
}
_TAGS: Final = {
    "submissions": "A job on its way: submitted, and what became of it.",
    "cancels": "Taken back: whatever has become of it, no Job is left.",
    "jobs": "What has become of jobs.",
    "old API": "As the editions of Run:AI's researcher API had it.",
    "service": "The service itself.",
}

DOCUMENTS: Final = tuple(
    more_operations.document(path, what)
    for path, what in (
        (PATH, "This document"),
        (ASYNCAPI_PATH, "The topics, as an AsyncAPI document"),
        *((path, f"The JSON Schema `{path.rpartition('/')[2].removesuffix('.json')}`") for path in schemas()),
    )
)
"""The operations that read documents."""

OPERATIONS: Final = (*operations.OPERATIONS, *more_operations.OPERATIONS, *DOCUMENTS)
"""All operations."""


@cache
def openapi() -> dict[str, Any]:
    """Return the document."""
    known = components("#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for number, path in enumerate(operation.paths, 1):
            name = operation.id if number == 1 else f"{operation.id}{number}"
            paths.setdefault(path, {})[operation.method.lower()] = _written(operation, name)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "job-submission",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": what} for name, what in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": known | http_schemas(known["JobState"]),
            "headers": {name: {"description": what, "schema": schema} for name, (what, schema) in _HEADERS.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where users are verified: a token of the list, of the issuer or of the cluster.",
                },
                "user": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "RA-USER",
                    "description": "Where they are not (`HTTP_AUTHENTICATION=none`): the name of the user.",
                },
            },
        },
    }


def _written(operation: Operation, name: str) -> dict[str, Any]:
    written: dict[str, Any] = {"operationId": name, "tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        written["description"] = operation.description
    if operation.parameters:
        written["parameters"] = list(operation.parameters)
    if operation.body is not None:
        written["requestBody"] = {"required": operation.body_required, "content": operation.body}
    written["security"] = [] if operation.is_public else [{"token": []}, {"user": []}]
    written["responses"] = _answers(operation)
    return written


def _answers(operation: Operation) -> dict[str, Any]:
    answers = {str(answer.status): _answer(answer) for answer in operation.answers}
    refused = (*operation.refusals, *(() if operation.is_public else _WITH_CREDENTIALS), *_EVERYWHERE)
    by_status = sorted(dict.fromkeys(refused), key=lambda constructor: constructor.status)
    for status, constructors in groupby(by_status, key=lambda constructor: constructor.status):
        found = _refusal(status, list(constructors))
        answers[str(status)] = _either(answers[str(status)], found) if str(status) in answers else found
    return answers


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "description": answer.description,
        **_header_refs(answer.headers),
        "content": {
            answer.media_type: {
                "schema": dict(answer.schema),
                "examples": {name: {"value": value} for name, value in answer.examples.items()},
            }
        },
    }


def _refusal(status: int, constructors: list[Constructor[...]]) -> dict[str, Any]:
    headers = ["Connection"]
    if status in RETRIABLE:
        headers.append("Retry-After")
    if status == rejections.unauthorized.status:
        headers.append("WWW-Authenticate")
    reasons = [constructor.reason for constructor in constructors]
    return {
        "description": "\n\n".join(f"`{each.reason}`: {each.meaning}" for each in constructors),
        **_header_refs(headers),
        "content": {
            JSON: {
                "schema": {
                    "allOf": [
                        ref("Rejection"),
                        {"properties": {"status": {"const": status}, "reason": {"enum": reasons}}},
                    ]
                },
                "examples": {reason: {"value": examples.OF_REASONS[reason].body()} for reason in reasons},
            }
        },
    }


def _either(answer: Mapping[str, Any], refusal: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer that is one of two of the same status."""
    one, other = answer["content"][JSON], refusal["content"][JSON]
    return {
        "description": f"{answer['description']}\n\n{refusal['description']}",
        "headers": refusal["headers"],
        "content": {
            JSON: {
                "schema": {"anyOf": [one["schema"], other["schema"]]},
                "examples": {**one["examples"], **other["examples"]},
            }
        },
    }


def _header_refs(names: Iterable[str]) -> dict[str, Any]:
    found = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": found} if found else {}


def documents() -> dict[str, Mapping[str, Any]]:
    """Return every document by the path of its operation."""
    return {PATH: openapi(), ASYNCAPI_PATH: asyncapi(), **schemas()}
