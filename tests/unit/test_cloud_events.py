"""CloudEvents in structured mode: an event is the same submission as in binary mode, whoever wrote it."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Fault
from service.submission.identity import SubmissionId, fingerprint, record_id
from service.submission.records import Record, Submission, read_submission

BODY: dict[str, Any] = {"job": {"project": "team-a", "image": "i", "gpu": 0.5, "arguments": ["ü", "1"]}}
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "7", "source": "/s", "type": "t", "data": BODY}
MEDIA_TYPE = "application/cloudevents+json"
NO_OBJECT = 'The body must be a JSON object such as {"job": {"project": "team-a", "image": "python"}}'
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def record(value: bytes, *headers: tuple[str, bytes], media_type: str = MEDIA_TYPE) -> Record:
    return Record("t", 0, 1, 2000, None, value, (("content-type", media_type.encode()), *headers))


def read(event: dict[str, Any], *headers: tuple[str, bytes]) -> Submission:
    return read_submission(record(orjson.dumps(event), *headers))


def expected(**changes: Any) -> Submission:
    given = {
        "id": SubmissionId("/s", "7"),
        "has_own_id": True,
        "body": orjson.dumps(BODY),
        "received": 2.0,
        "content_type": MEDIA_TYPE,
    }
    return Submission(**{**given, **changes})


def unreadable(value: bytes, reason: str) -> Submission:
    return expected(id=record_id("t", 0, 1, 2000), has_own_id=False, body=value, identity_fault=reason)


@pytest.mark.parametrize(
    "media_type", [MEDIA_TYPE, "application/CloudEvents+JSON", "application/cloudevents+json; charset=utf-8"]
)
def test_the_data_is_the_body_and_the_attributes_are_the_identity(media_type: str):
    found = read_submission(record(orjson.dumps(EVENT), media_type=media_type))
    assert found == expected(content_type=media_type)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"traceparent": TRACE}, {"traceparent": TRACE}),
        ({"traceparent": 7}, {}),
        ({"datacontenttype": "application/json; charset=utf-8", "pubsubname": "p", "traceid": "x"}, {}),
        ({"source": None}, {"id": SubmissionId("/topics/t", "7")}),
        ({"id": None}, {"id": record_id("t", 0, 1, 2000), "has_own_id": False}),
        (
            {"specversion": "0.3"},
            {
                "header_faults": (
                    Fault("event.specversion", 'must be "1.0", the version of CloudEvents that is understood'),
                )
            },
        ),
        (
            {"datacontenttype": "text/plain"},
            {"header_faults": (Fault("event.datacontenttype", "must be application/json, or left out"),)},
        ),
        ({"data": "text"}, {"body": b'"text"'}),
    ],
)
def test_what_an_event_says(changes: dict[str, Any], seen: dict[str, Any]):
    assert read({**EVENT, **changes}) == expected(**seen)


def test_headers_count_beside_the_event():
    found = read(EVENT, ("ra-user", b"john"), ("Correlation-ID", b"c"), ("traceparent", TRACE.encode()))
    assert found == expected(user="john", correlation_id="c", traceparent=TRACE)


def test_data_in_base64_is_the_body_byte_for_byte():
    event = {key: value for key, value in EVENT.items() if key != "data"}
    body = b' {"job": {}} '
    assert read({**event, "data_base64": base64.b64encode(body).decode()}) == expected(body=body)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, Fault("event.data", 'is missing: it is the request body, {"job": {...}}')),
        ({"data_base64": "?"}, Fault("event.data_base64", "must be a string of base64 (RFC 4648)")),
        ({"data_base64": 7}, Fault("event.data_base64", "must be a string of base64 (RFC 4648)")),
        ({"data_base64": "ü"}, Fault("event.data_base64", "must be a string of base64 (RFC 4648)")),
        (
            {"data_base64": "e30=", "data": {}},
            Fault("event.data", "must not be there beside data_base64; give one of the two"),
        ),
    ],
)
def test_data_that_cannot_be_had_is_a_fault(changes: dict[str, Any], fault: Fault):
    event = {key: value for key, value in EVENT.items() if key != "data"}
    assert read({**event, **changes}) == expected(body=b"", header_faults=(fault,))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "the event cannot be read: The body is empty"),
        (b"[]", f"the event cannot be read: {NO_OBJECT}"),
        (b'{"id": "7", "id": "8"}', "the event cannot be read: id: is given more than once; give it once"),
        (b'{"id": 7}', "the event's id must be a string"),
        (b'{"id": ""}', "the event's id must be of 1 to 1024 bytes, not 0"),
        (b'{"id": "a\\nb"}', "the event's id must not contain control characters"),
        (orjson.dumps({"id": "7", "source": "s" * 4097}), "the event's source must be of 1 to 4096 bytes, not 4097"),
    ],
)
def test_an_event_whose_identity_cannot_be_read(value: bytes, reason: str):
    assert read_submission(record(value)) == unreadable(value, reason)


@pytest.mark.parametrize(
    ("header", "several"),
    [
        ("ce-id", "the record has several ids: ce_id, Idempotency-Key and the event's id must be the same"),
        ("CE_SOURCE", "the record has several sources: ce_source and the event's source must be the same"),
    ],
)
def test_an_event_and_its_headers_must_name_one_identity(header: str, several: str):
    same = EVENT["id" if header == "ce-id" else "source"].encode()
    assert read(EVENT, (header, same)) == expected()
    found = read(EVENT, (header, b"other"))
    assert (found.id, found.identity_fault) == (record_id("t", 0, 1, 2000), several)


def test_an_event_above_the_limit_is_not_opened():
    value = orjson.dumps(EVENT)
    assert read_submission(record(value), len(value)) == expected()
    found = read_submission(record(value), len(value) - 1)
    excess = f"the body is larger than {len(value) - 1} bytes"
    assert found == expected(id=record_id("t", 0, 1, 2000), has_own_id=False, body=value, excess=excess)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), JSON, max_size=5))
def test_both_modes_give_a_document_the_same_fingerprint(document: dict[str, Any]):
    structured = read({**EVENT, "data": document})
    assert fingerprint(structured.body) == fingerprint(orjson.dumps(document))


@given(
    st.binary()
    | JSON.map(orjson.dumps)
    | st.dictionaries(st.sampled_from([*EVENT, "data_base64"]), JSON).map(orjson.dumps)
)
def test_any_value_of_this_media_type_is_a_submission(value: bytes):
    found = read_submission(record(value))
    assert found.has_own_id or found.id == record_id("t", 0, 1, 2000)
