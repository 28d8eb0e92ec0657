"""The OpenAPI document: valid, and with every route, parameter, status, header, reason and example."""

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from service.api.job_query import FILTERS, PAGED
from service.documents.examples import OF_REASONS
from service.documents.openapi import DOCUMENTS, OPERATIONS, documents, openapi
from service.spec.log_request import LogRequest
from service.submission.rejection import REJECTIONS
from tests.unit.running_ingress import running

OF_ELSEWHERE = {"UnknownPath", "MethodNotAllowed"}
"""Refusals of what is no operation."""

EVERY = [
    pytest.param(operation, id=operation["operationId"])
    for path in openapi()["paths"].values()
    for operation in path.values()
]


def resolved(part: Any) -> Any:
    """What a part of the document says, whether or not it stands elsewhere."""
    while "$ref" in part:
        found: Any = openapi()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def against(schema: Any) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"allOf": [schema], "components": openapi()["components"]})


def parameters(operation: str) -> dict[str, list[str]]:
    """The names of an operation's parameters, by where they stand."""
    (found,) = (each.values[0] for each in EVERY if each.id == operation)
    places: dict[str, list[str]] = {}
    for parameter in found["parameters"]:
        places.setdefault(parameter["in"], []).append(parameter["name"])
    return places


def test_it_is_valid():
    validate(openapi())


async def test_its_operations_are_the_routes():
    async with running() as ingress:
        routes = {(route.method, route.path, route.needs) for route in ingress.ingress.routes}
    written = {(each.method, path, each.needs) for each in OPERATIONS for path in each.paths}
    assert written == routes
    assert {(path, method.upper()) for path, item in openapi()["paths"].items() for method in item} == {
        (path, method) for method, path, _ in routes
    }


async def test_its_documents_are_those_that_are_served():
    assert [path for operation in DOCUMENTS for path in operation.paths] == list(documents())
    async with running() as ingress:
        for path, document in documents().items():
            answer = await ingress.get(path, "RA-USER: ")
            assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, document, "application/json")


@pytest.mark.parametrize("operation", EVERY)
def test_every_operation_says_who_may_and_has_a_sentence_an_answer_and_its_refusals(operation: Any):
    statuses = set(operation["responses"])
    assert operation["summary"]
    assert {"400", "414", "417", "431", "500"} <= statuses
    assert (operation["security"] == []) == ("401" not in statuses)
    assert operation["security"] == [] or {"401", "403", "429", "503"} <= statuses
    assert "200" in statuses
    for status, response in operation["responses"].items():
        headers = set(response.get("headers", ()))
        assert response["description"]
        assert status not in ("429", "503") or "Retry-After" in headers or not operation["security"]
        assert ("WWW-Authenticate" in headers) == (status == "401")
        assert status != "202" or "Retry-After" in headers or operation["operationId"].startswith("deleteJobs")


@pytest.mark.parametrize("operation", EVERY)
def test_every_example_fits_its_schema_and_there_is_one_of_every_body(operation: Any):
    contents = [operation["requestBody"]] if "requestBody" in operation else []
    for content in [*contents, *operation["responses"].values()]:
        for media in content["content"].values():
            assert media["examples"]
            for example in media["examples"].values():
                assert list(against(media["schema"]).iter_errors(example["value"])) == []
    for parameter in operation.get("parameters", ()):
        assert parameter["description"].endswith(".")
        if "example" in parameter:
            assert against(parameter["schema"]).is_valid(parameter["example"])


def test_every_reason_has_an_example_of_its_status_and_an_operation_that_is_refused_with_it():
    assert {reason: each.status for reason, each in OF_REASONS.items()} == {
        reason: constructor.status for reason, constructor in REJECTIONS.items()
    }
    refused = {
        name
        for each in EVERY
        for response in each.values[0]["responses"].values()
        for name in response["content"].get("application/json", {"examples": {}})["examples"]
    }
    assert refused >= set(REJECTIONS) - OF_ELSEWHERE


def test_the_parameters_are_those_that_are_read():
    assert parameters("listJobs") == {"query": list(PAGED)}
    assert parameters("followEvents") == {"query": [*FILTERS, "after"], "header": ["Last-Event-ID"]}
    every_word = LogRequest(True, False, True, 1, 1, "p", "c").query().keys() | {"previous"}
    assert set(parameters("readLogs")["query"]) == every_word
    assert parameters("submitJob") == {"query": ["dryRun"], "header": ["Idempotency-Key", "Prefer", "traceparent"]}
