"""The AsyncAPI document: valid, with every topic and header, and what is written to the topics fits it."""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service.cluster.job_deletion import JobOwner
from service.documents.asyncapi import asyncapi
from service.documents.examples import KEY
from service.settings import TopicSettings
from service.submission.dead_letters import dead_letter_record
from service.submission.identity import SubmissionId
from service.submission.job_events import job_event_record
from service.submission.outcomes import Outcome, outcome_record
from service.submission.record_headers import READ
from service.submission.records import Record
from tests.unit.job_events import job_event

SPECIFICATION = Path(__file__).parent / "vendored" / "asyncapi-3.0.0.json.gz"
MESSAGES = asyncapi()["components"]["messages"]


def fits(schema: Any, said: Any) -> bool:
    whole = {"allOf": [schema], "components": asyncapi()["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(said)


def test_it_is_valid():
    specification = json.loads(gzip.decompress(SPECIFICATION.read_bytes()))
    assert [error.message for error in jsonschema.Draft7Validator(specification).iter_errors(asyncapi())] == []


def test_every_topic_is_there_by_its_name():
    topics = TopicSettings()
    assert [channel["address"] for channel in asyncapi()["channels"].values()] == [
        topics.submissions,
        topics.outcomes,
        topics.dead_letters,
        topics.job_events,
    ]


def test_every_header_of_a_submission_that_means_something_is_there():
    told = MESSAGES["submission"]["headers"]["properties"]
    assert set(READ) - set(told) == {"idempotency-key"}, "which stands for ce_id where HTTP frameworks produce"
    assert set(told) - set(READ) == {"ce_time"}


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if "examples" in message])
def test_the_example_of_a_message_fits(name: str):
    message, (example,) = MESSAGES[name], MESSAGES[name]["examples"]
    assert fits(message["payload"], example["payload"])
    properties = message["headers"]["properties"]
    assert all(fits(properties[header], value) for header, value in example["headers"].items())


@pytest.mark.parametrize("owner", [JobOwner(KEY), JobOwner(KEY, 1)])
def test_the_note_of_a_cancel_by_name_fits(owner: JobOwner):
    said = {name: value for name, value in owner._asdict().items() if value is not None}
    assert fits(MESSAGES["outcome"]["payload"], said)


def test_what_the_service_writes_has_no_header_that_is_not_told():
    event = job_event_record(job_event(1), "job-events", 0)
    outcome = outcome_record(
        Outcome(SubmissionId("a", "b"), 200, {"name": "x"}, "0" * 64, "john", "c", "t", ("w",), project="p"),
        "o",
        0,
        1.0,
    )
    letter = dead_letter_record(Record("s", 0, 0, 0, None, None, ()), "Error", "why", "d", 1)
    for name, record in (("jobEvent", event), ("outcome", outcome), ("deadLetter", letter)):
        schema = MESSAGES[name]["headers"]
        written = dict(record.headers)
        assert written.keys() <= schema["properties"].keys()
        assert written.keys() >= set(schema["required"])
