"""The JSON Schemas say what the models do."""

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from service.documents.json_schemas import schemas
from service.submission import rejections
from service.submission.job_events import job_event_document
from service.validation import PARAMETERS
from tests.unit.job_events import job_event
from tests.unit.running_ingress import running
from tests.unit.validation_cases import ACCEPTED, BASE, FAULTY


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schemas()[f"/schemas/{name}.json"], format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("path", schemas())
def test_each_is_a_schema_whole_in_itself(path: str):
    schema = schemas()[path]
    Draft202012Validator.check_schema(schema)
    referred = set(orjson.dumps(schema).decode().split('"$ref":"#/$defs/')[1:])
    assert {each.partition('"')[0] for each in referred} == set(schema.get("$defs", ()))


def test_a_submission_has_every_parameter():
    assert list(schemas()["/schemas/submission.json"]["$defs"]["Job"]["properties"]) == list(PARAMETERS)


@pytest.mark.parametrize("job", [job for cases in ACCEPTED.values() for job, _ in cases])
def test_what_is_accepted_fits_the_schema(job: dict[str, Any]):
    letter_case = {  # the schema has the words of a closed set as they are documented, for programs to offer
        word.lower(): word
        for name in ("imagePullPolicy", "serviceType")
        for word in schemas()["/schemas/submission.json"]["$defs"]["Job"]["properties"][name]["enum"]
    }
    spelt = {
        name: letter_case.get(value.lower(), value) if isinstance(value, str) else value for name, value in job.items()
    }
    assert list(validator("submission").iter_errors({"job": BASE | spelt})) == []


@pytest.mark.parametrize("parameter", FAULTY)
def test_of_every_parameter_the_schema_refuses_something(parameter: str):
    refused = [job for job, _ in FAULTY[parameter] if not validator("submission").is_valid({"job": BASE | job})]
    assert refused != []


def test_the_schema_knows_the_names_of_parameters_labels_and_variables():
    assert not validator("submission").is_valid({"job": BASE | {"imagee": "x"}})
    assert not validator("submission").is_valid({"job": BASE, "imagee": "x"})
    assert not validator("submission").is_valid({"job": BASE | {"labels": {"a b": "x"}}})
    assert not validator("submission").is_valid({"job": BASE | {"environment": {"A B": "x"}}})


def test_a_rejection_fits_its_schema():
    assert list(validator("rejection").iter_errors(rejections.cancelled().body())) == []
    assert list(validator("rejection").iter_errors(rejections.too_old().body() | {"reason": "Unheard"})) != []


def test_an_event_fits_its_schema():
    event = job_event(1)
    document = orjson.loads(job_event_document(event, event.state.value()))
    assert list(validator("job-event").iter_errors(document)) == []
    assert list(validator("job-state").iter_errors(document["data"])) == []


async def test_they_are_served_to_everybody():
    async with running() as ingress:
        for path, schema in schemas().items():
            answer = await ingress.get(path, "RA-USER: ")
            assert (answer.status, answer.body) == (200, schema)
